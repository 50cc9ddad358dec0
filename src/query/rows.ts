import type { SqlValue } from '../../protocol/values.ts'
import type { IdSource } from '../base/ids.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'
import { noLimits, type ReadLimits, type RowSet, readRows, write } from './execute.ts'
import { requireColumn, type TableShape } from './table-shape.ts'
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

/**
 * Insert rows and give them back as they are stored. Rows may name different columns; what a row does not name gets
 * its default. One that fails takes all of them with it: the caller's write is one transaction.
 */
export function insertRows(
  writer: Writer,
  table: TableShape,
  rows: readonly RowValues[],
  clock: Clock,
  returning = true,
): RowSet {
  const now = table.systemColumns ? clock.now() : ''
  const stored: SqlValue[][] = []
  let columns: RowSet['columns'] = []
  let lastShape = ''
  let sql = ''
  for (const row of rows) {
    const names = Object.keys(row)
    const shape = names.join('\0')
    if (shape !== lastShape || sql === '') {
      for (const name of names) requireColumn(table, name)
      sql = insertSql(table, names, returning)
      lastShape = shape
    }
    const params = Object.values(row)
    if (table.systemColumns) {
      if (row.id === undefined) params.push(clock.ids.next())
      if (row.created_at === undefined) params.push(now)
      if (row.updated_at === undefined) params.push(now)
    }
    const { returned } = write(writer.statements.get(sql), params, oneChange)
    if (returned === null) continue
    columns = returned.columns
    stored.push(...returned.rows)
  }
  return { columns, rows: stored, truncated: false }
}

function oneChange(): number {
  return 1
}

function insertSql(table: TableShape, names: readonly string[], returning: boolean): string {
  const kept = table.systemColumns ? ['id', 'created_at', 'updated_at'].filter((name) => !names.includes(name)) : []
  const all = [...names, ...kept]
  const tail = returning ? ' returning *' : ''
  if (all.length === 0) return `insert into ${quoteName(table.name)} default values${tail}`
  const columns = all.map(quoteName).join(', ')
  return `insert into ${quoteName(table.name)} (${columns}) values (${all.map(() => '?').join(', ')})${tail}`
}

/** The row with this key, or none. */
export function getRow(reader: Reader, table: TableShape, id: RowKey): RowSet {
  const { sql, params } = keyCondition(table, id)
  return readRows(reader.statements.get(`select * from ${quoteName(table.name)} where ${sql}`), params, noLimits)
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
  return readRows(reader.statements.get(sql.filter(Boolean).join(' ')), params, limits)
}

export function countRows(reader: Reader, table: TableShape, where: Condition | undefined): number {
  const sql = `select count(*) from ${quoteName(table.name)}${where ? ` where ${where.sql}` : ''}`
  return readRows(reader.statements.get(sql), where?.params ?? [], noLimits).rows[0]?.[0] as number
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
    const { returned } = write(writer.statements.get(sql), [...params, ...key], oneChange)
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
    const statement = writer.statements.get(`delete from ${quoteName(table.name)} where ${sql}`)
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
  const shown = key.map((value) => (typeof value === 'bigint' ? Number(value) : value))
  return refuse('rowNotFound', { table: table.name, id: shown.length === 1 ? shown[0] : shown })
}
