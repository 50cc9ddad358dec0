import { refuse } from '../base/refusal.ts'
import type { Column, Table } from '../schema/model.ts'

/** A table as rows are read and written: its columns by name, its key, and what the daemon keeps by itself. */
export interface TableShape {
  readonly name: string
  readonly columns: ReadonlyMap<string, Column>
  /** The columns of the primary key; none where the table has no key. */
  readonly key: readonly string[]
  /** What the number of a row is called; undefined where rows have none, or columns took all its names. */
  readonly rowid: string | undefined
  /** It has `id`, `created_at` and `updated_at`, kept by the daemon. */
  readonly systemColumns: boolean
}

export function shapeOf(table: Table): TableShape {
  return {
    name: table.name,
    columns: new Map(table.columns.map((column) => [column.name, column])),
    key: table.primaryKey?.columns.map(({ name }) => name) ?? [],
    rowid: table.withoutRowid ? undefined : rowidName(table),
    systemColumns: table.systemColumns,
  }
}

function rowidName({ columns }: Table): string | undefined {
  const names = new Set(columns.map(({ name }) => name.toLowerCase()))
  return ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name))
}

/** Refuse a name that is not a column of the table. */
export function requireColumn(table: TableShape, column: string): string {
  if (!table.columns.has(column)) refuse('columnNotFound', { table: table.name, column })
  return column
}
