import path from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { seed } from '../support/seed.ts'

let client: RawClient

/** What must never come out, in whatever form. */
const secrets = ['s-one', 's-two', 's-three']
const hidden = '***'

beforeAll(async () => {
  client = (await startDaemon({ keep: deferToEnd })).client
  const column = (name: string, more: object = {}) => ({ name, type: 'TEXT', ...more })
  const tables: [string, object[], string[] | undefined, object][] = [
    [
      't',
      [
        column('id', { type: 'INTEGER' }),
        column('name'),
        column('ssn'),
        column('grp', { type: 'INTEGER' }),
        column('kept', { generated: { expression: 'lower(ssn)', stored: true } }),
      ],
      ['id'],
      {},
    ],
    [
      'u',
      [column('id', { type: 'INTEGER' }), column('tid', { type: 'INTEGER' }), column('ssn'), column('note')],
      ['id'],
      {},
    ],
    ['gen', [column('ssn'), column('twice', { generated: { expression: 'ssn || ssn' } })], undefined, {}],
    ['bare', [column('a'), column('ssn')], undefined, {}],
    ['keyed', [column('other'), column('ssn'), column('k', { nullable: false })], ['k'], { withoutRowid: true }],
    ['bykey', [column('a'), column('ssn', { nullable: false })], ['ssn'], { withoutRowid: true }],
    ['uniq', [column('id', { type: 'INTEGER' }), column('ssn', { unique: true }), column('name')], ['id'], {}],
    ['part', [column('id', { type: 'INTEGER' }), column('ssn'), column('name')], ['id'], {}],
    ['num', [column('ssn', { type: 'INTEGER' }), column('a')], ['ssn'], {}],
  ]
  for (const [name, columns, primaryKey, more] of tables) {
    await client.call('table.create', { name, columns, primaryKey, systemColumns: false, ...more })
  }
  const changes = [
    { kind: 'createIndex', name: 'part_some', table: 'part', columns: [{ name: 'name' }], where: "ssn > 's-t'" },
    { kind: 'createIndex', name: 'num_a', table: 'num', columns: [{ name: 'a' }] },
    { kind: 'createView', name: 'plain', sql: 'select id, ssn as number, name from t' },
    { kind: 'createView', name: 'upper', sql: 'select id, upper(ssn) as number from t' },
    { kind: 'createView', name: 'nested', sql: 'select number as n from plain' },
  ]
  for (const change of changes) await client.call('schema.apply', { changes: [change] })
  await fill('main', secrets)
  await client.call('tenant.create', { name: 'other' })
  await fill('other', ['zz', '', '5'])
})

/** The same rows but for what is hidden. */
async function fill(tenant: string, secrets: readonly string[]): Promise<void> {
  await client.call('query.batch', {
    tenant,
    statements: [
      ...secrets.map((ssn, at) => ({
        sql: 'insert into t (id, name, ssn, grp) values (?, ?, ?, ?)',
        params: [at + 1, `name ${at + 1}`, ssn, at % 2],
      })),
      { sql: "insert into t (id, name, ssn, grp) values (4, 'none', null, 1)" },
      { sql: "insert into u select id, id, ssn, 'note' from t" },
      { sql: "insert into gen (ssn) values ('s-one')" },
      { sql: 'insert into bare select name, ssn from t' },
      { sql: "insert into keyed (k, ssn, other) select name, ssn, 'o' from t" },
      { sql: 'insert into bykey (ssn, a) select ssn, name from t where ssn is not null' },
      { sql: 'insert into uniq (id, ssn, name) select id, ssn, name from t' },
      { sql: 'insert into part (id, ssn, name) select id, ssn, name from t' },
      { sql: 'insert into num select id, name from t' },
    ],
  })
}

const run = (sql: string, mask: string[] = ['ssn'], more: object = {}) => {
  return client.request('query.run', { sql, mask, ...more })
}

describe('a column that is only shown is masked', () => {
  const m = hidden
  test.each<[string, Json]>([
    ['select ssn from t', [[m], [m], [m], [null]]],
    ['select SSN from T where id = 2', [[m]]],
    ['select "ssn" as name, name as ssn from t where id = 1', [[m, 'name 1']]],
    ['select * from t where id = 2', [[2, 'name 2', m, 1, m]]],
    ['select t.*, 1 from t where id = 4', [[4, 'none', null, 1, null, 1]]],
    ['select id, ssn from t order by name desc limit 1', [[4, null]]],
    [
      'select ssn, name from t order by name, id limit 2',
      [
        [m, 'name 1'],
        [m, 'name 2'],
      ],
    ],
    ['select number from plain where id = 3', [[m]]],
    ['select * from plain where name = ? ', [[1, m, 'name 1']]],
    ['select n from nested limit 1', [[m]]],
    ['select x from (select ssn as x, id from t) where id = 1', [[m]]],
    ['with c as (select id, ssn from t) select c.ssn from c where id = 1', [[m]]],
    [
      'with c (i, s) as materialized (select id, ssn from t) select s, name from c join t on t.id = i where i = 1',
      [[m, 'name 1']],
    ],
    ['select (select ssn from t where id = 1), 2', [[m, 2]]],
    ['select name from t where id = 1 union all select ssn from t where id = 2', [[m], [m]]],
    ['select t.name, u.ssn from t join u on u.tid = t.id where t.id = 1', [['name 1', m]]],
    ['select t.name, u.ssn from t left join u on u.id = t.id + 100 where t.id = 1', [['name 1', null]]],
    ["select case when name = 'name 1' then ssn else name end from t where id < 3", [[m], [m]]],
    [
      'select row_number() over (order by id), ssn from t where id < 3',
      [
        [1, m],
        [2, m],
      ],
    ],
    [
      'select lag(name) over (order by id), ssn from t where id < 3',
      [
        [null, m],
        ['name 1', m],
      ],
    ],
    ['select ssn from bare', [[m], [m], [m], [null]]],
    ['select rowid, ssn from bare where rowid = 1', [[1, m]]],
    ['select k, ssn from keyed where k = ?', [['name 1', m]]],
    ['select ssn from keyed order by k limit 1', [[m]]],
    ['select kept from t where id = 1', [[m]]],
    ['select ssn from gen', [[m]]],
    ['select id, ssn from uniq where id = 1', [[1, m]]],
    ['select count(*) from uniq', [[4]]],
    ['select count(*) from t', [[4]]],
    ['select name, count(*) from t group by name having count(*) > 1', []],
    ['select grp, max(id), ssn from t where ssn is not null group by grp', 'maskRefused'],
    ['select grp, max(id), ssn from t where grp = 0 group by grp', [[0, 3, m]]],
    ['select name from t where id = 1', [['name 1']]],
    ['select name from u join t on t.id = u.tid where u.id = 2', [['name 2']]],
    ["select 'ssn', json_object('n', name), ssn from t where id = 1", [['ssn', '{"n":"name 1"}', m]]],
    ['values (1, 2)', [[1, 2]]],
    ['select a from bykey', 'maskRefused'],
    ['select ssn from t limit 1 offset 1', [[m]]],
    ['select b.ssn from (select * from t) as b, (select 1) where b.id = 1', [[m]]],
    [
      'with recursive r(i, s) as (select id, ssn from t where id = 1 union all select i + 1, s from r where i < 3) select s from r',
      [[m], [m], [m]],
    ],
  ])('%s', async (sql, expected) => {
    const { result, error } = await run(sql, ['ssn'], sql.includes('?') ? { params: ['name 1'] } : {})
    if (expected === 'maskRefused') return expect(error?.data.kind).toBe('maskRefused')
    expect(error?.data).toBeUndefined()
    expect(result.rows).toEqual(expected)
  })
})

describe('what does more with it is refused', () => {
  test.each([
    'select upper(ssn) from t',
    "select ssn || '' from t",
    "select '' || ssn as ssn from t",
    'select substr(ssn, 1, 1) from t',
    'select length(ssn) from t',
    'select typeof(ssn) from t',
    'select hex(ssn) from t',
    'select unicode(ssn) from t',
    'select +ssn, -ssn from t',
    'select ssn + 0 from t',
    'select cast(ssn as blob) from t',
    "select json_object('x', ssn) from t",
    'select json_array(ssn, id) from t',
    "select printf('%s', ssn) from t",
    'select group_concat(ssn) from t',
    'select max(ssn) from t',
    'select min(ssn), id from t',
    'select count(ssn) from t',
    'select count(distinct ssn) from t',
    'select coalesce(ssn, 1) from t',
    'select iif(ssn > 1, 1, 2) from t',
    "select case ssn when 's-one' then 1 end from t",
    "select ssn = 's-one' from t",
    "select ssn is 's-one' from t",
    'select ssn is null from t',
    "select ssn like 's%' from t",
    "select ssn glob 's*' from t",
    "select ssn in ('s-one') from t",
    "select name from t where ssn = 's-one'",
    "select name from t where ssn > 's-p'",
    "select name from t where ssn between 's' and 't'",
    "select name from t where ssn like 's-o%'",
    'select name from t where ssn is not null',
    "select name from t where id = 1 and (ssn = 's-one' or grp = 7)",
    'select name from t order by ssn',
    'select id from t order by ssn limit 1',
    'select ssn from t order by 1',
    'select ssn from t order by upper(ssn)',
    'select distinct ssn from t',
    'select name from t group by ssn',
    'select ssn, count(*) from t group by ssn',
    "select count(*) from t group by grp having max(ssn) > 's-p'",
    'select ssn from t union select name from t',
    'select ssn from t except select name from t',
    'select ssn from t intersect select ssn from u',
    'select name from t where exists (select 1 from u where u.ssn = t.ssn)',
    'select t.name from t join u on t.ssn = u.ssn',
    'select t.name from t join u using (ssn)',
    'select 1 from t natural join u',
    "select name from t where (select ssn from u where u.id = t.id) = 's-one'",
    "select name from t where 's-one' in (select ssn from u)",
    "select name from t where (id, ssn) = (1, 's-one')",
    'select number from upper',
    "select id from plain where number = 's-one'",
    'select number from plain order by number',
    "select n from nested where n like 's%'",
    'with c as (select upper(ssn) as x from t) select x from c',
    "with c as materialized (select ssn as x, id from t) select id from c where x = 's-one'",
    "with recursive r(s) as (select ssn from t where id = 1 union all select substr(s, 2) from r where s <> '') select s from r",
    'select row_number() over (order by ssn) from t',
    'select rank() over (partition by ssn) from t',
    'select first_value(ssn) over (order by id) || 1 from t',
    'select sum(ssn) over (order by id) from t',
    'select twice from gen',
    'select * from gen',
    'select kept || 1 from t',
    "select id from t where kept = 's-one'",
    'select id from t order by kept',
    'select value from t, json_each(json_array(ssn))',
    'select j.value from t, json_each(t.ssn) as j',
    'select randomblob(ssn) from t',
    'select name from t limit (select length(ssn) from t where id = 1)',
    'select name from t limit 1 offset (select length(ssn) from t)',
    'select abs(ssn) from t',
    "select name from part where ssn > 's-t' order by name",
    "select id from uniq where ssn = 's-one'",
    'select id from uniq order by ssn',
    'select ssn from uniq order by ssn',
    'select ssn from bykey',
    'select a from num',
    'select ssn from num order by a',
    'select ssn + 0 from num order by a',
    "select ssn from num where a = 'name 1'",
    'select (select ssn from num where num.a = t.name) + 1 from t',
    'select rowid from num',
    'select oid, _rowid_ from num where rowid > 1',
    "select a from bare where ssn = 's-one'",
    "select other from keyed where ssn = 's-two'",
    'select quote(ssn) from t',
    'select nullif(ssn, 1) from t',
    'select ifnull(ssn, 0) from t',
    "select replace(ssn, 's', 't') from t",
    "select ssn collate nocase = 'S-ONE' from t",
    "select ssn -> '$' from t",
    'select (select max(x) from (select ssn as x from t)) from u',
    'select not ssn from t',
    'select ssn and 1 from t',
    'select total(ssn) from t',
    'select string_agg(name, ssn) from t',
    'select name from t order by case when id > 0 then ssn end',
    'select name, count(*) filter (where ssn is null) from t group by name',
  ])('%s', async (sql) => {
    const { result, error } = await run(sql)
    expect(error?.data ?? result).toMatchObject({ kind: 'maskRefused' })
    const text = JSON.stringify(error)
    for (const secret of secrets) expect(sql.includes(secret) || !text.includes(secret)).toBe(true)
  })
})

test('a mask is of one table’s column where it names the table', async () => {
  const sql = 'select t.ssn, u.ssn from t join u on u.id = t.id where t.id = 1'
  expect((await run(sql, ['t.ssn'])).result.rows).toEqual([[hidden, 's-one']])
  expect((await run(sql, ['u.SSN'])).result.rows).toEqual([['s-one', hidden]])
  expect((await run(sql, ['ssn'])).result.rows).toEqual([[hidden, hidden]])
  expect((await run(sql, ['u.note', 'name'])).result.rows).toEqual([['s-one', 's-one']])
  expect((await run("select id from u where ssn = 's-one'", ['t.ssn'])).result.rows).toEqual([[1]])
})

test('a mask that is of no column is refused', async () => {
  expect((await run('select 1', ['snn'])).error?.data).toMatchObject({
    kind: 'columnNotFound',
    column: 'snn',
    suggestion: 'ssn',
  })
  for (const name of ['t.nope', 'nope.ssn', '*', 'main.t.ssn', '"ssn"', 'number']) {
    expect((await run('select 1', [name])).error?.data.kind).toBe('columnNotFound')
  }
})

test('values of every type are masked alike, as objects and in a process too', async () => {
  const { client } = await startDaemon()
  await client.call('table.create', {
    name: 't',
    columns: [
      { name: 'k', type: 'INTEGER' },
      { name: 'a', type: 'BLOB' },
    ],
    primaryKey: ['k'],
    systemColumns: false,
  })
  const values = [1, 1.5, 'x', '', { $blob: 'AP8=' }, { $int: '9007199254740993' }, null]
  await client.call('row.insert', { table: 't', rows: values.map((a, k) => ({ k, a })) })
  const masked = values.map((a, k) => [k, a === null ? null : hidden])
  const run = (sql: string, more: object = {}) => client.call('query.run', { sql, mask: ['a'], ...more })
  expect((await run('select k, a from t')).rows).toEqual(masked)
  expect((await run('select k, a from t', { rowFormat: 'object' })).rows).toEqual(masked.map(([k, a]) => ({ k, a })))
  const aside =
    'with recursive r(n) as (select 0 union all select n + 1 from r where n < 6) select k, a from r cross join t on k = n'
  expect((await client.call('query.explain', { sql: aside })).lane.name).toBe('process')
  expect((await run(aside)).rows).toEqual(masked)
})

test('a full-text table that has the column, or reads it, is not read', async () => {
  const { client, layout } = await startDaemon()
  const source = path.join(layout.project, 'adopted.db')
  const db = new Database(source)
  db.exec(`create table d (k integer primary key, body text, other text);
    create virtual table own using fts5 (body);
    create virtual table outer_ using fts5 (other, content = 'd', content_rowid = 'k')`)
  db.close()
  await client.call('tenant.import', { name: 'main', path: source })
  for (const sql of ['select body from own', "select rowid from own where own match 'x'", 'select other from outer_']) {
    expect((await client.request('query.run', { sql })).error).toBeUndefined()
    expect(await client.refused('query.run', { sql, mask: ['d.body'] })).toMatchObject({ kind: 'maskRefused' })
  }
})

test(`what a statement returns does not depend on what is masked (seed ${seed})`, async () => {
  let shown = 0
  await fc.assert(
    fc.asyncProperty(select, async (sql) => {
      const [one, other] = await Promise.all(
        ['main', 'other'].map((tenant) => client.request('query.run', { tenant, sql, mask: ['ssn'] })),
      )
      expect(other?.result ?? other?.error?.data.kind).toEqual(one?.result ?? one?.error?.data.kind)
      if (one?.result) shown++
    }),
    { numRuns: 400, seed },
  )
  expect(shown).toBeGreaterThan(40)
})

/** Values of a statement over `x`, which has id, ssn and name. */
const expression = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('x.id', 'x.ssn', 'x.name', 'x.ssn', '1', "'a'", 'null', 'x.rowid'),
    fc
      .tuple(fc.constantFrom('upper', 'length', 'typeof', 'quote', 'abs'), tie('value'))
      .map(([name, value]) => `${name}(${value})`),
    fc
      .tuple(tie('value'), fc.constantFrom('||', '=', '<', 'is', 'and', '+', 'like'), tie('value'))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(tie('value'), tie('value'), tie('value')).map(([a, b, c]) => `case when ${a} then ${b} else ${c} end`),
    tie('value').map((value) => `(select ${value} from u where u.id = x.id)`),
    tie('value').map((value) => `coalesce(${value}, 0)`),
  ),
})).value

const source = fc.constantFrom(
  't',
  'uniq',
  'part',
  'u',
  'plain',
  'nested',
  '(select id, ssn, name from t order by id)',
  '(select id, ssn, name from t where id > 1 limit 2)',
  '(select id, name as ssn, ssn as name from t)',
  "(select id, 'a' as ssn, name from t union all select id, ssn, note from u)",
  '(select id, ssn, row_number() over (order by id) as name from t)',
)

const select = fc
  .tuple(
    fc.array(expression, { minLength: 1, maxLength: 3 }),
    source,
    fc.option(expression, { freq: 2 }),
    fc.constantFrom(
      '',
      '',
      ' group by x.name',
      ' order by x.id',
      ' order by x.ssn',
      ' order by x.name, x.id',
      ' order by 1',
    ),
    fc.constantFrom('', '', ' limit 1', ' limit 2 offset 1'),
    fc.constantFrom('', '', '', 'distinct '),
  )
  .map(([values, source, where, order, limit, distinct]) => {
    return `select ${distinct}${values.join(', ')} from ${source} as x${where === null ? '' : ` where ${where}`}${order}${limit}`
  })
