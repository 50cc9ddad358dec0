import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { Branch } from '../../src/engine/branch.ts'
import { createBranch } from '../../src/engine/branches.ts'
import { editSchema } from '../../src/engine/edit.ts'
import { exportFile } from '../../src/engine/transfer/export.ts'
import { importFile } from '../../src/engine/transfer/import.ts'
import { defineTable } from '../../src/schema/define.ts'
import { dump, quiet, refusalOf, World } from './transfer-support.ts'

const chinook = path.resolve('../shared/data/chinook/chinook.sqlite')
const hasChinook = fs.existsSync(chinook)

test.runIf(hasChinook)('chinook comes back from its tenant as it was', async () => {
  const world = new World()
  const { rows, changeSet } = await world.import(chinook)
  expect(rows).toMatchObject({ Album: 347, Track: 3503, PlaylistTrack: 8715 })
  expect(changeSet).toBe(world.branch.head.id)
  expect(await world.verify()).toEqual([])
  expect(await world.rows('select count(*) from Track join Album using (AlbumId)')).toEqual([[3503n]])

  await world.reopen()
  const exported = await world.export(world.path('out.db'))
  expect(exported.rows).toEqual(rows)
  expect(dump(world.path('out.db'))).toEqual(dump(chinook))
  expect(fs.statSync(world.path('out.db')).mode & 0o777).toBe(0o600)
  expect(world.files).toEqual(['out.db'])
  expect(world.scratchFiles).toEqual([])
})

const awkward = `
  create table "Äpfel" (a integer primary key autoincrement, "b c" text collate nocase default 'x''y', d);
  insert into "Äpfel" values (5, 'one', 1.5), (9, 'zwölf', x'00ff'), (9223372036854775807, null, -9223372036854775808);
  delete from "Äpfel" where a = 9;
  create table w (k text primary key, v any) strict, without rowid;
  insert into w values ('x', 1), ('y', 'two');
  create table n (a, b as (a + 1) stored);
  insert into n (rowid, a) values (7, 1), (-3, 2);
  create index n_a on n (a desc) where a > 0;
  create view v as select a from n;
  create trigger t after insert on n begin insert into w values (new.a, 0); end;
  create virtual table f using fts5(body);
  insert into f values ('hello world');
  pragma user_version = 7;
`

for (const encoding of ['UTF-8', 'UTF-16le', 'UTF-16be']) {
  for (const pageSize of [512, 4096, 65536]) {
    test(`a file in ${encoding} with pages of ${pageSize} bytes comes back as it was`, async () => {
      const world = new World()
      const pragmas = `pragma encoding = '${encoding}'; pragma page_size = ${pageSize};`
      const file = world.sqlite('in.db', pragmas + awkward)
      await world.import(file)
      expect(await world.rows('select rowid, a, b from n order by a')).toEqual([
        [7n, 1n, 2n],
        [-3n, 2n, 3n],
      ])
      await world.tenant().write((writer) => writer.statements.get('insert into n (a) values (40)').statement.run())
      await world.tenant().write((writer) => writer.statements.get("delete from w where k = '40'").statement.run())
      await world.tenant().write((writer) => writer.statements.get('delete from n where a = 40').statement.run())
      await world.export(world.path('out.db'))
      expect(dump(world.path('out.db'))).toEqual(dump(file))
    })
  }
}

test('an export is one plain file that any SQLite opens', async () => {
  const world = new World()
  await world.import(world.sqlite('in.db', awkward))
  await world.export(world.path('out.db'))
  expect(world.files.sort()).toEqual(['in.db', 'out.db'])
  const bytes = fs.readFileSync(world.path('out.db'))
  expect([bytes[18], bytes[19]]).toEqual([1, 1])
  expect(bytes.includes(world.branch.head.id)).toBe(false)
  const stock = spawnSync('sqlite3', [world.path('out.db'), 'pragma integrity_check'])
  if (!stock.error) expect(stock.stdout.toString()).toBe('ok\n')
})

test('a source in WAL mode, written to by another connection, is taken as of one moment', async () => {
  const world = new World()
  const file = world.path('live.db')
  const live = new Database(file)
  live.pragma('journal_mode = wal')
  live.exec('create table t (a); create table u (a)')
  const add = live.transaction(() => live.exec('insert into t values (zeroblob(9000)); insert into u values (1)'))
  for (let i = 0; i < 300; i++) add()
  const going = world.import(file)
  const timer = setInterval(add, 1)
  const { rows } = await going.finally(() => clearInterval(timer))
  live.close()
  expect(rows.t).toBeGreaterThanOrEqual(300)
  expect(rows.t).toBe(rows.u)
  expect(await world.rows('select count(*) from t')).toEqual([[BigInt(rows.t as number)]])
})

test('a source that another program has locked is refused after a while', async () => {
  const world = new World()
  const file = world.sqlite('in.db', 'create table t (a)')
  const other = new Database(file)
  other.exec('begin exclusive')
  expect(await refusalOf(world.import(file))).toMatchObject({ kind: 'importFailed' })
  other.exec('commit')
  other.close()
  expect((await world.import(file)).rows).toEqual({ t: 0 })
})

test('a second tenant of an equal schema takes rows alone', async () => {
  const world = new World()
  await world.import(world.sqlite('one.db', 'create table t (a, b); insert into t values (1, 2)'))
  await world.addTenant('two')
  const file = world.sqlite('two.db', 'CREATE TABLE "t" ("a",   b); insert into t values (3, 4), (5, 6)')
  const { rows, changeSet } = await world.import(file, { tenant: 'two' })
  expect({ rows, changeSet }).toEqual({ rows: { t: 2 }, changeSet: null })
  expect(await world.rows('select * from t', 'two')).toEqual([
    [3n, 4n],
    [5n, 6n],
  ])
  expect(await world.rows('select * from t')).toEqual([[1n, 2n]])
  await world.export(world.path('out.db'), { tenant: 'two' })
  expect(dump(world.path('out.db'))).toEqual(dump(file))
})

for (const [name, sql] of Object.entries({
  'another column': 'create table t (a, b, c)',
  'columns in another order': 'create table t (b, a)',
  'another table': 'create table t (a, b); create table u (a)',
})) {
  test(`a schema with ${name} is refused with the differences`, async () => {
    const world = new World()
    await world.schema('create table t (a, b)')
    const refusal = await refusalOf(world.import(world.sqlite('in.db', sql)))
    expect(refusal).toMatchObject({ kind: 'schemaMismatch', differences: [expect.any(String)] })
    expect(world.scratchFiles).toEqual([])
  })
}

test('the imported tenant follows later schema edits', async () => {
  const world = new World()
  await world.import(world.sqlite('in.db', awkward))
  const changes = [
    { kind: 'renameColumn', table: 'Äpfel', column: 'b c', newName: 'bc' },
    { kind: 'alterColumn', table: 'Äpfel', column: 'd', to: { type: 'BLOB' } },
  ] as const
  await editSchema(world.engine.parts, world.branch, { changes }, quiet())
  expect(await world.rows('select a, bc from Äpfel order by a')).toEqual([
    [5n, 'one'],
    [9223372036854775807n, null],
  ])
  expect(await world.verify()).toEqual([])
})

test('tables with system columns keep them through export and import', async () => {
  const world = new World()
  let next = 0
  const table = defineTable(
    world.branch.head.schema,
    { name: 't', columns: [{ name: 'a', type: 'TEXT' }] },
    () => `i${next++}`,
  )
  await editSchema(world.engine.parts, world.branch, { changes: [{ kind: 'createTable', ...table }] }, quiet())
  const run = (tenant: string, sql: string) =>
    world.tenant(tenant).write((writer) => writer.statements.get(sql).statement.run())
  await run('main', "insert into t (a, updated_at) values ('x', 'then')")
  await world.export(world.path('out.db'))

  const plain = new Database(world.path('out.db'))
  plain.exec("update t set a = 'y'")
  expect(plain.prepare('select a, updated_at from t').raw().get()).toEqual(['y', expect.stringMatching(/^20/)])
  plain.close()

  await world.addTenant('two')
  expect(await world.import(world.path('out.db'), { tenant: 'two' })).toEqual({ rows: { t: 1 }, changeSet: null })
  await run('two', "update t set updated_at = 'then'")
  await run('two', "update t set a = 'z'")
  expect(await world.rows('select a, updated_at from t', 'two')).toEqual([['z', expect.stringMatching(/^20/)]])

  const other = new World()
  await other.import(world.path('out.db'))
  expect(other.branch.head.shape('t').systemColumns).toBe(true)
  const changes = [{ kind: 'renameTable', table: 't', newName: 'u' }] as const
  await editSchema(other.engine.parts, other.branch, { changes }, quiet())
  expect(await other.rows('select a from u')).toEqual([['y']])
})

test('a tenant without a file exports as an empty database of the branch’s schema', async () => {
  const world = new World()
  await world.schema('create table t (a); create index i on t (a)')
  expect((await world.export(world.path('out.db'))).rows).toEqual({ t: 0 })
  const db = new Database(world.path('out.db'), { readonly: true })
  expect(db.prepare('select name from sqlite_schema order by name').pluck().all()).toEqual(['i', 't'])
  expect(db.pragma('journal_mode', { simple: true })).toBe('delete')
  db.close()
  expect(world.tenant().row.fileId).toBeNull()
})

test('a tenant with rows takes no file; one without rows does', async () => {
  const world = new World()
  await world.schema('create table t (a)')
  const run = (sql: string) => world.tenant().write((writer) => writer.statements.get(sql).statement.run())
  await run('insert into t values (1)')
  const file = world.sqlite('in.db', 'create table t (a); insert into t values (2)')
  expect(await refusalOf(world.import(file))).toMatchObject({
    kind: 'importFailed',
    reason: 'the tenant has rows already; import into a new tenant',
  })
  await run('delete from t')
  expect((await world.import(file)).rows).toEqual({ t: 1 })
  expect(await world.rows('select a from t')).toEqual([[2n]])
  await world.reopen()
  expect(await world.rows('select a from t')).toEqual([[2n]])
})

test('a write that waits for the import sees its schema and its rows', async () => {
  const world = new World()
  const file = world.sqlite('in.db', 'create table t (a); insert into t values (1)')
  await world.import(file)
  await world.addTenant('two')
  const going = world.import(file, { tenant: 'two' })
  await going
  await world.tenant('two').write((writer) => writer.statements.get('insert into t values (2)').statement.run())
  expect(await world.rows('select a from t', 'two')).toEqual([[1n], [2n]])
})

const violating = `
  pragma foreign_keys = off; create table p (a primary key); create table c (a references p (a)); insert into c values (1), (null), (2);
`

test.for<[string, (world: World) => string, object]>([
  ['text', (w) => w.write('in.db', 'hello\n'.repeat(500)), { kind: 'notADatabase' }],
  ['nothing', (w) => w.write('in.db', ''), { kind: 'notADatabase' }],
  ['a header alone', (w) => w.write('in.db', 'SQLite format 3\0'), {}],
  ['half of a file', (w) => truncated(w), {}],
  ['a broken page', (w) => broken(w), { kind: 'corrupt' }],
  ['a folder', (w) => w.folder, { kind: 'pathRefused' }],
  ['a fifo', (w) => fifo(w), { kind: 'pathRefused' }],
  ['no file', (w) => w.path('none.db'), { kind: 'fileNotFound' }],
  ['a file below a file', (w) => path.join(w.write('f', ''), 'x.db'), { kind: 'fileNotFound' }],
  ['a relative path', () => 'in.db', { kind: 'pathRefused' }],
  ['the catalog', (w) => w.engine.parts.layout.catalog, { kind: 'pathRefused' }],
  ['a link to the catalog', (w) => link(w, w.engine.parts.layout.catalog), { kind: 'pathRefused' }],
  ['a second name of the catalog', (w) => hardLink(w, w.engine.parts.layout.catalog), { kind: 'pathRefused' }],
  ['a link to nothing', (w) => link(w, '/nonexistent/x'), { kind: 'fileNotFound' }],
  ['a link to itself', (w) => link(w, w.path('link.db')), { kind: 'pathRefused' }],
  ['foreign keys that lead nowhere', (w) => w.sqlite('in.db', violating), { kind: 'importFailed' }],
  ['a reserved name', (w) => w.sqlite('in.db', 'create table __x (a)'), { kind: 'notSupported' }],
  ['a view of nothing', (w) => w.sqlite('in.db', 'create view v as select * from none'), { kind: 'schemaBroken' }],
])('%s is refused and leaves nothing', async ([, make, expected]) => {
  const world = new World()
  await world.addTenant('other')
  const file = make(world)
  const files = world.files
  expect(await refusalOf(world.import(file, { format: 'sqlite' }))).toMatchObject(expected)
  expect(world.scratchFiles).toEqual([])
  expect(world.files).toEqual(files)
  expect(world.tenant().row.fileId).toBeNull()
  // The catalog’s lock is held still, and everything goes on.
  const taken = spawnSync(process.execPath, [
    '-e',
    tryLock,
    path.resolve('node_modules/better-sqlite3'),
    world.engine.parts.layout.catalog,
  ])
  expect(taken.stdout.toString()).toBe('SQLITE_BUSY')
  expect((await world.import(world.sqlite('good.db', 'create table t (a)'))).rows).toEqual({ t: 0 })
})

const tryLock = `
  const [sqlite, file] = process.argv.slice(1)
  try {
    require(sqlite)(file, { timeout: 0 }).exec('begin immediate')
    process.stdout.write('free')
  } catch (error) {
    process.stdout.write(error.code)
  }
`

function truncated(world: World): string {
  const file = world.sqlite('in.db', 'create table t (a); insert into t values (zeroblob(50000))')
  fs.truncateSync(file, 20_000)
  return file
}

function broken(world: World): string {
  const file = world.sqlite('in.db', 'create table t (a); insert into t values (1); create table u (a)')
  const handle = fs.openSync(file, 'r+')
  fs.writeSync(handle, Buffer.alloc(4096, 0x55), 0, 4096, 4096)
  fs.closeSync(handle)
  return file
}

function fifo(world: World): string {
  execFileSync('mkfifo', [world.path('pipe.db')])
  return world.path('pipe.db')
}

function link(world: World, to: string): string {
  fs.symlinkSync(to, world.path('link.db'))
  return world.path('link.db')
}

function hardLink(world: World, to: string): string {
  fs.linkSync(to, world.path('link.db'))
  return world.path('link.db')
}

test('an export takes no path in use, and none in the project’s own folder', async () => {
  const world = new World()
  await world.schema('create table t (a)')
  const there = world.write('there.db', 'mine')
  expect(await refusalOf(world.export(there))).toMatchObject({ kind: 'fileExists' })
  expect(fs.readFileSync(there, 'utf8')).toBe('mine')
  await world.export(there, { overwrite: true })
  expect(dump(there)).toMatchObject({ schema: [['table', 't', 't', expect.any(String)]] })

  fs.writeFileSync(`${there}-wal`, 'x')
  expect(await refusalOf(world.export(there, { overwrite: true }))).toMatchObject({ kind: 'pathRefused' })
  const inside = path.join(world.engine.parts.layout.root, 'x.db')
  expect(await refusalOf(world.export(inside))).toMatchObject({ kind: 'pathRefused' })
  fs.symlinkSync(world.engine.parts.layout.root, world.path('way'))
  expect(await refusalOf(world.export(world.path('way/x.db')))).toMatchObject({ kind: 'pathRefused' })
  fs.symlinkSync(world.engine.parts.layout.catalog, world.path('link.db'))
  expect(await refusalOf(world.export(world.path('link.db'), { overwrite: true }))).toMatchObject({
    kind: 'pathRefused',
  })
  expect(await refusalOf(world.export(world.folder, { overwrite: true }))).toMatchObject({ kind: 'pathRefused' })
  expect(await refusalOf(world.export(world.path('none/x.db')))).toMatchObject({ kind: 'fileNotFound' })
  expect(await refusalOf(world.export('x.db'))).toMatchObject({ kind: 'pathRefused' })
})

const large = `create table t (a); insert into t
  with recursive c (n) as (select 1 union all select n + 1 from c limit 4000) select zeroblob(4000) from c`

test.for(['import', 'export'] as const)('an %s that is stopped on the way leaves nothing', async (way) => {
  const world = new World()
  const file = world.sqlite('in.db', large)
  await world.addTenant('two')
  await world.import(file)
  for (const afterMs of [0, 1, 5, 10, 20, 40, 80]) {
    const controller = new AbortController()
    const progress = quiet(controller.signal)
    const going =
      way === 'import'
        ? world.import(file, { tenant: 'two' }, progress)
        : world.export(world.path('out.db'), {}, progress)
    setTimeout(() => controller.abort(new Error('enough')), afterMs)
    const outcome = await going.then(
      () => 'done',
      (error: Error) => error.message,
    )
    if (outcome === 'done') break
    expect(outcome).toBe('enough')
    expect(world.scratchFiles).toEqual([])
    expect(world.files).toEqual(['in.db'])
    expect(world.tenant('two').row.fileId).toBeNull()
    expect(world.tenant('two').isTaken).toBe(false)
  }
})

test('other tenants go on while a file is imported', async () => {
  const world = new World()
  const file = world.sqlite('in.db', large)
  await world.import(world.sqlite('small.db', 'create table t (a)'))
  await world.addTenant('two')
  const going = world.import(file, { tenant: 'two' })
  let isOver = false
  going.finally(() => {
    isOver = true
  })
  let longestMs = 0
  for (let last = performance.now(); !isOver; ) {
    await world.tenant().write((writer) => writer.statements.get('insert into t values (1)').statement.run())
    await new Promise((resolve) => setImmediate(resolve))
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
  }
  await going
  expect(longestMs).toBeLessThan(500)
})

test.for(['main', 'child'])('an import into %s leaves the other branch as it was', async (into) => {
  const world = new World()
  await world.schema('create table t (a)')
  const run = (sql: string) => world.tenant().write((writer) => writer.statements.get(sql).statement.run())
  await run('insert into t values (1)')
  await run('delete from t')
  const child = await createBranch(world.engine, {
    database: 'main',
    name: 'child',
    from: 'main',
    data: true,
    readOnly: false,
    description: null,
  })
  const file = world.sqlite('in.db', 'create table t (a); insert into t values (2)')
  const [target, other] = into === 'main' ? [world.branch, child] : [child, world.branch]
  await importFile(world.engine.parts, target.tenant('main'), { path: file }, quiet())
  const count = (branch: Branch) =>
    branch.tenant('main').read((reader) => reader.statements.get('select count(*) from t').statement.get())
  const both = async () => [await count(target), await count(other)]
  expect(await both()).toEqual([[1], [0]])
  await other.tenant('main').write((writer) => writer.statements.get('insert into t values (3), (4)').statement.run())
  expect(await both()).toEqual([[1], [2]])
  const out = world.path('out.db')
  await exportFile(world.engine.parts, target.tenant('main'), { path: out }, quiet())
  expect(dump(out)).toEqual(dump(file))
})
