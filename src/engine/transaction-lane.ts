import { createRequire } from 'node:module'
import v8 from 'node:v8'
import { assert } from '../base/assert.ts'
import { Refusal } from '../base/refusal.ts'
import { type Frame, FrameReader, joinRows } from '../query/frames.ts'
import { errorOf, type Failure, type ReadJob, type RowText } from '../query/process-lane.ts'
import type { TableShape } from '../query/table-shape.ts'
import type { Durability, KeyText } from '../storage/connection.ts'
import { type Asker, type Process, Processes, residentBytes } from '../storage/processes.ts'
import type { Columns } from '../storage/statements.ts'
import { operations } from './operations.ts'

export type TransactionMode = 'read' | 'write'

/** What a transaction begins on. */
export interface Beginning {
  readonly mode: TransactionMode
  /** The path of a file, or the bytes of a database. */
  readonly source: string | Uint8Array
  /** Of a file that is encrypted. */
  readonly key?: KeyText
  readonly durability: Durability
}

/** What the process of a transaction is asked, one thing after the other. */
export type TransactionMessage =
  | ({ readonly kind: 'begin' } & Beginning)
  | ({ readonly kind: 'read' } & Reading)
  | {
      readonly kind: 'perform'
      readonly operation: string
      readonly writes: boolean
      readonly args: unknown
      /** The number of a table's shape, which goes along the first time. */
      readonly shapeId?: number
      readonly shape?: TableShape
    }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }

export type Reading = Omit<ReadJob, 'kind' | 'source' | 'key'>

/** What it says where something failed. */
export interface TransactionFailure extends Failure {
  /** SQLite has rolled back the whole transaction. */
  readonly isOver: boolean
}

/** The answer to `begin`: the change set whose schema the transaction sees. */
export interface Begun {
  readonly changeSet: string
}

// By its name in package.json: a process runs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#transaction-process')

const names = new Map<unknown, string>(Object.entries(operations).map(([name, operation]) => [operation, name]))

/** How a transaction came to its end. */
export type TransactionEnd = 'committed' | 'rolledBack' | 'idle' | 'tooLong' | 'stopped' | 'failed' | 'processEnded'

/**
 * The lane for transactions that stay open between calls: each in a process of its own. No statement in it holds the
 * daemon's thread, and to kill the process is to roll back.
 */
export class TransactionLane {
  readonly #processes: Processes

  constructor(maxTransactions: number) {
    // Others wait for a transaction, so it does not run at the lowest priority.
    const options = { isUrgent: true, spare: 1 }
    const limits = { maxProcesses: maxTransactions, maxProcessesPerOwner: maxTransactions, maxWaiting: 1 }
    this.#processes = new Processes(program, limits, options)
  }

  /** Begin a transaction; `id` is what its refusals call it. */
  async begin(id: string, beginning: Beginning, asker: Asker): Promise<{ open: OpenTransaction } & Begun> {
    const open = new OpenTransaction(id, await this.#processes.take(asker), this.#processes)
    try {
      return { open, ...(await open.begin(beginning, asker.signal)) }
    } catch (error) {
      const isKilled = open.end === 'processEnded'
      open.stop('failed')
      await open.ended
      // Nobody was told of a transaction that could have ended.
      throw isKilled ? new Refusal('processEnded', {}) : error
    }
  }

  close(): Promise<void> {
    return this.#processes.close()
  }
}

/** Puts together what comes as the answer to a message; undefined until that is whole. */
type Take<T> = (frame: Frame, body: Buffer) => T | undefined

interface Job {
  readonly message: TransactionMessage
  readonly take: Take<unknown>
  readonly signal: AbortSignal | undefined
  readonly leave: () => void
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What an operation gave, and how long it took, in ms. */
export interface Performed<R> {
  readonly result: R
  readonly ms: number
}

/** So many calls that wait are sent together: the process goes from one to the next without the daemon. */
const maxSent = 16

/**
 * A transaction in its process, which does one thing after the other in the order in which they came. What waits can be
 * cancelled and leaves nothing; what runs can be cancelled too, and takes the transaction with it, unless it commits.
 */
export class OpenTransaction {
  readonly id: string
  /** Settles when its process has let go of the file. */
  readonly ended: Promise<void>
  /** On the clock of `performance.now()`: when what runs was begun, or when what ran last was through. */
  since = performance.now()
  #end: TransactionEnd | undefined
  readonly #process: Process
  readonly #processes: Processes
  readonly #shapes = new Map<TableShape, number>()
  readonly #waiting: Job[] = []
  /** The first one runs. */
  readonly #sent: Job[] = []
  readonly #stopHearing: () => void
  #resolveEnded!: () => void

  constructor(id: string, process: Process, processes: Processes) {
    this.id = id
    this.#process = process
    this.#processes = processes
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    const reader = new FrameReader((frame, body) => this.#take(frame, body))
    const onData = (chunk: Buffer) => reader.push(chunk)
    process.pipe.on('data', onData)
    const forgetEnd = process.hearEnd(() => this.stop('processEnded'))
    this.#stopHearing = () => {
      process.pipe.off('data', onData)
      forgetEnd()
    }
  }

  /** How it ended, as soon as that is sure. */
  get end(): TransactionEnd | undefined {
    return this.#end
  }

  /** Whether something runs in it that can be stopped. */
  get isRunning(): boolean {
    return !this.isIdle && this.#sent[0]?.message.kind !== 'commit'
  }

  get isIdle(): boolean {
    return this.#sent.length === 0
  }

  /** Memory that its process takes up, where the system tells. */
  get residentBytes(): number | undefined {
    return residentBytes(this.#process)
  }

  begin(beginning: Beginning, signal: AbortSignal): Promise<Begun> {
    return this.#ask({ kind: 'begin', ...beginning }, copied<Begun>, signal)
  }

  /** Run a statement that reads. */
  read(reading: Reading, signal: AbortSignal): Promise<RowText> {
    return this.#ask({ kind: 'read', ...reading }, rowsTaken(), signal)
  }

  /** Run an operation, which is on the list of `operations`. One that writes and fails leaves nothing of itself. */
  perform<A, R>(
    operation: (on: never, args: A, clock: never) => R,
    args: A,
    { writes, signal }: { readonly writes: boolean; readonly signal: AbortSignal },
  ): Promise<Performed<R>> {
    const name = names.get(operation)
    assert(name, `${operation.name} is no operation of a transaction`)
    return this.#ask({ kind: 'perform', operation: name, writes, args }, copied<Performed<R>>, signal)
  }

  /** Settles when it is durable, as configured. Once begun, nothing stops it. */
  async commit(signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'commit' }, copied, signal)
  }

  /** In its turn, like a call, unless something went before that ends it. */
  async rollback(signal?: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'rollback' }, copied, signal)
  }

  /** End it now, whatever it does. What runs in it fails with `reason`, what waits with what has become of it. */
  stop(end: TransactionEnd, reason?: Refusal): void {
    if (this.#end !== undefined) return
    const running = this.#conclude(end)
    this.#processes.kill(this.#process)
    void this.#process.ended.then(() => {
      running?.reject(reason ? ending(reason) : this.#refusal())
      this.#resolveEnded()
    })
  }

  #ask<T>(message: TransactionMessage, take: Take<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#refusal()
      signal?.throwIfAborted()
      const leave = () => this.#leave(job)
      const job: Job = { message, take, signal, leave, resolve: resolve as (value: unknown) => void, reject }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(job)
      if (this.isIdle) this.#send()
    })
  }

  /** Nobody waits for this any more. One that is sent already is stopped when it is its turn. */
  #leave(job: Job): void {
    if (job === this.#sent[0]) return this.stop('stopped', job.signal?.reason)
    const at = this.#waiting.indexOf(job)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    job.reject(job.signal?.reason)
  }

  #send(): void {
    const jobs = this.#waiting.splice(0, maxSent)
    if (jobs.length === 0) return
    this.#sent.push(...jobs)
    const messages = jobs.map(({ message }) => encodeMessage(this.#withShape(message)))
    this.#process.pipe.write(messages.length === 1 ? messages[0] : Buffer.concat(messages))
    this.#turnTo(jobs[0] as Job)
  }

  #turnTo({ message, signal, leave }: Job): void {
    this.since = performance.now()
    if (message.kind === 'commit') signal?.removeEventListener('abort', leave)
    else if (signal?.aborted) this.stop('stopped', signal.reason)
  }

  /** A table's shape is sent once. */
  #withShape(message: TransactionMessage): TransactionMessage {
    if (message.kind !== 'perform') return message
    const { shape, ...args } = message.args as { readonly shape?: TableShape }
    if (shape === undefined) return message
    const shapeId = this.#shapes.get(shape)
    if (shapeId !== undefined) return { ...message, args, shapeId }
    this.#shapes.set(shape, this.#shapes.size)
    return { ...message, args, shapeId: this.#shapes.size - 1, shape }
  }

  #take(frame: Frame, body: Buffer): void {
    const job = this.#sent[0]
    if (job === undefined) return
    if (frame === 'failed') return this.#fail(job, JSON.parse(body.toString()))
    const value = job.take(frame, body)
    if (value === undefined) return
    const { kind } = job.message
    this.#settle(job, kind === 'commit' ? 'committed' : kind === 'rollback' ? 'rolledBack' : undefined)
    job.resolve(value)
  }

  #fail(job: Job, failure: TransactionFailure): void {
    this.#settle(job, failure.isOver ? 'failed' : undefined)
    const error = errorOf(failure)
    job.reject(failure.isOver && error instanceof Refusal ? ending(error) : error)
  }

  /** A call is through, and perhaps the transaction. */
  #settle(job: Job, end: TransactionEnd | undefined): void {
    job.signal?.removeEventListener('abort', job.leave)
    this.#sent.shift()
    this.since = performance.now()
    if (end !== undefined) return this.#finish(end)
    const next = this.#sent[0]
    if (next) this.#turnTo(next)
    else this.#send()
  }

  /** Its process has ended it, and is free, unless something was sent behind that. */
  #finish(end: TransactionEnd): void {
    if (this.#sent.length > 0) return this.stop(end)
    this.#conclude(end)
    this.#processes.giveBack(this.#process)
    this.#resolveEnded()
  }

  /** Gives what was running; what waited is refused. */
  #conclude(end: TransactionEnd): Job | undefined {
    this.#end = end
    this.#stopHearing()
    const [running, ...others] = this.#sent.splice(0)
    running?.signal?.removeEventListener('abort', running.leave)
    for (const job of [...others, ...this.#waiting.splice(0)]) {
      job.signal?.removeEventListener('abort', job.leave)
      job.reject(this.#refusal())
    }
    return running
  }

  #refusal(): Refusal {
    return new Refusal('transactionEnded', { transaction: this.id, reason: this.#end })
  }
}

/** An error of a call that has ended its transaction says so. */
function ending({ kind, data }: Refusal): Refusal {
  return new Refusal(kind, { ...data, transactionEnded: true })
}

function copied<T>(frame: Frame, body: Buffer): T | undefined {
  return frame === 'done' ? v8.deserialize(body) : undefined
}

function rowsTaken(): Take<RowText> {
  const parts: Buffer[] = []
  let columns: Columns = []
  return (frame, body) => {
    if (frame === 'columns') columns = JSON.parse(body.toString())
    else if (frame === 'rows') parts.push(body)
    else if (frame === 'done') return { columns, rowText: joinRows(parts), ...v8.deserialize(body) }
    return undefined
  }
}

/** A message's length (4 bytes, little-endian), and the message. */
function encodeMessage(message: TransactionMessage): Buffer {
  const serializer = new v8.DefaultSerializer()
  serializer.writeRawBytes(noLength)
  serializer.writeHeader()
  serializer.writeValue(message)
  const encoded = serializer.releaseBuffer()
  encoded.writeUInt32LE(encoded.length - noLength.length, 0)
  return encoded
}

const noLength = Buffer.alloc(4)
