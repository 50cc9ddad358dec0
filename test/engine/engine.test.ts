import fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { methods } from '../../src/methods/index.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, temporaryFolder, tenantPath } from '../support/project.ts'

const columns = [{ name: 'a', type: 'INTEGER' }]
const table = { name: 't', columns, systemColumns: false }
const unique = { table: 't', columns: ['a'], unique: true }

let started: TestDaemon
let client: RawClient

async function start(options: Parameters<typeof startDaemon>[0] = {}): Promise<void> {
  started = await startDaemon(options)
  client = started.client
}

/** Stop the daemon and start another on the same project. */
async function restart(between: () => void = () => {}): Promise<void> {
  await started.daemon.stop()
  between()
  await start({ layout: started.layout })
}

beforeEach(() => start())

const insert = (tenant: string, ...values: number[]) =>
  client.call('row.insert', { tenant, table: 't', rows: values.map((a) => ({ a })) })
const values = async (tenant: string, sql = 'select a from t order by rowid') =>
  (await client.call('query.run', { tenant, sql })).rows.flat()
const create = (...names: string[]) => Promise.all(names.map((name) => client.call('tenant.create', { name })))
const files = (folder = started.layout.root): string[] =>
  fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /[0-9a-f]{2}\/[^/]+\.db$/.test(file))
    .sort()
const errors = () => started.logged.filter(({ msg }) => msg === 'request failed')

describe('tenants', () => {
  beforeEach(() => client.call('table.create', table))

  test('have no file until their first write, and are read all the same', async () => {
    await create('x')
    expect(await values('x')).toEqual([])
    expect(await client.call('row.count', { tenant: 'x', table: 't' })).toEqual({ count: 0 })
    expect(await client.call('tenant.get', { name: 'x' })).toMatchObject({ hasFile: false })
    expect(await client.call('tenant.size', { name: 'x' })).toMatchObject({ fileBytes: 0 })
    expect(files()).toEqual([])
    await insert('x', 1)
    expect(files()).toEqual(['main-main/2d/x.db'])
    expect(await client.call('tenant.get', { name: 'x' })).toMatchObject({ hasFile: true })
    await insert('main', 1)
    expect(files()).toEqual(['main-main/0d/main.db', 'main-main/2d/x.db'])
  })

  test('twenty thousand cost rows of the catalog, and are listed page by page', { timeout: 60_000 }, async () => {
    const names = Array.from({ length: 20_000 }, (_, at) => `x${String(at).padStart(5, '0')}`)
    for (let at = 0; at < names.length; at += 5_000) await create(...names.slice(at, at + 5_000))
    expect(files()).toEqual([])
    const found: string[] = []
    for (let cursor = '', more = true; more; ) {
      const page = await client.call('tenant.list', { limit: 7_000, cursor, prefix: 'x' })
      found.push(...page.tenants.map(({ name }: { name: string }) => name))
      cursor = page.nextCursor ?? ''
      more = page.nextCursor !== undefined
    }
    expect(found).toEqual(names)
    expect(await values('x19999')).toEqual([])
  })

  test('of one name twice: the second is refused, even at once', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.request('tenant.create', { name: 'x' })))
    expect(answers.map(({ error }) => error?.data.kind).sort()).toEqual([...Array(4).fill('tenantExists'), undefined])
  })

  test('that are deleted and made again never see old rows', async () => {
    for (let round = 0; round < 3; round++) {
      await create('x')
      expect(await values('x')).toEqual([])
      await insert('x', round)
      await client.call('tenant.delete', { name: 'x' })
      expect((await client.refused('query.run', { tenant: 'x', sql: 'select 1' })).kind).toBe('tenantNotFound')
      expect(files()).toEqual([])
    }
    await create('x', 'y')
    await insert('y', 1)
    await client.call('tenant.rename', { name: 'y', newName: 'z' })
    await create('y')
    expect([await values('x'), await values('y'), await values('z')]).toEqual([[], [], [1]])
    await restart()
    expect([await values('x'), await values('y'), await values('z')]).toEqual([[], [], [1]])
  })

  test('a write and a deletion at once leave all of the tenant or nothing', async () => {
    for (let round = 0; round < 10; round++) {
      await create('x')
      const other = await started.connect()
      const [written, deleted] = await Promise.all([
        client.request('row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] }),
        other.request('tenant.delete', { name: 'x' }),
      ])
      expect(deleted.error).toBeUndefined()
      expect([undefined, 'tenantNotFound']).toContain(written.error?.data.kind)
      expect(files()).toEqual([])
    }
    expect(errors()).toEqual([])
  })

  test('that are new are empty, whatever main has', async () => {
    const references = { table: 't', column: 'a', onDelete: 'RESTRICT' }
    await client.call('index.create', { table: 't', columns: ['a'], unique: true })
    const column = { name: 'a', type: 'INTEGER', references }
    await client.call('table.create', { name: 'child', columns: [column], systemColumns: false })
    await insert('main', 1, 2)
    await client.call('row.insert', { table: 'child', rows: [{ a: 1 }] })
    await create('x')
    expect([await values('x'), await values('x', 'select a from child')]).toEqual([[], []])
    await insert('x', 3)
    await restart()
    await create('y')
    await insert('y', 4)
    expect([await values('x'), await values('y'), await values('y', 'select a from child')]).toEqual([[3], [4], []])
  })

  test('that nobody made are refused, and leave no trace', async () => {
    const before = fs.readdirSync(started.layout.root, { recursive: true })
    for (const [scope, kind] of [
      [{ tenant: 'none' }, 'tenantNotFound'],
      [{ branch: 'none' }, 'branchNotFound'],
      [{ database: 'none' }, 'databaseNotFound'],
    ] as const) {
      for (const [method, params] of [
        ['row.insert', { table: 't', rows: [{ a: 1 }] }],
        ['row.list', { table: 't' }],
        ['query.run', { sql: 'select 1' }],
        ['query.execute', { sql: 'delete from t' }],
        ['session.setScope', {}],
      ] as const) {
        expect(await client.refused(method, { ...params, ...scope }), method).toMatchObject({ kind, ...scope })
      }
    }
    for (const method of ['tenant.get', 'tenant.size', 'tenant.verify', 'tenant.vacuum', 'tenant.delete']) {
      expect((await client.refused(method, { name: 'none' })).kind).toBe('tenantNotFound')
    }
    expect(fs.readdirSync(started.layout.root, { recursive: true })).toEqual(before)
  })

  test('keep their description', async () => {
    await client.call('tenant.create', { name: 'x', description: 'the first' })
    await insert('x', 1)
    await client.call('tenant.rename', { name: 'x', newName: 'y' })
    await restart()
    expect(await client.call('tenant.get', { name: 'y' })).toMatchObject({ description: 'the first' })
    expect((await client.call('tenant.list')).tenants).toMatchObject([
      { name: 'main', description: null },
      { name: 'y', description: 'the first' },
    ])
  })

  test('have sizes that count their logs, and shrink by vacuum', async () => {
    await create('x', 'none')
    await insert('x', ...Array(20_000).keys())
    const size = await client.call('tenant.size', { name: 'x' })
    expect(size.walBytes).toBeGreaterThan(100_000)
    const onDisk = ['', '-wal'].map((suffix) => fs.statSync(tenantPath(started.layout, 'x') + suffix).size)
    expect(size).toEqual({ fileBytes: onDisk[0], walBytes: onDisk[1] })
    await client.call('query.execute', { tenant: 'x', sql: 'delete from t where a > 10' })
    const { before, after } = await client.call('tenant.vacuum', { name: 'x' })
    expect(before.fileBytes + before.walBytes).toBeGreaterThan(100_000)
    expect(after.fileBytes + after.walBytes).toBeLessThan(50_000)
    const nothing = { fileBytes: 0, walBytes: 0 }
    expect(await client.call('tenant.vacuum', { name: 'none' })).toEqual({ before: nothing, after: nothing })
    await restart(() => fs.rmSync(tenantPath(started.layout, 'x')))
    expect((await client.refused('tenant.vacuum', { name: 'x' })).kind).toMatch(/^(storageError|corrupt|fileNotFound)$/)
  })

  test('main cannot be deleted or renamed', async () => {
    expect((await client.refused('tenant.delete', { name: 'main' })).kind).toBe('protected')
    expect((await client.refused('tenant.rename', { name: 'main', newName: 'x' })).kind).toBe('protected')
  })
})

describe('the start sweeps', () => {
  beforeEach(async () => {
    await client.call('table.create', table)
    await create('x')
    await insert('x', 1)
  })

  test('files that belong to no tenant, and leaves every other alone', async () => {
    const { root } = started.layout
    const orphan = path.join(root, 'main-main/00/orphan.db')
    await restart(() => {
      fs.mkdirSync(path.dirname(orphan), { recursive: true })
      for (const suffix of ['', '-wal', '-shm']) fs.writeFileSync(orphan + suffix, 'x')
      fs.mkdirSync(path.join(root, 'mine'))
      fs.writeFileSync(path.join(root, 'mine', 'notes.txt'), 'x')
    })
    expect(fs.existsSync(orphan)).toBe(false)
    expect(
      fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.includes('orphan')),
    ).toEqual([])
    expect(fs.existsSync(path.join(root, 'mine', 'notes.txt'))).toBe(true)
    expect(await values('x')).toEqual([1])
  })

  test('the second name of a renaming that was cut short before the catalog knew', async () => {
    const old = tenantPath(started.layout, 'x')
    const made = tenantPath(started.layout, 'y')
    await restart(() => {
      fs.mkdirSync(path.dirname(made), { recursive: true })
      fs.linkSync(old, made)
    })
    expect(files()).toEqual(['main-main/2d/x.db'])
    expect(await values('x')).toEqual([1])
  })

  test('the first name of one that was cut short after', async () => {
    const old = tenantPath(started.layout, 'x')
    await client.call('tenant.rename', { name: 'x', newName: 'y' })
    await restart(() => fs.linkSync(tenantPath(started.layout, 'y'), old))
    expect(fs.existsSync(old)).toBe(false)
    expect(await values('y')).toEqual([1])
    await create('x')
    expect(await values('x')).toEqual([])
  })
})

test('few files are open at a time, and none is closed under its user', { timeout: 60_000 }, async () => {
  await start({ config: { limits: { maxOpenFiles: 3 } } })
  await client.call('table.create', table)
  const names = Array.from({ length: 40 }, (_, at) => `x${at}`)
  await create(...names)
  for (let round = 0; round < 3; round++) {
    // All of them within one turn: every file is in use until its commit.
    await Promise.all(names.map((name) => insert(name, round)))
    expect((await client.call('project.stats')).openFiles).toBeLessThanOrEqual(40)
    // The next one to be opened closes those that are in use no more.
    await create(`y${round}`)
    await insert(`y${round}`, 1)
    expect((await client.call('project.stats')).openFiles).toBeLessThanOrEqual(3)
  }
  for (const name of names) expect(await values(name)).toEqual([0, 1, 2])
})

describe('a database', () => {
  test('that is new can be used at once, and is apart from the others', async () => {
    await client.call('table.create', table)
    await insert('main', 1)
    await client.call('database.create', { name: 'd' })
    expect((await client.call('table.list', { database: 'd' })).tables).toEqual([])
    await client.call('table.create', { database: 'd', ...table })
    await client.call('row.insert', { database: 'd', table: 't', rows: [{ a: 2 }] })
    await client.call('index.create', { database: 'd', ...unique })
    expect((await client.call('query.run', { database: 'd', sql: 'select a from t' })).rows).toEqual([[2]])
    expect((await client.refused('row.insert', { database: 'd', table: 't', rows: [{ a: 2 }] })).kind).toBe(
      'constraintFailed',
    )
    expect(await values('main')).toEqual([1])
    expect((await client.call('index.list')).indexes).toEqual([])
  })

  test('that is deleted is gone from the disk, and one of its name has nothing of it', async () => {
    fs.mkdirSync(started.layout.scratch, { recursive: true })
    const before = fs.readdirSync(started.layout.root, { recursive: true })
    for (let round = 0; round < 2; round++) {
      await client.call('database.create', { name: 'd' })
      expect((await client.call('table.list', { database: 'd' })).tables).toEqual([])
      await client.call('table.create', { database: 'd', ...table })
      await client.call('branch.create', { database: 'd', name: 'dev' })
      for (const branch of ['main', 'dev']) {
        expect((await client.call('row.count', { database: 'd', branch, table: 't' })).count).toBe(0)
        await client.call('row.insert', { database: 'd', branch, table: 't', rows: [{ a: 1 }] })
      }
      expect(files()).toEqual(['d-dev/0d/main.db', 'd-main/0d/main.db'])
      await client.call('database.delete', { name: 'd' })
      expect(fs.readdirSync(started.layout.root, { recursive: true })).toEqual(before)
      expect((await client.refused('branch.get', { database: 'd' })).kind).toBe('databaseNotFound')
      await restart()
    }
    expect((await client.refused('database.delete', { name: 'main' })).kind).toBe('protected')
  })
})

test('a hundred databases at heads of their own all stay usable', { timeout: 60_000 }, async () => {
  const names = Array.from({ length: 100 }, (_, at) => `d${at}`)
  for (const database of names) {
    await client.call('database.create', { name: database })
    await client.call('table.create', { ...table, name: `t${database}`, database })
  }
  for (const database of ['main', ...names]) {
    const sql = database === 'main' ? 'select 1 where 0' : `select a, '${database}' from t${database}`
    expect((await client.call('query.run', { database, sql })).rows).toEqual([])
  }
})

describe('a schema edit', () => {
  beforeEach(async () => {
    await client.call('table.create', table)
    await create('x', 'y', 'z')
    await insert('x', 1, 1)
    await insert('y', 2)
  })

  const state = async () => [await client.call('schema.get'), await client.call('branch.history')]

  test('that is only tried changes nothing, and tells its plan', async () => {
    const before = await state()
    const result = await client.call('index.create', { ...unique, dryRun: true })
    expect(result).toMatchObject({ changeSet: null, tenantsToProve: 2 })
    expect(result.plan).not.toEqual([])
    await client.call('table.drop', { name: 't', dryRun: true })
    expect(await state()).toEqual(before)
  })

  test('that rows stand against names them, and changes nothing', async () => {
    const before = await state()
    const data = await client.refused('index.create', unique)
    expect(data).toMatchObject({ kind: 'proofFailed', tenants: 1, witnesses: [{ tenant: 'x', table: 't' }] })
    expect(await state()).toEqual(before)
    await client.call('query.execute', { tenant: 'x', sql: 'delete from t where rowid = 2' })
    await client.call('index.create', unique)
    expect((await client.refused('row.insert', { tenant: 'z', table: 't', rows: [{ a: 1 }, { a: 1 }] })).kind).toBe(
      'constraintFailed',
    )
  })

  test('of several changes is all or nothing', async () => {
    const before = await state()
    const changes = [
      { kind: 'createTable', name: 'u', columns },
      { kind: 'addColumn', table: 't', column: { name: 'b', type: 'TEXT' } },
      { kind: 'dropTable', name: 'nothing' },
    ]
    expect((await client.refused('schema.apply', { changes })).kind).toBe('tableNotFound')
    expect(await state()).toEqual(before)
    await client.call('schema.apply', { changes: changes.slice(0, 2) })
    expect((await client.call('branch.history')).changeSets).toHaveLength(2)
  })

  test('is proved again for what is written while it is proved', { timeout: 60_000 }, async () => {
    await client.call('query.execute', { tenant: 'x', sql: 'delete from t' })
    const names = Array.from({ length: 60 }, (_, at) => `p${at}`)
    await create(...names)
    await Promise.all(names.map((name) => insert(name, ...Array(1_000).keys())))
    const other = await started.connect()
    for (let round = 0; round < 12; round++) {
      const edit = client.request('index.create', { ...unique, name: 'i', progressToken: round })
      // After the edit was begun, and while it looks at others: the first tenants were proved by then.
      if (round % 2)
        await client.notification(({ params }) => (params as { token: number }).token === round).catch(() => {})
      const [edited, written] = await Promise.all([
        edit,
        other.request('row.insert', { tenant: 'p0', table: 't', rows: [{ a: 5 }] }),
      ])
      const kinds = [edited.error?.data.kind, written.error?.data.kind]
      // One of them was first; never do both succeed.
      expect([
        [undefined, 'constraintFailed'],
        ['proofFailed', undefined],
      ]).toContainEqual(kinds)
      if (edited.error === undefined) await client.call('index.drop', { name: 'i' })
      await client.call('query.execute', {
        tenant: 'p0',
        sql: 'delete from t where a = 5 and rowid > (select min(rowid) from t where a = 5)',
      })
    }
    expect(errors()).toEqual([])
  })

  test('goes on when tenants are deleted and renamed while it is proved', { timeout: 60_000 }, async () => {
    await client.call('query.execute', { tenant: 'x', sql: 'delete from t' })
    const names = Array.from({ length: 60 }, (_, at) => `p${at}`)
    await create(...names)
    await Promise.all(names.map((name) => insert(name, ...Array(1_000).keys())))
    const other = await started.connect()
    const [edited] = await Promise.all([
      client.request('index.create', { ...unique, name: 'i' }),
      ...names
        .slice(30)
        .map((name, at) =>
          at % 2
            ? other.request('tenant.delete', { name })
            : other.request('tenant.rename', { name, newName: `q${name}` }),
        ),
    ])
    expect([undefined, 'headMoved', 'proofFailed']).toContain(edited.error?.data.kind)
    expect(errors()).toEqual([])
  })

  test('brings a file forward at its next use, and the others in the background', async () => {
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT', default: 'new' } })
    expect(await values('x', 'select b from t')).toEqual(['new', 'new'])
    await started.daemon.engine.parts.drain.settled()
    const { head, files } = await client.call('branch.status')
    expect(files).toMatchObject({ total: 2, atHead: 2, behind: 0, failed: 0 })
    for (const tenant of ['x', 'y']) {
      expect(ask(tenantPath(started.layout, tenant), "select value from __cinch where key = 'changeSet'")).toEqual([
        head,
      ])
    }
  })

  test('is finished by the next daemon where this one stops half way', async () => {
    const names = Array.from({ length: 60 }, (_, at) => `p${at}`)
    await create(...names)
    await Promise.all(names.map((name) => insert(name, 1)))
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT', default: 'new' } })
    await restart()
    for (const name of names.slice(0, 5)) expect(await values(name, 'select b from t')).toEqual(['new'])
    await started.daemon.engine.parts.drain.settled()
    expect((await client.call('branch.status')).files).toMatchObject({ total: 62, atHead: 62 })
  })

  test('of many sessions at once: each sees the one before, and none is lost', async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => started.connect()))
    const answers = await Promise.all(
      sessions.flatMap((session, at) => [
        session.request('column.add', { table: 't', column: { name: `c${at}`, type: 'TEXT' } }),
        session.request('table.create', { ...table, name: `u${at % 4}` }),
      ]),
    )
    const kinds = answers.map(({ error }) => error?.data.kind ?? 'done')
    expect(kinds.filter((kind) => kind === 'done')).toHaveLength(12)
    expect(kinds.filter((kind) => kind === 'tableExists')).toHaveLength(4)
    expect((await client.call('column.list', { table: 't' })).columns).toHaveLength(9)
    expect((await client.call('branch.history')).changeSets).toHaveLength(13)
    expect(errors()).toEqual([])
  })
})

describe('a tenant’s file that is', () => {
  test.each<[string, (file: string) => void, RegExp]>([
    ['garbage', (file) => fs.writeFileSync(file, Buffer.alloc(20_000, 'x')), /^(notADatabase|corrupt)$/],
    ['half there', (file) => fs.truncateSync(file, 4_096), /^corrupt$/],
    ['empty', (file) => fs.truncateSync(file, 0), /^(corrupt|notADatabase)$/],
    ['gone', (file) => fs.rmSync(file), /^(storageError|corrupt|fileNotFound)$/],
    ['another database', (file) => fs.copyFileSync(started.layout.catalog, file), /^(corrupt|schemaMismatch)$/],
  ])('%s has a stable kind, and the other tenants go on', async (_, spoil, kind) => {
    await client.call('table.create', table)
    await create('x', 'y')
    await insert('x', ...Array(500).keys())
    await insert('y', 1)
    await restart(() => {
      const file = tenantPath(started.layout, 'x')
      for (const suffix of ['-wal', '-shm']) fs.rmSync(file + suffix, { force: true })
      spoil(file)
    })
    for (const method of ['query.run', 'query.explain']) {
      expect((await client.refused(method, { tenant: 'x', sql: 'select sum(a) from t' })).kind).toMatch(kind)
    }
    expect((await client.refused('row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] })).kind).toMatch(kind)
    await insert('y', 2)
    expect(await values('y')).toEqual([1, 2])
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT' } })
    await started.daemon.engine.parts.drain.settled()
    expect((await client.call('branch.status')).files).toMatchObject({ total: 2, atHead: 1, failed: 1 })
    await client.call('tenant.delete', { name: 'x' })
    await create('x')
    expect(await values('x')).toEqual([])
    expect(errors()).toEqual([])
  })
})

describe('names', () => {
  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    'a\u0000b',
    'a\nb',
    'A',
    'ä',
    'a b',
    '-a',
    'a-',
    '_a',
    'a--b',
    '__a',
    'sqlite_a',
    'x'.repeat(64),
    '~',
    'a.b',
    'a..b',
    '\ud800',
    '%2e%2e',
    'a;b',
    '"',
    'a\u202eb',
  ]
  const naming: [string, string, (name: string) => object][] = [
    ['database.create', 'database', (name) => ({ name })],
    ['tenant.create', 'tenant', (name) => ({ name })],
    ['tenant.rename', 'tenant', (newName) => ({ name: 'x', newName })],
    ['branch.create', 'branch', (name) => ({ name })],
    ['table.create', 'table', (name) => ({ ...table, name })],
    ['table.create', 'column', (name) => ({ ...table, name: 'u', columns: [{ name, type: 'TEXT' }] })],
    ['table.rename', 'table', (newName) => ({ name: 't', newName })],
    ['table.copy', 'table', (name) => ({ source: 't', name })],
    ['column.add', 'column', (name) => ({ table: 't', column: { name, type: 'TEXT' } })],
    ['column.rename', 'column', (newName) => ({ table: 't', name: 'a', newName })],
    ['index.create', 'index', (name) => ({ table: 't', columns: ['a'], name })],
    ['view.create', 'view', (name) => ({ name, sql: 'select 1' })],
  ]

  test.each(naming)('%s refuses every bad name of a %s with its rule', async (method, noun, params) => {
    await client.call('table.create', table)
    await create('x')
    const before = [
      await client.call('schema.get'),
      await client.call('tenant.list'),
      await client.call('database.list'),
    ]
    const own = noun === 'database' || noun === 'tenant' || noun === 'branch' ? ['con', 'nul', 'com1'] : ['a-b', '1a']
    for (const name of [...bad, ...own]) {
      const data = await client.refused(method, params(name))
      expect({ name, kind: data.kind }).toEqual({ name, kind: 'invalidName' })
      expect(data).toMatchObject({ noun, rule: expect.any(String) })
      if (data.suggestion !== undefined) {
        const again = await client.request(method, {
          ...params(data.suggestion),
          dryRun: noun.length === 6 ? undefined : true,
        })
        expect(again.error?.data.kind).not.toBe('invalidName')
        if (noun === 'database') await client.request('database.delete', { name: data.suggestion })
        if (method === 'tenant.create') await client.request('tenant.delete', { name: data.suggestion })
        if (method === 'tenant.rename') await client.request('tenant.rename', { name: data.suggestion, newName: 'x' })
        if (noun === 'branch') await client.request('branch.delete', { name: data.suggestion, force: true })
      }
    }
    const { head: _, ...schema } = await client.call('schema.get')
    expect(schema).toEqual({ ...before[0], head: undefined, ...schema })
    expect(fs.readdirSync(path.dirname(started.layout.root))).toEqual(['.cinchdb'])
  })

  test('words of SQL and the longest names are fine', async () => {
    for (const name of ['select', 'table', 'order', 'x'.repeat(63)]) {
      await client.call('table.create', { ...table, name, columns: [{ name: 'group', type: 'TEXT' }] })
      await client.call('row.insert', { table: name, rows: [{ group: 'x' }] })
      expect((await client.call('row.list', { table: name, where: { group: 'x' } })).rows).toEqual([{ group: 'x' }])
    }
    await create('x'.repeat(63), 'a_b-c', '1')
  })

  test('two databases cannot share a folder', async () => {
    await client.call('database.create', { name: 'a' })
    await client.call('branch.create', { database: 'a', name: 'b-main' })
    expect(await client.refused('database.create', { name: 'a-b' })).toMatchObject({
      kind: 'folderClash',
      folder: 'a-b-main',
    })
  })
})

describe('maintenance', () => {
  const key = { raw: '1'.repeat(64) }
  /** Every method that writes, as calls that could be done one after the other. */
  const writes = (file: string, changeSet: string): [string, object][] => [
    ['branch.revert', { changeSet }],
    ['branch.merge', { source: 'leaf' }],
    ['branch.rename', { name: 'leaf', newName: 'n' }],
    ['branch.delete', { name: 'twig' }],
    ['branch.create', { name: 'm' }],
    ['row.update', { table: 't', rows: [{ a: 1, b: 2 }] }],
    ['row.insert', { table: 't', rows: [{ a: 2 }] }],
    ['row.upsert', { table: 't', rows: [{ a: 1, b: 3 }] }],
    ['row.updateWhere', { table: 't', where: { a: 1 }, set: { b: 4 } }],
    ['row.deleteWhere', { table: 't', where: { a: 2 } }],
    ['row.delete', { table: 't', ids: [1] }],
    ['query.execute', { sql: 'delete from t' }],
    ['query.batch', { statements: [{ sql: 'delete from t' }] }],
    ['kv.set', { key: 'k', value: 1 }],
    ['kv.mset', { items: [{ key: 'k', value: 2 }] }],
    ['kv.increment', { key: 'k' }],
    ['kv.expire', { key: 'k', ttlMs: 60_000 }],
    ['kv.persist', { key: 'k' }],
    ['kv.delete', { keys: ['k'] }],
    ['kv.purge', {}],
    ['transaction.begin', {}],
    ['tenant.import', { path: file, table: 't' }],
    ['tenant.vacuum', {}],
    ['tenant.create', { name: 'n' }],
    ['tenant.copy', { source: 'x', name: 'z' }],
    ['tenant.rename', { name: 'x', newName: 'w' }],
    ['tenant.encrypt', { name: 'y', key }],
    ['tenant.rekey', { name: 'sealed', key, newKey: { raw: '2'.repeat(64) } }],
    ['tenant.decrypt', { name: 'locked', key }],
    ['tenant.delete', { name: 'y' }],
    ['index.create', { table: 't', columns: ['a'] }],
    ['index.drop', { name: 'i' }],
    ['view.update', { name: 'v', sql: 'select 2' }],
    ['view.drop', { name: 'v' }],
    ['view.create', { name: 'n', sql: 'select 1' }],
    ['column.add', { table: 't', column: { name: 'c', type: 'TEXT' } }],
    ['column.alter', { table: 't', name: 'a', default: 1 }],
    ['column.rename', { table: 't', name: 'a', newName: 'd' }],
    ['column.drop', { table: 't', name: 'b' }],
    ['table.create', { ...table, name: 'o' }],
    ['table.copy', { source: 't', name: 'p' }],
    ['table.rename', { name: 't', newName: 'q' }],
    ['table.drop', { name: 'u' }],
    ['schema.apply', { changes: [{ kind: 'createView', name: 'w', sql: 'select 1' }] }],
    ['database.delete', { name: 'd' }],
  ]
  /**
   * These make maintenance, end it, make a database that nobody has put under it, end what was begun before it, or write
   * nothing of a branch that is there.
   */
  const others = [
    ...['database.create', 'database.setMaintenance', 'branch.setMaintenance'],
    ...['transaction.commit', 'transaction.rollback'],
    ...['backup.create', 'backup.restore', 'backup.delete'],
    ...['plugin.load', 'plugin.unload', 'plugin.register', 'tenant.unlock', 'tenant.lock'],
  ]

  test('is known to every method that writes', () => {
    const names = [...methods].filter(([, { access }]) => access === 'write' || access === 'edit').map(([name]) => name)
    expect([...new Set([...writes('', '').map(([name]) => name), ...others])].sort()).toEqual(names.sort())
  })

  test.each([
    ['database', { name: 'd' }],
    ['branch', { database: 'd', name: 'main' }],
  ])('of a %s refuses every kind of write, survives a restart, and ends', async (noun, place) => {
    const database = 'd'
    const call = (method: string, params: object = {}) => client.call(method, { database, ...params })
    await client.call('database.create', { name: database })
    const columns = ['a', 'b'].map((name) => ({ name, type: 'INTEGER' }))
    await call('table.create', { ...table, columns, primaryKey: ['a'] })
    await call('table.create', { ...table, name: 'u' })
    await call('index.create', { table: 't', columns: ['b'], name: 'i' })
    await call('view.create', { name: 'v', sql: 'select 1' })
    for (const name of ['x', 'y']) await call('tenant.create', { name })
    for (const name of ['sealed', 'locked']) await call('tenant.create', { name, key })
    await call('row.insert', { table: 't', rows: [{ a: 1 }] })
    for (const name of ['leaf', 'twig']) await call('branch.create', { name })
    await call('table.create', { branch: 'leaf', ...table, name: 'l' })
    const { changeSet } = await call('view.create', { name: 'r', sql: 'select 1' })
    const file = path.join(temporaryFolder(), 'rows.csv')
    fs.writeFileSync(file, 'a,b\n5,5\n')
    const all = writes(file, changeSet).map(([method, params]): [string, object] => {
      return [method, method === 'database.delete' ? params : { database, ...params }]
    })
    const state = () =>
      Promise.all([
        call('schema.get'),
        call('branch.list'),
        call('tenant.list'),
        call('query.run', { sql: 'select * from t' }),
      ])

    await client.call(`${noun}.setMaintenance`, { ...place, enabled: true, reason: 'moving' })
    const before = await state()
    for (let round = 0; round < 2; round++) {
      for (const [method, params] of all) {
        // A branch’s own maintenance is no matter of the other branches.
        if (noun === 'branch' && ['branch.delete', 'branch.rename'].includes(method)) continue
        const refusal = { kind: 'maintenance', database, reason: 'moving' }
        expect(await client.refused(method, params), method).toMatchObject(refusal)
      }
      expect(await state()).toEqual(before)
      await restart()
    }
    await client.call('tenant.create', { name: 'x' })
    await client.call(`${noun}.setMaintenance`, { ...place, enabled: false })
    for (const [method, params] of all) await client.call(method, params)
  })
})
