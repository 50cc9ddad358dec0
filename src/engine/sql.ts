import { refuse } from '../base/refusal.ts'
import { type BatchStatement, runBatch } from '../query/batch.ts'
import { Cursor } from '../query/cursor.ts'
import { prepare } from '../query/errors.ts'
import { type Params, type ReadLimits, type RowSet, requireDistinct, type WriteResult } from '../query/execute.ts'
import { rowText } from '../query/frames.ts'
import type { Verdict } from '../query/gate.ts'
import { type Lane, laneOf, noteTime, readInline } from '../query/lane.ts'
import type { Page } from '../query/listing.ts'
import { maskedColumns, maskRow } from '../query/mask.ts'
import {
  type ProcessLane,
  type ReadEnd,
  type ReadJob,
  RowCollector,
  type RowTaker,
  type RowText,
} from '../query/process-lane.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import { type StatementWatch, tellSlow } from '../query/watch.ts'
import type { KeyText } from '../storage/connection.ts'
import type { Asker } from '../storage/processes.ts'
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
  const verdict = readingVerdict(place, sql)
  if (place instanceof Transaction) return readInTransaction(place, sql, params, options, verdict)
  const found = readHere(place, sql, params, options, options.limits)
  if (!(found instanceof Promise)) return found instanceof ReadAside ? found.collect() : found
  return found.then<RowSet | RowText>((found) => (found instanceof ReadAside ? found.collect() : found))
}

function readingVerdict({ head }: Place, sql: string): Verdict {
  const verdict = head.verdict(sql)
  if (verdict.kind === 'read') return verdict
  return refuse('sqlRefused', { rule: 'write', reason: 'query.run only reads; use query.execute' })
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

/** Told of a result while it comes, with its rows as JSON. */
export type Receiver = Omit<RowTaker, 'snapshot'>

export type ReceivedEnd = Pick<ReadEnd, 'count' | 'truncated'>

/** Run a statement that reads, and pass its rows on as they come: the whole of them is nowhere in memory. */
export async function passRows(
  place: Place,
  sql: string,
  params: Params,
  options: ReadOptions,
  receiver: Receiver,
): Promise<ReceivedEnd> {
  if (place instanceof Transaction) return refuse('notSupported', { what: 'a streamed result in a transaction' })
  const found = await readHere(place, sql, params, options, fewRows(options.limits))
  if (found instanceof ReadAside) return found.pass(receiver)
  const { columns, rows, truncated } = found
  receiver.columns(columns)
  if (rows.length > 0) void receiver.rows(partOf(found, options.asObjects), rows.length)
  return { count: rows.length, truncated }
}

/** Open a statement that reads: its rows come as they are fetched, until `signal` is aborted. */
export async function openRows(
  tenant: Tenant,
  sql: string,
  params: Params,
  options: ReadOptions,
  { signal, maxFetchBytes }: { signal: AbortSignal; maxFetchBytes: number },
): Promise<Cursor> {
  const found = await readHere(tenant, sql, params, options, fewRows(options.limits))
  if (found instanceof ReadAside) return found.open(signal, maxFetchBytes)
  const cursor = new Cursor(maxFetchBytes)
  cursor.columns(found.columns)
  if (found.rows.length > 0) void cursor.rows(partOf(found, options.asObjects), found.rows.length)
  cursor.complete(found.truncated)
  return cursor
}

/** So much of a result is read at once on the daemon's thread, where its rows could come one after the other instead. */
const fewRowsLimits = { maxRows: 1_000, maxBytes: 256 * 1024 }

function fewRows(limits: ReadLimits): ReadLimits {
  const { maxRows, maxBytes } = fewRowsLimits
  return { ...limits, maxRows: Math.min(limits.maxRows, maxRows), maxBytes, cutsBytes: true }
}

function partOf({ columns, rows }: RowSet, asObjects = false): Buffer {
  if (asObjects) requireDistinct(columns)
  return Buffer.from(rowText(columns, rows, asObjects))
}

/** Read on this thread what is short: up to `limits`, which may be less than the options'. The rest is for a process. */
function readHere(
  tenant: Tenant,
  sql: string,
  params: Params,
  options: ReadOptions,
  limits: ReadLimits,
): RowSet | ReadAside | Promise<RowSet | ReadAside> {
  const verdict = readingVerdict(tenant, sql)
  return tenant.read((reader) => {
    const prepared = prepare(reader, sql)
    const lane = laneOf(reader, prepared, sql, verdict)
    const { schema } = tenant.head
    const masked = options.mask && maskedColumns({ reader, schema, prepared, verdict, sql, params }, options.mask)
    if (lane.name === 'inline') {
      const found = readInline(prepared, params, limits, verdict)
      const isAll = !found.truncated || found.rows.length === options.limits.maxRows
      if (isAll) {
        if (masked) for (const row of found.rows) maskRow(row, masked)
        return found
      }
    }
    return new ReadAside(tenant, prepared, sql, params, { ...options, masked })
  }, options.caller)
}

type Aside = (lane: ProcessLane, source: string | Uint8Array, key: KeyText | undefined) => Promise<ReadEnd>

/** A statement that is going to run in a process. From its making on, what its caller writes waits for its snapshot. */
class ReadAside {
  readonly #tenant: Tenant
  readonly #prepared: Prepared
  readonly #job: Omit<ReadJob, 'source' | 'key'>
  readonly #caller: Caller
  readonly #watch: StatementWatch | undefined
  readonly #maxBytes: number
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
    this.#maxBytes = maxBytes
    const limits = { maxRows, maxBytes: Number.POSITIVE_INFINITY, maxRowBytes: maxBytes }
    const { asObjects = false, page, masked } = options
    this.#job = { kind: 'read', sql, params, limits, asObjects, page, masked }
    this.#caller = options.caller
    this.#watch = options.limits.watch
    if (this.#watch) this.#watch.lane = 'process'
    const snapshot = new Promise<void>((resolve) => {
      this.#sawSnapshot = resolve
    })
    this.#caller.beforeWrites(snapshot)
  }

  /** Everything that was written before is committed. */
  async collect(): Promise<RowText> {
    const collector = new RowCollector(this.#sawSnapshot)
    const job = { ...this.#job, limits: { ...this.#job.limits, maxBytes: this.#maxBytes } }
    const end = await this.#told((lane, source, key) => lane.read({ ...job, source, key }, this.#caller, collector))
    return collector.whole(end)
  }

  /** The same, with the rows given to somebody as they come. */
  pass(receiver: Receiver): Promise<ReceivedEnd> {
    const taker: RowTaker = {
      snapshot: this.#sawSnapshot,
      columns: (columns) => receiver.columns(columns),
      rows: (part, count) => receiver.rows(part, count),
    }
    return this.#told((lane, source, key) => lane.read({ ...this.#job, source, key }, this.#caller, taker))
  }

  /** The same, with the rows there for whoever fetches them, until `signal` is aborted. Settles with the snapshot taken. */
  async open(signal: AbortSignal, maxFetchBytes: number): Promise<Cursor> {
    const cursor = new Cursor(maxFetchBytes, this.#sawSnapshot)
    const asker: Asker = { signal, owner: this.#caller.owner }
    const end = this.#run((lane, source, key) => lane.readForCursor({ ...this.#job, source, key }, asker, cursor))
    end.then(
      ({ ms, count, truncated }) => {
        this.#tell(ms, count)
        cursor.complete(truncated)
      },
      (error) => cursor.fail(error),
    )
    await cursor.opened
    return cursor
  }

  /** Run it, and tell of it if it took long, well or not. */
  async #told(read: Aside): Promise<ReadEnd> {
    const startedAt = performance.now()
    try {
      const end = await this.#run(read)
      this.#tell(end.ms, end.count)
      return end
    } catch (error) {
      this.#tell(performance.now() - startedAt, null)
      throw error
    }
  }

  async #run(read: Aside): Promise<ReadEnd> {
    try {
      const end = await this.#tenant.readAside(read)
      noteTime(this.#prepared, end.ms)
      return end
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
