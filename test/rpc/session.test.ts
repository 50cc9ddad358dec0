import { PassThrough, Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'

const ping = (id: Json) => ({ jsonrpc: '2.0', id, method: 'ping' })
const pong = (id: Json) => ({ jsonrpc: '2.0', id, result: {} })
const refused = (kind: string, id: Json = null) => ({
  jsonrpc: '2.0',
  id,
  error: expect.objectContaining({ data: expect.objectContaining({ kind }) }),
})

describe('a message that is no request', () => {
  test.each<[string, string, string, Json]>([
    ['broken JSON', '{"id":1,', 'parseError', null],
    ['a number', '1', 'invalidRequest', null],
    ['a text', '"ping"', 'invalidRequest', null],
    ['null', 'null', 'invalidRequest', null],
    ['an empty batch', '[]', 'invalidRequest', null],
    ['an empty object', '{}', 'invalidRequest', null],
    ['no version', '{"id":1,"method":"ping"}', 'invalidRequest', 1],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"ping"}', 'invalidRequest', 1],
    ['a number as its version', '{"jsonrpc":2.0,"id":1,"method":"ping"}', 'invalidRequest', 1],
    ['no method', '{"jsonrpc":"2.0","id":1}', 'invalidRequest', 1],
    ['a method that is no text', '{"jsonrpc":"2.0","id":"x","method":1}', 'invalidRequest', 'x'],
    ['a method that is no text, and no id', '{"jsonrpc":"2.0","method":1}', 'invalidRequest', null],
    ['an object as its id', '{"jsonrpc":"2.0","id":{},"method":"ping"}', 'invalidRequest', null],
    ['a list as its id', '{"jsonrpc":"2.0","id":[1],"method":"ping"}', 'invalidRequest', null],
    ['true as its id', '{"jsonrpc":"2.0","id":true,"method":"ping"}', 'invalidRequest', null],
    ['params that are no object', '{"jsonrpc":"2.0","id":1,"method":"ping","params":1}', 'invalidParams', 1],
    ['params by position', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', 'invalidParams', 1],
    ['params that are null', '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}', 'invalidParams', 1],
    ['an unknown parameter', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1}}', 'invalidParams', 1],
    ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"pin"}', 'methodNotFound', 1],
    ['a method by the name of a property', '{"jsonrpc":"2.0","id":1,"method":"__proto__"}', 'methodNotFound', 1],
  ])('%s is refused, and the next one is answered', async (_, text, kind, id) => {
    for (const framing of ['lines', 'headers'] as const) {
      const { connect } = await startDaemon()
      const client = await connect(framing)
      if (framing === 'lines') client.send('{"jsonrpc":"2.0","id":0,"method":"ping"}')
      else client.send(JSON.stringify(ping(0)))
      expect(await client.next()).toEqual(pong(0))
      client.send(text)
      expect(await client.next()).toEqual(refused(kind, id))
      expect(await client.call('ping')).toEqual({})
    }
  })

  test('a header that is broken is answered, then the connection ends', async () => {
    const { connect } = await startDaemon()
    const client = await connect('headers')
    client.write('Content-Length: many\r\n\r\n{}')
    expect(await client.next()).toEqual(refused('parseError'))
    await client.ended
  })

  test('a message over the limit names the limit, and the next one is answered', async () => {
    for (const framing of ['lines', 'headers'] as const) {
      const { connect } = await startDaemon({ config: { limits: { maxMessageBytes: 1_000 } } })
      const client = await connect(framing)
      client.send(JSON.stringify(ping('x'.repeat(1_000))))
      const { error } = await client.next()
      expect(error.data).toMatchObject({ kind: 'messageTooLarge', limit: 'maxMessageBytes', maxBytes: 1_000 })
      expect(await client.call('ping')).toEqual({})
    }
  })

  test('a name that is nearly right gets a suggestion', async () => {
    const { client } = await startDaemon()
    expect(await client.refused('tabel.create')).toMatchObject({ suggestion: 'table.create' })
    expect(await client.refused('nothing.like.this')).not.toHaveProperty('suggestion')
    expect(await client.refused('x'.repeat(100_000))).toMatchObject({ kind: 'methodNotFound' })
  })
})

test.each<[Json]>([
  [1],
  [-1],
  [1.5],
  [0],
  [9007199254740991],
  ['1'],
  [''],
  ['ä\u0000'],
  [null],
])('id %j comes back as it was sent', async (id) => {
  const { client } = await startDaemon()
  client.send(JSON.stringify(ping(id)))
  expect(await client.next()).toEqual(pong(id))
})

test('notifications are never answered, whatever they say', async () => {
  const { client, logged } = await startDaemon()
  const methods = ['ping', 'nothing', '$/progress', '$/setTrace', '$/logTrace', '$/cancelRequest', '', 'initialized']
  const bodies = [
    undefined,
    null,
    1,
    'a',
    [],
    [1],
    {},
    { id: null },
    { id: {} },
    { token: {}, value: 1 },
    { value: 'on' },
  ]
  for (const method of methods)
    for (const params of bodies) client.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  // Answers to requests that nobody made.
  for (const id of [1, 'a', null, {}, undefined]) {
    client.send(JSON.stringify({ jsonrpc: '2.0', id, result: 1 }))
    client.send(JSON.stringify({ jsonrpc: '2.0', id, error: { code: 1, message: 'a' } }))
    client.send(JSON.stringify({ jsonrpc: '2.0', id, error: null }))
  }
  // Twice, so that what was put off to a later turn has had its turn.
  for (const id of ['x', 'y']) expect(await client.request('ping', {}, id)).toEqual(pong(id))
  expect(client.order).toEqual(['x', 'y'])
  expect(logged.filter(({ msg }) => msg !== 'listening')).toEqual([])
})

describe('a batch', () => {
  const note = { jsonrpc: '2.0', method: 'nothing' }
  const answer = { jsonrpc: '2.0', id: 7, result: 1 }

  test.each<[string, Json[], unknown[]]>([
    ['of requests', [ping(1), ping('a')], [pong(1), pong('a')]],
    ['of one request', [ping(1)], [pong(1)]],
    ['of requests and notifications', [note, ping(1), note], [pong(1)]],
    ['of requests and what is none', [1, ping(1), null, {}], [...Array(3).fill(refused('invalidRequest')), pong(1)]],
    ['of nothing valid', [1, 2], [refused('invalidRequest'), refused('invalidRequest')]],
    ['with a batch inside', [[ping(1)], ping(2)], [refused('invalidRequest'), pong(2)]],
    ['with answers to nothing', [answer, ping(1), answer], [pong(1)]],
    ['with a method that is no text', [{ jsonrpc: '2.0', method: 1 }, ping(1)], [refused('invalidRequest'), pong(1)]],
    ['with a method that is null', [ping(1), { jsonrpc: '2.0', method: null }], [pong(1), refused('invalidRequest')]],
    ['with refusals', [{ ...ping(1), method: 'x' }, ping(2)], [refused('methodNotFound', 1), pong(2)]],
    ['with one id twice', [ping(1), ping(1)], [pong(1), pong(1)]],
  ])('%s is answered with one list', async (_, batch, expected) => {
    const { client } = await startDaemon()
    client.send(JSON.stringify(batch))
    const answers = await client.next()
    expect(answers).toHaveLength(expected.length)
    expect(answers).toEqual(expect.arrayContaining(expected))
    client.send(JSON.stringify(ping('after')))
    expect(await client.next()).toEqual(pong('after'))
  })

  test.each<[string, Json[]]>([
    ['notifications', [note, note]],
    ['answers to nothing', [answer]],
  ])('of %s has no answer', async (_, batch) => {
    const { client } = await startDaemon()
    client.send(JSON.stringify(batch))
    client.send(JSON.stringify(ping('after')))
    expect(await client.next()).toEqual(pong('after'))
  })

  test('that is too large is refused as a whole', async () => {
    const { client } = await startDaemon({ config: { limits: { maxBatch: 3 } } })
    client.send(JSON.stringify([ping(1), ping(2), ping(3), ping(4)]))
    expect((await client.next()).error.data).toMatchObject({ kind: 'limitExceeded', limit: 'maxBatch', max: 3 })
    client.send(JSON.stringify([ping(1), ping(2), ping(3)]))
    expect(await client.next()).toHaveLength(3)
  })

  test('of reads, writes and edits is answered when all of it is done', async () => {
    const { client } = await startDaemon()
    const request = (id: number, method: string, params: Json) => ({ jsonrpc: '2.0', id, method, params })
    const columns = [{ name: 'a', type: 'INTEGER' }]
    client.send(
      JSON.stringify([
        request(1, 'table.create', { name: 't', columns, systemColumns: false }),
        request(2, 'row.insert', { table: 't', rows: [{ a: 1 }] }),
        request(3, 'row.list', { table: 't' }),
        ping(4),
      ]),
    )
    const answers: { id: number; result: { rows?: unknown } }[] = await client.next()
    expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 3, 4])
    expect(answers.find(({ id }) => id === 3)?.result.rows).toEqual([{ a: 1 }])
  })
})

describe('order', () => {
  test('a call sees what earlier calls of its session changed', async () => {
    const { client } = await startDaemon()
    const columns = [{ name: 'a', type: 'INTEGER' }]
    const answers = await Promise.all([
      client.request('table.create', { name: 't', columns, systemColumns: false }),
      client.request('row.insert', { table: 't', rows: [{ a: 1 }] }),
      client.request('column.add', { table: 't', column: { name: 'b', type: 'TEXT', default: 'x' } }),
      client.request('row.insert', { table: 't', rows: [{ a: 2, b: 'y' }] }),
      client.request('row.list', { table: 't', orderBy: ['a'] }),
      client.request('table.drop', { name: 't' }),
      client.request('row.list', { table: 't' }),
    ])
    expect(answers.map(({ error }) => error?.data.kind)).toEqual([...Array(6).fill(undefined), 'tableNotFound'])
    expect(answers[4]?.result.rows).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
    ])
    expect(client.order).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('calls that answer at once are answered in the order they came', async () => {
    const { client } = await startDaemon()
    const ids = Array.from({ length: 500 }, (_, at) => at)
    const answers = await Promise.all(ids.map((id) => client.request(id % 2 ? 'ping' : 'project.info', {}, `r${id}`)))
    expect(answers).toHaveLength(500)
    expect(client.order).toEqual(ids.map((id) => `r${id}`))
  })
})

describe('$/cancelRequest', () => {
  const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }

  test('an edit that waits behind another answers requestCancelled and changes nothing', async () => {
    const { client, connect } = await startDaemon()
    const other = await connect()
    const first = client.request('table.create', table)
    const second = other.request('table.create', { ...table, name: 'u' }, 'second')
    other.notify('$/cancelRequest', { id: 'second' })
    expect((await first).error).toBeUndefined()
    const { error } = await second
    if (error) expect(error.data.kind).toBe('requestCancelled')
    const { tables } = await client.call('table.list')
    expect(tables).toHaveLength(error ? 1 : 2)
  })

  test('of an id that is unknown, answered or of another session does nothing', async () => {
    const { client, connect } = await startDaemon()
    const other = await connect()
    for (const id of [1, 'a', null, {}, [], undefined]) client.notify('$/cancelRequest', { id })
    const created = client.request('table.create', table, 'mine')
    other.notify('$/cancelRequest', { id: 'mine' })
    expect((await created).error).toBeUndefined()
    client.notify('$/cancelRequest', { id: 'mine' })
    expect(await client.call('ping')).toEqual({})
  })
})

describe('writing', () => {
  /** A session on plain streams, so that each write can be seen. */
  async function counted() {
    const { daemon } = await startDaemon()
    const input = new PassThrough()
    const writes: string[] = []
    let wake = () => {}
    const output = new Writable({
      write(chunk, _, done) {
        writes.push(String(chunk))
        done()
        wake()
      },
    })
    const session = daemon.serveStdio(input, output)
    const lines = async (count: number) => {
      while (writes.join('').split('\n').length <= count) await new Promise<void>((resolve) => (wake = resolve))
      return writes
    }
    return { input, output, session, lines }
  }

  test('the answers to what arrives together leave together', async () => {
    const { input, lines } = await counted()
    const pings = Array.from({ length: 100 }, (_, id) => `${JSON.stringify(ping(id))}\n`).join('')
    input.write(pings)
    const before = (await lines(100)).length
    input.write(pings)
    const writes = await lines(200)
    // One for each slice of time that they took.
    expect(writes.length - before).toBeLessThan(10)
  })

  test('the input may end before the answers are there', async () => {
    const { input, lines, session } = await counted()
    const params = { name: 't', columns: [{ name: 'a', type: 'TEXT' }] }
    input.end(
      `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'table.create', params })}\n${JSON.stringify(ping(2))}`,
    )
    await lines(2)
    await session.ended
  })

  test('a session without a reader ends all the same', async () => {
    const { daemon } = await startDaemon()
    const input = new PassThrough()
    const session = daemon.serveStdio(input, new Writable({ write() {} }))
    input.write(`${JSON.stringify(ping(1))}\n`)
    await new Promise(setImmediate)
    await session.close()
  })
})

test('a session over the limit of sessions is told so', async () => {
  const { connect } = await startDaemon({ config: { limits: { maxSessions: 2 } } })
  const second = await connect()
  expect(await second.call('ping')).toEqual({})
  const third = await connect()
  expect((await third.next()).error.data).toMatchObject({ kind: 'limitExceeded', limit: 'maxSessions', max: 2 })
  await third.ended
  await second.close()
})
