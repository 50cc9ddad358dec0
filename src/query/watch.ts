import type { LaneName } from '../../protocol/lanes.ts'
import type { BatchStatement } from './batch.ts'
import type { WriteResult } from './execute.ts'

/** Told of a call's statements that take long. */
export interface StatementWatch {
  /** How long is long. */
  readonly slowMs: number
  /** Where the call's statements run; set by who sends them to another lane. */
  lane: LaneName
  /** @param rows returned, or changed; null where it did not come to an end */
  slow(sql: string, ms: number, rows: number | null): void
}

/** Statements that ran one after the other in a process took long. */
export function tellSlow(
  watch: StatementWatch,
  statements: readonly BatchStatement[],
  ms: number,
  results: readonly WriteResult[],
): void {
  const rows = results.reduce((sum, { changes }) => sum + changes, 0)
  watch.slow(statements.map(({ sql }) => sql).join('; '), ms, rows)
}
