import fs from 'node:fs'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Cursor } from '../../src/query/cursor.ts'
import { endOfRows } from '../../src/query/frames.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/** Counts up to `count`, in a process. */
const counting = (count: number, more = 'n') =>
  `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${count}) select ${more} from r`
const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select n from r'
const silent = 'with recursive r(n) as (select 1 union all select n + 1 from r) select n from r where n < 0'
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => [from + at])

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon({ config: { limits: { maxCursors: 5, maxCursorsPerSession: 3, maxProcesses: 2 } } })
  client = started.client
})

const lane = () => started.daemon.engine.parts.processLane
const cursors = () => started.daemon.engine.cursors
const noProcess = () => vi.waitFor(() => expect(lane().cursorProcesses.busy).toBe(0))
const open = (sql: string, more: object = {}, by = client) => by.call('query.open', { sql, ...more })
const fetch = (cursor: string, count: number, by = client) => by.call('query.fetch', { cursor, count })
const reasonOf = async (cursor: string, by = client) => {
  const { kind, reason } = await by.refused('query.fetch', { cursor })
  return [kind, reason]
}

describe('a cursor', () => {
  test('gives every row once, in order, whatever the counts', async () => {
    const { cursor, columns } = await open(counting(10_000))
    expect(columns).toEqual([{ name: 'n', type: null }])
    const rows: number[][] = []
    for (const count of [1, 2, 300, 255, 256, 257, 1, 5_000]) {
      const fetched = await fetch(cursor, count)
      expect([fetched.rows.length, fetched.done]).toEqual([count, false])
      rows.push(...fetched.rows)
    }
    let fetched = { rows: [] as number[][], done: false }
    while (!fetched.done) {
      fetched = await fetch(cursor, 1_000)
      rows.push(...fetched.rows)
    }
    expect(rows).toEqual(numbers(1, 10_000))
    expect(await reasonOf(cursor)).toEqual(['cursorNotFound', 'done'])
    await noProcess()
  })

  test('gives values exactly, cut at any row: brackets, quotes and backslashes in texts, blobs, and objects', async () => {
    const values = `select '[{"\\]}' as a, x'5d7d' as b, 9007199254740993 as c union all select '\\"', '"', '}]'`
    const sql = `select a, b, c from (${counting(400)}) cross join (${values})`
    const expected = [
      ['[{"\\]}', { $blob: 'XX0=' }, { $int: '9007199254740993' }],
      ['\\"', '"', '}]'],
    ]
    const asObject = ([a, b, c]: unknown[]) => ({ a, b, c })
    for (const rowFormat of ['array', 'object']) {
      const { cursor } = await open(sql, { rowFormat })
      for (let at = 0; at < 400; at++) {
        const row = expected[at % 2] as unknown[]
        expect((await fetch(cursor, 1)).rows).toEqual([rowFormat === 'array' ? row : asObject(row)])
      }
      expect(await client.call('query.close', { cursor })).toEqual({ closed: true })
    }
    const twice = await client.refused('query.open', { sql: counting(5, 'n, n'), rowFormat: 'object' })
    expect(twice.kind).toBe('invalidValue')
  })

  test('of a statement that finds its rows by their keys takes no process, however many rows it has', async () => {
    await client.call('table.create', {
      name: 't',
      columns: ['a', 'b'].map((name) => ({ name, type: 'INTEGER' })),
      systemColumns: false,
    })
    await client.call('index.create', { table: 't', columns: ['a'] })
    await client.call('query.execute', { sql: `insert into t ${counting(5_000, '1, n')}` })
    await client.call('query.execute', { sql: 'insert into t values (2, 0), (2, 1)' })
    const few = await open('select b from t where a = 2')
    expect(lane().cursorProcesses.busy).toBe(0)
    expect(await fetch(few.cursor, 10)).toEqual({ rows: [[0], [1]], done: true })
    const many = await open('select b from t where a = 1 order by b')
    expect((await fetch(many.cursor, 4_999)).rows).toEqual(numbers(1, 4_999))
    expect(await fetch(many.cursor, 10)).toEqual({ rows: [[5_000]], done: true })
  })

  test('is cut where its client wants it', async () => {
    const { cursor } = await open(counting(10_000), { maxRows: 1_500 })
    expect((await fetch(cursor, 1_000)).rows).toEqual(numbers(1, 1_000))
    await vi.waitFor(() => expect(lane().cursorProcesses.busy).toBe(0))
    expect(await fetch(cursor, 1_000)).toEqual({ rows: numbers(1_001, 1_500), done: true, truncated: true })
  })

  test('sees what its session wrote before it, and nothing that is written later', async () => {
    await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
    await client.call('query.execute', { sql: `insert into t ${counting(100_000)}` })
    const [, opened] = await Promise.all([
      client.call('query.execute', { sql: 'insert into t values (100001)' }),
      open('select a from t'),
      client.call('query.execute', { sql: 'insert into t values (-1)' }),
    ])
    await client.call('query.execute', { sql: 'delete from t' })
    let count = 0
    let sum = 0
    for (let done = false; !done; ) {
      const fetched = await fetch(opened.cursor, 30_000)
      done = fetched.done
      count += fetched.rows.length
      for (const [a] of fetched.rows) sum += a
    }
    expect([count, sum]).toEqual([100_001, (100_001 * 100_002) / 2])
    expect((await client.call('tenant.verify', { name: 'main' })).problems ?? []).toEqual([])
  })

  test('that waits has no rows made, and its process is gone when it is closed', async () => {
    const { cursor } = await open(endless)
    expect((await fetch(cursor, 3)).rows).toEqual(numbers(1, 3))
    const made = ticksOfChildren
    // It stops by itself, with pipe and look-ahead full.
    const isAtRest = async () => {
      const before = made()
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(made() - before).toBeLessThan(3)
    }
    await vi.waitFor(isAtRest, { timeout: 20_000 })
    expect((await fetch(cursor, 50_000)).rows).toEqual(numbers(4, 50_003))
    expect(await client.call('query.close', { cursor })).toEqual({ closed: true })
    expect(await client.call('query.close', { cursor })).toEqual({ closed: false })
    expect(await reasonOf(cursor)).toEqual(['cursorNotFound', 'closed'])
    await noProcess()
  })

  test('that is small lets go of its process at once', async () => {
    const { cursor } = await open(counting(5_000))
    await noProcess()
    expect((await fetch(cursor, 4_000)).rows).toEqual(numbers(1, 4_000))
    expect(await fetch(cursor, 4_000)).toEqual({ rows: numbers(4_001, 5_000), done: true })
  })

  test('fails with its statement: when it is opened, or later', async () => {
    expect((await client.refused('query.open', { sql: 'select * from nothing' })).kind).toBe('sqlError')
    expect((await client.refused('query.open', { sql: 'delete from nothing' })).kind).toBe('sqlError')
    const late = counting(50_000, "json_extract(iif(n < 50000, '{}', '{'), '$')")
    const { cursor } = await open(late)
    let failure = 0
    for (;;) {
      const { result, error } = await client.request('query.fetch', { cursor, count: 10_000 })
      if (error) {
        expect(error.data).toMatchObject({ kind: 'sqlError', reason: 'malformed JSON' })
        break
      }
      failure += result.rows.length
    }
    expect(failure).toBeLessThan(50_000)
    expect(await reasonOf(cursor)).toEqual(['cursorNotFound', 'failed'])
    expect(cursors().size).toBe(0)
  })

  test('answers fetches that are sent together in their order', async () => {
    const { cursor } = await open(counting(2_500))
    const answers = await Promise.all(
      [1_000, 1_000, 1_000, 1_000].map((count) => client.request('query.fetch', { cursor, count })),
    )
    const rows = answers.flatMap(({ result }) => result?.rows ?? [])
    expect(rows).toEqual(numbers(1, 2_500))
    for (const { error } of answers) if (error) expect(error.data.reason).toBe('done')
  })

  test('stays when a fetch is cancelled or late, and loses no row by it', async () => {
    // One row, and for a very long time no second one.
    const { cursor } = await open(`select n from (${endless}) where n = 1 or n > 2000000000`)
    const late = await client.refused('query.fetch', { cursor, count: 2, timeoutMs: 50 })
    expect(late.kind).toBe('timeout')
    const answer = client.request('query.fetch', { cursor, count: 2 }, 'x')
    client.notify('$/cancelRequest', { id: 'x' })
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    expect((await fetch(cursor, 1)).rows).toEqual([[1]])
    await client.call('query.close', { cursor })
    await noProcess()
  })

  test('is not opened where that is cancelled, and leaves nothing', async () => {
    const answer = client.request('query.open', { sql: endless }, 'x')
    client.notify('$/cancelRequest', { id: 'x' })
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    expect(cursors().size).toBe(0)
    await noProcess()
  })
})

describe('a cursor ends', () => {
  test('with its session', async () => {
    const other = await started.connect()
    await open(endless, {}, other)
    await open(counting(5), {}, other)
    expect(cursors().size).toBe(2)
    other.destroy()
    await vi.waitFor(() => expect(cursors().size).toBe(0))
    await noProcess()
  })

  test('when nobody has fetched for a while, but not while somebody waits', async () => {
    const idle = await open(endless, { idleMs: 500 })
    const { cursor } = await open(silent, { idleMs: 500 })
    const late = await client.refused('query.fetch', { cursor, timeoutMs: 1_500 })
    expect(late.kind).toBe('timeout')
    expect(await reasonOf(idle.cursor)).toEqual(['cursorNotFound', 'idle'])
    await vi.waitFor(() => expect(cursors().size).toBe(0))
    expect(await reasonOf(cursor)).toEqual(['cursorNotFound', 'idle'])
    await noProcess()
  })

  test('when it has lasted as long as any may, however much it is used', async () => {
    started = await startDaemon({ config: { limits: { maxCursorMs: 4_000 } } })
    client = started.client
    const { cursor } = await open(endless)
    const refused = await (async () => {
      for (;;) {
        const { error } = await client.request('query.fetch', { cursor, count: 1 })
        if (error) return error.data
      }
    })()
    expect(refused).toMatchObject({ kind: 'cursorNotFound', reason: 'maxCursorMs' })
    await noProcess()
    const waiting = await open(silent)
    expect(await reasonOf(waiting.cursor)).toEqual(['cursorNotFound', 'maxCursorMs'])
  })

  test('with the daemon', async () => {
    await open(endless)
    await started.daemon.stop()
    expect(lane().cursorProcesses.busy).toBe(0)
  })
})

describe('cursors', () => {
  test('belong to their session', async () => {
    const other = await started.connect()
    const { cursor } = await open(counting(10))
    expect(await reasonOf(cursor, other)).toEqual(['cursorNotFound', 'unknown'])
    expect(await other.call('query.close', { cursor })).toEqual({ closed: false })
    expect((await fetch(cursor, 100)).rows).toHaveLength(10)
    expect(await reasonOf(cursor, other)).toEqual(['cursorNotFound', 'unknown'])
    for (const made of ['', 'x', '00000000-0000-0000-0000-000000000000']) {
      expect(await reasonOf(made)).toEqual(['cursorNotFound', 'unknown'])
    }
  })

  test('are limited for a session and for all, and leave statements their processes', async () => {
    const [second, third] = [await started.connect(), await started.connect()]
    const ids = []
    for (let at = 0; at < 3; at++) ids.push((await open(endless)).cursor)
    expect(await client.refused('query.open', { sql: endless })).toMatchObject({
      kind: 'limitExceeded',
      limit: 'maxCursorsPerSession',
      max: 3,
    })
    for (let at = 0; at < 2; at++) await open(endless, {}, second)
    expect(await third.refused('query.open', { sql: endless })).toMatchObject({ limit: 'maxCursors', max: 5 })
    // All of the statements' processes are free.
    const answers = await Promise.all([1, 2, 3].map((count) => third.call('query.run', { sql: counting(count) })))
    expect(answers.map(({ rows }) => rows.length)).toEqual([1, 2, 3])
    await client.call('query.close', { cursor: ids[0] })
    expect((await fetch((await open(counting(1), {}, third)).cursor, 1, third)).rows).toEqual([[1]])
  })

  test('give no more at a time than a result may have', async () => {
    started = await startDaemon({ config: { limits: { maxResultRows: 500, maxResultBytes: 100_000 } } })
    client = started.client
    const { cursor } = await open(counting(2_000))
    expect((await fetch(cursor, 10_000)).rows).toEqual(numbers(1, 500))
    const wide = await open(counting(100, "n, printf('%*c', 10000, 'x')"))
    const { rows, done } = await fetch(wide.cursor, 100)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.length).toBeLessThan(20)
    expect(done).toBe(false)
    const huge = await open(counting(2, "printf('%*c', 200000, 'x')"))
    expect(await client.refused('query.fetch', { cursor: huge.cursor })).toMatchObject({
      kind: 'limitExceeded',
      limit: 'maxResultBytes',
    })
  })
})

test('rows are told apart without being read', () => {
  const rows = [[1, 'a]b"c\\'], [], [null], { a: ']', b: { $int: '1' } }, ['\\\\"', [2]]]
  const part = Buffer.from(JSON.stringify(rows).slice(1, -1))
  for (let count = 1; count <= rows.length; count++) {
    expect(JSON.parse(`[${part.subarray(0, endOfRows(part, count))}]`)).toEqual(rows.slice(0, count))
  }
  expect(() => endOfRows(part, rows.length + 1)).toThrow()
})

test('rows wait to be asked for, and who asks waits for rows', async () => {
  const { signal } = new AbortController()
  const cursor = new Cursor(1_000_000)
  const part = (text: string) => cursor.rows(Buffer.from(`["${text}"]`), 1)
  const first = cursor.fetch(2, signal)
  expect(part('a')).toBeUndefined()
  expect(part('b')).toBeUndefined()
  expect(await first).toEqual({ rowText: '["a"],["b"]', count: 2, done: false, truncated: false })
  const ahead = part('x'.repeat(300_000))
  expect(ahead).toBeInstanceOf(Promise)
  expect((await cursor.fetch(1, signal)).count).toBe(1)
  await ahead
  cursor.complete(true)
  expect(await cursor.fetch(1, signal)).toEqual({ rowText: '', count: 0, done: true, truncated: true })
})

/** Processor time that processes of cursors have taken, in the system's ticks, by Linux's /proc. */
function ticksOfChildren(): number {
  const children = fs
    .readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
  return children.reduce((sum, pid) => {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return sum + Number(fields[11]) + Number(fields[12])
  }, 0)
}
