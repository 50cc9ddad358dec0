import { randomUUID } from 'node:crypto'
import type { Config } from '../../protocol/limits.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { BatchStatement } from '../query/batch.ts'
import type { Params, WriteResult } from '../query/execute.ts'
import type { RowText } from '../query/process-lane.ts'
import type { PlanStep } from '../query/query-plan.ts'
import { tellSlow } from '../query/watch.ts'
import type { Reader, TenantFile, Writer } from '../storage/tenant-file.ts'
import type { Caller } from './caller.ts'
import type { EngineParts } from './engine.ts'
import type { Head } from './heads.ts'
import { batch, type Operation, plan } from './operations.ts'
import type { MaskedReadOptions, WriteOptions } from './sql.ts'
import type { Tenant } from './tenant.ts'
import {
  type Beginning,
  type OpenTransaction,
  type TransactionEnd,
  TransactionLane,
  type TransactionMode,
} from './transaction-lane.ts'

export interface BeginOptions {
  readonly mode: TransactionMode
  /** Limits that are shorter than those of the settings. */
  readonly idleMs?: number | undefined
  readonly maxMs?: number | undefined
}

/** How often open transactions are looked at: so exactly are their limits kept. */
const msBetweenLooks = 100
/** How many transactions of a session that are over are still known, with how they ended. */
const maxRemembered = 100

/**
 * The transactions that stay open between calls.
 *
 * One that writes holds its tenant's write turn from its beginning to its end: so there is one a tenant, and others, and
 * plain writes, wait their turn; plain reads go on and see what is committed. One that reads sees what was committed when
 * it began, and keeps nobody waiting. Each belongs to a session, and ends with it.
 */
export class Transactions {
  readonly #parts: () => EngineParts
  readonly #lane: TransactionLane
  /** What each session knows. */
  readonly #known = new WeakMap<object, Map<string, Transaction | TransactionEnd>>()
  readonly #open = new Set<Transaction>()
  /** The sessions of those that are open, or about to be. */
  readonly #places: object[] = []
  #timer: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(parts: () => EngineParts, maxTransactions: number) {
    this.#parts = parts
    this.#lane = new TransactionLane(maxTransactions)
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size
  }

  /** Begin one, which writes in its turn. Settles when it has begun. */
  begin(tenant: Tenant, options: BeginOptions, caller: Caller): Promise<Transaction> {
    if (options.mode === 'write') tenant.branch.requireWritable()
    const begun = new Promise<Transaction>((resolve, reject) => {
      const work = async (source: Pick<Beginning, 'source' | 'key'>, file?: TenantFile) => {
        this.#takePlace(caller.owner)
        try {
          const transaction = await this.#begin(tenant, source, options, caller, file)
          resolve(transaction)
          await transaction.ended
          this.#forget(transaction, caller.owner)
        } finally {
          this.#places.splice(this.#places.indexOf(caller.owner), 1)
        }
      }
      const done =
        options.mode === 'write'
          ? tenant.exclusively(
              (file) => work({ source: file.path, key: file.key }, file).finally(() => file.wroteAside()),
              caller,
            )
          : tenant.keepInPlace((path, key) => work({ source: path ?? tenant.head.image, key }))
      done.catch(reject)
    })
    if (options.mode === 'read') caller.beforeWrites(settled(begun))
    return begun
  }

  /** A session's transaction that is open; refuses where it knows none, or one that is over. */
  get(session: object, id: string): Transaction {
    const known = this.#known.get(session)?.get(id) ?? refuse('transactionNotFound', { transaction: id })
    const end = known instanceof Transaction ? known.end : known
    if (end !== undefined) refuse('transactionEnded', { transaction: id, reason: end })
    return known as Transaction
  }

  /** The session is over, and so are its transactions. */
  endOf(session: object): void {
    for (const known of this.#known.get(session)?.values() ?? []) {
      if (known instanceof Transaction && !known.isCommitting) known.stop('rolledBack')
    }
    this.#known.delete(session)
  }

  /** Let those that commit do so, and end the others. */
  async close(): Promise<void> {
    this.#isClosing = true
    // One that fails to commit is open again.
    this.#timer?.ref()
    this.#look()
    await Promise.all([...this.#open].map(({ ended }) => ended))
    await this.#lane.close()
  }

  async #begin(
    tenant: Tenant,
    source: Pick<Beginning, 'source' | 'key'>,
    options: BeginOptions,
    caller: Caller,
    file: TenantFile | undefined,
  ): Promise<Transaction> {
    const { config, heads } = this.#parts()
    const { mode } = options
    const beginning = { mode, ...source, durability: config.durability }
    const { open, changeSet } = await this.#lane.begin(randomUUID(), beginning, caller)
    const limits = { ...config.limits, ...shortened(config.limits, options) }
    const transaction = new Transaction(open, { tenant, head: heads.get(changeSet), file, limits })
    this.#open.add(transaction)
    this.#timer ??= setInterval(() => this.#look(), msBetweenLooks).unref()
    // Its session may have ended meanwhile.
    if (caller.signal.aborted) transaction.stop('rolledBack')
    const known = this.#known.get(caller.owner) ?? new Map<string, Transaction | TransactionEnd>()
    this.#known.set(caller.owner, known.set(transaction.id, transaction))
    return transaction
  }

  #takePlace(session: object): void {
    const { maxTransactions, maxTransactionsPerSession } = this.#parts().config.limits
    if (this.#isClosing) refuse('shuttingDown', {})
    if (this.#places.length >= maxTransactions)
      refuse('limitExceeded', { limit: 'maxTransactions', max: maxTransactions })
    if (this.#places.filter((other) => other === session).length >= maxTransactionsPerSession) {
      refuse('limitExceeded', { limit: 'maxTransactionsPerSession', max: maxTransactionsPerSession })
    }
    this.#places.push(session)
  }

  /** Of one that is over, only how it ended is still known. */
  #forget(transaction: Transaction, session: object): void {
    this.#open.delete(transaction)
    if (this.#open.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    const known = this.#known.get(session)
    if (known === undefined) return
    known.set(transaction.id, transaction.end as TransactionEnd)
    const over = [...known].filter(([, end]) => typeof end === 'string')
    if (over.length > maxRemembered) known.delete(over[0]?.[0] as string)
  }

  #look(): void {
    const now = performance.now()
    for (const transaction of this.#open) {
      if (this.#isClosing && !transaction.isCommitting) transaction.stop('rolledBack')
      else transaction.look(now)
    }
  }
}

interface TransactionLimits {
  readonly idleMs: number
  readonly maxMs: number
  readonly maxStatementMs: number
  readonly maxStatementBytes: number
}

function shortened({ maxTransactionIdleMs, maxTransactionMs }: Config['limits'], { idleMs, maxMs }: BeginOptions) {
  return {
    idleMs: Math.min(idleMs ?? maxTransactionIdleMs, maxTransactionIdleMs),
    maxMs: Math.min(maxMs ?? maxTransactionMs, maxTransactionMs),
  }
}

/** A transaction of one tenant. What a call does in a tenant, it can do here. */
export class Transaction {
  readonly tenant: Tenant
  /** The schema that it sees. */
  readonly head: Head
  readonly #open: OpenTransaction
  /** What it writes to. */
  readonly #file: TenantFile | undefined
  readonly #limits: TransactionLimits
  readonly #beganAt = performance.now()

  constructor(
    open: OpenTransaction,
    options: {
      readonly tenant: Tenant
      readonly head: Head
      readonly file: TenantFile | undefined
      readonly limits: TransactionLimits
    },
  ) {
    this.#open = open
    this.tenant = options.tenant
    this.head = options.head
    this.#file = options.file
    this.#limits = options.limits
  }

  get id(): string {
    return this.#open.id
  }

  /** How it ended; undefined while it is open. */
  get end(): TransactionEnd | undefined {
    return this.#open.end
  }

  /** Settles when it holds nothing any more. */
  get ended(): Promise<void> {
    return this.#open.ended
  }

  get isCommitting(): boolean {
    return !this.#open.isRunning && !this.#open.isIdle
  }

  /** Run an operation that reads. */
  async ask<A, R>(operation: Operation<Reader, A, R>, args: A, { signal }: Caller): Promise<R> {
    return (await this.#open.perform(operation, args, { writes: false, signal })).result
  }

  /** Run an operation that writes, all or nothing. */
  async change<A, R>(operation: Operation<Writer, A, R>, args: A, { signal }: Caller): Promise<R> {
    this.#requireWritable()
    return (await this.#open.perform(operation, args, { writes: true, signal })).result
  }

  /** Run a statement that reads. */
  async read(sql: string, params: Params, options: MaskedReadOptions): Promise<RowText> {
    const { limits, asObjects = false, page, masked, caller } = options
    const { maxRows, maxBytes, watch } = limits
    const reading = { sql, params, limits: { maxRows, maxBytes, maxRowBytes: maxBytes }, asObjects, page, masked }
    const rows = await this.#open.read(reading, caller.signal)
    if (watch && rows.ms >= watch.slowMs) watch.slow(sql, rows.ms, rows.count)
    return rows
  }

  /** Run statements, all of them or none. */
  async write(
    statements: readonly BatchStatement[],
    { limits, caller }: WriteOptions,
  ): Promise<readonly WriteResult[]> {
    if (statements.some(({ kind }) => kind === 'write')) this.#requireWritable()
    const { maxRows, maxBytes, watch } = limits
    const args = { statements, limits: { maxRows, maxBytes } }
    const { result, ms } = await this.#open.perform(batch, args, { writes: true, signal: caller.signal })
    if (watch && ms >= watch.slowMs) tellSlow(watch, statements, ms, result)
    return result
  }

  async plan(sql: string, { signal }: Caller): Promise<readonly PlanStep[]> {
    return (await this.#open.perform(plan, { sql }, { writes: false, signal })).result
  }

  /** Settles when what was written is durable, as configured. */
  async commit({ signal }: Caller): Promise<void> {
    if (this.#file === undefined) return this.#open.commit(signal)
    this.tenant.branch.requireWritable()
    const version = this.#file.dataVersion()
    try {
      await this.#open.commit(signal)
    } catch (error) {
      // A process that is killed while it commits may have done so: the file tells, as nobody else can have written to it.
      if (this.end !== 'processEnded' || !(await this.#file.hasCommittedAside(version))) throw error
    }
    await this.ended
  }

  /** Settles when nothing of it is left. */
  async rollback({ signal }: Caller): Promise<void> {
    await this.#open.rollback(signal)
    await this.ended
  }

  stop(end: TransactionEnd, reason?: Refusal): void {
    this.#open.stop(end, reason)
  }

  /** End it where it goes beyond its limits. */
  look(now: number): void {
    const { idleMs, maxMs, maxStatementMs, maxStatementBytes } = this.#limits
    const { isIdle, isRunning, since } = this.#open
    if (!isIdle && !isRunning) return
    if (now - this.#beganAt > maxMs) return this.stop('tooLong')
    if (isIdle && now - since > idleMs) return this.stop('idle')
    if (!isRunning) return
    if (now - since > maxStatementMs) this.stop('stopped', new Refusal('timeout', { timeoutMs: maxStatementMs }))
    if ((this.#open.residentBytes ?? 0) > maxStatementBytes) {
      const data = { limit: 'maxStatementBytes', max: maxStatementBytes }
      this.stop('stopped', new Refusal('limitExceeded', data))
    }
  }

  #requireWritable(): void {
    if (this.#file === undefined) refuse('transactionReadOnly', { transaction: this.id })
    this.tenant.branch.requireWritable()
  }
}

function settled(work: Promise<unknown>): Promise<void> {
  const done = () => {}
  return work.then(done, done)
}
