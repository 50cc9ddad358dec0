import fs from 'node:fs'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { processesOf, startCinchd } from '../support/cinchd.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { integrityOf, temporaryProject, tenantPath } from '../support/project.ts'

const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r'
/** Joined to a statement, it sends it to a process, whatever it reads. */
const aside = '(with recursive r(n) as (select 1 union all select n + 1 from r where n < 1) select n as n_ from r)'

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon({ config: { limits: { maxProcesses: 3, maxWaitingStatements: 2 } } })
  client = started.client
})

const busy = () => started.daemon.engine.parts.processLane.processes.busy
const allQuiet = () => vi.waitFor(() => expect(busy()).toBe(0))
const run = (sql: string, more: object = {}) => client.call('query.run', { sql, ...more })

describe('what a process reads', () => {
  test('is exact, as it is on the daemon’s own thread', async () => {
    await client.call('table.create', {
      name: 't',
      columns: ['a', 'b', 'c'].map((name) => ({ name, type: name === 'c' ? 'BOOLEAN' : 'BLOB' })),
      systemColumns: false,
    })
    const values = [
      1,
      { $int: '9007199254740993' },
      { $int: '-9223372036854775808' },
      1.5,
      { $real: 'Infinity' },
      { $real: '-0' },
      { $blob: 'AP8=' },
      'a\u0000b\u{1F600}',
      null,
      '',
    ]
    const rows = values.map((a, at) => ({ a, b: values[values.length - 1 - at], c: at % 2 === 0 }))
    await client.call('row.insert', { table: 't', rows })
    const inline = await run('select a, b, c, a from t')
    const { columns, rows: found } = await run(`select a, b, c, a from t, ${aside}`)
    expect(found).toEqual(inline.rows)
    expect(columns).toEqual(inline.columns)
    const objects = await run(`select a as x, c from t, ${aside} limit 2`, { rowFormat: 'object' })
    expect(objects.rows).toEqual(inline.rows.slice(0, 2).map(([x, , c]: unknown[]) => ({ x, c })))
    const twice = await client.refused('query.run', { sql: `select a, a from t, ${aside}`, rowFormat: 'object' })
    expect(twice.kind).toBe('invalidValue')
  })

  test('is cut at the limit, and says so', async () => {
    const sql = 'with recursive r(n) as (select 1 union all select n + 1 from r where n < 5000) select n from r'
    const whole = await run(sql)
    expect(whole.rows.map(([n]: number[]) => n)).toEqual(Array.from({ length: 5_000 }, (_, at) => at + 1))
    expect(whole.truncated).toBeUndefined()
    const cut = await run(sql, { maxRows: 4_999 })
    expect([cut.rows.length, cut.truncated]).toEqual([4_999, true])
  })

  test('is everything written before, and nothing that its session writes after', async () => {
    const { client } = await startDaemon()
    await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
    const counts: Promise<{ rows: number[][] }>[] = []
    for (let a = 1; a <= 20; a++) {
      void client.call('row.insert', { table: 't', rows: [{ a }] })
      counts.push(client.call('query.run', { sql: `select count(*) from t, ${aside}` }))
    }
    expect((await Promise.all(counts)).map(({ rows }) => rows[0]?.[0])).toEqual(counts.map((_, at) => at + 1))
  })

  test('fails with the error of its statement, and the process goes on', async () => {
    const failed = await client.refused('query.run', { sql: `select json_extract('{', '$') from ${aside}` })
    expect(failed).toMatchObject({ kind: 'sqlError', reason: 'malformed JSON' })
    expect((await run(`select n_ from ${aside}`)).rows).toEqual([[1]])
    await allQuiet()
  })

  test('may be a tenant without a file', async () => {
    await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'TEXT' }] })
    await client.call('tenant.create', { name: 'empty' })
    expect((await run(`select count(t.a), count(n_) from ${aside} left join t`, { tenant: 'empty' })).rows).toEqual([
      [0, 1],
    ])
    expect((await client.call('tenant.get', { name: 'empty' })).hasFile).toBe(false)
  })
})

describe('an endless statement', () => {
  test('ends when it is cancelled, and its process with it', async () => {
    const answer = client.request('query.run', { sql: endless }, 'x')
    await vi.waitFor(() => expect(busy()).toBe(1))
    client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'x' } }))
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    await allQuiet()
  })

  test('ends when its time is over', async () => {
    expect((await client.refused('query.run', { sql: endless, timeoutMs: 100 })).kind).toBe('timeout')
    await allQuiet()
  })

  test.each([
    ['at once', () => {}],
    ['after it said that it sends no more', (client: RawClient) => void client.output.end()],
  ])('ends with its client, that goes %s', async (_, before) => {
    const other = await started.connect()
    void other.request('query.run', { sql: endless }).catch(() => {})
    await vi.waitFor(() => expect(busy()).toBe(1))
    before(other)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(busy()).toBe(1)
    other.output.destroy()
    await allQuiet()
  })

  test('ends with the time that no statement may exceed, and with the memory', async () => {
    const config = { limits: { maxStatementMs: 300, maxStatementBytes: 100_000_000 } }
    const { client } = await startDaemon({ config })
    expect((await client.refused('query.run', { sql: endless })).kind).toBe('timeout')
    const large =
      'with recursive r(n) as (select 1 union all select n + 1 from r) select group_concat(hex(zeroblob(1000))) from r'
    const roomy = await startDaemon({ config: { limits: { maxStatementBytes: 100_000_000 } } })
    const refused = await roomy.client.refused('query.run', { sql: large })
    expect(refused).toMatchObject({ kind: 'limitExceeded', limit: 'maxStatementBytes' })
  })

  test('keeps nobody else waiting; more of them wait in their turn, and more than may wait are refused', async () => {
    const answers = Array.from({ length: 5 }, (_, at) => client.request('query.run', { sql: endless }, `x${at}`))
    expect((await client.refused('query.run', { sql: endless })).limit).toBe('maxWaitingStatements')
    expect((await run('select 1')).rows).toEqual([[1]])
    for (let at = 0; at < 5; at++) {
      client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: `x${at}` } }))
    }
    for (const answer of answers) expect((await answer).error?.data.kind).toBe('requestCancelled')
    expect((await run(`select n_ from ${aside}`)).rows).toEqual([[1]])
  })

  test('does not outlive a daemon that is killed', async () => {
    const cinchd = await startCinchd(temporaryProject())
    const client = await cinchd.connect()
    void client.request('query.run', { sql: endless }).catch(() => {})
    const children = () => processesOf(cinchd.pid)
    await vi.waitFor(() => expect(children()).toHaveLength(1))
    const [child] = children() as [number]
    process.kill(cinchd.pid, 'SIGKILL')
    await vi.waitFor(() => expect(fs.existsSync(`/proc/${child}`)).toBe(false), { timeout: 10_000 })
  })
})

describe('what a process writes', () => {
  /** Inserts this many rows. */
  const many = (count: number) =>
    `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${count}) insert into t select n, 'x' || n from r`
  const endlessly =
    'insert into t select n, n from (with recursive r(n) as (select 1 union all select n + 1 from r) select n from r)'

  beforeEach(async () => {
    await client.call('table.create', {
      name: 't',
      columns: [
        { name: 'a', type: 'INTEGER' },
        { name: 'b', type: 'TEXT', unique: true },
      ],
      systemColumns: false,
    })
  })

  const execute = (sql: string, more: object = {}) => client.call('query.execute', { sql, ...more })
  const count = async () => (await run('select count(*) from t')).rows[0][0]

  test('is there when it is answered, and seen by what its session asks after it', async () => {
    const [written, seen, more] = await Promise.all([
      execute(many(5_000)),
      count(),
      execute("insert into t values (0, 'last')"),
    ])
    expect([written.changes, seen, more.changes]).toEqual([5_000, 5_000, 1])
    expect((await client.call('tenant.verify', { name: 'main' })).problems ?? []).toEqual([])
  })

  test('gives back what RETURNING returns, exactly', async () => {
    const sql = `with recursive r(n) as (select 9007199254740993) insert into t select n, null from r returning a, b, x'ff'`
    const { rows, changes } = await execute(sql)
    expect({ rows, changes }).toEqual({ rows: [[{ $int: '9007199254740993' }, null, { $blob: '/w==' }]], changes: 1 })
  })

  test('is nothing where one statement of a batch fails', async () => {
    await execute("insert into t values (1, 'x7')")
    const statements = [{ sql: "insert into t values (2, 'y')" }, { sql: many(10) }]
    expect(await client.refused('query.batch', { statements })).toMatchObject({
      kind: 'constraintFailed',
      constraint: 'unique',
    })
    expect(await count()).toBe(1)
    const fine = [
      { sql: "insert into t values (2, 'y')" },
      { sql: `select count(*) from t, ${aside}` },
      { sql: 'delete from t' },
    ]
    const { results } = await client.call('query.batch', { statements: fine })
    expect(results.map(({ changes, rows }: { changes: number; rows?: unknown }) => [changes, rows])).toEqual([
      [1, undefined],
      [0, [[2]]],
      [2, undefined],
    ])
  })

  test('is gone when it is killed in the middle, and the tenant is usable at once', async () => {
    await execute("insert into t values (0, 'kept')")
    const answer = client.request('query.execute', { sql: endlessly }, 'x')
    await vi.waitFor(() => expect(fs.statSync(`${tenantPath(started.layout)}-wal`).size).toBeGreaterThan(20_000_000), {
      timeout: 20_000,
    })
    // Another session's write waits for the tenant's turn, and others' reads do not.
    const [other, third] = [await started.connect(), await started.connect()]
    const waiting = other.call('query.execute', { sql: "insert into t values (1, 'after')" })
    expect((await third.call('query.run', { sql: 'select b from t' })).rows).toEqual([['kept']])
    client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'x' } }))
    expect((await answer).error?.data.kind).toBe('requestCancelled')
    expect((await waiting).changes).toBe(1)
    expect((await run('select b from t order by a')).rows).toEqual([['kept'], ['after']])
    expect(integrityOf(tenantPath(started.layout))).toBe('ok')
    await allQuiet()
  })

  test.each([
    { at: 'statement.committing', isThere: false },
    { at: 'statement.committed', isThere: true },
  ])('is answered as what it is when its process dies at $at', async ({ at, isThere }) => {
    const layout = temporaryProject({ config: { durability: 'full' } })
    const client = await (await startCinchd(layout, { env: { CINCH_CRASH_AT: at } })).connect()
    const columns = ['a', 'b'].map((name) => ({ name, type: 'TEXT' }))
    await client.call('table.create', { name: 't', columns, systemColumns: false })
    const { result, error } = await client.request('query.execute', { sql: many(5_000) })
    expect(isThere ? result : error?.data.kind).toEqual(isThere ? { changes: 5_000 } : 'processEnded')
    expect((await client.call('query.run', { sql: 'select count(*) from t' })).rows).toEqual([[isThere ? 5_000 : 0]])
    expect((await client.call('query.execute', { sql: "insert into t values ('1', 'after')" })).changes).toBe(1)
  })

  test('is gone when the daemon is killed in the middle', { timeout: 60_000 }, async () => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', {
      name: 't',
      columns: ['a', 'b'].map((name) => ({ name, type: 'TEXT' })),
      systemColumns: false,
    })
    await client.call('query.execute', { sql: "insert into t values ('1', 'kept')" })
    void client.request('query.execute', { sql: endlessly }).catch(() => {})
    await vi.waitFor(() => expect(fs.statSync(`${tenantPath(layout)}-wal`).size).toBeGreaterThan(20_000_000), {
      timeout: 20_000,
    })
    process.kill(cinchd.pid, 'SIGKILL')
    const next = await (await startCinchd(layout)).connect()
    expect((await next.call('query.run', { sql: 'select b from t' })).rows).toEqual([['kept']])
    expect((await next.call('query.execute', { sql: "insert into t values ('2', 'after')" })).changes).toBe(1)
    expect(integrityOf(tenantPath(layout))).toBe('ok')
  })

  test('is refused on a branch that has become read-only', async () => {
    await client.call('branch.create', { name: 'frozen', readOnly: true })
    const refused = await client.refused('query.execute', { sql: many(5), branch: 'frozen' })
    expect(refused.kind).toBe('branchReadOnly')
  })
})
