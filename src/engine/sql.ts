import { refuse } from '../base/refusal.ts'
import { type BatchStatement, runBatch } from '../query/batch.ts'
import { prepare } from '../query/errors.ts'
import type { Params, ReadLimits, RowSet, WriteResult } from '../query/execute.ts'
import type { Verdict } from '../query/gate.ts'
import { type Lane, laneOf, noteTime, readInline } from '../query/lane.ts'
import type { Page } from '../query/listing.ts'
import { maskedColumns, maskRow } from '../query/mask.ts'
import type { ReadJob, RowText } from '../query/process-lane.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import { type StatementWatch, tellSlow } from '../query/watch.ts'
import type { Prepared } from '../storage/statements.ts'
import type { Writer } from '../storage/tenant-file.ts'
import type { Caller } from './caller.ts'
import { located } from './constraints.ts'
import type { Tenant } from './tenant.ts'
import { Transaction } from './transactions.ts'

/** Where a call does its work: in a tenant, or in a transaction that is open on one. */
export type Place = Tenant | Transaction

/** What a statement that reads is given besides its text and parameters. */
export interface ReadOptions {
  readonly limits: ReadLimits
  /** Rows that come as text are objects of their columns, rather than arrays. */
  readonly asObjects?: boolean
  /** Columns whose values are not to be told, by their names. */
  readonly mask?: readonly string[]
  /** The rows are a page of a list. */
  readonly page?: Page
  readonly caller: Caller
}

/** The same once it is known where in the result the masked columns are. */
export interface MaskedReadOptions extends ReadOptions {
  readonly masked?: readonly number[]
}

/** Run a statement that reads: here, or in a process if it may take long. */
export function runQuery(
  place: Place,
  sql: string,
  params: Params,
  options: ReadOptions,
): RowSet | Promise<RowSet | RowText> {
  const verdict = place.head.verdict(sql)
  if (verdict.kind !== 'read')
    refuse('sqlRefused', { rule: 'write', reason: 'query.run only reads; use query.execute' })
  if (place instanceof Transaction) return readInTransaction(place, sql, params, options, verdict)
  const found = place.read((reader) => {
    const prepared = prepare(reader, sql)
    const lane = laneOf(reader, prepared, sql, verdict)
    const { schema } = place.head
    const masked = options.mask && maskedColumns({ reader, schema, prepared, verdict, sql, params }, options.mask)
    if (lane.name !== 'inline') return new ReadAside(place, prepared, sql, params, { ...options, masked })
    const found = readInline(prepared, params, options.limits, verdict)
    if (masked) for (const row of found.rows) maskRow(row, masked)
    return found
  }, options.caller)
  if (!(found instanceof Promise)) return found instanceof ReadAside ? found.run() : found
  return found.then<RowSet | RowText>((found) => (found instanceof ReadAside ? found.run() : found))
}

async function readInTransaction(
  transaction: Transaction,
  sql: string,
  params: Params,
  options: ReadOptions,
  verdict: Verdict,
): Promise<RowText> {
  const { mask, caller } = options
  const { head, tenant } = transaction
  if (mask === undefined) return transaction.read(sql, params, options)
  // The program is looked at on the tenant's own connection, which plans as the transaction's does: it is the same file.
  const masked = await tenant.read((reader) => {
    if (head !== tenant.head) refuse('notSupported', { what: 'a mask in a transaction that sees an older schema' })
    return maskedColumns({ reader, schema: head.schema, prepared: prepare(reader, sql), verdict, sql, params }, mask)
  }, caller)
  return transaction.read(sql, params, { ...options, masked })
}

/** A statement that is going to run in a process. From its making on, what its caller writes waits for its snapshot. */
class ReadAside {
  readonly #tenant: Tenant
  readonly #prepared: Prepared
  readonly #job: Omit<ReadJob, 'source'>
  readonly #caller: Caller
  readonly #watch: StatementWatch | undefined
  #sawSnapshot!: () => void

  constructor(
    tenant: Tenant,
    prepared: Prepared,
    sql: string,
    params: Params,
    options: ReadOptions & Pick<ReadJob, 'masked'>,
  ) {
    const { maxRows, maxBytes } = options.limits
    this.#tenant = tenant
    this.#prepared = prepared
    const { asObjects = false, page, masked } = options
    this.#job = { kind: 'read', sql, params, limits: { maxRows, maxBytes }, asObjects, page, masked }
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

/** What a statement that writes is given besides its text and parameters. */
export interface WriteOptions {
  readonly limits: ReadLimits
  readonly caller: Caller
}

/** Run a statement that writes rows. */
export function execute(place: Place, sql: string, params: Params, options: WriteOptions): Promise<WriteResult> {
  const verdict = place.head.verdict(sql)
  if (verdict.kind !== 'write') {
    refuse('sqlRefused', { rule: 'read', reason: 'query.execute only writes; use query.run' })
  }
  return writeStatements(place, [{ sql, params, kind: 'write', verdict }], options, ([result]) => result as WriteResult)
}

/** Run statements in one transaction: all of them or none. Those that read see what those before them wrote. */
export async function executeBatch(
  place: Place,
  statements: readonly { readonly sql: string; readonly params: Params }[],
  options: WriteOptions,
): Promise<readonly WriteResult[]> {
  const { head } = place
  // A text that comes again and again is looked up once, and is one string, with its hash, for whoever looks it up later.
  let known: Pick<Judged, 'sql' | 'verdict'> | undefined
  const judged = statements.map(({ sql, params }): Judged => {
    if (known?.sql !== sql) known = { sql, verdict: head.verdict(sql) }
    return { sql: known.sql, params, kind: known.verdict.kind, verdict: known.verdict }
  })
  return writeStatements(place, judged, options, (results) => results)
}

interface Judged extends BatchStatement {
  readonly verdict: Verdict
}

/** Here, or in a process if one of them may take long. */
function writeStatements<T>(
  place: Place,
  statements: readonly Judged[],
  options: WriteOptions,
  show: (results: readonly WriteResult[]) => T,
): Promise<T> {
  const fail = (error: unknown) => tellWhere(error, place, statements)
  if (place instanceof Transaction) return place.write(statements.map(unjudged), options).then(show, fail)
  const mayBeLong = statements.filter(({ verdict }) => verdict.loops || verdict.inflates)
  const isLong = (writer: Writer) =>
    mayBeLong.some(({ sql, verdict }) => laneOf(writer, prepare(writer, sql), sql, verdict).name === 'process')
  const work = (writer: Writer) => {
    if (isLong(writer)) return new WriteAside(place, statements, options)
    const startedAt = mayBeLong.length > 0 ? performance.now() : 0
    const results = runBatch(writer, statements, options.limits)
    if (mayBeLong.length > 0) {
      const ms = performance.now() - startedAt
      for (const { sql } of mayBeLong) noteTime(prepare(writer, sql), ms / mayBeLong.length)
    }
    return results
  }
  const isSolo = statements.some(({ verdict }) => verdict.solo)
  const done = isSolo ? place.writeAlone(work, options.caller) : place.write(work, options.caller)
  return done.then((done) => (done instanceof WriteAside ? done.run().then(show, fail) : show(done)), fail)
}

/** SQLite leaves it out of some errors. */
function tellWhere(error: unknown, { head }: Place, statements: readonly Judged[]): never {
  const written = new Set(statements.flatMap(({ verdict }) => verdict.writes))
  throw located(error, head.schema, [...written])
}

/** Statements that are going to write in a process. From its making on, what its caller asks later waits for them. */
class WriteAside {
  readonly #tenant: Tenant
  readonly #statements: readonly BatchStatement[]
  readonly #options: WriteOptions
  readonly #settled: () => void

  constructor(tenant: Tenant, statements: readonly Judged[], options: WriteOptions) {
    this.#tenant = tenant
    this.#statements = statements.map(unjudged)
    this.#options = options
    this.#settled = options.caller.beforeAll()
    if (options.limits.watch) options.limits.watch.lane = 'process'
  }

  async run(): Promise<readonly WriteResult[]> {
    const { limits, caller } = this.#options
    const { maxRows, maxBytes, watch } = limits
    try {
      const job = { statements: this.#statements, limits: { maxRows, maxBytes } }
      const { results, ms } = await this.#tenant.writeAside(job, caller)
      if (watch && ms >= watch.slowMs) tellSlow(watch, this.#statements, ms, results)
      return results
    } finally {
      this.#settled()
    }
  }
}

function unjudged({ sql, params, kind }: Judged): BatchStatement {
  return { sql, params, kind }
}

export interface Explanation {
  readonly kind: 'read' | 'write'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly lane: Lane
  readonly plan: readonly PlanStep[]
}

/** Tell how a statement would run, without running it. */
export async function explain(place: Place, sql: string, caller: Caller): Promise<Explanation> {
  const verdict = place.head.verdict(sql)
  const { kind, reads, writes } = verdict
  if (place instanceof Transaction) {
    const lane: Lane = { name: 'process', reason: 'it runs in the process of its transaction' }
    return { kind, reads, writes, lane, plan: await place.plan(sql, caller) }
  }
  const { lane, plan } = await place.read((reader) => {
    const prepared = prepare(reader, sql)
    return { lane: laneOf(reader, prepared, sql, verdict), plan: queryPlan(reader, sql) }
  }, caller)
  return { kind, reads, writes, lane, plan }
}
