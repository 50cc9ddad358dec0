import fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, tenantPath } from '../support/project.ts'

const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }

let started: TestDaemon
let client: RawClient

/** `x` and `y` have rows, `z` has no file. */
beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
  for (const name of ['x', 'y', 'z']) await client.call('tenant.create', { name })
  await insert('x', { a: 1 })
  await insert('y', { a: 2 }, { a: null })
})

const insert = (tenant: string, ...rows: object[]) => client.call('row.insert', { tenant, table: 't', rows })
const query = async (tenant: string, sql: string) => (await client.call('query.run', { tenant, sql })).rows
const tables = async () => (await client.call('table.list')).tables.map(({ name }: { name: string }) => name)
const state = async () => [await client.call('schema.get'), await client.call('branch.history')]

test('an edit is answered before any file is touched, and files follow on their next use', async () => {
  const { root } = started.layout
  const files = () =>
    fs
      .readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => !file.startsWith('metadata.db') && fs.statSync(path.join(root, file)).isFile())
      .map((file) => [file, fs.readFileSync(path.join(root, file), 'base64')] as const)
  const before = new Map(files())
  const changed = () => files().filter(([file, bytes]) => before.get(file) !== bytes)
  await started.daemon.engine.parts.drain.pausedWhile(async () => {
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT', default: 'd' } })
    expect(changed()).toEqual([])
    expect(await query('x', 'select b from t')).toEqual([['d']])
    expect(new Set(changed().map(([file]) => file.replace(/-(wal|shm)$/, '')))).toEqual(new Set(['main-main/2d/x.db']))
  })
})

describe('a table', () => {
  test('comes with all of its indexes, or not at all', async () => {
    const before = await state()
    const indexes = [{ columns: ['a'] }, { columns: ['a'], unique: true }]
    const bad = { ...table, name: 'u', indexes: [...indexes, { columns: ['nothing'] }] }
    expect((await client.refused('table.create', bad)).kind).toBe('columnNotFound')
    expect(await state()).toEqual(before)
    await client.call('table.create', { ...table, name: 'u', indexes })
    expect((await client.call('index.list', { table: 'u' })).indexes).toHaveLength(2)
    for (const tenant of ['x', 'z']) {
      const twice = { tenant, table: 'u', rows: [{ a: 1 }, { a: 1 }] }
      expect(await client.refused('row.insert', twice)).toMatchObject({ kind: 'constraintFailed', columns: ['a'] })
    }
  })

  test('that is dropped, or was refused, can be made again', async () => {
    const broken = { ...table, name: 'u', columns: [{ name: 'a', type: 'TEXT', check: 'nothing > 1' }] }
    expect((await client.refused('table.create', broken)).kind).toBe('schemaBroken')
    expect(await tables()).toEqual(['t'])
    await client.call('table.create', { ...table, name: 'u' })
    await client.call('table.drop', { name: 't' })
    expect(await tables()).toEqual(['u'])
    expect((await client.refused('table.get', { name: 't' })).kind).toBe('tableNotFound')
    await client.call('table.create', { ...table, columns: [{ name: 'b', type: 'TEXT' }] })
    expect(await query('x', 'select * from t')).toEqual([])
    await insert('x', { b: 'new' })
    expect(await query('x', 'select * from t')).toEqual([['new']])
  })

  test('is renamed for every tenant, and may refer to itself', async () => {
    await client.call('table.rename', { name: 't', newName: 'order' })
    const references = { table: 'tree', column: 'id', onDelete: 'CASCADE' }
    await client.call('table.create', { name: 'tree', columns: [{ name: 'parent', type: 'TEXT', references }] })
    for (const tenant of ['x', 'z']) {
      await client.call('row.insert', { tenant, table: 'order', rows: [{ a: 9 }] })
      const [{ id }] = (await client.call('row.insert', { tenant, table: 'tree', rows: [{}] })).rows
      await client.call('row.insert', { tenant, table: 'tree', rows: [{ parent: id }] })
      await client.call('row.delete', { tenant, table: 'tree', ids: [id] })
      expect(await client.call('row.count', { tenant, table: 'tree' })).toEqual({ count: 0 })
    }
  })
})

describe('a column', () => {
  const columns = [
    { name: 'b', type: 'bool', default: true },
    { name: 'c', type: 'TEXT', unique: true, collate: 'NOCASE' },
    { name: 'd', type: 'INTEGER', references: { table: 'p', column: 'k', onDelete: 'RESTRICT', onUpdate: 'CASCADE' } },
    { name: 'e', type: 'NUMERIC', nullable: false, default: "it's", check: 'e <> 0' },
    { name: 'f', type: 'REAL', generated: { expression: 'a / 2.0' } },
  ]

  test('is the same whether it comes with its table or later', async () => {
    await client.call('table.create', {
      name: 'p',
      columns: [{ name: 'k', type: 'INTEGER' }],
      primaryKey: ['k'],
      systemColumns: false,
    })
    await client.call('table.create', { ...table, name: 'u', columns: [...table.columns, ...columns] })
    for (const column of columns) await client.call('column.add', { table: 't', column })
    const described = async (table: string) =>
      (await client.call('column.list', { table })).columns.map(({ id: _, ...column }: { id: string }) => column)
    expect(await described('t')).toEqual(await described('u'))
    expect(await described('t')).toMatchObject([{}, ...columns.map(({ name }) => ({ name }))])
    await client.call('row.insert', { tenant: 'y', table: 'p', rows: [{ k: 1 }] })
    for (const name of ['t', 'u']) {
      const insert = (row: object) => ({ tenant: 'y', table: name, rows: [row] })
      await client.call('row.insert', insert({ a: 7, c: 'Ada', d: 1 }))
      expect(await query('y', `select b, e, f from ${name} where a = 7`)).toEqual([[true, "it's", 3.5]])
      for (const [row, constraint] of [
        [{ c: 'ADA' }, 'unique'],
        [{ d: 2 }, 'foreignKey'],
        [{ e: null }, 'notNull'],
        [{ e: 0 }, 'check'],
      ] as const) {
        expect(await client.refused('row.insert', insert(row))).toMatchObject({ kind: 'constraintFailed', constraint })
      }
    }
    const gone = await client.refused('row.delete', { tenant: 'y', table: 'p', ids: [1] })
    expect(gone).toMatchObject({ kind: 'constraintFailed', constraint: 'foreignKey' })
  })

  test('is known by its new name alone, and one that is dropped is not known', async () => {
    await client.call('column.rename', { table: 't', name: 'a', newName: 'b' })
    await client.call('column.add', { table: 't', column: { name: 'a', type: 'TEXT' } })
    await client.call('column.alter', { table: 't', name: 'b', type: 'TEXT' })
    expect(await query('x', 'select a, b from t')).toEqual([[null, '1']])
    await client.call('column.drop', { table: 't', name: 'b' })
    expect((await client.refused('column.get', { table: 't', name: 'b' })).kind).toBe('columnNotFound')
    expect((await client.call('column.list', { table: 't' })).columns).toMatchObject([{ name: 'a', type: 'TEXT' }])
    expect(await query('x', 'select * from t')).toEqual([[null]])
    expect(ask(tenantPath(started.layout, 'x'), "select name from pragma_table_info('t')")).toEqual(['a'])
  })

  test('becomes NOT NULL when no tenant has a NULL left, and not before', async () => {
    const before = await state()
    const change = { table: 't', name: 'a', nullable: false }
    const refusal = { kind: 'proofFailed', tenants: 1, witnesses: [{ tenant: 'y', table: 't', reason: 'a is NULL' }] }
    for (const at of [1, 2]) expect(await client.refused('column.alter', change), `try ${at}`).toMatchObject(refusal)
    expect(await state()).toEqual(before)
    await insert('x', { a: null })
    await client.call('query.execute', { tenant: 'x', sql: 'delete from t where a is null' })
    await client.call('query.execute', { tenant: 'y', sql: 'delete from t where a is null' })
    await client.call('column.alter', change)
    for (const tenant of ['x', 'y', 'z']) {
      const missing = { tenant, table: 't', rows: [{ a: null }] }
      expect(await client.refused('row.insert', missing)).toMatchObject({ constraint: 'notNull' })
    }
  })

  test('that is so already is no change', async () => {
    const before = await state()
    for (const alteration of [{ nullable: true }, { type: 'int' }, { unique: false }, { check: null }]) {
      const result = await client.call('column.alter', { table: 't', name: 'a', ...alteration })
      expect(result).toEqual({ changeSet: null, plan: [], tenantsToProve: 0 })
    }
    expect(await state()).toEqual(before)
  })

  test.each(["it's", '"quoted"', "'); drop table t; --", '?'])('is filled with %s as it is', async (fill) => {
    await client.call('column.alter', { table: 't', name: 'a', type: 'TEXT', nullable: false, fill })
    expect(await query('y', 'select a from t order by rowid')).toEqual([['2'], [fill]])
    expect(await tables()).toEqual(['t'])
  })
})

describe('an index', () => {
  test('of a name in use is refused, however it is defined, and leaves no trace', async () => {
    await client.call('index.create', { table: 't', columns: ['a'], name: 'i' })
    const before = await state()
    for (const change of [{}, { unique: true }, { where: 'a > 1' }]) {
      const again = { table: 't', columns: ['a'], name: 'i', ...change }
      expect(await client.refused('index.create', again)).toMatchObject({ kind: 'indexExists', index: 'i' })
    }
    expect(await state()).toEqual(before)
    await client.call('index.drop', { name: 'i' })
    expect((await client.refused('index.drop', { name: 'i' })).kind).toBe('indexNotFound')
  })

  test('without a name is made once, but as often as it is another one', async () => {
    const index = { table: 't', columns: ['a'] }
    await client.call('index.create', index)
    expect(await client.refused('index.create', index)).toMatchObject({ kind: 'indexExists', index: 'idx_t_a' })
    await client.call('index.create', { ...index, where: 'a > 1' })
    expect(await client.refused('index.create', { ...index, where: 'a>1' })).toMatchObject({ index: 'idx_t_a_2' })
    expect((await client.call('index.list')).indexes).toHaveLength(2)
  })

  test('may be over expressions, a part of the rows, and in any order, for every tenant', async () => {
    const columns = [{ expression: 'abs(a)' }, { name: 'a', descending: true }]
    await client.call('index.create', { table: 't', columns, unique: true, where: 'a is not null', name: 'i' })
    for (const tenant of ['x', 'z']) {
      await insert(tenant, { a: 5 }, { a: null }, { a: null })
      const twice = { tenant, table: 't', rows: [{ a: 5 }] }
      expect(await client.refused('row.insert', twice)).toMatchObject({ kind: 'constraintFailed' })
    }
  })
})

test('a view that is refused leaves the one before, and can be updated', async () => {
  await client.call('view.create', { name: 'v', sql: 'SELECT a AS "AS" FROM t' })
  const before = await state()
  for (const sql of ['select nothing from t', 'select 1; drop table t', 'delete from t']) {
    expect((await client.refused('view.update', { name: 'v', sql })).kind).toMatch(/^(schemaBroken|invalidChange)$/)
  }
  expect(await state()).toEqual(before)
  expect(await client.call('view.get', { name: 'v' })).toMatchObject({ sql: 'SELECT a AS "AS" FROM t' })
  expect(await query('x', 'select * from v')).toEqual([[1]])
  await client.call('view.update', { name: 'v', sql: 'select a + 1 from t' })
  expect(await query('x', 'select * from v')).toEqual([[2]])
})
