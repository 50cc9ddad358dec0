import type { SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { Written } from './listing.ts'
import { quotedColumn, type TableShape } from './table-shape.ts'
import type { Condition } from './where.ts'

/** Set columns of every row that meets a condition; `updated_at` is `now` where it is not set itself. */
export function updatingWhere(
  table: TableShape,
  where: Condition,
  set: { readonly [column: string]: SqlValue },
  now: string,
): Written {
  const names = Object.keys(set)
  if (names.length === 0) refuse('invalidValue', { where: 'set', reason: 'it names no column' })
  const params = names.map((name) => set[name] as SqlValue)
  if (table.systemColumns && !Object.hasOwn(set, 'updated_at')) {
    names.push('updated_at')
    params.push(now)
  }
  const assignments = names.map((name) => `${quotedColumn(table, name)} = ?`).join(', ')
  const sql = `update ${quoteName(table.name)} set ${assignments} where ${where.sql}`
  return { sql, params: [...params, ...where.params] }
}

export function deletingWhere(table: TableShape, where: Condition): Written {
  return { sql: `delete from ${quoteName(table.name)} where ${where.sql}`, params: where.params }
}
