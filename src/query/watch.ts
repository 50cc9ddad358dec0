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

/** Run a statement and tell `watch` if it took long, whether it failed or not. */
export function watched<T>(
  watch: StatementWatch | undefined,
  sql: string,
  run: () => T,
  rowsOf: (result: T) => number,
): T {
  if (watch === undefined) return run()
  const startedAt = performance.now()
  let rows: number | null = null
  try {
    const result = run()
    rows = rowsOf(result)
    return result
  } finally {
    const ms = performance.now() - startedAt
    if (ms >= watch.slowMs) watch.slow(sql, ms, rows)
  }
}
