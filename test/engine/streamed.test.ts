import fs from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { residentMegabytes, startCinchd, startStdio } from '../support/cinchd.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryProject } from '../support/project.ts'

const counting = (count: number, more = 'n') =>
  `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${count}) select ${more} from r`
const endless =
  "with recursive r(n) as (select 1 union all select n + 1 from r) select n, printf('%*c', 100, 'x') from r"
const numbers = (count: number) => Array.from({ length: count }, (_, at) => [at + 1])
const framings = ['lines', 'headers'] as const

interface Part {
  readonly token: unknown
  readonly value: { readonly columns?: unknown; readonly rows: unknown[] }
}

/** A streamed result: the answer, and the parts that came before it. */
async function stream(client: RawClient, sql: string, more: object = {}) {
  const before = client.notifications.length
  const answer = await client.call('query.run', { sql, partialResultToken: 't', ...more })
  const parts = client.notifications.slice(before).map(({ params }) => params as Part)
  return { answer, parts, rows: parts.flatMap(({ value }) => value.rows) }
}

describe('a result that is streamed', () => {
  test.each(framings)('comes in parts before its answer, %s', async (framing) => {
    const { connect } = await startDaemon()
    const client = await connect(framing)
    const { answer, parts, rows } = await stream(client, counting(20_000))
    const columns = [{ name: 'n', type: null }]
    expect(answer).toEqual({ columns, rows: [], count: 20_000 })
    expect(rows).toEqual(numbers(20_000))
    expect(parts.length).toBeGreaterThan(10)
    expect(parts.map(({ token }) => token)).toEqual(parts.map(() => 't'))
    expect(parts.map(({ value }) => value.columns)).toEqual(parts.map((_, at) => (at === 0 ? columns : undefined)))
  })

  test('has the rows that an answer would have, whichever lane they come from', async () => {
    const { client } = await startDaemon()
    const values = `select 1 as a, 'ä"\\' as b union all select 9007199254740993, x'00' union all select null, 1e999`
    for (const sql of [values, `select a, b from (${values}) cross join (${counting(300)})`]) {
      for (const rowFormat of ['array', 'object']) {
        const whole = await client.call('query.run', { sql, rowFormat })
        const { answer, rows } = await stream(client, sql, { rowFormat, partialResultToken: 7 })
        expect(rows).toEqual(whole.rows)
        expect([answer.columns, answer.count]).toEqual([whole.columns, whole.rows.length])
      }
    }
    const nothing = await stream(client, 'select 1 as a where false')
    expect([nothing.answer, nothing.parts]).toEqual([{ columns: [{ name: 'a', type: null }], rows: [], count: 0 }, []])
    const twice = { sql: 'select 1 as a, 2 as a', rowFormat: 'object', partialResultToken: 1 }
    expect((await client.refused('query.run', twice)).kind).toBe('invalidValue')
  })

  test('is not bound by the limits of an answer, but by those that its client asks for', async () => {
    const { client } = await startDaemon({ config: { limits: { maxResultRows: 10, maxResultBytes: 5_000 } } })
    expect((await stream(client, counting(3_000))).rows).toEqual(numbers(3_000))
    await client.call('table.create', {
      name: 't',
      columns: ['a', 'b'].map((name) => ({ name, type: 'INTEGER' })),
      systemColumns: false,
    })
    await client.call('index.create', { table: 't', columns: ['a'] })
    await client.call('query.execute', { sql: `insert into t ${counting(3_000, '1, n')}` })
    const byKey = 'select b from t where a = 1 order by b'
    expect((await stream(client, byKey)).rows).toEqual(numbers(3_000))
    const cut = await stream(client, byKey, { maxRows: 2_000 })
    expect([cut.rows, cut.answer.count, cut.answer.truncated]).toEqual([numbers(2_000), 2_000, true])
    const wide = { sql: counting(2, "printf('%*c', 10000, 'x')"), partialResultToken: 1 }
    expect(await client.refused('query.run', wide)).toMatchObject({ kind: 'limitExceeded', limit: 'maxResultBytes' })
  })

  test('says why it has come to no end', async () => {
    const { client } = await startDaemon()
    const sql = counting(50_000, "json_extract(iif(n < 50000, '{}', '{'), '$')")
    const refused = await client.refused('query.run', { sql, partialResultToken: 't' })
    expect(refused).toMatchObject({ kind: 'sqlError', reason: 'malformed JSON' })
    expect(client.notifications.length).toBeGreaterThan(0)
  })
})

describe('a client that does not read', () => {
  test.each(framings)('has no more made than fits in between, %s, and its cancellation is heard', {
    timeout: 60_000,
  }, async (framing) => {
    const cinchd = await startCinchd(temporaryProject())
    const client = await cinchd.connect(framing)
    await client.call('ping')
    const before = residentMegabytes(cinchd.pid)
    client.input.pause()
    const answer = client.request('query.run', { sql: endless, partialResultToken: 1 }, 'x')
    await atRest(cinchd.pid)
    expect(residentMegabytes(cinchd.pid) - before).toBeLessThan(50)
    // Nobody else notices.
    expect(await (await cinchd.connect()).call('ping')).toEqual({})
    client.notify('$/cancelRequest', { id: 'x' })
    await vi.waitFor(() => expect(childrenOf(cinchd.pid)).toEqual([]), { timeout: 5_000 })
    client.input.resume()
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    expect(await client.call('ping')).toEqual({})
  })

  test('has no more made over stdio either', { timeout: 60_000 }, async () => {
    const { cinchd, client } = startStdio(temporaryProject())
    await client.call('ping')
    client.input.pause()
    const answer = client.request('query.run', { sql: endless, partialResultToken: 1 }, 'x')
    await atRest(cinchd.pid)
    client.notify('$/cancelRequest', { id: 'x' })
    await vi.waitFor(() => expect(childrenOf(cinchd.pid)).toEqual([]), { timeout: 5_000 })
    client.input.resume()
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    client.output.end()
    expect(await cinchd.exited).toBe(0)
  })

  test('keeps no state of the file for longer than a statement may take', { timeout: 60_000 }, async () => {
    const { client, daemon } = await startDaemon({ config: { limits: { maxStatementMs: 1_500 } } })
    client.input.pause()
    const answer = client.request('query.run', { sql: endless, partialResultToken: 1 })
    const { processes } = daemon.engine.parts.processLane
    await vi.waitFor(() => expect(processes.busy).toBe(1))
    await vi.waitFor(() => expect(processes.busy).toBe(0), { timeout: 10_000 })
    client.input.resume()
    expect((await answer).error?.data).toMatchObject({ kind: 'timeout', limit: 'maxStatementMs', timeoutMs: 1_500 })
  })

  test('and then goes, leaves no process', async () => {
    const { daemon, connect } = await startDaemon()
    const client = await connect()
    client.input.pause()
    void client.request('query.run', { sql: endless, partialResultToken: 1 }).catch(() => {})
    const { processes } = daemon.engine.parts.processLane
    await vi.waitFor(() => expect(processes.busy).toBe(1))
    client.destroy()
    await vi.waitFor(() => expect(processes.busy).toBe(0))
  })
})

test('a slow client gets 500,000 rows, and the daemon’s memory stays as it is', { timeout: 120_000 }, async () => {
  const count = 500_000
  const cinchd = await startCinchd(temporaryProject())
  const client = await cinchd.connect()
  await stream(client, counting(20_000, "n, printf('%*c', 100, 'x')"))
  const before = residentMegabytes(cinchd.pid)
  let peak = 0
  let bytes = 0
  let rows = 0
  // In place of the client's own reading, which would keep them all.
  client.input.removeAllListeners('data')
  const ended = new Promise<void>((resolve) => {
    let rest = ''
    client.input.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { params, result } = JSON.parse(line)
        if (result) {
          expect(result.count).toBe(count)
          return resolve()
        }
        for (const [n] of params.value.rows) expect(n === ++rows).toBe(true)
      }
      // One chunk after the other, and a pause after each half megabyte.
      bytes += chunk.length
      if (bytes < 512 * 1024) return
      bytes = 0
      peak = Math.max(peak, residentMegabytes(cinchd.pid))
      client.input.pause()
      setTimeout(() => client.input.resume(), 10)
    })
  })
  client.send(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 'x',
      method: 'query.run',
      params: { sql: counting(count, "n, printf('%*c', 100, 'x')"), partialResultToken: 1 },
    }),
  )
  await ended
  expect(rows).toBe(count)
  expect(peak - before).toBeLessThan(50)
})

/** Settles when the processes of a daemon have stopped working, with its statement not through. */
async function atRest(pid: number): Promise<void> {
  await vi.waitFor(() => expect(childrenOf(pid)).toHaveLength(1), { timeout: 10_000 })
  const [child] = childrenOf(pid) as [number]
  let before = -1
  const isAtRest = async () => {
    const ticks = ticksOf(child)
    const worked = ticks - before
    before = ticks
    expect(ticks).toBeGreaterThan(0)
    expect(worked).toBeLessThan(2)
  }
  await vi.waitFor(isAtRest, { timeout: 20_000, interval: 400 })
}

/** Processor time that a process has taken, in the system's ticks, by Linux's /proc. */
function ticksOf(pid: number): number {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

function childrenOf(pid: number): number[] {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}
