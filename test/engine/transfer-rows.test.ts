import fs from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { editSchema } from '../../src/engine/edit.ts'
import { defineTable } from '../../src/schema/define.ts'
import { processesOf } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder } from '../support/project.ts'
import { quiet, refusalOf, World } from './transfer-support.ts'

test('csv goes into a table by the columns’ types', async () => {
  const world = new World()
  await world.schema('create table t (i integer, r real, s text, b blob, n numeric, o boolean, x)')
  const file = world.write(
    't.csv',
    '\ufeffs,i,r,b,n,o,x\r\n007,9223372036854775807,1.5,AP8=,12,true,3\r\n"",-1,-Infinity,"",2020-01-01,0,\r\n,,,,,,\r\n',
  )
  expect(await world.import(file, { table: 't' })).toEqual({ rows: { t: 3 }, changeSet: null })
  expect(await world.rows('select i, r, s, b, n, o, x from t')).toEqual([
    [9223372036854775807n, 1.5, '007', Buffer.from([0, 255]), 12n, 1n, '3'],
    [-1n, Number.NEGATIVE_INFINITY, '', Buffer.from([]), '2020-01-01', 0n, null],
    [null, null, null, null, null, null, null],
  ])
})

test('a table with system columns keeps them', async () => {
  const world = new World()
  let next = 0
  const table = defineTable(
    world.branch.head.schema,
    { name: 't', columns: [{ name: 'a', type: 'TEXT' }] },
    () => `i${next++}`,
  )
  await editSchema(world.engine.parts, world.branch, { changes: [{ kind: 'createTable', ...table }] }, quiet())
  await world.import(world.write('a.csv', 'a,id\nx,given\ny,\n'), { table: 't' })
  await world.import(world.write('b.ndjson', '{"a":"z"}\n{}\n{"created_at":"then"}\n'), { table: 't' })
  const time = expect.stringMatching(/^20.*Z$/)
  expect(await world.rows('select a, id, created_at, updated_at from t order by rowid')).toEqual([
    ['x', 'given', time, time],
    ['y', expect.stringMatching(/^[0-9a-f-]{36}$/), time, time],
    ['z', expect.stringMatching(/^[0-9a-f-]{36}$/), time, time],
    [null, expect.stringMatching(/^[0-9a-f-]{36}$/), time, time],
    [null, expect.stringMatching(/^[0-9a-f-]{36}$/), 'then', time],
  ])
})

test.for<[string, string | Uint8Array, object]>([
  ['t.csv', 'a,b\n1,2\nx,2\n', { line: 3, column: 'a', reason: '"x" is not a number' }],
  ['t.csv', 'a,b\n1,2\n\n"1\n",2', { line: 4, column: 'a' }],
  ['t.csv', 'a,b\n1,2,3\n', { line: 2, reason: '3 fields where 2 columns are named' }],
  ['t.csv', 'a,c\n1,2\n', { line: 1, column: 'c' }],
  ['t.csv', 'a,A\n1,2\n', { line: 1, column: 'a' }],
  ['t.csv', 'a,d\n1,2\n', { line: 1, column: 'd' }],
  ['t.csv', 'a,b\n1,2\n3,2\n', { line: 3, reason: 'UNIQUE constraint failed: t.b' }],
  ['t.csv', 'a,b\n1,2\n-3,4\n', { line: 3, reason: expect.stringContaining('CHECK') }],
  ['t.csv', 'b\n1\n', { line: 2, reason: expect.stringContaining('NOT NULL') }],
  ['t.csv', 'a,p\n1,\n1,9\n', { line: 3, reason: expect.stringContaining('FOREIGN KEY') }],
  ['t.csv', '', { line: 1 }],
  ['t.csv', Buffer.from('a,b\n1,x\n2,\xff\n', 'latin1'), { line: 3, reason: 'not UTF-8' }],
  ['t.csv', Buffer.from('a,b\n1,x\n2,\xc3', 'latin1'), { line: 3, reason: 'not UTF-8' }],
  ['t.ndjson', '{"a":1}\n{"a":[1]}\n', { line: 2, column: 'a' }],
  ['t.ndjson', '{"a":1}\n{"a":9007199254740993}\n', { line: 2, column: 'a' }],
  ['t.json', '[{"a":1},\n{"a":2,"z":1}]', { line: 2, column: 'z' }],
  ['t.json', '[{"a":1},\n{"a":2},', {}],
  ['t.txt', 'a\n1\n', { reason: 'what format? name it' }],
])('%s with %j is refused with its place, and leaves nothing', async ([name, content, expected]) => {
  const world = new World()
  await world.schema(`
    create table p (a integer primary key);
    create table t (a integer not null check (a > 0), b unique, p references p (a), d as (a + 1))`)
  const refusal = await refusalOf(world.import(world.write(name, content), { table: 't' }))
  expect(refusal).toMatchObject({ kind: 'importFailed', path: world.path(name), ...expected })
  expect(await world.rows('select count(*) from t')).toEqual([[0n]])
  await world.tenant().write((writer) => writer.statements.get('insert into t (a) values (1)').statement.run())
  expect(await world.rows('select a, d from t')).toEqual([[1n, 2n]])
})

test('what concerns no line is refused too', async () => {
  const world = new World()
  await world.schema('create table t (a)')
  const file = world.write('t.csv', 'a\n1\n')
  expect(await refusalOf(world.import(file))).toMatchObject({ kind: 'invalidValue', where: 'table' })
  expect(await refusalOf(world.import(file, { table: 'u' }))).toMatchObject({ kind: 'tableNotFound' })
  expect(await refusalOf(world.export(world.path('o.csv')))).toMatchObject({ kind: 'invalidValue', where: 'table' })
  expect(await refusalOf(world.export(world.path('o.csv'), { table: 'u' }))).toMatchObject({ kind: 'tableNotFound' })
  expect(await refusalOf(world.export(world.path('o.db'), { table: 't' }))).toMatchObject({ kind: 'invalidValue' })
  expect(world.files).toEqual(['t.csv'])
})

test('rows may refer to rows further down, but not to none', async () => {
  const world = new World()
  await world.schema('create table t (a integer primary key, b references t (a))')
  await world.import(world.write('t.csv', 'a,b\n1,2\n2,1\n'), { table: 't' })
  const refusal = await refusalOf(world.import(world.write('u.csv', 'a,b\n3,9\n'), { table: 't' }))
  expect(refusal).toMatchObject({ kind: 'importFailed', reason: 'row 3 of t refers to no row of t' })
  expect(await world.rows('select a from t')).toEqual([[1n], [2n]])
})

test('a table is made for the file, with types that fit every value', async () => {
  const world = new World()
  const csv =
    'Name,Post Code,n,big,price,mixed,none,when\nAda,00750,1,9223372036854775807,1.5,1,,2020-01-01\nBob,123,-2,0,2,x,,\n'
  const { rows, changeSet } = await world.import(world.write('people.csv', csv), { table: 'people', create: true })
  expect(rows).toEqual({ people: 2 })
  expect(changeSet).toBe(world.branch.head.id)
  const { columns, systemColumns } = world.branch.head.shape('people')
  expect(systemColumns).toBe(true)
  const types = Object.fromEntries([...columns.values()].map(({ name, type }) => [name, type]))
  expect(types).toMatchObject({
    name: 'TEXT',
    post_code: 'TEXT',
    n: 'INTEGER',
    big: 'INTEGER',
    price: 'REAL',
    mixed: 'TEXT',
    none: 'TEXT',
    when: 'TEXT',
  })
  expect(await world.rows('select post_code, big, price, mixed from people')).toEqual([
    ['00750', 9223372036854775807n, 1.5, '1'],
    ['123', 0n, 2, 'x'],
  ])

  const json = '[{"id": 1, "flag": true}, {"id": 2, "blob": {"$blob": "AP8="}, "flag": null}]'
  await world.import(world.write('flags.json', json), { table: 'flags', create: true })
  expect(world.branch.head.shape('flags').systemColumns).toBe(false)
  expect(await world.rows('select id, flag, blob from flags')).toEqual([
    [1n, 1n, null],
    [2n, null, Buffer.from([0, 255])],
  ])
})

test('a table that is made for a file is not there if its rows are refused', async () => {
  const world = new World()
  await world.schema('create table u (a)')
  expect(
    await refusalOf(world.import(world.write('t.csv', 'a\n1\n"2"x\n'), { table: 't', create: true })),
  ).toMatchObject({
    kind: 'importFailed',
    line: 3,
  })
  expect(await refusalOf(world.import(world.write('v.csv', 'A b,a-b\n'), { table: 't', create: true }))).toMatchObject({
    kind: 'importFailed',
    column: 'a-b',
  })
  const file = world.write('w.csv', `a\n${'1\n'.repeat(100_000)}`)
  const controller = new AbortController()
  const report = (value: object) => {
    if ('stage' in value && value.stage === 'rows') controller.abort(new Error('enough'))
  }
  const going = world.import(file, { table: 't', create: true }, { signal: controller.signal, report })
  await expect(going).rejects.toThrow('enough')
  expect(world.branch.head.schema.tables.map(({ name }) => name)).toEqual(['u'])
  const history = world.engine.parts.catalog.changeSets.history(world.branch.head.id, 10)
  expect(history.map(({ changes }) => JSON.parse(changes).length)).toEqual([1, 0])
})

test('a table that is made for a file is there when its rows are, and not before', async () => {
  const world = new World()
  await world.addTenant('other')
  const file = world.write('t.csv', `a\n${'1\n'.repeat(50_000)}`)
  const tables: number[] = []
  const report = () => void tables.push(world.branch.head.schema.tables.length)
  await world.import(file, { table: 't', create: true }, { signal: new AbortController().signal, report })
  expect(new Set(tables)).toEqual(new Set([0]))
  expect(await world.rows('select count(*) from t')).toEqual([[50_000n]])
  expect(await world.rows('select count(*) from t', 'other')).toEqual([[0n]])
  expect(world.engine.parts.catalog.plans.all()).toEqual([])
})

test('a catalog that cannot be written in the last moment leaves no table, and it can be imported again', async () => {
  const world = new World()
  await world.schema('create table u (a)')
  const { catalog } = world.engine.parts
  const { writeNow } = catalog
  const before = world.branch.head
  catalog.writeNow = (work) =>
    writeNow.call(catalog, () => {
      const result = work()
      if (catalog.branches.all()[0]?.head !== before.id) throw new Error('no room')
      return result
    }) as never
  const file = world.write('t.csv', 'a\n1\n2\n')
  await expect(world.import(file, { table: 't', create: true })).rejects.toThrow('no room')
  catalog.writeNow = writeNow
  expect(world.branch.head).toBe(before)
  await world.reopen()
  expect(world.branch.head.id).toBe(before.id)
  expect(await world.rows("select name from sqlite_schema where name in ('t', 'u')")).toEqual([['u']])
  await world.import(file, { table: 't', create: true })
  expect(await world.rows('select a from t')).toEqual([[1n], [2n]])
})

test('an import that is stopped on the way leaves no rows, and reads see none meanwhile', async () => {
  const world = new World()
  await world.schema('create table t (a integer primary key, b)')
  const lines = Array.from({ length: 200_000 }, (_, at) => `${at},text`)
  const file = world.write('t.csv', `a,b\n${lines.join('\n')}\n`)
  const controller = new AbortController()
  const seen: unknown[] = []
  const report = async (value: object) => {
    seen.push(value)
    expect(await world.rows('select count(*) from t')).toEqual([[0n]])
    controller.abort(new Error('enough'))
  }
  await expect(world.import(file, { table: 't' }, { signal: controller.signal, report })).rejects.toThrow('enough')
  expect(seen[0]).toMatchObject({
    stage: 'rows',
    records: expect.any(Number),
    bytes: expect.any(Number),
    total: fs.statSync(file).size,
  })
  expect(await world.rows('select count(*) from t')).toEqual([[0n]])
  expect((await world.import(file, { table: 't' })).rows).toEqual({ t: 200_000 })
})

test('other tenants go on while rows are imported, and writes to the same one wait', async () => {
  const world = new World()
  await world.schema('create table t (a integer primary key, b)')
  await world.addTenant('two')
  const lines = Array.from({ length: 100_000 }, (_, at) => `${at},text`)
  const file = world.write('t.csv', `a,b\n${lines.join('\n')}\n`)
  const insert = (tenant: string) =>
    world.tenant(tenant).write((writer) => writer.statements.get("insert into t (b) values ('x')").statement.run())
  await insert('main')
  let isOver = false
  const going = world.import(file, { table: 't', tenant: 'two' }).finally(() => {
    isOver = true
  })
  let late: Promise<unknown> | undefined
  let writes = 0
  while (!isOver) {
    await insert('main')
    writes++
    late ??= world.tenant('two').isTaken ? insert('two') : undefined
    await new Promise((resolve) => setImmediate(resolve))
  }
  await going
  await late
  expect(writes).toBeGreaterThan(10)
  expect(await world.rows('select max(a) from t', 'two')).toEqual([[100_000n]])
})

test('an edit of the schema waits for the import', async () => {
  const world = new World()
  await world.schema('create table t (a)')
  const file = world.write('t.csv', `a\n${'1\n'.repeat(50_000)}`)
  const going = world.import(file, { table: 't' })
  const changes = [{ kind: 'renameColumn', table: 't', column: 'a', newName: 'b' }] as const
  await editSchema(world.engine.parts, world.branch, { changes }, quiet())
  await going
  expect(await world.rows('select count(b) from t')).toEqual([[50_000n]])
})

test('an export of a table without rows, or of a tenant without a file, names the columns', async () => {
  const world = new World()
  await world.schema('create table t (a, "b,c")')
  for (let round = 0; round < 2; round++) {
    for (const format of ['csv', 'json', 'ndjson'] as const) {
      const { rows } = await world.export(world.path('out'), { format, table: 't', overwrite: true })
      expect(rows).toEqual({ t: 0 })
      const expected = { csv: 'a,"b,c"\r\n', json: '[]\n', ndjson: '' }
      expect(fs.readFileSync(world.path('out'), 'utf8')).toBe(expected[format])
    }
    await world.tenant().write((writer) => writer.statements.get('delete from t').statement.run())
  }
})

test('an export that is stopped on the way leaves nothing', async () => {
  const world = new World()
  await world.schema('create table t (a, b)')
  const rows = 'with recursive c (n) as (select 1 union all select n + 1 from c limit 100000) select n, n from c'
  await world.tenant().write((writer) => writer.statements.get(`insert into t ${rows}`).statement.run())
  for (const format of ['csv', 'json', 'ndjson'] as const) {
    const controller = new AbortController()
    const going = world.export(world.path('out'), { format, table: 't' }, quiet(controller.signal))
    setTimeout(() => controller.abort(new Error('enough')), 10)
    await expect(going).rejects.toThrow('enough')
    expect(world.files).toEqual([])
  }
})

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', '\0', '😀') }),
)
// SQLite has neither NaN nor, in a REAL column, a negative zero.
const real = fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value))
const blob = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes))
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null })
const ofItsType = fc.tuple(orNull(int64), orNull(real), orNull(text), orNull(blob), orNull(fc.constantFrom(0n, 1n)))
const any = orNull(fc.oneof(int64, real, text, blob))

test.for([
  ['csv', ofItsType],
  ['json', ofItsType],
  ['ndjson', ofItsType],
  ['json', fc.tuple(any, any, any, any, any)],
  ['ndjson', fc.tuple(any, any, any, any, any)],
] as const)('rows come back from %s as they were', async ([format, row]) => {
  const world = new World()
  const columns = 'i integer, r real, s text, b blob, o boolean'
  await world.schema(
    `create table t (k integer primary key, ${columns}); create table s (k integer primary key, s text)`,
  )
  const all = 'select k, i, r, s, b, o from t order by k'
  await world.addTenant('two')
  const clear = (tenant: string) =>
    world.tenant(tenant).write((writer) => writer.statements.get('delete from t').statement.run())
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 10 }), async (rows) => {
      await clear('main')
      await clear('two')
      await world.tenant().write((writer) => {
        const { statement } = writer.statements.get('insert into t (i, r, s, b, o) values (?, ?, ?, ?, ?)')
        for (const values of rows) statement.run(...values)
      })
      await world.export(world.path('out'), { format, table: 't', overwrite: true })
      await world.import(world.path('out'), { format, table: 't', tenant: 'two' })
      expect(await world.rows(all, 'two')).toEqual(await world.rows(all))
    }),
    { numRuns: 100 },
  )
})

test('one column of nulls and texts comes back from csv', async () => {
  const world = new World()
  await world.schema('create table t (a text)')
  await world.addTenant('two')
  await world.tenant().write((writer) => {
    const { statement } = writer.statements.get('insert into t values (?)')
    for (const value of [null, '', null, 'x', '\r', null]) statement.run(value)
  })
  await world.export(world.path('t.csv'), { table: 't' })
  await world.import(world.path('t.csv'), { table: 't', tenant: 'two' })
  expect(await world.rows('select a from t', 'two')).toEqual([[null], [''], [null], ['x'], ['\r'], [null]])
})

test.for<[string, Uint8Array | string, object, unknown[][]]>([
  [
    'no header, in the order of the table',
    '1,x\n2,y\n',
    { csv: { header: false } },
    [
      [1n, 'x'],
      [2n, 'y'],
    ],
  ],
  ['no header, in an order of its own', 'x,1\n', { csv: { header: false, columns: ['b', 'a'] } }, [[1n, 'x']]],
  ['names that are set aside', 'p,q\nx,1\n', { csv: { columns: ['b', 'a'] } }, [[1n, 'x']]],
  ['quotes of its own', "a|b\n1|'it''s|'\n", { csv: { delimiter: '|', quote: "'" } }, [[1n, "it's|"]]],
  ['no quotes at all', 'a\tb\n1\t"x\n', { csv: { delimiter: '\t', quote: '' } }, [[1n, '"x']]],
  [
    'a word for NULL',
    'a,b\nNULL,\n1,"NULL"\n',
    { csv: { null: 'NULL' } },
    [
      [null, ''],
      [1n, 'NULL'],
    ],
  ],
  ['UTF-16 with its mark', Buffer.from('\ufeffa,b\n1,ä€😀\n', 'utf16le'), {}, [[1n, 'ä€😀']]],
  ['UTF-16, the other way', Buffer.from('\ufeffa,b\n1,ä\n', 'utf16le').swap16(), { encoding: 'utf-16' }, [[1n, 'ä']]],
  ['Latin-1', Buffer.from('a,b\n1,\xe4\x80\n', 'latin1'), { encoding: 'latin1' }, [[1n, 'ä\u0080']]],
  ['windows-1252', Buffer.from('a,b\n1,\x80\n', 'latin1'), { encoding: 'windows-1252' }, [[1n, '€']]],
])('csv with %s goes in', async ([, content, options, rows]) => {
  const world = new World()
  await world.schema('create table t (a integer, b text)')
  await world.import(world.write('t.csv', content), { table: 't', ...options })
  expect(await world.rows('select a, b from t order by rowid')).toEqual(rows)
})

test('a file of another encoding is refused with its line', async () => {
  const world = new World()
  await world.schema('create table t (a integer, b text)')
  const half = Buffer.concat([Buffer.from('\ufeffa,b\n1,x\n2,', 'utf16le'), Buffer.from([0, 0xd8, 0x41, 0])])
  const refusal = await refusalOf(world.import(world.write('t.csv', half), { table: 't' }))
  expect(refusal).toMatchObject({ kind: 'importFailed', line: 3, reason: 'not UTF-16LE' })
})

test('csv that goes out in a style of its own comes back by it', async () => {
  const world = new World()
  await world.schema('create table t (a integer, b text)')
  const texts = ['', 'NULL', "it's", 'a;b', '"', 'x\ny', null]
  for (const b of texts)
    await world.tenant().write((w) => w.statements.get('insert into t values (1, ?)').statement.run(b))
  const csv = { delimiter: ';', quote: "'", null: 'NULL', header: false }
  const file = world.path('o.csv')
  await world.export(file, { table: 't', csv })
  expect(fs.readFileSync(file, 'utf8')).toBe("1;\r\n1;'NULL'\r\n1;'it''s'\r\n1;'a;b'\r\n1;\"\r\n1;'x\ny'\r\n1;NULL\r\n")
  await world.addTenant('two')
  await world.import(file, { tenant: 'two', table: 't', csv })
  expect(await world.rows('select b from t order by rowid', 'two')).toEqual(texts.map((b) => [b]))
})

test('a table is made for csv without a header, with columns by number or by name', async () => {
  const world = new World()
  const file = world.write('t.csv', '1,x\n')
  await world.import(file, { table: 't', create: true, csv: { header: false } })
  await world.import(file, { table: 'u', create: true, csv: { header: false, columns: ['n', 'word'] } })
  expect(await world.rows('select c1, c2 from t')).toEqual([[1n, 'x']])
  expect(await world.rows('select n, word from u')).toEqual([[1n, 'x']])
})

test('a client that vanishes takes its import along', async () => {
  const { client, connect, daemon } = await startDaemon()
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
  const file = path.join(temporaryFolder(), 't.csv')
  fs.writeFileSync(file, `a\n${'1\n'.repeat(300_000)}`)
  const gone = await connect()
  void gone.request('tenant.import', { path: file, table: 't' }).catch(() => {})
  const { chores } = daemon.engine.parts
  while (chores.busy === 0) await nextTurn()
  gone.output.destroy()
  while (chores.busy > 0) await nextTurn()
  await client.call('row.insert', { table: 't', rows: [{ a: 2 }] })
  expect((await client.call('row.count', { table: 't' })).count).toBe(1)
})

test.for<[string, object]>([
  ['into a table', { table: 't' }],
  ['into one that is made for them', { table: 'u', create: true }],
])('rows that go %s when their process is killed are not there, and the client hears of it', async ([, params]) => {
  const { client, daemon } = await startDaemon()
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
  const file = path.join(temporaryFolder(), 't.csv')
  fs.writeFileSync(file, `a\n${'1\n'.repeat(300_000)}`)
  const going = client.refused('tenant.import', { path: file, ...params })
  const { chores } = daemon.engine.parts
  while (chores.busy === 0) await nextTurn()
  const isOfChore = (pid: number) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('chores/process')
  for (const pid of processesOf(process.pid).filter(isOfChore)) process.kill(pid, 'SIGKILL')
  expect(await going).toMatchObject({ kind: 'processEnded' })
  expect((await client.call('row.count', { table: 't' })).count).toBe(0)
  expect((await client.call('table.list', {})).tables).toHaveLength(1)
  expect(await client.call('tenant.import', { path: file, ...params })).toMatchObject({
    rows: { [(params as { table: string }).table]: 300_000 },
  })
})
