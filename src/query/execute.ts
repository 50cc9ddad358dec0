import type { SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import type { Columns, Prepared } from '../storage/statements.ts'
import { refuseSqlError } from './errors.ts'
import type { StatementWatch } from './watch.ts'

/** Parameters of a statement: by position, or by name (without its `:`, `@` or `$`). */
export type Params = readonly SqlValue[] | { readonly [name: string]: SqlValue }

export interface RowSet {
  readonly columns: Columns
  readonly rows: readonly SqlValue[][]
  /** There were more rows than were wanted. */
  readonly truncated: boolean
}

export interface ReadLimits {
  readonly maxRows: number
  /** A result of more is refused, or cut there with `cutsBytes`. */
  readonly maxBytes: number
  readonly cutsBytes?: boolean
  /** On the clock of `performance.now()`. */
  readonly deadline: number
  readonly watch?: StatementWatch
}

export const noLimits: ReadLimits = {
  maxRows: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  deadline: Number.POSITIVE_INFINITY,
}

const rowsBetweenClockLooks = 256

/** Two columns of one name cannot both be in an object. */
export function requireDistinct(columns: Columns): void {
  const names = new Set<string>()
  for (const { name } of columns) {
    if (names.has(name)) refuse('invalidValue', { where: 'rowFormat', reason: `two columns are called ${name}` })
    names.add(name)
  }
}

/** Read what a statement returns, every value exact. */
export function readRows(prepared: Prepared, params: Params, limits: ReadLimits, isShort = false): RowSet {
  const rows: SqlValue[][] = []
  const outcome = eachRow(prepared, params, limits, (row) => rows.push(row), isShort)
  return { columns: prepared.columns, rows, truncated: outcome === 'truncated' }
}

/**
 * Take what a statement returns row by row, every value exact.
 *
 * SQLite's integers have 64 bits, JavaScript's numbers 53. Reading every integer as a bigint would be exact and slow, so
 * rows are read as numbers first; from the first one on that is beyond 2^53 they are read again as bigints. Nobody writes
 * meanwhile: this thread does not give up the connection, or the caller holds a transaction.
 *
 * @param isShort it returns a few rows at most, so they can be read at once
 */
export function eachRow(
  prepared: Prepared,
  params: Params,
  limits: ReadLimits,
  take: (row: SqlValue[], bytes: number) => void,
  isShort = false,
): 'complete' | 'truncated' {
  try {
    const bound = bindable(prepared, params)
    const { statement } = prepared
    const find = () => (isShort ? statement.all(...bound) : statement.iterate(...bound)) as Iterable<SqlValue[]>
    const taken = { rows: 0, bytes: 0 }
    const outcome = collect(prepared, find(), limits, take, taken, false)
    if (outcome !== 'inexact') return outcome
    prepared.statement.safeIntegers(true)
    try {
      const narrowed = (row: SqlValue[], bytes: number) => {
        narrow(row)
        take(row, bytes)
      }
      return collect(prepared, find(), limits, narrowed, taken, true) as 'complete' | 'truncated'
    } finally {
      prepared.statement.safeIntegers(false)
    }
  } catch (error) {
    return refuseSqlError(error)
  }
}

export interface WriteResult {
  /** Rows inserted, updated or deleted. */
  readonly changes: number
  /** What RETURNING returned. */
  readonly returned: RowSet | null
}

/** Run a statement that writes. What it returns was read as bigints at once: it cannot be run a second time. */
export function write(prepared: Prepared, params: Params, changesOf: () => number, limits = noLimits): WriteResult {
  try {
    const bound = bindable(prepared, params)
    if (!prepared.statement.reader) {
      return { changes: prepared.statement.run(...bound).changes, returned: null }
    }
    const rows: SqlValue[][] = []
    const found = prepared.statement.iterate(...bound) as Iterable<SqlValue[]>
    const taken = { rows: 0, bytes: 0 }
    const truncated = collect(prepared, found, limits, (row) => rows.push(row), taken, true) === 'truncated'
    if (truncated) refuse('limitExceeded', { limit: 'maxResultRows', max: limits.maxRows })
    for (const row of rows) narrow(row)
    return { changes: changesOf(), returned: { columns: prepared.columns, rows, truncated: false } }
  } catch (error) {
    return refuseSqlError(error, 'write')
  }
}

/** `inexact`: the next row to be taken has an integer that may have lost digits. */
type Outcome = 'complete' | 'truncated' | 'inexact'

/** Take what a statement gives, up to the limits, from the first row on that is not in `taken`. */
function collect(
  prepared: Prepared,
  found: Iterable<SqlValue[]>,
  limits: ReadLimits,
  take: (row: SqlValue[], bytes: number) => void,
  taken: { rows: number; bytes: number },
  isExact: boolean,
): Outcome {
  let at = 0
  for (const row of found) {
    if (at++ < taken.rows) continue
    if (taken.rows >= limits.maxRows) return 'truncated'
    if (at % rowsBetweenClockLooks === 0 && performance.now() > limits.deadline) refuse('timeout', {})
    const rowBytes = measure(row, isExact)
    if (rowBytes < 0) return 'inexact'
    taken.bytes += rowBytes
    if (taken.bytes > limits.maxBytes) {
      if (limits.cutsBytes) return 'truncated'
      refuse('limitExceeded', { limit: 'maxResultBytes', max: limits.maxBytes })
    }
    for (const column of prepared.booleans) row[column] = asBoolean(row[column] as SqlValue)
    take(row, rowBytes)
    taken.rows++
  }
  return 'complete'
}

/** Bytes of a row, roughly; -1 where a number may be an integer that lost digits (`isExact`: integers are bigints). */
function measure(row: readonly SqlValue[], isExact: boolean): number {
  let bytes = 0
  for (let at = 0; at < row.length; at++) {
    const value = row[at]
    if (typeof value === 'number') {
      if (!isExact && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)) return -1
      bytes += 8
    } else if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length
    else bytes += 8
  }
  return bytes
}

/** 0 and 1 in a BOOLEAN column are false and true; whatever else it holds stays as it is. */
function asBoolean(value: SqlValue): SqlValue {
  if (value === 0 || value === 0n) return false
  if (value === 1 || value === 1n) return true
  return value
}

/** Bigints that a number can hold become numbers. */
function narrow(row: SqlValue[]): void {
  for (let at = 0; at < row.length; at++) {
    const value = row[at]
    if (typeof value !== 'bigint') continue
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) row[at] = Number(value)
  }
}

/** More values than this do not fit a call. */
const maxArguments = 10_000

/** Parameters as better-sqlite3 takes them: booleans as integers, and very many of them as one list. */
export function bindable({ isNumbered }: Prepared, params: Params): unknown[] {
  if (Array.isArray(params)) {
    const values = params.some(isBoolean) ? params.map(bindableValue) : (params as unknown[])
    if (isNumbered) return [Object.fromEntries(values.map((value, at) => [String(at + 1), value]))]
    return values.length > maxArguments ? [values] : values
  }
  const entries = Object.entries(params)
  if (entries.length === 0) return []
  return [Object.fromEntries(entries.map(([name, value]) => [name, bindableValue(value)]))]
}

function isBoolean(value: SqlValue): boolean {
  return typeof value === 'boolean'
}

/** A value as better-sqlite3 binds it. */
export function bindableValue(value: SqlValue): unknown {
  return typeof value === 'boolean' ? (value ? 1n : 0n) : value
}
