import { beforeEach, describe, expect, test, vi } from 'vitest'
import { defer } from '../support/cleanup.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, tenantPath } from '../support/project.ts'

const integer = (name: string) => ({ name, type: 'INTEGER' })
const table = { name: 't', columns: [integer('a'), integer('b')], systemColumns: false }
const tenants = ['main', 'x', 'y', 'z']

let started: TestDaemon
let client: RawClient

/** Main with rows in `main`, `x` and `y`; `z` has no file. Dev is forked from it. */
beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
  for (const name of ['x', 'y', 'z']) await client.call('tenant.create', { name })
  await insert('main', 'main', { a: 1, b: 1 })
  await insert('main', 'x', { a: 1, b: 1 })
  await insert('main', 'y', { a: 2, b: 2 }, { a: 2, b: 3 })
  await client.call('branch.create', { name: 'dev' })
})

const insert = (branch: string, tenant: string, ...rows: object[]) =>
  client.call('row.insert', { branch, tenant, table: 't', rows })
const query = async (tenant: string, sql: string, branch = 'main') =>
  (await client.call('query.run', { branch, tenant, sql })).rows
const addColumn = (name: string, branch = 'main') =>
  client.call('column.add', { branch, table: 't', column: { name, type: 'TEXT', default: 'd' } })
const merge = (options: object = {}) => client.call('branch.merge', { source: 'dev', ...options })
const refused = (options: object = {}) => client.refused('branch.merge', { source: 'dev', ...options })
const names = (things: readonly { name: string }[]) => things.map(({ name }) => name)
const columns = async (branch = 'main') => names((await client.call('column.list', { branch, table: 't' })).columns)

/** All that can be seen of a branch: its schema, its history, its tenants' rows, and how the files themselves stand. */
async function stateOf(branch = 'main') {
  const schema = await client.call('schema.get', { branch })
  const rows = []
  for (const tenant of tenants) {
    for (const { name } of schema.tables)
      rows.push([tenant, name, await query(tenant, `select * from ${name}`, branch)])
  }
  await started.daemon.engine.parts.drain.settled()
  const files = ['main', 'x', 'y'].map((tenant) =>
    ask(tenantPath(started.layout, tenant), 'select sql from sqlite_schema'),
  )
  return { schema, rows, files, history: await client.call('branch.history', { name: branch }) }
}

describe('rows that stand against one change of a merge', () => {
  test.each([
    ['fast-forward', []],
    ['three-way', ['c']],
  ])('stop all of it, and once they are mended it goes through, %s', async (_, ofMain) => {
    await client.call('table.create', { ...table, name: 'u', branch: 'dev' })
    await addColumn('d', 'dev')
    await client.call('query.execute', { branch: 'dev', tenant: 'y', sql: 'delete from t where b = 3' })
    await client.call('index.create', { branch: 'dev', table: 't', columns: ['a'], unique: true })
    await client.call('column.rename', { branch: 'dev', table: 't', name: 'b', newName: 'e' })
    for (const name of ofMain) await addColumn(name)

    const before = await stateOf()
    expect(await refused()).toMatchObject({ kind: 'proofFailed', tenants: 1, witnesses: [{ tenant: 'y', table: 't' }] })
    expect(await stateOf()).toEqual(before)

    await client.call('query.execute', { tenant: 'y', sql: 'delete from t where b = 3' })
    expect(await merge()).toMatchObject({ status: 'merged', fastForward: ofMain.length === 0 })
    for (const tenant of tenants) {
      expect(await query(tenant, 'select count(*) from u')).toEqual([[0]])
      await insert('main', tenant, { a: 9, e: 9, d: 'mine' })
      const twice = { tenant, table: 't', rows: [{ a: 9 }] }
      expect(await client.refused('row.insert', twice)).toMatchObject({ kind: 'constraintFailed', columns: ['a'] })
    }
    expect(await merge()).toMatchObject({ status: 'upToDate' })
    expect((await client.call('branch.diff', { base: 'main', head: 'dev' })).changes).toHaveLength(ofMain.length)
  })
})

test('a merge reaches every tenant: with a file, without one, and made later', async () => {
  await addColumn('c', 'dev')
  await client.call('index.create', { branch: 'dev', table: 't', columns: ['b'], unique: true })
  await client.call('view.create', { branch: 'dev', name: 'v', sql: 'select c from t' })
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'a', nullable: false })
  expect(await merge()).toMatchObject({ status: 'merged', fastForward: true })
  await client.call('tenant.create', { name: 'later' })
  for (const tenant of [...tenants, 'later']) {
    await insert('main', tenant, { a: 7, b: 7 })
    const unique = { tenant, table: 't', rows: [{ a: 7, b: 7 }] }
    expect(await client.refused('row.insert', unique)).toMatchObject({ kind: 'constraintFailed', columns: ['b'] })
    const missing = { tenant, table: 't', rows: [{ b: 8 }] }
    expect(await client.refused('row.insert', missing)).toMatchObject({ constraint: 'notNull', columns: ['a'] })
    expect((await query(tenant, 'select c from v')).at(-1)).toEqual(['d'])
  }
})

test('rows are not merged, and neither is what was refused on the branch', async () => {
  await insert('dev', 'x', { a: 5, b: 5 })
  const index = { branch: 'dev', table: 't', columns: ['a'], unique: true, name: 'i' }
  expect((await client.refused('index.create', index)).kind).toBe('proofFailed')
  const broken = { branch: 'dev', name: 'v', sql: 'select nothing from t' }
  expect((await client.refused('view.create', broken)).kind).toBe('schemaBroken')
  expect((await client.call('branch.history', { name: 'dev' })).changeSets).toHaveLength(1)

  await client.call('index.create', { ...index, unique: false })
  await client.call('view.create', { ...broken, sql: 'select a from t' })
  expect(await merge()).toMatchObject({ status: 'merged' })
  const { changeSets } = await client.call('branch.history')
  expect(changeSets.map(({ changes }: { changes: { kind: string }[] }) => changes[0]?.kind)).toEqual([
    'createView',
    'createIndex',
    'createTable',
  ])
  expect(await query('x', 'select a from v')).toEqual([[1]])
})

test('a table that the source copied with its rows has the target’s own, tenant by tenant', async () => {
  await insert('dev', 'x', { a: 5, b: 5 })
  await client.call('table.copy', { branch: 'dev', source: 't', name: 'u' })
  expect(await query('x', 'select a from u', 'dev')).toEqual([[1], [5]])
  expect(await merge()).toMatchObject({ status: 'merged', fastForward: true })
  expect(await query('x', 'select a from u')).toEqual([[1]])
  expect(await query('y', 'select a from u')).toEqual([[2], [2]])
  expect(await query('z', 'select a from u')).toEqual([])
})

test('a table that the source made anew keeps what the target added to it', async () => {
  await client.call('column.drop', { branch: 'dev', table: 't', name: 'b' })
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'a', type: 'TEXT' })
  await addColumn('c')
  await client.call('query.execute', { tenant: 'x', sql: "update t set c = 'kept'" })
  await client.call('index.create', { table: 't', columns: ['c'], name: 'i' })
  expect(await merge()).toMatchObject({ status: 'merged', fastForward: false })
  for (const [tenant, row] of [
    ['x', ['1', 'kept']],
    ['main', ['1', 'd']],
  ] as const) {
    expect(await query(tenant, 'select * from t')).toEqual([row])
  }
  expect(names((await client.call('index.list')).indexes)).toEqual(['i'])
})

describe('conflicts', () => {
  test.each<[string, [string, object], [string, object], string[]]>([
    [
      'a view of one name, made by both',
      ['view.create', { name: 'v', sql: 'select a from t' }],
      ['view.create', { name: 'v', sql: 'select b from t' }],
      ['view:v'],
    ],
    [
      'two new names for one column',
      ['column.rename', { table: 't', name: 'b', newName: 'c' }],
      ['column.rename', { table: 't', name: 'b', newName: 'd' }],
      ['table:t/column:b/name'],
    ],
    [
      'an edit of what the other dropped',
      ['column.add', { table: 't', column: integer('c') }],
      ['table.drop', { name: 't' }],
      ['table:t'],
    ],
    [
      'an index of one name, on other columns',
      ['index.create', { table: 't', columns: ['a'], name: 'i' }],
      ['index.create', { table: 't', columns: ['b'], name: 'i' }],
      ['index:i'],
    ],
    [
      'an alteration of a column that the other dropped',
      ['column.alter', { table: 't', name: 'b', nullable: false, fill: 0 }],
      ['column.drop', { table: 't', name: 'b' }],
      ['table:t/column:b'],
    ],
  ])('%s: told, and nothing is changed', async (_, [ours, ourParams], [theirs, theirParams], paths) => {
    await client.call(ours, { ...ourParams })
    await client.call(theirs, { branch: 'dev', ...theirParams })
    const before = await stateOf()
    for (const dryRun of [true, false]) {
      const { status, changeSet, conflicts } = await merge({ dryRun })
      expect({ status, changeSet }).toEqual({ status: 'conflicts', changeSet: null })
      expect(conflicts.map(({ path }: { path: string }) => path)).toEqual(paths)
    }
    expect(await stateOf()).toEqual(before)
    const resolutions = paths.map((path) => ({ path, take: 'theirs' }))
    expect(await merge({ resolutions })).toMatchObject({ status: 'merged' })
  })
})

test('a dry run tells the SQL and the danger, and changes nothing', async () => {
  await client.call('table.create', { ...table, name: 'u', branch: 'dev' })
  await client.call('index.create', { branch: 'dev', table: 'u', columns: ['a'], unique: true })
  await client.call('column.drop', { branch: 'dev', table: 't', name: 'b' })
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'a', nullable: false })
  const before = await stateOf()
  const { plan, ...told } = await merge({ dryRun: true })
  expect(told).toMatchObject({
    status: 'planned',
    fastForward: true,
    changeSet: null,
    conflicts: [],
    tenantsToProve: 3,
  })
  expect(
    plan.map(({ sql, danger = [] }: { sql: string; danger?: string[] }) => [sql.split(' ', 2).join(' '), danger]),
  ).toEqual([
    ['CREATE TABLE', []],
    ['CREATE UNIQUE', ['needsProof']],
    ['ALTER TABLE', ['destroysData', 'rewritesTable']],
    ['ALTER TABLE', ['needsProof']],
  ])
  expect(await stateOf()).toEqual(before)
})

describe('a merge that deletes its source', () => {
  test('does so when it is through', async () => {
    await addColumn('c', 'dev')
    expect(await merge({ deleteSource: true, dryRun: true })).toMatchObject({ status: 'planned' })
    expect(await merge({ deleteSource: true })).toMatchObject({ status: 'merged' })
    expect(await columns()).toEqual(['a', 'b', 'c'])
    expect(names((await client.call('branch.list')).branches)).toEqual(['main'])
  })

  test.each<[string, object, object]>([
    ['it is protected', { source: 'main', target: 'dev' }, { kind: 'protected', name: 'main' }],
    ['it is under maintenance', {}, { kind: 'maintenance', branch: 'dev' }],
    ['it is the target', { target: 'dev' }, { kind: 'protected', name: 'dev' }],
  ])('is refused where that cannot be, and nothing is merged: %s', async (_, options, refusal) => {
    await addColumn('c', 'dev')
    await addColumn('d')
    if (!('target' in options)) await client.call('branch.setMaintenance', { name: 'dev', enabled: true })
    expect(await refused({ ...options, deleteSource: true })).toMatchObject(refusal)
    expect(await columns()).toEqual(['a', 'b', 'd'])
    expect(await columns('dev')).toEqual(['a', 'b', 'c'])
  })
})

test('a branch merged into itself, or without anything new, is up to date', async () => {
  await addColumn('c')
  const before = await stateOf()
  for (const options of [{}, { target: 'dev' }, { source: 'main' }]) {
    expect(await merge(options)).toMatchObject({ status: 'upToDate', changeSet: null })
  }
  expect(await stateOf()).toEqual(before)
  expect(await refused({ source: 'none' })).toMatchObject({ kind: 'branchNotFound', branch: 'none' })
  expect(await refused({ target: 'none' })).toMatchObject({ kind: 'branchNotFound', branch: 'none' })
})

test('branches go on after a merge, and are merged again, in both directions', async () => {
  await addColumn('c', 'dev')
  await addColumn('d')
  expect(await merge()).toMatchObject({ status: 'merged' })
  await client.call('table.create', { ...table, name: 'u' })
  await client.call('column.rename', { branch: 'dev', table: 't', name: 'c', newName: 'e' })
  expect(await merge({ source: 'main', target: 'dev' })).toMatchObject({ status: 'merged' })
  expect(await merge()).toMatchObject({ status: 'merged' })
  expect(await merge()).toMatchObject({ status: 'upToDate' })
  for (const branch of ['main', 'dev']) {
    expect(names((await client.call('table.list', { branch })).tables)).toEqual(['t', 'u'])
    expect((await columns(branch)).sort()).toEqual(['a', 'b', 'd', 'e'])
    for (const tenant of tenants) {
      await client.call('row.insert', { branch, tenant, table: 'u', rows: [{ a: 1 }] })
      await insert(branch, tenant, { a: 3, d: 'x', e: 'y' })
    }
  }
})

test('edits follow one another as they were made, whatever the clock says', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  defer(() => vi.useRealTimers())
  await client.call('table.create', { ...table, name: 'u', branch: 'dev' })
  for (const name of ['c', 'd', 'e']) {
    vi.setSystemTime(Date.now() - 86_400_000)
    await client.call('column.add', { branch: 'dev', table: 'u', column: integer(name) })
  }
  await client.call('column.rename', { branch: 'dev', table: 'u', name: 'c', newName: 'f' })
  await addColumn('c')
  expect(await merge()).toMatchObject({ status: 'merged', fastForward: false })
  expect(names((await client.call('column.list', { table: 'u' })).columns)).toEqual(['a', 'b', 'f', 'd', 'e'])
  const { changeSets } = await client.call('branch.history', { name: 'dev' })
  expect(changeSets.map(({ changes }: { changes: { kind: string }[] }) => changes[0]?.kind)).toEqual([
    'renameColumn',
    'addColumn',
    'addColumn',
    'addColumn',
    'createTable',
    'createTable',
  ])
})

test('maintenance of the target refuses a merge, and nothing but its end ends it', async () => {
  await addColumn('c', 'dev')
  await client.call('branch.setMaintenance', { name: 'main', enabled: true, reason: 'moving' })
  const maintenance = { kind: 'maintenance', reason: 'moving' }
  expect(await refused()).toMatchObject(maintenance)
  expect(await merge({ dryRun: true })).toMatchObject({ status: 'planned' })
  expect(await client.refused('column.add', { table: 't', column: integer('d') })).toMatchObject(maintenance)
  await addColumn('d', 'dev')
  expect(await client.call('branch.get')).toMatchObject({ maintenance: { reason: 'moving' } })
  expect(await client.refused('row.insert', { table: 't', rows: [{ a: 1 }] })).toMatchObject(maintenance)
  await client.call('branch.setMaintenance', { name: 'main', enabled: false })
  expect(await merge()).toMatchObject({ status: 'merged' })
})
