import { refuse } from '../base/refusal.ts'
import { prepare } from '../query/errors.ts'
import { type Params, type ReadLimits, type RowSet, readRows, type WriteResult, write } from '../query/execute.ts'
import type { Verdict } from '../query/gate.ts'
import { chooseLane, type Lane } from '../query/lane.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import { watched } from '../query/watch.ts'
import type { Prepared } from '../storage/statements.ts'
import type { Writer } from '../storage/tenant-file.ts'
import type { Tenant } from './tenant.ts'

/** Run a statement that reads. */
export function runQuery(tenant: Tenant, sql: string, params: Params, limits: ReadLimits): RowSet | Promise<RowSet> {
  const verdict = tenant.branch.head.verdict(sql)
  if (verdict.kind !== 'read')
    refuse('sqlRefused', { rule: 'write', reason: 'query.run only reads; use query.execute' })
  chooseLane(verdict)
  // one that goes through no rows is not worth two looks at the clock
  if (!verdict.loops) return tenant.read((reader) => readRows(prepare(reader, sql), params, limits, true))
  return tenant.read((reader) => readWatched(prepare(reader, sql), params, limits))
}

/** Run a statement that writes rows. */
export function execute(tenant: Tenant, sql: string, params: Params, limits: ReadLimits): Promise<WriteResult> {
  const verdict = writeVerdict(tenant, sql)
  const work = (writer: Writer) => writeWatched(writer, prepare(writer, sql), params, limits)
  return verdict.solo ? tenant.writeAlone(work) : tenant.write(work)
}

export interface BatchStatement {
  readonly sql: string
  readonly params: Params
}

/** Run statements in one transaction: all of them or none. Those that read see what those before them wrote. */
export function executeBatch(
  tenant: Tenant,
  statements: readonly BatchStatement[],
  limits: ReadLimits,
): Promise<WriteResult[]> {
  const verdicts = statements.map(({ sql }) => tenant.branch.head.verdict(sql))
  const work = (writer: Writer) =>
    statements.map(({ sql, params }, at): WriteResult => {
      const prepared = prepare(writer, sql)
      if (verdicts[at]?.kind === 'write') return writeWatched(writer, prepared, params, limits)
      return { changes: 0, returned: readWatched(prepared, params, limits) }
    })
  return verdicts.some(({ solo }) => solo) ? tenant.writeAlone(work) : tenant.write(work)
}

export interface Explanation {
  readonly kind: 'read' | 'write'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly lane: Lane
  readonly plan: readonly PlanStep[]
}

/** Tell how a statement would run, without running it. */
export async function explain(tenant: Tenant, sql: string): Promise<Explanation> {
  const verdict = tenant.branch.head.verdict(sql)
  const plan = await tenant.read((reader) => queryPlan(reader, sql))
  const { kind, reads, writes } = verdict
  return { kind, reads, writes, lane: chooseLane(verdict), plan }
}

function readWatched(prepared: Prepared, params: Params, limits: ReadLimits): RowSet {
  const run = () => readRows(prepared, params, limits)
  return watched(limits.watch, prepared.statement.source, run, ({ rows }) => rows.length)
}

function writeWatched(writer: Writer, prepared: Prepared, params: Params, limits: ReadLimits): WriteResult {
  const run = () => write(prepared, params, () => writer.changes(), limits)
  return watched(limits.watch, prepared.statement.source, run, ({ changes }) => changes)
}

function writeVerdict(tenant: Tenant, sql: string): Verdict {
  const verdict = tenant.branch.head.verdict(sql)
  if (verdict.kind !== 'write') {
    refuse('sqlRefused', { rule: 'read', reason: 'query.execute only writes; use query.run' })
  }
  return verdict
}
