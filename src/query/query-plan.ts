import type { Statements } from '../storage/statements.ts'
import { prepare } from './errors.ts'
import { beginning } from './gate.ts'
import { withNulls } from './unbound.ts'

/** A step of SQLite's query plan: `detail` for people, `id` and `parent` make it a tree. */
export interface PlanStep {
  readonly id: number
  readonly parent: number
  readonly detail: string
}

/** SQLite's plan of a statement that passed the gate, with its parameters taken as null. An EXPLAIN has none itself. */
export function queryPlan(reader: { readonly statements: Statements }, sql: string): PlanStep[] {
  const { isExplained, start } = beginning(sql)
  if (isExplained) return []
  const { statement } = prepare(reader, `explain query plan ${sql.slice(start)}`)
  const rows = withNulls(sql, (parameters) => statement.all(...parameters)) as unknown[][]
  // The numbers of an EXPLAIN of a write come as bigints.
  return rows.map(([id, parent, , detail]) => ({ id: Number(id), parent: Number(parent), detail: String(detail) }))
}
