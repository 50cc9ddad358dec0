import type { Column, Table } from './model.ts'
import { findColumn } from './model.ts'
import { foldName, isWord, quoteName, quoteText, sameName, tokenize } from './sql.ts'

/**
 * Where the rows of tables are found in a file that has not been migrated yet. A batch's later changes are planned
 * against tables and columns that its earlier changes make; their proofs still have to run on the old file. So each
 * table that an earlier change touched is given as a subquery that shows the old rows as they will be.
 *
 * Keys are folded names of the planned schema; a table that is not in the map lies in the file as it is.
 */
export type Rows = ReadonlyMap<string, string>

/** An edit of one table's shape. */
export interface Reshape {
  readonly before: Table
  readonly after: Table
  /** What is written where a column's rows hold NULL: SQL expressions by folded name. */
  readonly fills: ReadonlyMap<string, string>
}

/** What can stand behind FROM to read the table's rows. */
export function rowsOf(rows: Rows, table: string): string {
  return rows.get(foldName(table)) ?? `main.${quoteName(table)}`
}

export function withRows(rows: Rows, table: string, from: string): Rows {
  return new Map([...rows, [foldName(table), from]])
}

export function noRows(table: Table): string {
  const rowid = rowidName(table)
  const columns = [...(rowid ? [rowid] : []), ...table.columns.map(({ name }) => quoteName(name))]
  return `(select ${columns.map((name) => `null as ${name}`).join(', ')} where 0)`
}

/** The rows of a reshaped table: as the rebuild will store them, type conversions included. */
export function reshapedRows(from: string, { before, after, fills }: Reshape): string {
  const plain = after.columns.filter((column) => !isComputedAnew(before, column))
  const computed = after.columns.filter((column) => isComputedAnew(before, column))
  const columns = plain.map((column) => `${source(before, after, column, fills)} as ${quoteName(column.name)}`)
  const [oldRowid, newRowid] = [rowidName(before), rowidName(after)]
  if (newRowid) columns.unshift(`${oldRowid ?? 'null'} as ${newRowid}`)
  const stored = `(select ${columns.join(', ')} from ${from})`
  return computed.reduce(
    (inner, column) => `(select *, (${column.generated?.expression}) as ${quoteName(column.name)} from ${inner})`,
    stored,
  )
}

export function renamedColumnRows(from: string, table: Table, column: string, newName: string): string {
  const rowid = rowidName(table)
  const columns = table.columns.map(({ name }) =>
    sameName(name, column) ? `${quoteName(name)} as ${quoteName(newName)}` : quoteName(name),
  )
  return `(select ${[...(rowid ? [`${rowid} as ${rowid}`] : []), ...columns].join(', ')} from ${from})`
}

/** How to name the rowid, or undefined where there is none or its three names are columns' names. */
export function rowidName(table: Table): string | undefined {
  return table.withoutRowid ? undefined : ['rowid', '_rowid_', 'oid'].find((name) => !findColumn(table, name))
}

/** A column's default as an expression: a bare word is text there, unless it is one of SQL's own. */
export function defaultExpression(column: Column): string {
  if (column.default === undefined) return 'null'
  const [first, second] = tokenize(column.default)
  const isText = (first?.kind === 'word' || first?.kind === 'name') && second === undefined
  const isOwnWord = ['NULL', 'TRUE', 'FALSE', 'CURRENT_TIME', 'CURRENT_DATE', 'CURRENT_TIMESTAMP'].some((word) =>
    isWord(first, word),
  )
  return isText && !isOwnWord ? quoteText(first.value) : column.default
}

export type Affinity = 'integer' | 'text' | 'blob' | 'real' | 'numeric'

/** By the rules of https://www.sqlite.org/datatype3.html#determination_of_column_affinity */
export function affinity(table: Pick<Table, 'strict'>, column: Pick<Column, 'type'>): Affinity {
  const type = column.type.toUpperCase()
  if (table.strict && type === 'ANY') return 'blob'
  if (type.includes('INT')) return 'integer'
  if (/CHAR|CLOB|TEXT/.test(type)) return 'text'
  if (type === '' || type.includes('BLOB')) return 'blob'
  return /REAL|FLOA|DOUB/.test(type) ? 'real' : 'numeric'
}

/** Whether the same value could be stored, or compared, otherwise after the edit. */
export function isColumnChanged({ before, after, fills }: Reshape, name: string): boolean {
  const [old, column] = [findColumn(before, name), findColumn(after, name)]
  if (!old || !column) return old !== column
  return (
    fills.has(foldName(name)) ||
    affinity(before, old) !== affinity(after, column) ||
    foldName(old.collate ?? 'binary') !== foldName(column.collate ?? 'binary') ||
    old.generated?.expression !== column.generated?.expression
  )
}

function isComputedAnew(before: Table, column: Column): boolean {
  const old = findColumn(before, column.name)
  return column.generated !== undefined && column.generated.expression !== old?.generated?.expression
}

function source(before: Table, after: Table, column: Column, fills: Reshape['fills']): string {
  const old = findColumn(before, column.name)
  if (!old) return stored(defaultExpression(column), affinity(after, column))
  const fill = fills.get(foldName(column.name))
  const value = fill === undefined ? quoteName(old.name) : `coalesce(${quoteName(old.name)}, ${fill})`
  const isConverted = affinity(before, old) !== affinity(after, column)
  return isConverted ? stored(value, affinity(after, column)) : value
}

/** The value as a column of this affinity stores it. A comparison with a number converts text that is one, and no other. */
function stored(value: string, to: Affinity): string {
  switch (to) {
    case 'blob':
      return value
    case 'text':
      return `case when typeof(${value}) in ('integer', 'real') then cast(${value} as text) else ${value} end`
    case 'real':
      return `case when ${value} = cast(${value} as numeric) then cast(${value} as real) else ${value} end`
    default:
      return `case when ${value} = cast(${value} as numeric) then cast(${value} as numeric) else ${value} end`
  }
}
