import { beforeAll, describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'

let client: RawClient

/** Joined to a statement, it sends it to a process. */
const aside = 'exists (with recursive r(n) as (select 1 union all select n + 1 from r where n < 2) select n from r)'

beforeAll(async () => {
  client = (await startDaemon({ keep: deferToEnd })).client
  const integer = (name: string, more: object = {}) => ({ name, type: 'INTEGER', ...more })
  const text = (name: string, more: object = {}) => ({ name, type: 'TEXT', ...more })
  const tables: [string, object[], object][] = [
    ['parent', [integer('k'), text('a')], { primaryKey: ['k'] }],
    [
      't',
      [
        integer('k'),
        integer('u', { unique: true }),
        integer('v'),
        integer('w'),
        text('x'),
        integer('n', { nullable: false, default: 0 }),
        integer('c', { check: 'c > 0' }),
        integer('p', { references: { table: 'parent', column: 'k' } }),
      ],
      { primaryKey: ['k'], checks: ['v < w'] },
    ],
    ['pair', [integer('a', { nullable: false }), integer('b', { nullable: false })], { primaryKey: ['a', 'b'] }],
    ['strict', [integer('k'), integer('i')], { primaryKey: ['k'], strict: true }],
    ['guarded', [integer('k'), integer('a')], { primaryKey: ['k'] }],
  ]
  for (const [name, columns, more] of tables) {
    await client.call('table.create', { name, columns, systemColumns: false, ...more })
  }
  const changes = [
    { kind: 'createIndex', name: 'vw', table: 't', columns: [{ name: 'v' }, { name: 'w' }], unique: true },
    { kind: 'createIndex', name: 'lower_x', table: 't', columns: [{ expression: 'lower(x)' }], unique: true },
    {
      kind: 'createTrigger',
      sql: "create trigger no before insert on guarded when new.a = 7 begin select raise(abort, 'not seven'); end",
    },
  ]
  for (const change of changes) await client.call('schema.apply', { changes: [change] })
  await client.call('row.insert', { table: 'parent', rows: [{ k: 1 }] })
  await client.call('row.insert', { table: 't', rows: [{ k: 1, u: 1, v: 1, w: 2, x: 'One', c: 1, p: 1 }] })
  await client.call('row.insert', { table: 'pair', rows: [{ a: 1, b: 1 }] })
})

const cases: [string, string, Record<string, Json>, object][] = [
  ['a primary key', 't', { k: 1 }, { constraint: 'primaryKey', columns: ['k'] }],
  ['a primary key of several columns', 'pair', { a: 1, b: 1 }, { constraint: 'primaryKey', columns: ['a', 'b'] }],
  ['a unique column', 't', { k: 2, u: 1 }, { constraint: 'unique', columns: ['u'] }],
  ['a unique index over several columns', 't', { k: 2, v: 1, w: 2 }, { constraint: 'unique', columns: ['v', 'w'] }],
  [
    'a unique index over an expression',
    't',
    { k: 2, x: 'ONE' },
    { constraint: 'unique', name: 'lower_x', columns: ['x'] },
  ],
  ['NOT NULL', 't', { k: 2, n: null }, { constraint: 'notNull', columns: ['n'] }],
  ['a CHECK of a column', 't', { k: 2, c: 0 }, { constraint: 'check', columns: ['c'] }],
  [
    'a CHECK of several columns',
    't',
    { k: 2, v: 2, w: 1 },
    { constraint: 'check', name: 'v < w', columns: ['v', 'w'] },
  ],
  ['a foreign key', 't', { k: 2, p: 9 }, { constraint: 'foreignKey', columns: ['p'] }],
  ['the type of a STRICT table', 'strict', { k: 1, i: 'x' }, { constraint: 'type', columns: ['i'] }],
  ['the type of a row’s number', 't', { k: 'x' }, { constraint: 'type', columns: ['k'] }],
  ['a trigger', 'guarded', { k: 1, a: 7 }, { constraint: 'trigger', reason: 'not seven' }],
]

describe.each(cases)('%s that stands against a row is told', (_, table, row, expected) => {
  const names = Object.keys(row)
  const values = Object.values(row)
  const into = `insert into ${table} (${names.join(', ')})`
  const sql = `${into} values (${names.map(() => '?').join(', ')})`
  const sqlAside = `${into} select ${names.map(() => '?').join(', ')} where ${aside}`

  test.each<[string, string, object]>([
    ['row.insert', 'row.insert', { table, rows: [row] }],
    ['query.execute', 'query.execute', { sql, params: values }],
    ['query.execute in a process', 'query.execute', { sql: sqlAside, params: values }],
    ['query.batch', 'query.batch', { statements: [{ sql: 'select 1' }, { sql, params: values }] }],
  ])('by %s', async (_, method, params) => {
    const counts = () => client.call('row.count', { table })
    const before = await counts()
    const data = await client.refused(method, params)
    const isLedAstray = table === 'guarded' && method === 'row.insert'
    expect(data).toMatchObject({ kind: 'constraintFailed', ...(isLedAstray ? {} : { table }), ...expected })
    expect(await counts()).toEqual(before)
  })
})

test('a foreign key that keeps a parent is told with the table that refers to it', async () => {
  const expected = { kind: 'constraintFailed', constraint: 'foreignKey', table: 't', columns: ['p'] }
  expect(await client.refused('row.delete', { table: 'parent', ids: [1] })).toMatchObject(expected)
  expect(await client.refused('row.deleteWhere', { table: 'parent', where: { k: 1 } })).toMatchObject(expected)
  expect(await client.refused('query.execute', { sql: 'update parent set k = 2' })).toMatchObject(expected)
})

test('row.update, row.upsert and row.updateWhere tell what stands against them alike', async () => {
  await client.call('row.insert', { table: 't', rows: [{ k: 50 }] })
  for (const [row, expected] of [
    [{ u: 1 }, { constraint: 'unique', columns: ['u'] }],
    [{ n: null }, { constraint: 'notNull', columns: ['n'] }],
    [{ c: -1 }, { constraint: 'check', columns: ['c'] }],
    [{ p: 9 }, { constraint: 'foreignKey', columns: ['p'] }],
  ] as const) {
    const told = { kind: 'constraintFailed', table: 't', ...expected }
    expect(await client.refused('row.update', { table: 't', rows: [{ k: 50, ...row }] })).toMatchObject(told)
    expect(await client.refused('row.upsert', { table: 't', rows: [{ k: 50, ...row }] })).toMatchObject(told)
    expect(await client.refused('row.updateWhere', { table: 't', where: { k: 50 }, set: row })).toMatchObject(told)
  }
})

test('a deferred foreign key is told at the commit, to the call that broke it and no other', async () => {
  const { client, layout } = await startDaemon()
  const { default: Database } = await import('better-sqlite3')
  const source = `${layout.project}/adopted.db`
  const db = new Database(source)
  db.exec(`create table a (k integer primary key);
    create table b (k integer primary key, a integer references a deferrable initially deferred)`)
  db.close()
  await client.call('tenant.import', { name: 'main', path: source })
  const answers = await Promise.all([
    client.request('row.insert', { table: 'b', rows: [{ k: 1, a: null }] }),
    client.request('row.insert', { table: 'b', rows: [{ k: 2, a: 9 }] }),
    client.request('query.execute', { sql: 'insert into b values (3, 9)' }),
    client.request('query.batch', {
      statements: [{ sql: 'insert into b values (4, 4)' }, { sql: 'insert into a values (4)' }],
    }),
    client.request('query.batch', { statements: [{ sql: 'insert into b values (5, 5)' }] }),
  ])
  const told = { kind: 'constraintFailed', constraint: 'foreignKey', table: 'b', columns: ['a'] }
  expect(answers.map(({ error }) => error?.data && { ...error.data, reason: undefined })).toEqual(
    [undefined, told, told, undefined, told].map((data) => data && { ...data, reason: undefined }),
  )
  expect((await client.call('query.run', { sql: 'select k from b order by k' })).rows).toEqual([[1], [4]])
})
