import { beforeEach, describe, expect, test } from 'vitest'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'

let client: RawClient

beforeEach(async () => {
  client = (await startDaemon({ config: { limits: { maxResultRows: 50, maxResultBytes: 10_000 } } })).client
})

async function createTables(): Promise<void> {
  const changes = [
    {
      kind: 'createTable',
      name: 't',
      systemColumns: false,
      primaryKey: ['a'],
      columns: [
        { name: 'a', type: 'INTEGER' },
        { name: 'b', type: 'TEXT', nullable: false, unique: true },
        { name: 'c', type: 'INTEGER', check: 'c > 0' },
      ],
    },
    {
      kind: 'createTable',
      name: 'u',
      systemColumns: false,
      primaryKey: ['a', 'b'],
      columns: [
        { name: 'a', type: 'INTEGER', nullable: false },
        { name: 'b', type: 'INTEGER', nullable: false, references: { table: 't', column: 'a' } },
      ],
    },
  ]
  // One after the other: a reference is looked up in the schema before the batch.
  for (const change of changes) await client.call('schema.apply', { changes: [change] })
  await client.call('row.insert', { table: 't', rows: [{ a: 1, b: 'x', c: 1 }] })
}

describe('parameters', () => {
  test.each<[string, Json, Json]>([
    ['select ?, ?', [1, 'a'], [1, 'a']],

    ['select :a, @b, $c', { a: 1, b: 2, c: 3 }, [1, 2, 3]],
    ['select :a, :a', { a: 1 }, [1, 1]],
    ['select 1', [], [1]],
    ['select 1', {}, [1]],
  ])('%s takes %j', async (sql, params, row) => {
    expect((await client.call('query.run', { sql, params })).rows).toEqual([row])
  })

  test.each<[string, string, Json]>([
    ['too few', 'select ?, ?', [1]],
    ['none', 'select ?', []],
    ['too many', 'select ?', [1, 2]],
    ['one too many for a statement without', 'select 1', [1]],
    ['a missing name', 'select :a, :b', { a: 1 }],
    ['no names', 'select :a', {}],
    ['a list for names', 'select :a', [1]],
    ['names for a list', 'select ?', { a: 1 }],
  ])('%s: refused', async (_, sql, params) => {
    expect(await client.refused('query.run', { sql, params })).toMatchObject({ kind: 'invalidValue', where: 'params' })
  })

  test('far too many are refused, and the daemon goes on', async () => {
    for (const count of [40_000, 300_000]) {
      const data = await client.refused('query.run', { sql: 'select ?', params: Array(count).fill(0) })
      expect(data.kind).toMatch(/^(invalidValue|limitExceeded)$/)
    }
  })
})

describe('limits', () => {
  const numbers = (count: number) =>
    `with recursive n (a) as (select 1 union all select a + 1 from n where a < ${count}) select a from n`

  test('rows beyond maxRows are cut, and said so', async () => {
    const whole = await client.call('query.run', { sql: numbers(10), maxRows: 10 })
    expect(whole.rows).toHaveLength(10)
    expect(whole).not.toHaveProperty('truncated')
    const cut = await client.call('query.run', { sql: numbers(11), maxRows: 10 })
    expect(cut).toMatchObject({ truncated: true })
    expect(cut.rows).toHaveLength(10)
  })

  test('no call gets more rows than the daemon’s limit', async () => {
    const cut = await client.call('query.run', { sql: numbers(100), maxRows: 1_000 })
    expect([cut.rows.length, cut.truncated]).toEqual([50, true])
  })

  test('a result that is too large names the limit', async () => {
    const limit = { kind: 'limitExceeded', limit: 'maxResultBytes', max: 10_000 }
    expect(await client.refused('query.run', { sql: "select printf('%*c', 20000, 'x')" })).toMatchObject(limit)
    expect(await client.refused('query.run', { sql: 'select zeroblob(20000)' })).toMatchObject(limit)
  })

  test('a value beyond what SQLite holds is refused', async () => {
    const sql = "select replace(hex(zeroblob(1000000)), '0', printf('%*c', 1000, 'x'))"
    expect(await client.refused('query.run', { sql })).toMatchObject({ kind: 'limitExceeded' })
    expect(await client.call('ping')).toEqual({})
  })

  test('a select without an end stops at its time', async () => {
    const { client } = await startDaemon({ config: { limits: { maxResultRows: 1e9, maxResultBytes: 1e12 } } })
    const sql = 'with recursive n (a) as (select 1 union all select a + 1 from n) select a from n'
    const startedAt = performance.now()
    expect(await client.refused('query.run', { sql, timeoutMs: 100 })).toMatchObject({ kind: 'timeout' })
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(await client.call('ping')).toEqual({})
  })
})

test('columns of one name all come back, with the types of those that have one', async () => {
  await createTables()
  const { columns, rows } = await client.call('query.run', { sql: 'select a, a, b as a, 1 + 1, a as "" from t' })
  expect(columns.map(({ name, type }: { name: string; type: string }) => [name, type])).toEqual([
    ['a', 'INTEGER'],
    ['a', 'INTEGER'],
    ['a', 'TEXT'],
    ['1 + 1', null],
    ['', 'INTEGER'],
  ])
  expect(rows).toEqual([[1, 1, 'x', 2, 1]])
})

test('rows as objects keep columns with odd names', async () => {
  const sql = 'select 1 as "__proto__", 2 as "constructor", 3 as "a b"'
  client.send(JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'query.run', params: { sql, rowFormat: 'object' } }))
  const { result } = await client.answerTo('x')
  expect(Object.entries(result.rows[0])).toEqual([
    ['__proto__', 1],
    ['constructor', 2],
    ['a b', 3],
  ])
})

describe('a constraint that stands against it is named', () => {
  beforeEach(createTables)

  test.each<[string, string, object]>([
    ['a key that exists', "insert into t values (1, 'y', 1)", { constraint: 'primaryKey', table: 't', columns: ['a'] }],
    ['a unique value', "insert into t values (2, 'x', 1)", { constraint: 'unique', table: 't', columns: ['b'] }],
    ['a null', 'insert into t values (2, null, 1)', { constraint: 'notNull', table: 't', columns: ['b'] }],
    ['a check', "insert into t values (2, 'y', 0)", { constraint: 'check' }],
    ['a foreign key', 'insert into u values (1, 2)', { constraint: 'foreignKey' }],
    ['a type', "insert into t values ('text', 'y', 1)", { constraint: 'type' }],
  ])('%s', async (_, sql, expected) => {
    const data = await client.refused('query.execute', { sql })
    if ('constraint' in expected && expected.constraint === 'type') {
      expect(['constraintFailed', 'sqlError']).toContain(data.kind)
    } else expect(data).toMatchObject({ kind: 'constraintFailed', ...expected })
    expect((await client.call('row.count', { table: 't' })).count).toBe(1)
  })

  test.each(['delete from t', 'update t set a = 2'])('a row that others refer to: %s', async (sql) => {
    await client.call('row.insert', { table: 'u', rows: [{ a: 1, b: 1 }] })
    expect(await client.refused('query.execute', { sql })).toMatchObject({ constraint: 'foreignKey' })
    expect((await client.call('row.list', { table: 't' })).rows).toMatchObject([{ a: 1 }])
  })

  test('of several columns, each', async () => {
    await client.call('row.insert', { table: 'u', rows: [{ a: 1, b: 1 }] })
    const data = await client.refused('row.insert', { table: 'u', rows: [{ a: 1, b: 1 }] })
    expect(data).toMatchObject({ kind: 'constraintFailed', table: 'u', columns: ['a', 'b'] })
  })
})

test('rows of one call may give different columns, and each keeps its own', async () => {
  await createTables()
  const rows = [
    { a: 2, b: 'y' },
    { c: 3, a: 3, b: 'z' },
    { b: 'w', a: 4, c: 4 },
  ]
  await client.call('row.insert', { table: 't', rows })
  expect((await client.call('query.run', { sql: 'select a, b, c from t where a > 1 order by a' })).rows).toEqual([
    [2, 'y', null],
    [3, 'z', 3],
    [4, 'w', 4],
  ])
  await client.call('row.update', {
    table: 't',
    rows: [
      { a: 2, c: 9 },
      { a: 3, b: 'v' },
    ],
  })
  expect((await client.call('query.run', { sql: 'select b, c from t where a in (2, 3) order by a' })).rows).toEqual([
    ['y', 9],
    ['v', 3],
  ])
})

describe('all or nothing', () => {
  beforeEach(createTables)
  const rows = () => client.call('row.list', { table: 't', orderBy: ['a'] }).then(({ rows }) => rows)

  test.each<[string, string, object, string]>([
    [
      'insert',
      'row.insert',
      {
        rows: [
          { a: 2, b: 'y' },
          { a: 3, b: 'x' },
        ],
      },
      'constraintFailed',
    ],
    [
      'insert with an unknown column',
      'row.insert',
      {
        rows: [
          { a: 2, b: 'y' },
          { a: 3, z: 1 },
        ],
      },
      'columnNotFound',
    ],
    [
      'update',
      'row.update',
      {
        rows: [
          { a: 1, c: 9 },
          { a: 2, c: 9 },
        ],
      },
      'rowNotFound',
    ],
    [
      'update against a check',
      'row.update',
      {
        rows: [
          { a: 1, b: 'z' },
          { a: 1, c: -1 },
        ],
      },
      'constraintFailed',
    ],
    ['update without a key', 'row.update', { rows: [{ a: 1, c: 9 }, { c: 9 }] }, 'invalidValue'],
    ['update of nothing', 'row.update', { rows: [{ a: 1, c: 9 }, { a: 1 }] }, 'invalidValue'],
    ['delete', 'row.delete', { ids: [1, 2] }, 'rowNotFound'],
    ['delete by a key of another shape', 'row.delete', { ids: [1, { b: 1 }] }, 'invalidValue'],
  ])('%s', async (_, method, params, kind) => {
    expect((await client.refused(method, { table: 't', ...params })).kind).toBe(kind)
    expect(await rows()).toEqual([{ a: 1, b: 'x', c: 1 }])
  })

  test('a batch of statements', async () => {
    const statements = [
      { sql: "insert into t values (2, 'y', 1)" },
      { sql: 'select count(*) from t' },
      { sql: "insert into t values (3, 'x', 1)" },
    ]
    expect((await client.refused('query.batch', { statements })).kind).toBe('constraintFailed')
    expect(await rows()).toHaveLength(1)
    const { results } = await client.call('query.batch', { statements: statements.slice(0, 2) })
    expect(results[1].rows).toEqual([[2]])
  })

  test('a failing write takes nothing else of its turn with it', async () => {
    const insert = (a: number, b: string) => client.request('row.insert', { table: 't', rows: [{ a, b }] })
    const answers = await Promise.all([
      insert(2, 'p'),
      insert(2, 'q'),
      insert(3, 'r'),
      client.request('query.execute', { sql: "insert or rollback into t values (1, 's', 1)" }),
      insert(4, 's'),
      client.request('query.batch', {
        statements: [
          { sql: "insert into t values (5, 'v', 1)" },
          { sql: 'delete from u where a = abs(-9223372036854775808)' },
        ],
      }),
      insert(6, 't'),
    ])
    expect(answers.map(({ error }) => error?.data.kind)).toEqual([
      undefined,
      'constraintFailed',
      undefined,
      'constraintFailed',
      undefined,
      expect.anything(),
      undefined,
    ])
    expect((await rows()).map(({ a }: { a: number }) => a)).toEqual([1, 2, 3, 4, 6])
  })

  test('a trigger that rolls back takes nothing of other calls with it', async () => {
    const sql = "create trigger r after insert on t when new.c = 7 begin select raise(rollback, 'no'); end"
    await client.call('schema.apply', { changes: [{ kind: 'createTrigger', sql }] })
    const insert = (a: number, c: number) => client.request('row.insert', { table: 't', rows: [{ a, b: `b${a}`, c }] })
    const answers = await Promise.all([insert(2, 1), insert(3, 7), insert(4, 1), insert(5, 7), insert(6, 1)])
    expect(answers.map(({ error }) => error?.data.kind)).toEqual([
      undefined,
      'constraintFailed',
      undefined,
      'constraintFailed',
      undefined,
    ])
    expect((await rows()).map(({ a }: { a: number }) => a)).toEqual([1, 2, 4, 6])
  })
})
