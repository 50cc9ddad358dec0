import { encodeValue, type SqlValue, ValueFault } from '../../protocol/values.ts'
import type { IdSource } from '../base/ids.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'
import { prepare, refuseSqlError } from './errors.ts'
import { bindableValue, noLimits, type RowSet, readRows, write } from './execute.ts'
import { StoredRows } from './stored-rows.ts'
import { quotedColumn, type TableShape } from './table-shape.ts'
import type { Condition } from './where.ts'

/** A row to be written: column name to value. */
export interface RowValues {
  readonly [column: string]: SqlValue
}

/** What the daemon gives to rows by itself. */
export interface Clock {
  readonly ids: IdSource
  /** ISO 8601, UTC, milliseconds. */
  now(): string
}

/** Turns a value as a caller has it into one of SQLite's. Throws `ValueFault` for what is none. */
export type Decode = (value: unknown) => SqlValue

export interface WriteRowsOptions {
  readonly decode: Decode
  readonly clock: Clock
  /** Give the rows back as they are stored. */
  readonly returning: boolean
}

export interface Inserted extends RowSet {
  /** Rows stored: fewer than given where the table passes over conflicts. */
  readonly count: number
}

/** A row as a caller has it. */
export interface GivenRow {
  readonly [column: string]: unknown
}

/**
 * Insert rows. They may name different columns; what a row does not name gets its default. One that fails takes all of
 * them with it: the caller's write is one transaction.
 */
export function insertRows(
  writer: Writer,
  table: TableShape,
  rows: readonly GivenRow[],
  { decode, clock, returning }: WriteRowsOptions,
): Inserted {
  const now = table.systemColumns ? clock.now() : ''
  const stored = new StoredRows(writer, table)
  let count = 0
  let insert: PreparedInsert | undefined
  let at = 0
  let column = ''
  try {
    for (; at < rows.length; at++) {
      const row = rows[at] as GivenRow
      if (insert === undefined || !isOfShape(row, insert.names)) {
        insert = prepareInsert(writer, table, Object.keys(row), returning ? stored : undefined)
      }
      const params: unknown[] = []
      for (column of insert.names) params.push(bindableValue(decode(row[column])))
      for (const name of insert.kept) params.push(name === 'id' ? clock.ids.next() : now)
      count += insert.run(params)
    }
    return { ...stored.read(), count }
  } catch (error) {
    return refuseRowError(error, `rows[${at}].${column}`)
  }
}

/** Say where a value is none. */
export function refuseRowError(error: unknown, where: string): never {
  if (error instanceof ValueFault) refuse('invalidValue', { where, reason: error.message })
  return refuseSqlError(error, 'write')
}

interface PreparedInsert extends Insert {
  /** Gives the number of rows stored. */
  run(params: readonly unknown[]): number
}

/** To read the row afterwards costs half of what RETURNING does, and shows what triggers did to it. */
function prepareInsert(
  writer: Writer,
  table: TableShape,
  names: readonly string[],
  stored: StoredRows | undefined,
): PreparedInsert {
  const insert = insertOf(table, names)
  if (stored && table.rowid === undefined) {
    const prepared = prepare(writer, `${insert.sql} returning *`)
    const run = (params: readonly unknown[]) => {
      const { changes, returned } = write(prepared, params as SqlValue[], () => writer.changes())
      stored.add(returned)
      return changes
    }
    return { ...insert, run }
  }
  const { statement } = prepare(writer, insert.sql)
  const run = (params: readonly unknown[]) => {
    const { changes, lastInsertRowid } = statement.run(params)
    if (changes > 0) stored?.note(lastInsertRowid as bigint)
    return changes
  }
  return { ...insert, run }
}

/** How rows are inserted that name the same columns in the same order. */
interface Insert {
  readonly names: readonly string[]
  /** System columns that the rows do not name. */
  readonly kept: readonly string[]
  readonly sql: string
}

const maxInsertsKept = 100
const inserts = new WeakMap<TableShape, Map<string, Insert>>()

function insertOf(table: TableShape, names: readonly string[]): Insert {
  let known = inserts.get(table)
  if (known === undefined || known.size > maxInsertsKept) {
    known = new Map()
    inserts.set(table, known)
  }
  const key = names.join('\0')
  let insert = known.get(key)
  if (insert === undefined) {
    insert = writtenInsert(table, names)
    known.set(key, insert)
  }
  return insert
}

function writtenInsert(table: TableShape, names: readonly string[]): Insert {
  for (const name of names) quotedColumn(table, name)
  const kept = keptColumns(table, names)
  return { names, kept, sql: insertSql(table, [...names, ...kept]) }
}

/** System columns that are not named. */
export function keptColumns(table: TableShape, names: readonly string[]): string[] {
  return table.systemColumns ? ['id', 'created_at', 'updated_at'].filter((name) => !names.includes(name)) : []
}

export function insertSql(table: TableShape, columns: readonly string[]): string {
  const values =
    columns.length === 0
      ? 'default values'
      : `(${columns.map(quoteName).join(', ')}) values (${columns.map(() => '?').join(', ')})`
  return `insert into ${quoteName(table.name)} ${values}`
}

export function isOfShape(row: object, names: readonly string[]): boolean {
  let at = 0
  for (const name in row) if (name !== names[at++]) return false
  return at === names.length
}

/** The row with this key, or none. */
export function getRow(reader: Reader, table: TableShape, id: RowKey): RowSet {
  const { sql, params } = keyCondition(table, id)
  return readRows(prepare(reader, `select * from ${quoteName(table.name)} where ${sql}`), params, noLimits, true)
}

/** Update rows, each found by the key it carries, and give them back as they are stored. An unknown key is refused. */
export function updateRows(
  writer: Writer,
  table: TableShape,
  rows: readonly GivenRow[],
  { decode, clock, returning }: WriteRowsOptions,
): RowSet {
  requireKey(table)
  const now = table.systemColumns ? clock.now() : ''
  const stored = new StoredRows(writer, table)
  let update: Update | undefined
  let statement: ReturnType<typeof prepare>['statement'] | undefined
  let at = 0
  let column = ''
  try {
    for (; at < rows.length; at++) {
      const row = rows[at] as GivenRow
      if (update === undefined || statement === undefined || !isOfShape(row, update.names)) {
        update = writtenUpdate(table, Object.keys(row))
        statement = prepare(writer, update.sql).statement
      }
      const params: unknown[] = []
      for (column of update.set) params.push(bindableValue(decode(row[column])))
      if (update.isTouched) params.push(now)
      const key: SqlValue[] = []
      for (column of table.key) key.push(decode(row[column]))
      for (const value of key) params.push(bindableValue(value))
      if (statement.run(params).changes === 0) refuseRow(table, key)
      if (returning) stored.find(keySql(table), key)
    }
    return stored.read()
  } catch (error) {
    return refuseRowError(error, `rows[${at}].${column}`)
  }
}

/** How rows are updated that name the same columns in the same order. */
interface Update {
  readonly names: readonly string[]
  readonly set: readonly string[]
  /** `updated_at` is to be set besides. */
  readonly isTouched: boolean
  readonly sql: string
}

function writtenUpdate(table: TableShape, names: readonly string[]): Update {
  for (const name of names) quotedColumn(table, name)
  const missing = table.key.find((name) => !names.includes(name))
  if (missing !== undefined) refuse('invalidValue', { where: missing, reason: 'the key is missing' })
  const set = names.filter((name) => !table.key.includes(name))
  if (set.length === 0) refuse('invalidValue', { where: 'rows', reason: 'a row names no column to set' })
  const isTouched = table.systemColumns && !set.includes('updated_at')
  const assigned = isTouched ? [...set, 'updated_at'] : set
  const assignments = assigned.map((name) => `${quoteName(name)} = ?`).join(', ')
  const sql = `update ${quoteName(table.name)} set ${assignments} where ${keySql(table)}`
  return { names, set, isTouched, sql }
}

/** Delete the rows with these keys. An unknown key is refused. */
export function deleteRows(writer: Writer, table: TableShape, ids: readonly RowKey[]): number {
  requireKey(table)
  const { statement } = prepare(writer, `delete from ${quoteName(table.name)} where ${keySql(table)}`)
  try {
    for (const id of ids) {
      const { params } = keyCondition(table, id)
      if (statement.run(params.map(bindableValue)).changes === 0) refuseRow(table, params)
    }
    return ids.length
  } catch (error) {
    return refuseSqlError(error, 'write')
  }
}

/** A row's primary key: its value, or, where the key has several columns, an object of them. */
export type RowKey = SqlValue | RowValues

function keyCondition(table: TableShape, id: RowKey): Condition {
  requireKey(table)
  if (!isRowValues(id)) {
    if (table.key.length === 1) return { sql: keySql(table), params: [id] }
    return refuse('invalidValue', { where: 'id', reason: `the key is an object of ${table.key.join(', ')}` })
  }
  const unknown = Object.keys(id).find((name) => !table.key.includes(name))
  if (unknown !== undefined) refuse('invalidValue', { where: 'id', reason: `${unknown} is not part of the key` })
  const params = table.key.map(
    (name) => id[name] ?? refuse('invalidValue', { where: 'id', reason: `${name} of the key is missing` }),
  )
  return { sql: keySql(table), params }
}

function isRowValues(id: RowKey): id is RowValues {
  return typeof id === 'object' && id !== null && !(id instanceof Uint8Array)
}

export function keySql(table: TableShape): string {
  return table.key.map((name) => `${quoteName(name)} = ?`).join(' and ')
}

export function requireKey(table: TableShape): void {
  if (table.key.length === 0) refuse('notSupported', { what: `${table.name} has no primary key; use query.execute` })
}

function refuseRow(table: TableShape, key: readonly SqlValue[]): never {
  const shown = key.map(encodeValue)
  return refuse('rowNotFound', { table: table.name, id: shown.length === 1 ? shown[0] : shown })
}
