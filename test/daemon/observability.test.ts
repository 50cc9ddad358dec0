import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryProject } from '../support/project.ts'

const lines = (rows: number) => `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rows})`

async function makeTable(client: RawClient): Promise<void> {
  const columns = [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ]
  await client.call('table.create', { name: 't', columns, primaryKey: ['a'], systemColumns: false })
}

describe('project.stats', () => {
  test('counts calls and errors by method, with times in order, and by lane', async () => {
    const { client } = await startDaemon()
    for (let i = 0; i < 20; i++) await client.call('query.run', { sql: 'select ?', params: [i] })
    for (let i = 0; i < 3; i++) await client.refused('query.run', { sql: 'selec 1' })
    await client.refused('query.run', { sql: 'drop table t' })
    await client.refused('query.run', { nonsense: 1 })
    await client.refused('tenant.get', { name: 'nobody' })
    await client.refused('made.up')
    const { requests, lanes } = await client.call('project.stats')
    expect(requests['query.run']).toMatchObject({
      calls: 25,
      errors: { sqlError: 3, sqlRefused: 1, invalidParams: 1 },
    })
    expect(requests['tenant.get']).toMatchObject({ calls: 1, errors: { tenantNotFound: 1 } })
    expect(Object.keys(requests).sort()).toEqual(['query.run', 'tenant.get'])
    for (const latency of [...Object.values(requests), lanes.inline] as { [name: string]: number }[]) {
      const times = [latency.p50Ms, latency.p90Ms, latency.p99Ms, latency.maxMs]
      expect(times).toEqual(times.toSorted((a, b) => (a as number) - (b as number)))
      expect(latency.maxMs).toBeGreaterThan(0)
    }
    expect(lanes).toMatchObject({ inline: { calls: 26 }, process: { calls: 0, maxMs: 0 } })
  })

  test('a call’s time is within what its client waited', async () => {
    const { client } = await startDaemon()
    const startedAt = performance.now()
    await client.call('query.run', { sql: `${lines(300_000)} select count(*) from n` })
    const tookMs = performance.now() - startedAt
    const { requests } = await client.call('project.stats')
    expect(requests['query.run'].maxMs).toBeGreaterThan(0)
    expect(requests['query.run'].maxMs).toBeLessThanOrEqual(tookMs)
    expect(requests['query.run'].p50Ms).toBe(requests['query.run'].maxMs)
  })

  test('counts what is in flight, sessions and files', async () => {
    const { client, connect } = await startDaemon()
    await makeTable(client)
    const other = await connect()
    await other.call('ping')
    await other.close()
    // Writes are answered after their commit at the end of the turn; a read of the same turn sees them under way.
    const insert = (a: number) =>
      JSON.stringify({ jsonrpc: '2.0', id: `i${a}`, method: 'row.insert', params: { table: 't', rows: [{ a }] } })
    const stats = JSON.stringify({ jsonrpc: '2.0', id: 'stats', method: 'project.stats' })
    const answers = ['i1', 'i2', 'i3', 'stats'].map((id) => client.answerTo(id))
    client.write(`${insert(1)}\n${insert(2)}\n${insert(3)}\n${stats}\n`)
    const { result } = (await Promise.all(answers)).at(-1) as { result: object }
    expect(result).toMatchObject({ inFlight: 4, sessions: 1, sessionsStarted: 2, openFiles: 1, filesOpened: 1 })
    const after = await client.call('project.stats')
    expect(after.inFlight).toBe(1)
    expect(after.logBytes).toBeGreaterThan(0)
    expect(after.residentBytes).toBeGreaterThan(after.heapBytes)
  })
})

describe('statements that take long', () => {
  const config = { slowStatementMs: 0 }

  test('are kept and logged with request, tenant, lane, rows and plan, and without what was bound', async () => {
    const { client, logged } = await startDaemon({ config })
    await makeTable(client)
    await client.call('tenant.create', { name: 'acme' })
    await client.request('query.run', { tenant: 'acme', sql: 'select b from t where b = ?', params: ['secret'] }, 'x')
    const { slowStatements } = await client.call('project.stats')
    const expected = {
      request: 's1/"x"',
      database: 'main',
      branch: 'main',
      tenant: 'acme',
      sql: 'select b from t where b = ?',
      lane: 'inline',
      rows: 0,
      plan: ['SCAN t'],
    }
    expect(slowStatements).toMatchObject({ thresholdMs: 0, count: 1, last: [expected] })
    expect(slowStatements.last[0].ms).toBeGreaterThan(0)
    expect(logged).toContainEqual(expect.objectContaining({ ...expected, msg: 'slow statement', level: 40 }))
    expect(JSON.stringify(logged)).not.toContain('secret')
  })

  test('of every kind: writes, batches, lists and counts; not a row looked up by its key', async () => {
    const { client } = await startDaemon({ config })
    await makeTable(client)
    await client.call('query.execute', { sql: 'insert into t (a) values (:a), (2)', params: { a: 1 } })
    await client.call('query.batch', { statements: [{ sql: 'update t set b = 1' }, { sql: 'select a, b from t' }] })
    await client.call('row.list', { table: 't', where: { b: '1' } })
    await client.call('row.count', { table: 't' })
    await client.call('query.run', { sql: 'select b from t where a = ?', params: [1] })
    await client.call('row.get', { table: 't', id: 1 })
    const { slowStatements } = await client.call('project.stats')
    expect(slowStatements.last.map(({ sql, rows }: { sql: string; rows: number }) => [sql, rows])).toEqual([
      ['select count(*) from "t"', 1],
      [expect.stringMatching(/^select "a", "b" from "t" where/), 2],
      ['select a, b from t', 2],
      ['update t set b = 1', 2],
      ['insert into t (a) values (:a), (2)', 2],
    ])
  })

  test('that come to no end are kept, too', async () => {
    const { client } = await startDaemon({ config: { ...config, limits: { maxResultBytes: 1_000 } } })
    const sql = `${lines(1_000)} select i from n`
    expect(await client.refused('query.run', { sql })).toMatchObject({ kind: 'limitExceeded' })
    const { slowStatements } = await client.call('project.stats')
    expect(slowStatements.last).toMatchObject([{ sql, rows: null }])
  })

  test('only the last ones are kept, cut where they are long; all are counted', async () => {
    const { client } = await startDaemon({ config })
    await makeTable(client)
    for (let i = 0; i < 30; i++) await client.call('query.run', { sql: `select a from t where a > ${i}` })
    await client.call('query.run', { sql: `select a from t -- ${'x'.repeat(10_000)}` })
    const { slowStatements } = await client.call('project.stats')
    expect(slowStatements).toMatchObject({ count: 31 })
    expect(slowStatements.last).toHaveLength(20)
    expect(slowStatements.last[0].sql).toMatch(/^select a from t -- x{3000,4000}… \(10019 characters\)$/)
    expect(slowStatements.last[1].sql).toBe('select a from t where a > 29')
  })

  test('a plan shows what belongs to what', async () => {
    const { client } = await startDaemon({ config })
    await makeTable(client)
    await client.call('query.run', { sql: 'select * from t where a in (select b from t) union select 1, 2 order by 1' })
    const { slowStatements } = await client.call('project.stats')
    const [{ plan }] = slowStatements.last
    expect(plan[0]).toMatch(/^\S/)
    expect(plan.slice(1)).toContainEqual(expect.stringMatching(/^ {2}\S/))
    expect(plan.join(' ')).toContain('SCAN t')
  })

  test('none is where nothing takes as long', async () => {
    const { client, logged } = await startDaemon({ config: { slowStatementMs: 600_000 } })
    await client.call('query.run', { sql: `${lines(1_000)} select count(*) from n` })
    const { slowStatements } = await client.call('project.stats')
    expect(slowStatements).toEqual({ thresholdMs: 600_000, count: 0, last: [] })
    expect(logged.filter(({ msg }) => msg === 'slow statement')).toEqual([])
  })
})

test('query.explain takes a statement with parameters, and shows its plan', async () => {
  const { client } = await startDaemon()
  await makeTable(client)
  for (const sql of ['select * from t where a = ?', 'select * from t where a = :a', 'select ?2, ?1, :b from t']) {
    expect((await client.call('query.explain', { sql })).plan.length).toBeGreaterThan(0)
  }
  expect(await client.call('query.explain', { sql: 'select b from t where a = ?' })).toMatchObject({
    reads: ['t'],
    plan: [{ detail: expect.stringMatching(/^SEARCH t USING/) }],
  })
})

describe('the log', () => {
  const calls = (logged: readonly { msg: string }[]) => logged.filter(({ msg }) => msg === 'call')

  test('at debug, has a line for every call: request, method, time and outcome, and no parameters', async () => {
    const { client, connect, logged } = await startDaemon({ logLevel: 'debug' })
    await client.request('query.run', { sql: "select 'literal', ?", params: ['bound'] }, 7)
    const other = await connect()
    await other.request('query.run', { sql: 'selec', key: 'k' }, 'seven')
    await other.request('query.run', { sql: 'selec' }, 'x'.repeat(1_000))
    await other.request('made.up', {}, 1)
    expect(calls(logged)).toMatchObject([
      { request: 's1/7', method: 'query.run', outcome: 'ok', lane: 'inline', ms: expect.any(Number) },
      { request: 's2/"seven"', outcome: 'tenantNotEncrypted' },
      { request: expect.stringMatching(/^s2\/"x{63}$/), outcome: 'sqlError' },
      { request: 's2/1', method: 'made.up', outcome: 'methodNotFound' },
    ])
    expect(JSON.stringify(logged)).not.toMatch(/literal|bound|selec/)
    await other.close()
    expect(logged).toContainEqual(expect.objectContaining({ msg: 'disconnected', session: 's2' }))
  })

  test('at info, has none', async () => {
    const { client, logged } = await startDaemon()
    await client.call('ping')
    expect(calls(logged)).toEqual([])
  })

  test('has parameters where the settings say so, but never keys', async () => {
    const { client, logged } = await startDaemon({ logLevel: 'debug', config: { logParameters: true } })
    await client.request('query.run', { sql: 'select ?', params: ['bound'], key: 'hunter2' })
    await client.request('tenant.rekey', { name: 'a', key: 'hunter2', newKey: 'hunter3' })
    await client.request('query.run', { sql: 'select 1', nested: [{ keys: { a: 'hunter4' } }] })
    await client.request('query.run', { sql: 'select ?', params: ['x'.repeat(50_000)] })
    const text = JSON.stringify(calls(logged))
    expect(text).toContain('select ?')
    expect(text).toContain('bound')
    expect(text).toContain('[redacted]')
    expect(text).not.toContain('hunter')
    expect(text.length).toBeLessThan(20_000)
  })

  test('names the request of an answer that gives nothing away', async () => {
    const { daemon, client, logged } = await startDaemon()
    daemon.discover = () => {
      throw new Error('broken')
    }
    const { error } = await client.request('rpc.discover', {}, 9)
    expect(error?.data).toMatchObject({ kind: 'internalError' })
    expect(logged).toContainEqual(
      expect.objectContaining({ msg: 'request failed', request: 's1/9', requestId: error?.data.requestId }),
    )
  })
})

describe('how much is logged', () => {
  const logsCalls = async (logLevel: string | undefined, env: NodeJS.ProcessEnv, args: readonly string[]) => {
    const layout = temporaryProject()
    if (logLevel !== undefined) fs.writeFileSync(layout.config, JSON.stringify({ logLevel }))
    const cinchd = await startCinchd(layout, { env: { CINCH_LOG: undefined, ...env }, args: ['--socket', ...args] })
    const client = await cinchd.connect()
    await client.call('ping')
    await cinchd.kill('SIGTERM')
    return /"msg":"call"/.test(cinchd.stderr)
  }

  test.each<
    [what: string, logLevel: string | undefined, env: NodeJS.ProcessEnv, args: readonly string[], calls: boolean]
  >([
    ['info, where nothing is said', undefined, {}, [], false],
    ['as config.json says', 'debug', {}, [], true],
    ['as CINCH_LOG says, before config.json', 'info', { CINCH_LOG: 'debug' }, [], true],
    ['as CINCH_LOG says, where it says less', 'debug', { CINCH_LOG: 'info' }, [], false],
    ['as --log-level says, before CINCH_LOG', 'info', { CINCH_LOG: 'info' }, ['--log-level', 'debug'], true],
    ['as --log-level says, where it says less', 'debug', { CINCH_LOG: 'debug' }, ['--log-level', 'info'], false],
  ])('%s', async (_, logLevel, env, args, calls) => {
    expect(await logsCalls(logLevel, env, args)).toBe(calls)
  })
})
