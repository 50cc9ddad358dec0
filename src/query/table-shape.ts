import { nearMiss } from '../base/near-miss.ts'
import { refuse } from '../base/refusal.ts'
import {
  type Column,
  indexesOf,
  isKeyColumn,
  type KeyColumn,
  rowidAlias,
  type Schema,
  type Table,
} from '../schema/model.ts'
import { quoteName } from '../schema/sql.ts'

/** A table as rows are read and written: its columns by name, its keys, and what the daemon keeps by itself. */
export interface TableShape {
  readonly name: string
  readonly columns: ReadonlyMap<string, Column>
  /** The columns' names as they stand in SQL. */
  readonly quoted: ReadonlyMap<string, string>
  /** The columns of the primary key; none where the table has no key. */
  readonly key: readonly string[]
  /** The column that is another name of a row's number. */
  readonly rowidColumn: string | undefined
  /** What a row can be told by: the primary key, and every UNIQUE and unique index over columns and all rows. */
  readonly uniqueKeys: readonly (readonly KeyColumn[])[]
  /** What the number of a row is called; undefined where rows have none, or columns took all its names. */
  readonly rowid: string | undefined
  /** Read a row by its number, and rows by a range of numbers, where they have one. */
  readonly byNumber: { readonly one: string; readonly range: string } | undefined
  /** It has `id`, `created_at` and `updated_at`, kept by the daemon. */
  readonly systemColumns: boolean
}

export function shapeOf(schema: Schema, table: Table): TableShape {
  const rowid = table.withoutRowid ? undefined : rowidName(table)
  const rows = `select * from ${quoteName(table.name)} where ${rowid}`
  return {
    name: table.name,
    columns: new Map(table.columns.map((column) => [column.name, column])),
    quoted: new Map(table.columns.map(({ name }) => [name, quoteName(name)])),
    key: table.primaryKey?.columns.map(({ name }) => name) ?? [],
    rowidColumn: rowidAlias(table)?.name,
    uniqueKeys: uniqueKeysOf(schema, table),
    rowid,
    byNumber: rowid === undefined ? undefined : { one: `${rows} = ?`, range: `${rows} between ? and ?` },
    systemColumns: table.systemColumns,
  }
}

function uniqueKeysOf(schema: Schema, table: Table): (readonly KeyColumn[])[] {
  const constraints = [...(table.primaryKey ? [table.primaryKey] : []), ...table.uniques]
  const indexes = indexesOf(schema, table.name).filter(({ unique, where }) => unique && where === undefined)
  const keys = [...constraints, ...indexes].map(({ columns }) => columns)
  return keys.filter((columns): columns is readonly KeyColumn[] => columns.every(isKeyColumn))
}

function rowidName({ columns }: Table): string | undefined {
  const names = new Set(columns.map(({ name }) => name.toLowerCase()))
  return ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name))
}

/** Refuse a name that is not a column of the table. */
export function requireColumn(table: TableShape, column: string): string {
  if (!table.columns.has(column)) refuseColumn(table, column)
  return column
}

/** The column's name as it stands in SQL; a name that is not a column of the table is refused. */
export function quotedColumn(table: TableShape, column: string): string {
  return table.quoted.get(column) ?? refuseColumn(table, column)
}

function refuseColumn(table: TableShape, column: string): never {
  return refuse('columnNotFound', { table: table.name, column, suggestion: nearMiss(column, table.columns.keys()) })
}
