import type { LaneName } from '../../protocol/lanes.ts'
import { Refusal } from '../base/refusal.ts'
import type { Head } from '../engine/heads.ts'
import type { PlanStep } from '../query/query-plan.ts'

/** A statement that took long. */
export interface SlowStatement {
  /** When it was through: ISO 8601, UTC, milliseconds. */
  readonly at: string
  readonly request: string
  readonly database: string
  readonly branch: string
  readonly tenant: string
  /** As the client wrote it, cut where it is long. Bound parameters are not in it; literals are. */
  readonly sql: string
  readonly lane: LaneName
  readonly ms: number
  /** Returned, or changed; null where it did not come to an end. */
  readonly rows: number | null
  /** SQLite's query plan, a line a step, each indented below the step that it belongs to. */
  readonly plan: readonly string[]
}

const kept = 20

/** The statements that took long: how many, and the last ones. */
export class SlowStatements {
  #count = 0
  readonly #last: SlowStatement[] = []

  add(statement: SlowStatement): void {
    this.#count++
    this.#last.push(statement)
    if (this.#last.length > kept) this.#last.shift()
  }

  get count(): number {
    return this.#count
  }

  /** The latest first. */
  get last(): readonly SlowStatement[] {
    return [...this.#last].reverse()
  }
}

const maxSqlChars = 4_000

export function cutSql(sql: string): string {
  return sql.length <= maxSqlChars ? sql : `${sql.slice(0, maxSqlChars)}… (${sql.length} characters)`
}

/** How a head would run a statement: the steps as lines, each indented below the step that it belongs to. */
export function planLines(head: Head, sql: string): string[] {
  let steps: readonly PlanStep[] = []
  try {
    steps = head.plan(sql)
  } catch (error) {
    // An edit may have taken a table away while the statement ran in another lane.
    if (!(error instanceof Refusal)) throw error
  }
  const depths = new Map<number, number>()
  return steps.map(({ id, parent, detail }) => {
    const depth = (depths.get(parent) ?? -1) + 1
    depths.set(id, depth)
    return '  '.repeat(depth) + detail
  })
}
