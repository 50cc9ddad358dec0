import type { SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { prepare } from '../query/errors.ts'
import { type Params, type ReadLimits, type RowSet, readRows, type WriteResult, write } from '../query/execute.ts'
import type { Verdict } from '../query/gate.ts'
import { chooseLane, type Lane } from '../query/lane.ts'
import type { Writer } from '../storage/tenant-file.ts'
import type { Tenant } from './tenant.ts'

/** Run a statement that reads. */
export function runQuery(tenant: Tenant, sql: string, params: Params, limits: ReadLimits): RowSet | Promise<RowSet> {
  const verdict = tenant.branch.head.verdict(sql)
  if (verdict.kind !== 'read')
    refuse('sqlRefused', { rule: 'write', reason: 'query.run only reads; use query.execute' })
  chooseLane(verdict)
  return tenant.read((reader) => readRows(prepare(reader, sql), params, limits, !verdict.loops))
}

/** Run a statement that writes rows. */
export function execute(tenant: Tenant, sql: string, params: Params, limits: ReadLimits): Promise<WriteResult> {
  const verdict = writeVerdict(tenant, sql)
  const work = (writer: Writer) => write(prepare(writer, sql), params, () => writer.changes(), limits)
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
      if (verdicts[at]?.kind === 'write') return write(prepared, params, () => writer.changes(), limits)
      return { changes: 0, returned: readRows(prepared, params, limits) }
    })
  return verdicts.some(({ solo }) => solo) ? tenant.writeAlone(work) : tenant.write(work)
}

export interface Explanation {
  readonly kind: 'read' | 'write'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly lane: Lane
  /** SQLite's query plan: `detail` for people, `id` and `parent` make it a tree. */
  readonly plan: readonly { readonly id: number; readonly parent: number; readonly detail: string }[]
}

/** Tell how a statement would run, without running it. */
export async function explain(tenant: Tenant, sql: string): Promise<Explanation> {
  const verdict = tenant.branch.head.verdict(sql)
  const { rows } = await tenant.read((reader) => readRows(prepare(reader, `explain query plan ${sql}`), [], unlimited))
  const plan = rows.map(([id, parent, , detail]: SqlValue[]) => ({
    id: Number(id),
    parent: Number(parent),
    detail: String(detail),
  }))
  return { kind: verdict.kind, reads: verdict.reads, writes: verdict.writes, lane: chooseLane(verdict), plan }
}

const unlimited: ReadLimits = { maxRows: 1_000, maxBytes: 1e9, deadline: Number.POSITIVE_INFINITY }

function writeVerdict(tenant: Tenant, sql: string): Verdict {
  const verdict = tenant.branch.head.verdict(sql)
  if (verdict.kind !== 'write') {
    refuse('sqlRefused', { rule: 'read', reason: 'query.execute only writes; use query.run' })
  }
  return verdict
}
