import type { LaneName } from '../../protocol/lanes.ts'

/** Told of a call's statements that take long. */
export interface StatementWatch {
  /** How long is long. */
  readonly slowMs: number
  /** Where the call's statements run; set by who sends them to another lane. */
  lane: LaneName
  /** @param rows returned, or changed; null where it did not come to an end */
  slow(sql: string, ms: number, rows: number | null): void
}
