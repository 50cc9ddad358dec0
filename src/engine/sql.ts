import { refuse } from '../base/refusal.ts'
import { prepare } from '../query/errors.ts'
import { type Params, type ReadLimits, type RowSet, readRows, type WriteResult, write } from '../query/execute.ts'
import type { Verdict } from '../query/gate.ts'
import { type Lane, laneOf, noteTime, readInline } from '../query/lane.ts'
import type { RowText, StatementJob } from '../query/process-lane.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import { type StatementWatch, watched } from '../query/watch.ts'
import type { Prepared } from '../storage/statements.ts'
import type { Writer } from '../storage/tenant-file.ts'
import type { Tenant } from './tenant.ts'

/** What a statement that reads is given besides its text and parameters. */
export interface ReadOptions {
  readonly limits: ReadLimits
  /** Rows that come as text are objects of their columns, rather than arrays. */
  readonly asObjects?: boolean
  readonly caller: Caller
}

/** Who waits for a statement. */
export interface Caller {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
  /** What the caller asks to be written later waits for this: the statement must not see it. */
  beforeWrites(snapshot: Promise<void>): void
}

/** Run a statement that reads: here, or in a process if it may take long. */
export function runQuery(
  tenant: Tenant,
  sql: string,
  params: Params,
  options: ReadOptions,
): RowSet | Promise<RowSet | RowText> {
  const verdict = tenant.branch.head.verdict(sql)
  if (verdict.kind !== 'read')
    refuse('sqlRefused', { rule: 'write', reason: 'query.run only reads; use query.execute' })
  const found = tenant.read((reader) => {
    const prepared = prepare(reader, sql)
    const lane = laneOf(reader, prepared, sql, verdict)
    if (lane.name === 'inline') return readInline(prepared, params, options.limits, verdict)
    return new ReadAside(tenant, prepared, sql, params, options)
  })
  if (!(found instanceof Promise)) return found instanceof ReadAside ? found.run() : found
  return found.then<RowSet | RowText>((found) => (found instanceof ReadAside ? found.run() : found))
}

/** A statement that is going to run in a process. From its making on, what its caller writes waits for its snapshot. */
class ReadAside {
  readonly #tenant: Tenant
  readonly #prepared: Prepared
  readonly #job: Omit<StatementJob, 'source'>
  readonly #caller: Caller
  readonly #watch: StatementWatch | undefined
  #sawSnapshot!: () => void

  constructor(tenant: Tenant, prepared: Prepared, sql: string, params: Params, options: ReadOptions) {
    const { maxRows, maxBytes } = options.limits
    this.#tenant = tenant
    this.#prepared = prepared
    this.#job = { sql, params, limits: { maxRows, maxBytes }, asObjects: options.asObjects ?? false }
    this.#caller = options.caller
    this.#watch = options.limits.watch
    if (this.#watch) this.#watch.lane = 'process'
    const snapshot = new Promise<void>((resolve) => {
      this.#sawSnapshot = resolve
    })
    this.#caller.beforeWrites(snapshot)
  }

  /** Everything that was written before is committed. */
  async run(): Promise<RowText> {
    const startedAt = performance.now()
    try {
      const rows = await this.#tenant.readAside((lane, source) =>
        lane.read({ ...this.#job, source }, this.#caller.signal, { snapshot: this.#sawSnapshot }),
      )
      noteTime(this.#prepared, rows.ms)
      this.#tell(rows.ms, rows.count)
      return rows
    } catch (error) {
      this.#tell(performance.now() - startedAt, null)
      throw error
    } finally {
      this.#sawSnapshot()
    }
  }

  #tell(ms: number, rows: number | null): void {
    if (this.#watch && ms >= this.#watch.slowMs) this.#watch.slow(this.#job.sql, ms, rows)
  }
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
  const { lane, plan } = await tenant.read((reader) => {
    const prepared = prepare(reader, sql)
    return { lane: laneOf(reader, prepared, sql, verdict), plan: queryPlan(reader, sql) }
  })
  const { kind, reads, writes } = verdict
  return { kind, reads, writes, lane, plan }
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
