import type {
  Check,
  Column,
  Conflict,
  ForeignKey,
  Generated,
  Index,
  Key,
  PrimaryKey,
  Table,
  Trigger,
  View,
  VirtualTable,
} from './model.ts'
import type { Value } from './sql.ts'

/**
 * One schema edit. Things are named by name; new tables and columns carry their ids, so that a recorded change gives
 * the same schema wherever it is replayed. Plain JSON: changes are stored in the catalog and sent over the wire.
 */
export type Change =
  | { readonly kind: 'createTable'; readonly table: Table; readonly indexes?: readonly Index[] }
  | { readonly kind: 'dropTable'; readonly table: string }
  | { readonly kind: 'renameTable'; readonly table: string; readonly newName: string }
  | CopyTable
  | AddColumn
  | { readonly kind: 'dropColumn'; readonly table: string; readonly column: string }
  | { readonly kind: 'renameColumn'; readonly table: string; readonly column: string; readonly newName: string }
  | AlterColumn
  | AlterTable
  | { readonly kind: 'createIndex'; readonly index: Index }
  | { readonly kind: 'dropIndex'; readonly index: string }
  | { readonly kind: 'createView'; readonly view: View }
  | { readonly kind: 'updateView'; readonly view: View }
  | { readonly kind: 'dropView'; readonly view: string }
  | { readonly kind: 'createTrigger'; readonly trigger: Trigger }
  | { readonly kind: 'dropTrigger'; readonly trigger: string }
  | { readonly kind: 'createVirtualTable'; readonly table: VirtualTable }
  | { readonly kind: 'dropVirtualTable'; readonly table: string }

export type ChangeKind = Change['kind']
export type ChangeOf<K extends ChangeKind> = Extract<Change, { kind: K }>

/** A new table with the columns, keys, constraints and indexes of `source`, and with its rows if `data`. */
export interface CopyTable {
  readonly kind: 'copyTable'
  readonly source: string
  /** The new table's name. */
  readonly table: string
  readonly id: string
  /** One for each column of the source, in its order. */
  readonly columnIds: readonly string[]
  readonly data: boolean
}

/** A column's own constraints, as a client writes them at the column. */
export interface ColumnConstraints {
  readonly unique?: boolean
  /** An expression. */
  readonly check?: string
  /** Its `columns` are this column alone. */
  readonly references?: Omit<ForeignKey, 'columns'>
}

export interface AddColumn extends ColumnConstraints {
  readonly kind: 'addColumn'
  readonly table: string
  readonly column: Column
}

export interface AlterColumn {
  readonly kind: 'alterColumn'
  readonly table: string
  readonly column: string
  readonly to: ColumnAlteration
  /** Written where rows hold NULL. */
  readonly fill?: Value
}

/** What changes; null takes it away. */
export interface ColumnAlteration {
  readonly type?: string
  readonly nullable?: boolean
  readonly notNullConflict?: Conflict | null
  /** SQL as in `Column.default`. */
  readonly default?: string | null
  readonly collate?: string | null
  readonly generated?: Generated | null
  readonly unique?: boolean
  readonly check?: string | null
  readonly references?: Omit<ForeignKey, 'columns'> | null
}

/**
 * What is given replaces the table's. `columns` is the whole list, in its new order: columns of a known name keep their
 * values, others are new, and what is not in it is dropped.
 */
export interface AlterTable {
  readonly kind: 'alterTable'
  readonly table: string
  readonly to: {
    readonly columns?: readonly Column[]
    readonly primaryKey?: PrimaryKey | null
    readonly uniques?: readonly Key[]
    readonly checks?: readonly Check[]
    readonly foreignKeys?: readonly ForeignKey[]
    readonly strict?: boolean
    readonly withoutRowid?: boolean
    readonly systemColumns?: boolean
  }
}
