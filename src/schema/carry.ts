import type { Change } from './change.ts'
import type { Schema, Table } from './model.ts'
import { findColumn, findTable, findVirtualTable } from './model.ts'
import { foldName, sameName } from './sql.ts'

/**
 * Give a schema that was read back after `change` the ids of the schema before it, and its order: a rebuilt table is
 * a new one to SQLite. What the change itself made has the ids that the change carries.
 */
export function carryIds(before: Schema, change: Change, read: Schema): Schema {
  const oldName = (name: string) =>
    change.kind === 'renameTable' && sameName(name, change.newName) ? change.table : name
  const tables = read.tables.map((table) => {
    const made = madeBy(before, change, table.name)
    return withIdsOf(table, made ?? findTable(before, oldName(table.name)), change)
  })
  const virtualTables = read.virtualTables.map((table) => {
    const made =
      change.kind === 'createVirtualTable' && sameName(change.table.name, table.name) ? change.table : undefined
    return { ...table, id: made?.id ?? findVirtualTable(before, table.name)?.id ?? table.id }
  })
  return {
    tables: inOrderOf(before.tables, tables, (table) => table.id),
    virtualTables: inOrderOf(before.virtualTables, virtualTables, (table) => table.id),
    indexes: inOrderOf(before.indexes, read.indexes, ({ name }) => foldName(name)),
    views: inOrderOf(before.views, read.views, ({ name }) => foldName(name)),
    triggers: inOrderOf(before.triggers, read.triggers, ({ name }) => foldName(name)),
  }
}

function madeBy(before: Schema, change: Change, name: string): Table | undefined {
  if (change.kind === 'createTable' && sameName(change.table.name, name)) return change.table
  if (change.kind !== 'copyTable' || !sameName(change.table, name)) return undefined
  const source = findTable(before, change.source)
  if (!source) return undefined
  const columns = source.columns.map((column, i) => ({ ...column, id: change.columnIds[i] ?? column.id }))
  return { ...source, id: change.id, columns }
}

function withIdsOf(table: Table, old: Table | undefined, change: Change): Table {
  if (!old) return table
  const columns = table.columns.map((column) => {
    const isIn = 'table' in change && typeof change.table === 'string' && sameName(change.table, old.name)
    const isAdded = isIn && change.kind === 'addColumn' && sameName(change.column.name, column.name)
    const isRenamed = isIn && change.kind === 'renameColumn' && sameName(change.newName, column.name)
    const oldColumn = isAdded ? change.column : findColumn(old, isRenamed ? change.column : column.name)
    const listed = isIn && change.kind === 'alterTable' ? change.to.columns : undefined
    const newColumn = listed?.find(({ name }) => sameName(name, column.name))
    return { ...column, id: oldColumn?.id ?? newColumn?.id ?? column.id }
  })
  return { ...table, id: old.id, columns }
}

function inOrderOf<T>(before: readonly T[], after: readonly T[], key: (item: T) => string): readonly T[] {
  const positions = new Map(before.map((item, i) => [key(item), i]))
  const position = (item: T) => positions.get(key(item)) ?? before.length
  return after.toSorted((a, b) => position(a) - position(b))
}
