import { PassThrough, Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Daemon } from '../../src/daemon/daemon.ts'
import { residentMegabytes, startCinchd } from '../support/cinchd.ts'
import type { Json } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryProject } from '../support/project.ts'

const request = (id: Json, method: string, params: object = {}) =>
  `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`
const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r'
const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

/** A client on plain streams, so that nothing but the daemon decides what comes first. */
function plainClient(daemon: Daemon) {
  const input = new PassThrough()
  const ids: Json[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let rest = ''
  const output = new Writable({
    write(chunk, _, done) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) ids.push(JSON.parse(line).id)
      for (const { count, resolve } of waiting) if (ids.length >= count) resolve()
      done()
    },
  })
  const session = daemon.serveStdio(input, output)
  return {
    input,
    session,
    /** Of its answers, in their order. */
    ids,
    async answered(count: number): Promise<void> {
      if (ids.length < count) await new Promise<void>((resolve) => waiting.push({ count, resolve }))
    },
  }
}

describe('a client that sends without end', () => {
  const slice = 128

  test.each(['ping', 'project.info'])('is answered in slices of %s, and another one between them', async (method) => {
    const { daemon } = await startDaemon()
    const [first, second] = [plainClient(daemon), plainClient(daemon)]
    const all = numbers(5_000)
    first.input.write(all.map((id) => request(id, method)).join(''))
    second.input.write(request('second', 'ping'))
    await second.answered(1)
    expect(first.ids.length).toBeGreaterThan(0)
    expect(first.ids.length).toBeLessThanOrEqual(slice)
    for (let turn = 0; turn < 5; turn++) {
      const before = first.ids.length
      await new Promise(setImmediate)
      expect(first.ids.length - before).toBeLessThanOrEqual(slice)
    }
    await first.answered(all.length)
    expect(first.ids).toEqual(all)
  })

  test('and then ends its input, has everything answered', async () => {
    const { daemon } = await startDaemon()
    const client = plainClient(daemon)
    const all = numbers(2_000)
    client.input.end(
      all
        .map((id) => request(id, 'ping'))
        .join('')
        .trimEnd(),
    )
    await client.session.ended
    expect(client.ids).toEqual(all)
  })

  test('with headers is answered in order', async () => {
    const { connect } = await startDaemon()
    const client = await connect('headers')
    const all = numbers(2_000)
    const answers = all.map((id) => client.answerTo(id))
    const framed = all.map((id) => request(id, 'ping')).map((text) => `Content-Length: ${text.length}\r\n\r\n${text}`)
    client.write(framed.join(''))
    await Promise.all(answers)
    expect(client.order).toEqual(all)
  })

  test('of broken messages is told of each, between those of others', async () => {
    const { daemon } = await startDaemon()
    const [first, second] = [plainClient(daemon), plainClient(daemon)]
    first.input.write('{broken}\n'.repeat(2_000))
    second.input.write(request('second', 'ping'))
    await second.answered(1)
    expect(first.ids.length).toBeLessThanOrEqual(slice)
    await first.answered(2_000)
  })

  test('and does not read, leaves the others their turn', async () => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const [flood, other] = [await cinchd.connect(), await cinchd.connect()]
    const count = 50_000
    flood.input.pause()
    const reads = numbers(count).map((id) => request(id, 'query.run', { sql: 'select ?', params: [id] }))
    flood.write(reads.join(''))
    const callsOf = async () => (await other.call('project.stats')).requests['query.run']?.calls ?? 0
    let answers = 0
    while ((await callsOf()) < count) answers++
    // Without slices there are about five.
    expect(answers).toBeGreaterThan(50)
    const rest = numbers(count).map((id) => flood.answerTo(id))
    flood.input.resume()
    await Promise.all(rest)
    expect(flood.order).toEqual(numbers(count))
  })
})

describe('what is in flight', () => {
  const columns = [{ name: 'a', type: 'TEXT' }]
  const insert = (id: Json) => request(id, 'row.insert', { table: 't', rows: [{ a: 'x' }] })

  test('is no more than the limit; the rest waits to be read, and is answered in the end', async () => {
    const { daemon, client } = await startDaemon({ config: { limits: { maxInFlight: 5 } } })
    await client.call('table.create', { name: 't', columns })
    const plain = plainClient(daemon)
    let inFlight = 0
    // Asked after the session has taken what it takes of the chunk.
    plain.input.on('data', () => {
      inFlight = plain.session.unanswered
    })
    plain.input.write(numbers(100).map(insert).join(''))
    await plain.answered(100)
    expect(inFlight).toBe(5)
    expect(plain.ids).toEqual(numbers(100))
    expect(await client.call('row.count', { table: 't' })).toEqual({ count: 100 })
  })

  test('may wait for an edit, and what was not read is carried out behind it', async () => {
    const { client } = await startDaemon({ config: { limits: { maxInFlight: 5 } } })
    const edit = client.request('table.create', { name: 't', columns })
    const answers = await Promise.all(numbers(20).map(() => client.request('row.count', { table: 't' })))
    expect((await edit).error).toBeUndefined()
    expect(answers.map(({ result }) => result?.count)).toEqual(Array(20).fill(0))
  })

  test('of one is one at a time', async () => {
    const { client } = await startDaemon({ config: { limits: { maxInFlight: 1 } } })
    await client.call('table.create', { name: 't', columns })
    const ids = numbers(20)
    const answers = ids.map((id) => client.answerTo(id))
    client.write(ids.map(insert).join(''))
    expect((await Promise.all(answers)).filter(({ error }) => error)).toEqual([])
    expect(client.order.slice(1)).toEqual(ids)
  })

  test('and more is no obstacle to a cancellation, of what runs, waits, or has not been taken up', async () => {
    const { client, connect } = await startDaemon({ config: { limits: { maxInFlight: 3 } } })
    const flood = await connect()
    const run = (id: Json) => flood.request('query.run', { sql: endless }, id)
    const running = numbers(3).map(run)
    const behind = ['a', 'b', 'c'].map((id) => flood.request('query.run', { sql: 'select ?', params: [id] }, id))
    // Sent last of all.
    flood.notify('$/cancelRequest', { id: 'b' })
    flood.notify('$/cancelRequest', { id: 'nothing' })
    flood.notify('$/cancelRequest', { id: 1 })
    flood.notify('$/cancelRequest', { id: 2 })
    expect((await behind[1])?.error?.data.kind).toBe('requestCancelled')
    expect((await running[1])?.error?.data.kind).toBe('requestCancelled')
    expect((await running[2])?.error?.data.kind).toBe('requestCancelled')
    expect([(await behind[0])?.result.rows, (await behind[2])?.result.rows]).toEqual([[['a']], [['c']]])
    flood.notify('$/cancelRequest', { id: 0 })
    expect((await running[0])?.error?.data.kind).toBe('requestCancelled')
    expect(flood.order).toEqual(['b', 1, 2, 'a', 'c', 0])
    expect(await client.call('ping')).toEqual({})
  })

  test('and more keeps its order, a last line without its end included', async () => {
    const { daemon, client } = await startDaemon({ config: { limits: { maxInFlight: 2 } } })
    await client.call('table.create', { name: 't', columns })
    const plain = plainClient(daemon)
    plain.input.end(numbers(500).map(insert).join('').trimEnd())
    await plain.session.ended
    expect(plain.ids).toEqual(numbers(500))
    expect(await client.call('row.count', { table: 't' })).toEqual({ count: 500 })
  })

  test('and more than fits is not read, and is carried out in the end', { timeout: 60_000 }, async () => {
    const cinchd = await startCinchd(temporaryProject({ config: { limits: { maxInFlight: 1 } } }))
    const [flood, other] = [await cinchd.connect(), await cinchd.connect()]
    await other.call('ping')
    const before = residentMegabytes(cinchd.pid)
    const first = flood.request('query.run', { sql: endless, timeoutMs: 3_000 })
    const text = 'x'.repeat(100_000)
    const rest = numbers(500).map(() => flood.request('query.run', { sql: 'select length(?)', params: [text] }))
    for (let look = 0; look < 20; look++) expect(await other.call('ping')).toEqual({})
    // 50 MB were sent.
    expect(residentMegabytes(cinchd.pid) - before).toBeLessThan(20)
    expect((await first).error?.data.kind).toBe('timeout')
    for (const { result } of await Promise.all(rest)) expect(result.rows).toEqual([[100_000]])
  })

  test('of a batch is all of it', async () => {
    const { client } = await startDaemon({ config: { limits: { maxInFlight: 5 } } })
    await client.call('table.create', { name: 't', columns })
    client.write(`[${numbers(50).map(insert).join(',').replaceAll('\n', '')}]\n`)
    expect(await client.next()).toHaveLength(50)
    expect(await client.call('row.count', { table: 't' })).toEqual({ count: 50 })
  })
})
