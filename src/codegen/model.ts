import { createHash } from 'node:crypto'
import { isSystemColumn } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import { type Column, rowidAlias, type Schema, type Table } from '../schema/model.ts'
import { affinity } from '../schema/rows.ts'
import { foldName, sameName } from '../schema/sql.ts'

/** What code is generated from: the tables and views of a branch as a programming language sees them. */
export interface Model {
  /** SHA-256, in hex, of everything below: equal models give equal code. */
  readonly hash: string
  readonly tables: readonly Entity[]
  readonly views: readonly Entity[]
}

export interface Entity {
  readonly kind: 'table' | 'view'
  readonly name: string
  readonly fields: readonly Field[]
  /** Columns of the primary key, in its order. None: rows cannot be got, updated or deleted by a key. */
  readonly key: readonly string[]
}

/**
 * What a column holds. A table that is not STRICT keeps a value of another kind than its column's where it cannot be
 * converted, so code that reads one says so rather than guesses. `any`: whatever was put there. `time`: text, ISO 8601 in
 * UTC, as the daemon writes it.
 */
export type FieldKind = 'text' | 'integer' | 'real' | 'boolean' | 'blob' | 'time' | 'any'

export interface Field {
  /** The column's name. */
  readonly name: string
  readonly kind: FieldKind
  /** As declared; may be empty. */
  readonly type: string
  readonly nullable: boolean
  /** How an insert treats it: it must be given, may be left out, or is not taken. */
  readonly insert: 'required' | 'optional' | 'never'
  /** Whether an update may set it. */
  readonly isUpdatable: boolean
  /** SQL of its default, for documentation. */
  readonly default?: string
  /** The column that it refers to, where it does so by itself. */
  readonly references?: { readonly table: string; readonly column?: string }
}

/** A view, and the columns of its result, with the declared type where one comes straight from a table. */
export interface ViewColumns {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string | null }[]
}

/** Which of them; absent: all. */
export interface Selection {
  readonly tables?: readonly string[]
  readonly views?: readonly string[]
}

/** The model of a schema, or of a part of it. Refuses a name that is none. */
export function modelOf(schema: Schema, views: readonly ViewColumns[], selection: Selection = {}): Model {
  const content = {
    tables: selected(schema.tables, selection.tables, (table) => refuse('tableNotFound', { table })).map(tableEntity),
    views: selected(views, selection.views, (view) => refuse('viewNotFound', { view })).map(viewEntity),
  }
  return { hash: createHash('sha256').update(JSON.stringify(content)).digest('hex'), ...content }
}

function selected<T extends { readonly name: string }>(
  all: readonly T[],
  names: readonly string[] | undefined,
  missing: (name: string) => never,
): readonly T[] {
  for (const name of names ?? []) if (!all.some((item) => sameName(item.name, name))) missing(name)
  const wanted = names?.map(foldName)
  return wanted ? all.filter(({ name }) => wanted.includes(foldName(name))) : all
}

function tableEntity(table: Table): Entity {
  const key = table.primaryKey?.columns.map(({ name }) => name) ?? []
  return { kind: 'table', name: table.name, key, fields: table.columns.map((column) => tableField(table, column)) }
}

function tableField(table: Table, column: Column): Field {
  const isOfSystem = table.systemColumns && isSystemColumn(column.name)
  const isKeptByDaemon = isOfSystem && foldName(column.name) !== 'id'
  const isGenerated = column.generated !== undefined
  const isNumbered = rowidAlias(table) === column
  const isInKey = table.primaryKey?.columns.some(({ name }) => sameName(name, column.name)) ?? false
  const mayBeLeftOut = column.nullable || column.default !== undefined || isNumbered || isOfSystem
  const reference = table.foreignKeys.find(
    ({ columns }) => columns.length === 1 && sameName(columns[0] as string, column.name),
  )
  return {
    name: column.name,
    kind: isKeptByDaemon ? 'time' : kindOf(table, column),
    type: column.type,
    nullable: column.nullable && !isNumbered,
    insert: isGenerated || isKeptByDaemon ? 'never' : mayBeLeftOut ? 'optional' : 'required',
    isUpdatable: !isGenerated && !isOfSystem && !isInKey,
    ...(column.default !== undefined && !isOfSystem && { default: column.default }),
    ...(reference && { references: { table: reference.table, column: reference.parentColumns?.[0] } }),
  }
}

function viewEntity({ name, columns }: ViewColumns): Entity {
  const fields = columns.map((column): Field => {
    const kind = column.type === null ? 'any' : kindOf(undefined, { type: column.type })
    const type = column.type ?? ''
    // Whether a column of a view can be null is nowhere to be read.
    return { name: column.name, kind, type, nullable: true, insert: 'never', isUpdatable: false }
  })
  return { kind: 'view', name, key: [], fields }
}

function kindOf(table: Table | undefined, column: Pick<Column, 'type'>): FieldKind {
  const type = column.type.toUpperCase()
  if (type === 'BOOLEAN') return 'boolean'
  const kind = affinity({ strict: table?.strict ?? false }, column)
  // A column without a type, or of type ANY, takes whatever comes; NUMERIC is an integer, a real or a text.
  if (kind === 'numeric' || (kind === 'blob' && !type.includes('BLOB'))) return 'any'
  return kind
}
