import type { LaneName } from '../../protocol/lanes.ts'
import type { Prepared, Statements } from '../storage/statements.ts'
import { type Params, type ReadLimits, type RowSet, readRows } from './execute.ts'
import type { Verdict } from './gate.ts'
import { queryPlan } from './query-plan.ts'

/** Where a statement runs: on the daemon's own thread, or in a process, where it can be stopped. */
export interface Lane {
  readonly name: LaneName
  readonly reason: string
}

/** What the query plan of a statement tells of the time that it may take. */
export interface PlanShape {
  /** Loops whose length grows with the data: scans, and searches without an equality. */
  readonly scans: number
  readonly isRecursive: boolean
  /** Rows come from a function, as many as its arguments say. */
  readonly generatesRows: boolean
}

/** One scan of a file of this size takes a few milliseconds; two, one within the other, of the other size. */
const scannedBytes = 1024 * 1024
const scannedTwiceBytes = 32 * 1024

/** A statement that held the daemon's thread for longer goes to a process next time, in ms. */
const slowMs = 20
/** A statement that took a process no longer comes back, in ms. */
const quickMs = 5

/** What is known of a prepared statement on its file. */
interface Notes {
  readonly plan: PlanShape
  wasSlow: boolean
}

const notes = new WeakMap<Prepared, Notes>()

interface OnFile {
  readonly statements: Statements
}

/** Decide for a statement on the file that it was prepared on. */
export function laneOf(file: OnFile, prepared: Prepared, sql: string, verdict: Verdict): Lane {
  if (verdict.inflates) return inflating
  if (!verdict.loops) return keyed
  const { plan, wasSlow } = notesOf(file, prepared, sql)
  return chooseLane(plan, fileBytes(file), wasSlow)
}

/** Read on the daemon's thread, and remember it if that took long. */
export function readInline(prepared: Prepared, params: Params, limits: ReadLimits, { loops }: Verdict): RowSet {
  // One that goes through no rows is not worth two looks at the clock.
  if (!loops) return readRows(prepared, params, limits, true)
  const startedAt = performance.now()
  let rows: number | null = null
  try {
    const found = readRows(prepared, params, limits)
    rows = found.rows.length
    return found
  } finally {
    const ms = performance.now() - startedAt
    noteTime(prepared, ms)
    if (limits.watch && ms >= limits.watch.slowMs) limits.watch.slow(prepared.statement.source, ms, rows)
  }
}

/** How long a statement took, wherever it ran: in between the two limits it stays where it is. */
export function noteTime(prepared: Prepared, ms: number): void {
  const known = notes.get(prepared)
  if (known && ms > slowMs) known.wasSlow = true
  if (known && ms < quickMs) known.wasSlow = false
}

function notesOf(file: OnFile, prepared: Prepared, sql: string): Notes {
  let known = notes.get(prepared)
  if (known === undefined) {
    known = { plan: planShape(queryPlan(file, sql).map(({ detail }) => detail)), wasSlow: false }
    notes.set(prepared, known)
  }
  return known
}

function fileBytes({ statements }: OnFile): number {
  const of = (pragma: string) => (statements.get(`pragma ${pragma}`).statement.get() as number[])[0] ?? 0
  return of('page_count') * of('page_size')
}

/** Read the details of EXPLAIN QUERY PLAN. */
export function planShape(details: readonly string[]): PlanShape {
  let scans = 0
  let isRecursive = false
  let generatesRows = false
  for (const detail of details) {
    if (detail === 'RECURSIVE STEP') isRecursive = true
    if (/^SCAN .*VIRTUAL TABLE INDEX/.test(detail) && /^SCAN generate_series\b/i.test(detail)) generatesRows = true
    const isScan = /^SCAN (?!CONSTANT ROW|\d+ CONSTANT ROW)/.test(detail)
    // `SEARCH t USING INDEX i (a>?)`; one with a=? is bounded by the rows that are alike
    const isRange = /^SEARCH /.test(detail) && !/[^<>]=\?/.test(detail) && !/VIRTUAL TABLE/.test(detail)
    if (isScan || isRange) scans++
  }
  return { scans, isRecursive, generatesRows }
}

const keyed = inline('it finds its rows by their keys')
const inflating = aside('it may make large values')

/**
 * The one place that decides where a statement runs.
 *
 * @param fileBytes the size of the file that it runs on
 * @param wasSlow it held the daemon's thread for too long when it ran there last
 */
export function chooseLane(plan: PlanShape, fileBytes: number, wasSlow: boolean): Lane {
  if (plan.isRecursive) return aside('it is recursive')
  if (plan.generatesRows) return aside('a function makes its rows')
  if (wasSlow) return aside('it was slow')
  if (plan.scans === 0) return inline('every loop is a search by key or index')
  if (plan.scans === 1) {
    return fileBytes <= scannedBytes ? inline('it scans a small file once') : aside('it scans a large file')
  }
  return plan.scans === 2 && fileBytes <= scannedTwiceBytes
    ? inline('its scans are of a very small file')
    : aside('it has scans within scans')
}

function inline(reason: string): Lane {
  return { name: 'inline', reason }
}

function aside(reason: string): Lane {
  return { name: 'process', reason }
}
