import { createHash } from 'node:crypto'
import { decodeValue, encodeValue, type SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { RowSet } from './execute.ts'
import { quotedColumn, type TableShape } from './table-shape.ts'
import type { Condition } from './where.ts'

/** A statement that the daemon writes, with its parameters. */
export interface Written {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

export interface ListOptions {
  readonly where?: Condition
  /** Column names; a leading - sorts from the greatest to the smallest. */
  readonly orderBy: readonly string[]
  readonly columns?: readonly string[]
  readonly limit: number
  readonly offset: number
  /** Where the page before ended: `nextCursor` tells. */
  readonly cursor?: string
}

export interface Listing extends Written {
  readonly page: Page
}

/**
 * How a page of rows goes on to the next. Rows are in an order without ties: the columns asked for, and then the primary
 * key. So a page begins behind the last row of the one before by what that row has in those columns, whatever was
 * inserted or deleted meanwhile.
 */
export interface Page {
  /** Columns to be shown; those behind them are for the cursor alone. */
  readonly width: number
  /** Where in a row the columns stand that order it; undefined where nothing tells two rows apart. */
  readonly at: readonly number[] | undefined
  /** What of a query has to stay the same from page to page. */
  readonly mark: string
}

/** Rows that meet a condition, in order, from a cursor on. One more than `limit` is read, to know whether there are more. */
export function listing(table: TableShape, options: ListOptions): Listing {
  const { where, limit, offset, cursor } = options
  const plan = planOf(table, options)
  const after = cursor === undefined ? undefined : behind(plan, readCursor(plan, cursor))
  if (after && offset > 0) refuse('invalidValue', { where: 'offset', reason: 'a cursor stands where its page ended' })
  const conditions = [where?.sql, after?.sql].filter((sql) => sql !== undefined)
  const filter = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
  const params = [...(where?.params ?? []), ...(after?.params ?? []), BigInt(limit) + 1n, BigInt(offset)]
  return { sql: `${plan.head}${filter}${plan.tail}`, params, page: plan.page }
}

/** What leads from the last row of a page to the next page. */
export function cursorOf(page: Page, last: readonly SqlValue[]): string | undefined {
  if (page.at === undefined) return undefined
  return cursorText(
    page,
    page.at.map((at) => encodeValue(last[at] as SqlValue)),
  )
}

export function cursorText({ mark }: Page, values: readonly unknown[]): string {
  return Buffer.from(JSON.stringify([mark, values])).toString('base64url')
}

/** A page without the columns that are for the cursor alone. */
export function shownColumns({ columns, rows }: RowSet, { width }: Page): Pick<RowSet, 'columns' | 'rows'> {
  return { columns: columns.length === width ? columns : columns.slice(0, width), rows }
}

interface Plan {
  readonly table: TableShape
  readonly head: string
  readonly tail: string
  readonly order: readonly Order[]
  readonly page: Page
}

interface Order {
  /** As it stands in SQL. */
  readonly column: string
  readonly descending: boolean
  readonly isNullable: boolean
}

const maxPlansKept = 100
const plans = new WeakMap<TableShape, Map<string, Plan>>()

/** What does not depend on values is written once. */
function planOf(table: TableShape, { where, orderBy, columns }: ListOptions): Plan {
  let known = plans.get(table)
  if (known === undefined || known.size > maxPlansKept) {
    known = new Map()
    plans.set(table, known)
  }
  const key = `${columns === undefined ? '' : JSON.stringify(columns)}${JSON.stringify(orderBy)}${where?.sql ?? ''}`
  let plan = known.get(key)
  if (plan === undefined) {
    plan = makePlan(table, orderBy, columns, where?.sql ?? '')
    known.set(key, plan)
  }
  return plan
}

function makePlan(
  table: TableShape,
  orderBy: readonly string[],
  columns: readonly string[] | undefined,
  where: string,
) {
  const asked = orderOf(table, orderBy)
  const ties = tieBreak(table)
  const order = [...asked, ...(ties ?? []).filter(({ column }) => !asked.some((other) => other.column === column))]
  const names = columns === undefined || columns.length === 0 ? [...table.columns.keys()] : columns
  const shown = names.map((name) => quotedColumn(table, name))
  const hidden = ties === undefined ? [] : order.map(({ column }) => column).filter((column) => !shown.includes(column))
  const all = [...shown, ...hidden]
  const terms = order.map(({ column, descending }) => `${column}${descending ? ' desc' : ''}`).join(', ')
  const from = ` from ${quoteName(table.name)}`
  const tail = `${terms === '' ? '' : ` order by ${terms}`} limit ? offset ?`
  const mark = createHash('sha256').update(`${from} ${where}${tail}`).digest('base64url').slice(0, 12)
  const at = ties && order.map(({ column }) => all.indexOf(column))
  return { table, head: `select ${all.join(', ')}${from}`, tail, order, page: { width: shown.length, at, mark } }
}

function orderOf(table: TableShape, orderBy: readonly string[]): Order[] {
  const order: Order[] = []
  for (const text of orderBy) {
    const name = text.replace(/^-/, '')
    const column = quotedColumn(table, name)
    const isNullable = table.columns.get(name)?.nullable !== false && name !== table.rowidColumn
    if (order.some((earlier) => earlier.column === column)) continue
    order.push({ column, descending: text.startsWith('-'), isNullable })
  }
  return order
}

/** What tells any two rows apart: the primary key, and the row's number where that may be null or there is none. */
function tieBreak(table: TableShape): Order[] | undefined {
  const key = orderOf(table, table.key)
  const mayTie = key.length === 0 || (table.rowid !== undefined && key.some(({ isNullable }) => isNullable))
  if (!mayTie) return key
  return table.rowid === undefined ? undefined : [...key, { column: table.rowid, descending: false, isNullable: false }]
}

function readCursor({ table, order, page }: Plan, cursor: string): SqlValue[] {
  if (page.at === undefined) refuse('notSupported', { what: `${table.name} has no key; pages go by offset` })
  const [mark, values] = parsed(cursor)
  if (mark !== page.mark || !Array.isArray(values) || values.length !== order.length) {
    return refuse('cursorRefused', { reason: 'it belongs to another table, condition or order, or to none' })
  }
  try {
    return values.map(decodeValue)
  } catch {
    return refuse('cursorRefused', { reason: 'it was changed' })
  }
}

function parsed(cursor: string): unknown[] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

/** The rows behind one that has these values in the columns that order them. SQLite sorts null before everything. */
function behind({ order }: Plan, values: readonly SqlValue[]): Condition {
  const params: SqlValue[] = []
  const from = (at: number): string => {
    const { column, descending, isNullable } = order[at] as Order
    const value = values[at] as SqlValue
    const isLast = at === order.length - 1
    if (value === null) {
      const later = descending ? '0' : `${column} is not null`
      return isLast ? later : `(${later} or (${column} is null and ${from(at + 1)}))`
    }
    const mark = descending ? '<' : '>'
    params.push(value)
    const later = descending && isNullable ? `(${column} < ? or ${column} is null)` : `${column} ${mark} ?`
    if (isLast) return later
    // What bounds the whole lets SQLite begin there in an index; either of the two alone would not.
    const bound = descending && isNullable ? '' : `${column} ${mark}= ? and `
    if (bound !== '') params.push(value)
    params.push(value)
    return `(${bound}(${later} or (${column} is ? and ${from(at + 1)})))`
  }
  return { sql: from(0), params }
}

/** Count the rows that meet a condition. */
export function counting(table: TableShape, where: Condition | undefined): Written {
  const sql = `select count(*) from ${quoteName(table.name)}${where ? ` where ${where.sql}` : ''}`
  return { sql, params: where?.params ?? [] }
}
