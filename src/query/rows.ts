import { encodeValue, type SqlValue, ValueFault } from '../../protocol/values.ts'
import type { IdSource } from '../base/ids.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'
import { prepare, refuseSqlError } from './errors.ts'
import { bindableValue, noLimits, type ReadLimits, type RowSet, readRows, type WriteResult, write } from './execute.ts'
import { requireColumn, type TableShape } from './table-shape.ts'
import { watched } from './watch.ts'
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

export interface InsertOptions {
  readonly decode: Decode
  readonly clock: Clock
  /** Give the rows back as they are stored. */
  readonly returning: boolean
}

export interface Inserted extends RowSet {
  /** Rows stored: fewer than given where the table passes over conflicts. */
  readonly count: number
}

/**
 * Insert rows. They may name different columns; what a row does not name gets its default. One that fails takes all of
 * them with it: the caller's write is one transaction.
 */
export function insertRows(
  writer: Writer,
  table: TableShape,
  rows: readonly { readonly [column: string]: unknown }[],
  { decode, clock, returning }: InsertOptions,
): Inserted {
  const now = table.systemColumns ? clock.now() : ''
  const stored: SqlValue[][] = []
  let columns: RowSet['columns'] = []
  let count = 0
  let insert: PreparedInsert | undefined
  let at = 0
  let column = ''
  try {
    for (; at < rows.length; at++) {
      const row = rows[at] as { readonly [column: string]: unknown }
      if (insert === undefined || !isOfShape(row, insert.names)) {
        insert = prepareInsert(writer, table, Object.keys(row), returning)
      }
      const params: unknown[] = []
      for (column of insert.names) params.push(bindableValue(decode(row[column])))
      for (const name of insert.kept) params.push(name === 'id' ? clock.ids.next() : now)
      const found = insert.run(params)
      count += found.changes
      if (found.returned === null) continue
      columns = found.returned.columns
      for (const values of found.returned.rows) stored.push(values)
    }
  } catch (error) {
    if (error instanceof ValueFault) refuse('invalidValue', { where: `rows[${at}].${column}`, reason: error.message })
    return refuseSqlError(error)
  }
  return { columns, rows: stored, truncated: false, count }
}

interface PreparedInsert extends Insert {
  run(params: readonly unknown[]): WriteResult
}

/** To read the row afterwards costs half of what RETURNING does, and shows what triggers did to it. */
function prepareInsert(
  writer: Writer,
  table: TableShape,
  names: readonly string[],
  returning: boolean,
): PreparedInsert {
  const insert = insertOf(table, names)
  if (returning && insert.stored === undefined) {
    const prepared = prepare(writer, `${insert.sql} returning *`)
    return { ...insert, run: (params) => write(prepared, params as SqlValue[], () => writer.changes()) }
  }
  const { statement } = prepare(writer, insert.sql)
  const stored = returning && insert.stored !== undefined ? prepare(writer, insert.stored) : undefined
  const run = (params: readonly unknown[]): WriteResult => {
    const { changes, lastInsertRowid } = statement.run(params)
    const wasStored = stored !== undefined && changes > 0
    return { changes, returned: wasStored ? readRows(stored, [lastInsertRowid as bigint], noLimits, true) : null }
  }
  return { ...insert, run }
}

/** How rows are inserted that name the same columns in the same order. */
interface Insert {
  readonly names: readonly string[]
  /** System columns that the rows do not name. */
  readonly kept: readonly string[]
  readonly sql: string
  /** Reads a row by its number, where rows have one. */
  readonly stored: string | undefined
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
  for (const name of names) requireColumn(table, name)
  const kept = table.systemColumns ? ['id', 'created_at', 'updated_at'].filter((name) => !names.includes(name)) : []
  const columns = [...names, ...kept]
  const values =
    columns.length === 0
      ? 'default values'
      : `(${columns.map(quoteName).join(', ')}) values (${columns.map(() => '?').join(', ')})`
  const name = quoteName(table.name)
  const sql = `insert into ${name} ${values}`
  const stored = table.rowid === undefined ? undefined : `select * from ${name} where ${table.rowid} = ?`
  return { names, kept, sql, stored }
}

function isOfShape(row: object, names: readonly string[]): boolean {
  let at = 0
  for (const name in row) if (name !== names[at++]) return false
  return at === names.length
}

/** The row with this key, or none. */
export function getRow(reader: Reader, table: TableShape, id: RowKey): RowSet {
  const { sql, params } = keyCondition(table, id)
  return readRows(prepare(reader, `select * from ${quoteName(table.name)} where ${sql}`), params, noLimits, true)
}

export interface ListOptions {
  readonly where?: Condition
  readonly orderBy: readonly { readonly column: string; readonly descending: boolean }[]
  readonly columns?: readonly string[]
  readonly limit: number
  readonly offset: number
}

export function listRows(reader: Reader, table: TableShape, options: ListOptions, limits: ReadLimits): RowSet {
  const columns = options.columns?.map((name) => quoteName(requireColumn(table, name))).join(', ') ?? '*'
  const order = options.orderBy.map(
    ({ column, descending }) => `${quoteName(requireColumn(table, column))}${descending ? ' desc' : ''}`,
  )
  const sql = [
    `select ${columns === '' ? '*' : columns} from ${quoteName(table.name)}`,
    options.where && `where ${options.where.sql}`,
    order.length > 0 && `order by ${order.join(', ')}`,
    'limit ? offset ?',
  ]
  const params = [...(options.where?.params ?? []), BigInt(options.limit), BigInt(options.offset)]
  return readWatched(reader, sql.filter(Boolean).join(' '), params, limits)
}

export function countRows(reader: Reader, table: TableShape, where: Condition | undefined, limits: ReadLimits): number {
  const sql = `select count(*) from ${quoteName(table.name)}${where ? ` where ${where.sql}` : ''}`
  return readWatched(reader, sql, where?.params ?? [], limits).rows[0]?.[0] as number
}

function readWatched(reader: Reader, sql: string, params: readonly SqlValue[], limits: ReadLimits): RowSet {
  const run = () => readRows(prepare(reader, sql), params, limits)
  return watched(limits.watch, sql, run, ({ rows }) => rows.length)
}

function oneChange(): number {
  return 1
}

/** Update rows, each found by the key it carries, and give them back as they are stored. An unknown key is refused. */
export function updateRows(writer: Writer, table: TableShape, rows: readonly RowValues[], clock: Clock): RowSet {
  requireKey(table)
  const now = table.systemColumns ? clock.now() : ''
  const stored: SqlValue[][] = []
  let columns: RowSet['columns'] = []
  for (const row of rows) {
    const names = Object.keys(row).filter((name) => !table.key.includes(name))
    for (const name of names) requireColumn(table, name)
    const key = table.key.map(
      (name) => row[name] ?? refuse('invalidValue', { where: name, reason: 'the key is missing' }),
    )
    if (names.length === 0) refuse('invalidValue', { where: 'rows', reason: 'a row names no column to set' })
    const params = names.map((name) => row[name] as SqlValue)
    if (table.systemColumns && row.updated_at === undefined) {
      names.push('updated_at')
      params.push(now)
    }
    const set = names.map((name) => `${quoteName(name)} = ?`).join(', ')
    const sql = `update ${quoteName(table.name)} set ${set} where ${keySql(table)} returning *`
    const { returned } = write(prepare(writer, sql), [...params, ...key], oneChange)
    if (!returned || returned.rows.length === 0) refuseRow(table, key)
    columns = returned.columns
    stored.push(...returned.rows)
  }
  return { columns, rows: stored, truncated: false }
}

/** Delete the rows with these keys. An unknown key is refused. */
export function deleteRows(writer: Writer, table: TableShape, ids: readonly RowKey[]): number {
  requireKey(table)
  for (const id of ids) {
    const { sql, params } = keyCondition(table, id)
    const statement = prepare(writer, `delete from ${quoteName(table.name)} where ${sql}`)
    if (write(statement, params, oneChange).changes === 0) refuseRow(table, params)
  }
  return ids.length
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

function keySql(table: TableShape): string {
  return table.key.map((name) => `${quoteName(name)} = ?`).join(' and ')
}

function requireKey(table: TableShape): void {
  if (table.key.length === 0) refuse('notSupported', { what: `${table.name} has no primary key; use query.execute` })
}

function refuseRow(table: TableShape, key: readonly SqlValue[]): never {
  const shown = key.map(encodeValue)
  return refuse('rowNotFound', { table: table.name, id: shown.length === 1 ? shown[0] : shown })
}
