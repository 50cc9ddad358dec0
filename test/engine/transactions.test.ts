import fs from 'node:fs'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { startCinchd, startStdio } from '../support/cinchd.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, integrityOf, temporaryProject, tenantPath } from '../support/project.ts'

const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r'
const table = {
  name: 't',
  columns: [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ],
  primaryKey: ['a'],
  systemColumns: false,
}

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
})

async function begin(params: object = {}, by = client): Promise<string> {
  return (await by.call('transaction.begin', params)).transaction
}

const insert = (a: number, more: object = {}, by = client) =>
  by.call('row.insert', { table: 't', rows: [{ a, b: `b${a}` }], ...more })

async function keys(more: object = {}, by = client): Promise<number[]> {
  const { rows } = await by.call('query.run', { sql: 'select a from t order by a', ...more })
  return rows.map(([a]: [number]) => a)
}

const openTransactions = async () => (await client.call('project.stats')).transactions
const noneIsOpen = () => vi.waitFor(async () => expect(await openTransactions()).toBe(0), { timeout: 10_000 })

/** Settles to `waits` if a call has no answer although another one that came after it has. */
async function stateOf(answer: Promise<unknown>, by = client): Promise<string> {
  let state = 'waits'
  void answer.then(
    () => (state = 'answered'),
    () => (state = 'failed'),
  )
  await by.call('project.stats')
  await client.call('project.stats')
  return state
}

describe('a transaction that writes', () => {
  test('is seen by itself at once, by others with its commit, and by nobody after a rollback', async () => {
    const other = await started.connect()
    const transaction = await begin()
    await insert(1, { transaction })
    expect([await keys({ transaction }), await keys(), await keys({}, other)]).toEqual([[1], [], []])
    expect(await client.call('transaction.commit', { transaction })).toEqual({ transaction })
    expect([await keys(), await keys({}, other)]).toEqual([[1], [1]])

    const second = await begin()
    await insert(2, { transaction: second })
    await client.call('transaction.rollback', { transaction: second })
    expect(await keys({}, other)).toEqual([1])
  })

  test('takes every call of rows and of SQL', async () => {
    const transaction = await begin()
    const call = (method: string, params: object) => client.call(method, { transaction, ...params })
    const stored = await call('row.insert', {
      table: 't',
      rows: [{ a: 1, b: { $blob: 'AP8=' } }, { a: { $int: '9007199254740993' } }],
    })
    expect(stored).toEqual({
      rows: [
        { a: 1, b: { $blob: 'AP8=' } },
        { a: { $int: '9007199254740993' }, b: null },
      ],
      count: 2,
    })
    expect(await call('row.get', { table: 't', id: 1 })).toEqual({ row: { a: 1, b: { $blob: 'AP8=' } } })
    expect((await call('row.update', { table: 't', rows: [{ a: 1, b: 'x' }] })).rows).toEqual([{ a: 1, b: 'x' }])
    expect((await call('row.list', { table: 't', where: { a: 1 } })).rows).toEqual([{ a: 1, b: 'x' }])
    expect(await call('row.count', { table: 't' })).toEqual({ count: 2 })
    expect(await call('row.delete', { table: 't', ids: [{ $int: '9007199254740993' }] })).toEqual({ count: 1 })
    const returned = await call('query.execute', {
      sql: 'insert into t values (?, ?) returning a, b',
      params: [3, 'c'],
    })
    expect(returned).toMatchObject({ changes: 1, rows: [[3, 'c']] })
    const statements = [{ sql: 'update t set b = ?', params: ['z'] }, { sql: 'select count(*) from t' }]
    expect((await call('query.batch', { statements })).results).toMatchObject([{ changes: 2 }, { rows: [[2]] }])
    const asObjects = await call('query.run', { sql: 'select a, b from t order by a', rowFormat: 'object' })
    expect(asObjects.rows).toEqual([
      { a: 1, b: 'z' },
      { a: 3, b: 'z' },
    ])
    expect(asObjects.columns).toEqual([
      { name: 'a', type: 'INTEGER' },
      { name: 'b', type: 'TEXT' },
    ])
    const explained = await call('query.explain', { sql: 'select b from t where a = 1' })
    expect([explained.lane.name, explained.reads, explained.plan.length]).toEqual(['process', ['t'], 1])
    expect(await keys()).toEqual([])
    await call('transaction.commit', {})
    expect(await keys()).toEqual([1, 3])
  })

  test('is given results of any size, and keeps to the limits of a result', async () => {
    const transaction = await begin()
    const sql = 'with recursive r(n) as (select 1 union all select n + 1 from r where n < 50000) select n, ? from r'
    const { rows } = await client.call('query.run', { sql, params: ['x'.repeat(50)], transaction })
    expect([rows.length, rows[49_999][0]]).toEqual([50_000, 50_000])
    expect(await client.call('query.run', { sql, params: [1], maxRows: 3, transaction })).toMatchObject({
      rows: [
        [1, 1],
        [2, 1],
        [3, 1],
      ],
      truncated: true,
    })
    const large = 'ä'.repeat(300_000)
    await client.call('row.insert', { table: 't', rows: [{ a: 1, b: large }], transaction })
    expect((await client.call('row.get', { table: 't', id: 1, transaction })).row.b).toBe(large)
  })

  test('does its calls in the order in which they came, whatever the session waits for', async () => {
    const transaction = await begin()
    const answers = Array.from({ length: 100 }, (_, a) => [
      insert(a, { transaction }),
      client.call('row.count', { table: 't', transaction }),
    ])
    const counts = await Promise.all(answers.map(([, count]) => count))
    expect(counts.map(({ count }) => count)).toEqual(answers.map((_, at) => at + 1))
    // The edit waits for the transaction, and the session for the edit.
    const edit = client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } })
    const late = insert(200, { transaction })
    const commit = client.call('transaction.commit', { transaction })
    await Promise.all([edit, late, commit])
    expect((await keys()).length).toBe(101)
  })

  test('fills what the daemon keeps by itself', async () => {
    await client.call('table.create', { name: 'u', columns: [{ name: 'a', type: 'TEXT' }] })
    const transaction = await begin()
    const { rows } = await client.call('row.insert', { table: 'u', rows: [{ a: 'x' }, { a: 'y' }], transaction })
    expect(rows[0]).toMatchObject({
      a: 'x',
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      created_at: expect.any(String),
    })
    expect(rows[0].id < rows[1].id).toBe(true)
  })

  test('passes the gate like everything else', async () => {
    const transaction = await begin()
    for (const sql of ['rollback', 'commit', 'pragma user_version = 1', 'drop table t']) {
      expect((await client.refused('query.execute', { sql, transaction })).kind).toBe('sqlRefused')
    }
    expect((await client.refused('query.run', { sql: 'select * from __cinch', transaction })).kind).toBe('sqlRefused')
    const wrong = { sql: 'delete from t', transaction }
    expect((await client.refused('query.run', wrong)).kind).toBe('sqlRefused')
    await insert(1, { transaction })
    expect(await keys({ transaction })).toEqual([1])
  })

  test('makes the file of a tenant that has none, and leaves it as it is where it is rolled back', async () => {
    await client.call('tenant.create', { name: 'x' })
    const transaction = await begin({ tenant: 'x' })
    await insert(1, { transaction })
    expect(await keys({ tenant: 'x' })).toEqual([])
    await client.call('transaction.rollback', { transaction })
    expect(await keys({ tenant: 'x' })).toEqual([])
    expect((await client.call('tenant.verify', { name: 'x' })).sound).toBe(true)
  })

  test('of a branch leaves what it shares with others as it is', async () => {
    await insert(1)
    await client.call('branch.create', { name: 'dev' })
    const transaction = await begin({ branch: 'dev' })
    await insert(2, { transaction })
    await client.call('transaction.commit', { transaction })
    expect([await keys(), await keys({ branch: 'dev' })]).toEqual([[1], [1, 2]])
  })

  test('is checked at its commit for what is deferred until then, and goes on where that fails', async () => {
    const references = { table: 't', column: 'a' }
    await client.call('query.execute', { sql: 'insert into t values (1, null)' })
    await client.call('table.create', {
      name: 'u',
      columns: [{ name: 'a', type: 'INTEGER', references }],
      systemColumns: false,
    })
    const transaction = await begin()
    const dangling = await client.refused('query.execute', { sql: 'insert into u values (9)', transaction })
    expect(dangling).toMatchObject({ kind: 'constraintFailed', constraint: 'foreignKey' })
    expect(dangling.transactionEnded).toBeUndefined()
    await client.call('query.execute', { sql: 'insert into u values (1)', transaction })
    await client.call('transaction.commit', { transaction })
  })
})

describe('keys in a transaction', () => {
  test('are read and changed in it, with rows, and seen by others with its commit', async () => {
    const other = await started.connect()
    await client.call('kv.set', { key: 'n', value: 1 })
    const transaction = await begin()
    const kv = (method: string, params: object) => client.call(`kv.${method}`, { transaction, ...params })
    expect((await kv('increment', { key: 'n', by: 5 })).value).toBe(6)
    expect(await kv('set', { key: 'text', value: { a: [1, null] }, ttlMs: 60_000 })).toMatchObject({ set: true })
    expect(await kv('mset', { items: [{ key: 'x', value: 'y' }] })).toMatchObject({ count: 1 })
    await insert(1, { transaction })
    expect(await kv('mget', { keys: ['n', 'text', 'none'] })).toMatchObject({
      values: [{ found: true, value: 6 }, { value: { a: [1, null] } }, { found: false }],
    })
    expect([await kv('count', {}), await kv('keys', { pattern: '?' })]).toMatchObject([
      { count: 3 },
      { keys: ['n', 'x'] },
    ])
    expect((await kv('ttl', { key: 'text' })).ttlMs).toBeGreaterThan(50_000)
    expect(await kv('delete', { keys: ['x'] })).toEqual({ count: 1 })
    expect([await other.call('kv.keys'), await keys({}, other)]).toEqual([{ keys: ['n'] }, []])
    await client.call('transaction.commit', { transaction })
    expect([await other.call('kv.keys'), await keys({}, other)]).toEqual([{ keys: ['n', 'text'] }, [1]])
    expect((await other.call('kv.get', { key: 'n' })).value).toBe(6)
  })

  test('are as they were after a rollback, also the first ones of a tenant', async () => {
    const transaction = await begin()
    await client.call('kv.set', { transaction, key: 'a', value: 1 })
    await client.call('transaction.rollback', { transaction })
    expect(await client.call('kv.keys')).toEqual({ keys: [] })
    expect(await client.call('kv.set', { key: 'a', value: 2 })).toMatchObject({ set: true })
  })

  test('are not changed by one that only reads, and not purged in any', async () => {
    const transaction = await begin({ mode: 'read' })
    expect((await client.refused('kv.set', { transaction, key: 'a', value: 1 })).kind).toBe('transactionReadOnly')
    expect((await client.refused('kv.purge', { transaction })).kind).toBe('invalidParams')
  })
})

describe('a call that fails in a transaction', () => {
  test('leaves nothing of itself, and the transaction goes on', async () => {
    await insert(1)
    const transaction = await begin()
    await insert(2, { transaction })
    const failures: [string, object][] = [
      ['row.insert', { table: 't', rows: [{ a: 3 }, { a: 1 }] }],
      ['query.execute', { sql: 'insert or fail into t select 4, null union all select 1, null' }],
      ['query.batch', { statements: [{ sql: 'delete from t' }, { sql: 'insert into t values (1, 2), (1, 2)' }] }],
      ['row.delete', { table: 't', ids: [1, 99] }],
      ['query.execute', { sql: "update t set b = json_extract('{', '$')" }],
    ]
    for (const [method, params] of failures) {
      const failed = await client.refused(method, { ...params, transaction })
      expect(['constraintFailed', 'rowNotFound', 'sqlError']).toContain(failed.kind)
      expect(failed.transactionEnded).toBeUndefined()
      expect(await keys({ transaction })).toEqual([1, 2])
    }
    await client.call('transaction.commit', { transaction })
    expect(await keys()).toEqual([1, 2])
  })

  test('ends it where SQLite rolls back the whole, and says so', async () => {
    await insert(1)
    const transaction = await begin()
    await insert(2, { transaction })
    const params = { sql: 'insert or rollback into t values (1, null)', transaction }
    expect(await client.refused('query.execute', params)).toMatchObject({
      kind: 'constraintFailed',
      transactionEnded: true,
    })
    expect(await client.refused('row.count', { table: 't', transaction })).toMatchObject({
      kind: 'transactionEnded',
      reason: 'failed',
    })
    await insert(3)
    expect(await keys()).toEqual([1, 3])
  })

  test.each([
    ['cancelled', 'requestCancelled'],
    ['late', 'timeout'],
  ])('because it is %s takes the transaction with it, and the tenant is free at once', async (how, kind) => {
    const transaction = await begin()
    await insert(1, { transaction })
    const params = { sql: endless, transaction, ...(how === 'late' && { timeoutMs: 200 }) }
    const answer = client.request('query.run', params, 'x')
    const waiting = client.refused('row.count', { table: 't', transaction })
    if (how === 'cancelled') {
      client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'x' } }))
    }
    expect((await answer).error?.data).toMatchObject({ kind, transactionEnded: true })
    expect(await waiting).toMatchObject({ kind: 'transactionEnded', reason: 'stopped' })
    await insert(2)
    expect(await keys()).toEqual([2])
  })

  test('because it takes longer, or more memory, than any statement may, takes the transaction with it', async () => {
    const config = { limits: { maxStatementMs: 300 } }
    const { client } = await startDaemon({ config })
    const transaction = await begin({}, client)
    expect(await client.refused('query.run', { sql: endless, transaction })).toMatchObject({
      kind: 'timeout',
      transactionEnded: true,
    })
    const roomy = await startDaemon({ config: { limits: { maxStatementBytes: 100_000_000 } } })
    const sql =
      'with recursive r(n) as (select 1 union all select n + 1 from r) select group_concat(hex(zeroblob(1000))) from r'
    const refused = await roomy.client.refused('query.run', { sql, transaction: await begin({}, roomy.client) })
    expect(refused).toMatchObject({ kind: 'limitExceeded', limit: 'maxStatementBytes', transactionEnded: true })
  })

  test('is cancelled while it waits for others in the transaction, which goes on', async () => {
    const transaction = await begin()
    const slow =
      'with recursive r(n) as (select 1 union all select n + 1 from r where n < 3000000) select count(*) from r'
    const first = client.call('query.run', { sql: slow, transaction })
    const cancelled = client.request('row.insert', { table: 't', rows: [{ a: 1 }], transaction }, 'x')
    client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'x' } }))
    expect((await cancelled).error?.data.kind).toBe('requestCancelled')
    expect((await first).rows).toEqual([[3_000_000]])
    expect(await keys({ transaction })).toEqual([])
  })
})

describe('those who come while a transaction writes', () => {
  test('wait in their order, and nobody is told of a lock; reads do not wait', async () => {
    const other = await started.connect()
    const transaction = await begin()
    const order: string[] = []
    const note = (name: string) => () => order.push(name)
    const plain = insert(1, {}, other).then(note('plain'))
    const next = begin({}, other).then(async (transaction) => {
      order.push('next')
      await other.call('transaction.commit', { transaction })
    })
    const batch = other
      .call('query.batch', { statements: [{ sql: 'insert into t values (2, null)' }] })
      .then(note('batch'))
    expect(await stateOf(Promise.race([plain, next, batch]), other)).toBe('waits')
    expect(await keys({}, await started.connect())).toEqual([])
    await client.call('transaction.commit', { transaction })
    await Promise.all([plain, next, batch])
    expect(order).toEqual(['plain', 'next', 'batch'])
  })

  test('read what their session wrote before, though that waits', async () => {
    const other = await started.connect()
    const transaction = await begin()
    const written = insert(1, {}, other)
    const read = keys({}, other)
    expect(await stateOf(read, other)).toBe('waits')
    await client.call('transaction.commit', { transaction })
    expect([await read, (await written).count]).toEqual([[1], 1])
  })

  test('can be cancelled, or give up after their time, and leave nothing', async () => {
    const other = await started.connect()
    const transaction = await begin()
    const late = await other.refused('row.insert', { table: 't', rows: [{ a: 1 }], timeoutMs: 50 })
    expect(late.kind).toBe('timeout')
    expect((await other.refused('transaction.begin', { timeoutMs: 50 })).kind).toBe('timeout')
    const cancelled = other.request('transaction.begin', {}, 'x')
    other.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'x' } }))
    expect((await cancelled).error?.data.kind).toBe('requestCancelled')
    await client.call('transaction.commit', { transaction })
    expect(await keys()).toEqual([])
    await insert(2, {}, other)
  })

  test('are refused where too many wait', async () => {
    const { client, connect } = await startDaemon({ config: { limits: { maxWaitingWriters: 2 } } })
    await client.call('table.create', table)
    const transaction = await begin({}, client)
    const waiting = [insert(1, {}, client), insert(2, {}, await connect())]
    await expect(stateOf(Promise.race(waiting), client)).resolves.toBe('waits')
    const refused = await (await connect()).refused('row.insert', { table: 't', rows: [{ a: 3 }] })
    expect(refused).toMatchObject({ kind: 'limitExceeded', limit: 'maxWaitingWriters', max: 2 })
    await client.call('transaction.rollback', { transaction })
    await Promise.all(waiting)
    expect(await keys({}, client)).toEqual([1, 2])
  })

  test('lose no update when twenty read, change and write one row', { timeout: 120_000 }, async () => {
    await client.call('row.insert', { table: 't', rows: [{ a: 1, b: '0' }] })
    const clients = await Promise.all(Array.from({ length: 20 }, () => started.connect()))
    const errors: unknown[] = []
    await Promise.all(
      clients.map(async (each) => {
        for (let round = 0; round < 5; round++) {
          const transaction = await begin({}, each)
          const { row } = await each.call('row.get', { table: 't', id: 1, transaction })
          const rows = [{ a: 1, b: String(Number(row.b) + 1) }]
          await each.call('row.update', { table: 't', rows, transaction }).catch((error) => errors.push(error))
          await each.call('transaction.commit', { transaction })
        }
      }),
    )
    expect(errors).toEqual([])
    expect((await client.call('row.get', { table: 't', id: 1 })).row.b).toBe('100')
  })

  test('are not kept waiting where they are tenants of their own', async () => {
    await client.call('tenant.create', { name: 'x' })
    const transaction = await begin()
    await insert(1, { tenant: 'x' })
    const other = await begin({ tenant: 'x' })
    await insert(2, { transaction: other })
    expect(await openTransactions()).toBe(2)
    await client.call('transaction.commit', { transaction: other })
    await client.call('transaction.commit', { transaction })
    expect(await keys({ tenant: 'x' })).toEqual([1, 2])
  })
})

describe('a transaction that reads', () => {
  test('sees what was acknowledged before it, and nothing else, whatever happens', async () => {
    await insert(1)
    const written = insert(2)
    const beginning = begin({ mode: 'read' })
    const later = insert(3)
    const transaction = await beginning
    await Promise.all([written, later])
    expect(await keys({ transaction })).toEqual([1, 2])
    const writing = await begin()
    await insert(4, { transaction: writing })
    await client.call('transaction.commit', { transaction: writing })
    await client.call('table.create', { name: 'u', columns: [{ name: 'a', type: 'TEXT' }] })
    await client.call('column.drop', { table: 't', name: 'b' })
    await client.call('query.execute', { sql: 'delete from t where a = 1' })
    expect(await client.call('query.run', { sql: 'select * from t', transaction })).toMatchObject({
      rows: [
        [1, 'b1'],
        [2, 'b2'],
      ],
    })
    expect((await client.call('row.get', { table: 't', id: 1, transaction })).row).toEqual({ a: 1, b: 'b1' })
    expect((await client.refused('row.list', { table: 'u', transaction })).kind).toBe('tableNotFound')
    expect(await keys()).toEqual([2, 3, 4])
    await client.call('transaction.commit', { transaction })
  })

  test('refuses what writes', async () => {
    const transaction = await begin({ mode: 'read' })
    for (const [method, params] of [
      ['row.insert', { table: 't', rows: [{ a: 1 }] }],
      ['query.execute', { sql: 'delete from t' }],
      ['query.batch', { statements: [{ sql: 'delete from t' }] }],
    ] as const) {
      expect((await client.refused(method, { ...params, transaction })).kind).toBe('transactionReadOnly')
    }
    const statements = [{ sql: 'select 1' }, { sql: 'select count(*) from t' }]
    expect((await client.call('query.batch', { statements, transaction })).results).toHaveLength(2)
  })

  test('of a tenant without a file reads the template, and makes none', async () => {
    await client.call('tenant.create', { name: 'x' })
    const transaction = await begin({ tenant: 'x', mode: 'read' })
    expect(await keys({ transaction })).toEqual([])
    await insert(1, { tenant: 'x' })
    expect([await keys({ transaction }), await keys({ tenant: 'x' })]).toEqual([[], [1]])
    await client.call('tenant.create', { name: 'y' })
    await client.call('transaction.rollback', { transaction: await begin({ tenant: 'y', mode: 'read' }) })
    expect((await client.call('tenant.get', { name: 'y' })).hasFile).toBe(false)
  })

  test('does not let the log grow for ever: once it is over, the file takes it in', async () => {
    const { client, daemon, layout } = await startDaemon({ config: { checkpointBytes: 65_536 } })
    await client.call('table.create', table)
    const write = (a: number) => client.call('row.insert', { table: 't', rows: [{ a, b: 'x'.repeat(20_000) }] })
    await write(0)
    const transaction = await begin({ mode: 'read' }, client)
    for (let a = 1; a <= 40; a++) await write(a)
    const log = () => fs.statSync(`${tenantPath(layout)}-wal`).size
    expect(log()).toBeGreaterThan(400_000)
    expect((await client.call('row.count', { table: 't', transaction })).count).toBe(1)
    await client.call('transaction.commit', { transaction })
    const { checkpoints } = daemon.engine.parts.pool
    for (let a = 41; daemon.engine.parts.pool.checkpoints < checkpoints + 2; a++) await write(a)
    const grown = log()
    for (let a = 1_000; a < 1_010; a++) await write(a)
    expect(log()).toBe(grown)
  })
})

describe('a transaction ends', () => {
  test('with the connection that began it, and belongs to no other', async () => {
    const other = await started.connect()
    const transaction = await begin({}, other)
    await insert(1, { transaction }, other)
    expect((await client.refused('row.count', { table: 't', transaction })).kind).toBe('transactionNotFound')
    expect((await client.refused('transaction.commit', { transaction })).kind).toBe('transactionNotFound')
    other.destroy()
    await insert(2)
    expect(await keys()).toEqual([2])
    await noneIsOpen()
  })

  test('with its connection also while a statement runs in it, or while it waits to begin', async () => {
    const [one, two] = [await started.connect(), await started.connect()]
    const transaction = await begin({}, one)
    void one.request('query.run', { sql: endless, transaction }).catch(() => {})
    void two.request('transaction.begin').catch(() => {})
    const written = insert(1)
    await stateOf(written, two)
    two.destroy()
    one.destroy()
    await written
    await noneIsOpen()
  })

  test('when no call comes for its time, or after all of it; calls are told how', async () => {
    const idle = await begin({ idleMs: 1 })
    await insert(1, { transaction: idle }).catch(() => {})
    await insert(2)
    expect(await client.refused('row.count', { table: 't', transaction: idle })).toMatchObject({
      kind: 'transactionEnded',
      reason: 'idle',
    })
    const long = await begin({ maxMs: 300 })
    const busy = await client.refused('query.run', { sql: endless, transaction: long })
    expect(busy).toMatchObject({ kind: 'transactionEnded', reason: 'tooLong' })
    const { rows } = await client.call('query.run', { sql: 'select a from t where a <> 1' })
    expect(rows).toEqual([[2]])
  })

  test('after the time of the settings at most, whatever it asks for', async () => {
    const { client } = await startDaemon({
      config: { limits: { maxTransactionIdleMs: 100, maxTransactionMs: 60_000 } },
    })
    await client.call('table.create', table)
    const transaction = await begin({ idleMs: 60_000 }, client)
    await insert(1, {}, client)
    expect((await client.refused('transaction.commit', { transaction })).reason).toBe('idle')
  })

  test.each([
    ['transaction.commit', 'committed'],
    ['transaction.rollback', 'rolledBack'],
  ])('once: after %s calls are told so', async (method, reason) => {
    const transaction = await begin()
    const behind = [client.call(method, { transaction }), client.refused('row.count', { table: 't', transaction })]
    expect((await Promise.all(behind))[1]).toMatchObject({ kind: 'transactionEnded', reason })
    expect(await client.refused('transaction.commit', { transaction })).toMatchObject({
      kind: 'transactionEnded',
      reason,
    })
    expect((await client.refused('transaction.commit', { transaction: 'nonsense' })).kind).toBe('transactionNotFound')
  })

  test.each([
    ['its process', (_: number, children: readonly number[]) => children],
    ['the daemon', (daemon: number) => [daemon]],
  ])('with %s, which is killed in the middle of a bulk write: the file is sound, and has nothing of it', async (who, victims) => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await insert(0, {}, client)
    const transaction = await begin({}, client)
    await insert(1, { transaction }, client)
    const sql =
      'insert into t with recursive r(n) as (select 2 union all select n + 1 from r) select n, hex(randomblob(200)) from r'
    const bulk = client.request('query.execute', { sql, transaction }).catch(() => undefined)
    const file = tenantPath(layout)
    await vi.waitFor(() => expect(fs.statSync(`${file}-wal`).size).toBeGreaterThan(20_000_000), { timeout: 20_000 })
    const children = childrenOf(cinchd.pid)
    for (const pid of victims(cinchd.pid, children)) process.kill(pid, 'SIGKILL')
    const answer = await bulk
    if (who === 'its process') {
      expect(answer?.error?.data).toMatchObject({ kind: 'transactionEnded', reason: 'processEnded' })
      await insert(1, {}, client)
      expect(await keys({}, client)).toEqual([0, 1])
      expect(await client.call('tenant.verify', { name: 'main' })).toEqual({ sound: true, problems: [] })
      const next = await begin({}, client)
      expect(await keys({ transaction: next }, client)).toEqual([0, 1])
      return
    }
    await cinchd.exited
    await vi.waitFor(() => expect(children.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([]), {
      timeout: 10_000,
    })
    expect(integrityOf(file)).toBe('ok')
    expect(ask(file, 'select a from t')).toEqual([0])
    const again = await (await startCinchd(layout)).connect()
    await insert(1, {}, again)
    expect(await keys({}, again)).toEqual([0, 1])
  })

  test.each([
    ['statement.committing', false],
    ['statement.committed', true],
  ])('with its process, which dies at %s: the answer says what has become of it', async (point, isCommitted) => {
    const cinchd = await startCinchd(temporaryProject(), { env: { CINCH_CRASH_AT: point } })
    const client = await cinchd.connect()
    await client.call('table.create', table)
    const transaction = await begin({}, client)
    await insert(1, { transaction }, client)
    const { result, error } = await client.request('transaction.commit', { transaction })
    expect([result, error?.data.reason]).toEqual(
      isCommitted ? [{ transaction }, undefined] : [undefined, 'processEnded'],
    )
    await insert(2, {}, client)
    expect(await keys({}, client)).toEqual(isCommitted ? [1, 2] : [2])
  })

  test('with the input of a client that says no more, once it is answered', async () => {
    const { cinchd, client } = startStdio(temporaryProject())
    await client.call('table.create', table)
    const begun = client.call('transaction.begin')
    client.output.end()
    expect((await begun).transaction).toEqual(expect.any(String))
    expect(await cinchd.exited).toBe(0)
  })

  test('when the daemon stops, which keeps what was committed and nothing else', async () => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await client.call('tenant.create', { name: 'x' })
    const [committed, open] = [await begin({}, client), await begin({ tenant: 'x' }, client)]
    await insert(1, { transaction: committed }, client)
    await insert(2, { transaction: open }, client)
    await client.call('transaction.commit', { transaction: committed })
    expect(await cinchd.kill('SIGTERM')).toBe(0)
    expect(ask(tenantPath(layout), 'select a from t')).toEqual([1])
    expect(ask(tenantPath(layout, 'x'), 'select a from t')).toEqual([])
  })
})

describe('while a transaction is open', () => {
  test.each([
    'write',
    'read',
  ])('an edit, a fork and a rename wait for one that writes, and go on with its end (%s)', async (mode) => {
    await client.call('tenant.create', { name: 'x' })
    await insert(1, { tenant: 'x' })
    const other = await started.connect()
    const third = await started.connect()
    const transaction = await begin({ mode, tenant: 'x' })
    const changes = [
      other.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } }),
      third.call('branch.create', { name: 'dev' }),
    ]
    const renamed = (await started.connect()).call('tenant.rename', { name: 'x', newName: 'y' })
    if (mode === 'write') expect(await stateOf(Promise.race([...changes, renamed]))).toBe('waits')
    else {
      await Promise.all(changes)
      expect(await stateOf(renamed)).toBe('waits')
      expect(await keys({ transaction })).toEqual([1])
    }
    if (mode === 'write') await insert(2, { transaction })
    await client.call('transaction.commit', { transaction })
    await Promise.all([...changes, renamed])
    const { rows } = await client.call('query.run', { sql: 'select a, c from t', tenant: 'y' })
    expect(rows).toEqual(
      mode === 'write'
        ? [
            [1, null],
            [2, null],
          ]
        : [[1, null]],
    )
  })

  test('an edit is not put off by those that follow one another without end', async () => {
    let isOver = false
    const work = async (tenant: string) => {
      const each = await started.connect()
      while (!isOver) {
        const transaction = await begin({ tenant }, each)
        await each.call('row.count', { table: 't', transaction })
        await each.call('transaction.commit', { transaction })
      }
    }
    await client.call('tenant.create', { name: 'x' })
    const workers = ['main', 'main', 'x', 'x'].map(work)
    await vi.waitFor(async () => expect(await openTransactions()).toBe(2), { timeout: 10_000 })
    await (await started.connect()).call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } })
    isOver = true
    await Promise.all(workers)
  })

  test('what waits for it for long is refused, and names the tenant', { timeout: 60_000 }, async () => {
    await client.call('tenant.create', { name: 'x' })
    const transaction = await begin({ tenant: 'x' })
    const keepAlive = setInterval(() => void client.call('row.count', { table: 't', transaction }), 1_000)
    const [one, two, three] = [await started.connect(), await started.connect(), await started.connect()]
    const answers = await Promise.all([
      one.refused('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } }),
      two.refused('tenant.delete', { name: 'x' }),
      three.refused('branch.create', { name: 'dev' }),
    ])
    clearInterval(keepAlive)
    expect(answers.map(({ kind, tenants }) => [kind, tenants])).toEqual(answers.map(() => ['tenantBusy', ['x']]))
    await insert(1, { transaction })
    await client.call('transaction.commit', { transaction })
    expect(await keys({ tenant: 'x' })).toEqual([1])
  })

  test('a maintenance that begins refuses its writes and its commit, which goes through afterwards', async () => {
    const transaction = await begin()
    await insert(1, { transaction })
    await client.call('branch.setMaintenance', { name: 'main', enabled: true })
    for (const [method, params] of [
      ['row.insert', { table: 't', rows: [{ a: 2 }] }],
      ['transaction.commit', {}],
    ] as const) {
      expect((await client.refused(method, { ...params, transaction })).kind).toBe('maintenance')
    }
    expect((await client.refused('transaction.begin')).kind).toBe('maintenance')
    await client.call('branch.setMaintenance', { name: 'main', enabled: false })
    await client.call('transaction.commit', { transaction })
    expect(await keys()).toEqual([1])
  })
})

describe('the limits of transactions', () => {
  test('hold for all and for a session, and are named', async () => {
    const { client, connect } = await startDaemon({
      config: { limits: { maxTransactions: 3, maxTransactionsPerSession: 2 } },
    })
    const reading = { mode: 'read' }
    const transaction = await begin(reading, client)
    await begin(reading, client)
    expect(await client.refused('transaction.begin', reading)).toMatchObject({
      kind: 'limitExceeded',
      limit: 'maxTransactionsPerSession',
      max: 2,
    })
    const other = await connect()
    await begin(reading, other)
    expect(await other.refused('transaction.begin', reading)).toMatchObject({
      kind: 'limitExceeded',
      limit: 'maxTransactions',
      max: 3,
    })
    await client.call('transaction.commit', { transaction })
    await begin(reading, other)
  })

  test('refuse a scope that is not the transaction’s, and parameters that make no sense', async () => {
    await client.call('tenant.create', { name: 'x' })
    const transaction = await begin({ tenant: 'x' })
    await insert(1, { transaction, tenant: 'x', branch: 'main', database: 'main' })
    const wrong = await client.refused('row.count', { table: 't', transaction, tenant: 'main' })
    expect(wrong).toMatchObject({ kind: 'invalidValue', where: 'tenant' })
    for (const params of [{ mode: 'both' }, { idleMs: 0 }, { maxMs: -1 }, { mode: 'read', readOnly: true }]) {
      expect((await client.refused('transaction.begin', params)).kind).toBe('invalidParams')
    }
    expect((await client.refused('transaction.begin', { tenant: 'nobody' })).kind).toBe('tenantNotFound')
    expect((await client.refused('row.count', { table: 't', transaction: 7 })).kind).toBe('invalidParams')
  })

  test.each(['normal', 'full'])('a commit with durability %s is there after a kill', async (durability) => {
    const layout = temporaryProject({ config: { durability } })
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    const transaction = await begin({}, client)
    await insert(1, { transaction }, client)
    await client.call('transaction.commit', { transaction })
    await cinchd.kill('SIGKILL')
    expect(ask(tenantPath(layout), 'select a from t')).toEqual([1])
  })

  test('leave no process and no descriptor behind', async () => {
    const round = async () => client.call('transaction.commit', { transaction: await begin() })
    for (let at = 0; at < 3; at++) await round()
    const open = () => fs.readdirSync('/proc/self/fd').length
    const before = [open(), childrenOf(process.pid).length]
    for (let at = 0; at < 50; at++) await round()
    expect([open(), childrenOf(process.pid).length]).toEqual(before)
  })
})

function childrenOf(pid: number): number[] {
  return fs
    .readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
    .filter(Boolean)
    .map(Number)
}
