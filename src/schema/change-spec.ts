import { assertNever } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type { Change } from './change.ts'
import {
  type ColumnAlterSpec,
  type ColumnSpec,
  checkName,
  defineAlteration,
  defineColumn,
  defineIndex,
  defineTable,
  defineTrigger,
  defineView,
  type IndexSpec,
  type TableSpec,
} from './define.ts'
import { findTable, type Schema } from './model.ts'
import type { Value } from './sql.ts'

/** One schema edit as a client writes it: names and plain values, no ids. */
export type ChangeSpec =
  | ({ readonly kind: 'createTable' } & TableSpec)
  | { readonly kind: 'dropTable'; readonly name: string }
  | { readonly kind: 'renameTable'; readonly name: string; readonly newName: string }
  | { readonly kind: 'copyTable'; readonly source: string; readonly name: string; readonly data?: boolean }
  | { readonly kind: 'addColumn'; readonly table: string; readonly column: ColumnSpec }
  | { readonly kind: 'dropColumn'; readonly table: string; readonly name: string }
  | { readonly kind: 'renameColumn'; readonly table: string; readonly name: string; readonly newName: string }
  | ({
      readonly kind: 'alterColumn'
      readonly table: string
      readonly name: string
      readonly fill?: Value
    } & ColumnAlterSpec)
  | ({ readonly kind: 'createIndex' } & IndexSpec)
  | { readonly kind: 'dropIndex'; readonly name: string }
  | { readonly kind: 'createView'; readonly name: string; readonly sql: string }
  | { readonly kind: 'updateView'; readonly name: string; readonly sql: string }
  | { readonly kind: 'dropView'; readonly name: string }
  | { readonly kind: 'createTrigger'; readonly sql: string }
  | { readonly kind: 'dropTrigger'; readonly name: string }

/** The change that a client means, with fresh ids for what is new. `schema` is the one before the first change of its batch. */
export function toChange(schema: Schema, spec: ChangeSpec, newId: () => string): Change {
  switch (spec.kind) {
    case 'createTable': {
      const { kind, ...table } = spec
      return { kind, ...defineTable(schema, table, newId) }
    }
    case 'dropTable':
      return { kind: spec.kind, table: spec.name }
    case 'renameTable':
      checkName('table', spec.newName)
      return { kind: spec.kind, table: spec.name, newName: spec.newName }
    case 'copyTable': {
      checkName('table', spec.name)
      const source = findTable(schema, spec.source) ?? refuse('tableNotFound', { table: spec.source })
      const columnIds = source.columns.map(newId)
      return { kind: spec.kind, source: spec.source, table: spec.name, id: newId(), columnIds, data: spec.data ?? true }
    }
    case 'addColumn': {
      const strict = findTable(schema, spec.table)?.strict ?? false
      return { kind: spec.kind, table: spec.table, ...defineColumn(spec.column, newId, { strict }) }
    }
    case 'dropColumn':
      return { kind: spec.kind, table: spec.table, column: spec.name }
    case 'renameColumn':
      checkName('column', spec.newName)
      return { kind: spec.kind, table: spec.table, column: spec.name, newName: spec.newName }
    case 'alterColumn': {
      const { kind, table, name, fill, ...alteration } = spec
      const strict = findTable(schema, table)?.strict ?? false
      const to = defineAlteration(alteration, { strict })
      return { kind, table, column: name, to, ...(fill === undefined ? {} : { fill }) }
    }
    case 'createIndex': {
      const { kind, ...index } = spec
      return { kind, index: defineIndex(schema, index) }
    }
    case 'dropIndex':
      return { kind: spec.kind, index: spec.name }
    case 'createView':
    case 'updateView':
      return { kind: spec.kind, view: defineView(spec.name, spec.sql) }
    case 'dropView':
      return { kind: spec.kind, view: spec.name }
    case 'createTrigger':
      return { kind: spec.kind, trigger: defineTrigger(spec.sql) }
    case 'dropTrigger':
      return { kind: spec.kind, trigger: spec.name }
    default:
      return assertNever(spec)
  }
}
