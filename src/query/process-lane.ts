import { createRequire } from 'node:module'
import type { ErrorKind } from '../../protocol/errors.ts'
import type { WireValue } from '../../protocol/values.ts'
import { Refusal } from '../base/refusal.ts'
import type { Durability, KeyText } from '../storage/connection.ts'
import { type Asker, type Process, Processes, type ProcessLimits, residentBytes } from '../storage/processes.ts'
import { type KeyedFile, removeRewritten } from '../storage/rewrite.ts'
import type { Columns } from '../storage/statements.ts'
import type { BatchStatement } from './batch.ts'
import type { Params, WriteResult } from './execute.ts'
import { FrameReader, joinRows } from './frames.ts'

/** One statement that reads, for a process. */
export interface ReadJob {
  readonly kind: 'read'
  /** The path of a file, or the bytes of a database. */
  readonly source: string | Uint8Array
  /** Of a file that is encrypted. */
  readonly key?: KeyText
  readonly sql: string
  readonly params: Params
  readonly limits: { readonly maxRows: number; readonly maxBytes: number; readonly maxRowBytes: number }
  /** Each row as an object of its columns, rather than an array. */
  readonly asObjects: boolean
  /** Columns whose values are not to be told. */
  readonly masked?: readonly number[]
  /** Of a row, as many columns are told; of the last one, besides, what stands at these places. */
  readonly page?: { readonly width: number; readonly at?: readonly number[] }
}

/** What is said of a statement that has come to its end. */
export interface ReadEnd {
  readonly count: number
  /** There were more rows than were wanted. */
  readonly truncated: boolean
  /** What the job's page asks of the last row. */
  readonly last?: readonly WireValue[]
  /** How long the statement took, its waiting for a reader left out, in ms. */
  readonly ms: number
}

/** Statements that write, for a process: all of them or none. */
export interface WriteJob {
  readonly kind: 'write'
  readonly path: string
  readonly key?: KeyText
  readonly durability: Durability
  readonly statements: readonly BatchStatement[]
  readonly limits: { readonly maxRows: number; readonly maxBytes: number }
}

/** A file to be written to another one under another key, or none; see `rewrite`. */
export interface RewriteJob {
  readonly kind: 'rewrite'
  readonly source: KeyedFile
  readonly target: KeyedFile
}

export type RewriteMessage =
  | { readonly kind: 'rewritten' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface Written {
  readonly results: readonly WriteResult[]
  /** How long the statements took, in ms. */
  readonly ms: number
}

/** Asked of the file to which a process writes. */
export interface CommitCheck {
  /** Throws where what was written may not be kept after all; from then on nothing stops it any more. */
  mayCommit(): void
  /** Whether somebody has committed something since `mayCommit`; it is durable then. */
  hasCommitted(): Promise<boolean>
}

/** The answer to `WriteMessage` `written`. */
export interface Commit {
  readonly kind: 'commit'
}

export type WriteMessage =
  | { readonly kind: 'written'; readonly written: Written }
  | { readonly kind: 'committed' }
  | ({ readonly kind: 'failed' } & Failure)

/** Why a statement failed: for which a client is told the refusal, or else something unexpected. */
export interface Failure {
  readonly refusal?: { readonly kind: ErrorKind; readonly data: object }
  readonly message: string
}

/** A result whose rows are JSON already: one after the other, with commas between them. */
export interface RowText extends ReadEnd {
  readonly columns: Columns
  readonly rowText: string
}

/** Told of a result while it comes. */
export interface RowTaker {
  /** What is written from now on is not seen. */
  snapshot(): void
  columns(columns: Columns): void
  /** Some rows, as `frames.ts` describes them. While there is a promise to wait for, no more are read and none are made. */
  rows(part: Buffer, count: number): Promise<void> | undefined
}

export interface StatementLimits extends ProcessLimits {
  /** Cursors whose statements are not through, all in all and of one owner. */
  readonly maxCursors: number
  readonly maxCursorsPerSession: number
  /** How long a statement may take. */
  readonly maxStatementMs: number
  /** How much memory its process may take up. */
  readonly maxStatementBytes: number
}

const msBetweenLooks = 200

// By its name in package.json: a process runs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#statement-process')

/** The lane for statements that may take long: each in a process, where it can be stopped. */
export class ProcessLane {
  readonly processes: Processes
  /** Those of cursors are not counted with the others: they are many, and mostly wait. */
  readonly cursorProcesses: Processes
  readonly #limits: StatementLimits

  constructor(limits: StatementLimits) {
    const { maxCursors, maxCursorsPerSession } = limits
    this.processes = new Processes(program, limits)
    this.cursorProcesses = new Processes(program, {
      maxProcesses: maxCursors,
      maxProcessesPerOwner: maxCursorsPerSession,
      maxWaiting: maxCursors,
    })
    this.#limits = limits
  }

  /**
   * Run a statement that reads. An aborted signal kills its process, and rejects with the signal's reason; so do the
   * time and the memory that no statement may take more of.
   */
  read(job: ReadJob, asker: Asker, taker: RowTaker): Promise<ReadEnd> {
    const { maxStatementMs } = this.#limits
    return this.#with(this.processes, maxStatementMs, asker, (process, run) => take(job, taker, process, run))
  }

  /** The same for a cursor: in a process that is counted with those of cursors, and for as long as the signal lets it. */
  readForCursor(job: ReadJob, asker: Asker, taker: RowTaker): Promise<ReadEnd> {
    return this.#with(this.cursorProcesses, undefined, asker, (process, run) => take(job, taker, process, run))
  }

  /**
   * Run statements that write, in one transaction of a file to which nobody else writes until this settles.
   * A process that somebody kills while it commits may have done so: then the file is asked.
   */
  async write(job: WriteJob, asker: Asker, commit: CommitCheck): Promise<Written> {
    let written: Written | undefined
    let isCommitting = false
    const done = this.#with<Written>(this.processes, this.#limits.maxStatementMs, asker, (process, run) => {
      const deafen = process.hear((message) => {
        const told = message as WriteMessage
        if (told.kind === 'failed') return run.fail(new StatementFailure(told))
        if (told.kind === 'committed') return run.done(written as Written)
        written = told.written
        try {
          commit.mayCommit()
          run.unstoppable()
          isCommitting = true
          process.send({ kind: 'commit' } satisfies Commit)
        } catch (error) {
          run.fail(error)
        }
      })
      process.send(job)
      return deafen
    })
    try {
      return await done
    } catch (error) {
      if (written && isCommitting && (await commit.hasCommitted())) return written
      throw error
    }
  }

  /** Write a file to another one under another key, or none. What is cut short leaves nothing. */
  async rewrite(source: KeyedFile, target: KeyedFile, signal: AbortSignal): Promise<void> {
    try {
      const asker = { signal, owner: target }
      await this.#with<void>(this.processes, this.#limits.maxStatementMs, asker, (process, run) => {
        const deafen = process.hear((message) => {
          const told = message as RewriteMessage
          if (told.kind === 'rewritten') return run.done()
          run.fail(Object.assign(new Error(told.message), { code: told.code }))
        })
        process.send({ kind: 'rewrite', source, target } satisfies RewriteJob)
        return deafen
      })
    } catch (error) {
      removeRewritten(target.path)
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.processes.close(), this.cursorProcesses.close()])
  }

  /** With a process: one that is killed is gone when this settles, with all that it held. */
  async #with<T>(processes: Processes, maxMs: number | undefined, asker: Asker, start: Start<T>): Promise<T> {
    const process = await processes.take(asker)
    let isWell = false
    try {
      const result = await this.#watched(process, asker.signal, maxMs, start)
      isWell = true
      return result
    } catch (error) {
      // A statement that failed leaves its process as it was.
      isWell = error instanceof StatementFailure
      throw error instanceof StatementFailure ? error.cause : error
    } finally {
      if (isWell) processes.giveBack(process)
      else {
        processes.kill(process)
        await process.ended
      }
    }
  }

  #watched<T>(process: Process, signal: AbortSignal, maxMs: number | undefined, start: Start<T>): Promise<T> {
    const { maxStatementBytes } = this.#limits
    return new Promise((resolve, reject) => {
      const unstoppable = () => {
        clearTimeout(timer)
        clearInterval(memoryTimer)
        signal.removeEventListener('abort', stop)
      }
      const end = () => {
        unstoppable()
        forgetEnd()
        stopHearing()
      }
      const fail = (error: unknown) => {
        end()
        reject(error)
      }
      const done = (result: T) => {
        end()
        resolve(result)
      }
      const stop = () => fail(signal.reason)
      const late = () => fail(new Refusal('timeout', { limit: 'maxStatementMs', timeoutMs: maxMs }))
      const timer = maxMs === undefined ? undefined : setTimeout(late, maxMs)
      const memoryTimer = setInterval(() => {
        if ((residentBytes(process) ?? 0) <= maxStatementBytes) return
        fail(new Refusal('limitExceeded', { limit: 'maxStatementBytes', max: maxStatementBytes }))
      }, msBetweenLooks)
      signal.addEventListener('abort', stop, { once: true })
      const forgetEnd = process.hearEnd(() => fail(new Refusal('processEnded', {})))
      const stopHearing = start(process, { done, fail, unstoppable })
    })
  }
}

/** How what a process says is passed on. */
interface Run<T> {
  done(result: T): void
  fail(error: unknown): void
  /** Neither a signal nor a limit ends it any more. */
  unstoppable(): void
}

/** Begins a job; gives what ends hearing of it. */
type Start<T> = (process: Process, run: Run<T>) => () => void

/** Have a process run a statement that reads, as fast as its rows are taken. */
function take(job: ReadJob, taker: RowTaker, process: Process, run: Run<ReadEnd>): () => void {
  const { pipe } = process
  let waits = 0
  let isOver = false
  const waitFor = (ready: Promise<void>) => {
    waits++
    pipe.pause()
    void ready.then(() => {
      if (--waits === 0 && !isOver) pipe.resume()
    })
  }
  const reader = new FrameReader((frame, body, rows) => {
    if (isOver) return
    if (frame === 'snapshot') taker.snapshot()
    else if (frame === 'columns') taker.columns(JSON.parse(body.toString()))
    else if (frame === 'done') run.done(JSON.parse(body.toString()))
    else if (frame === 'failed') run.fail(new StatementFailure(JSON.parse(body.toString())))
    else {
      const ready = taker.rows(body, rows)
      if (ready) waitFor(ready)
    }
  })
  const onData = (chunk: Buffer) => reader.push(chunk)
  pipe.on('data', onData)
  process.send(job)
  return () => {
    isOver = true
    pipe.off('data', onData)
    // For the next job, where the last rows of this one were still to be waited for.
    pipe.resume()
  }
}

/** Puts a result together. */
export class RowCollector implements RowTaker {
  readonly snapshot: () => void
  readonly #parts: Buffer[] = []
  #columns: Columns = []

  constructor(snapshot: () => void) {
    this.snapshot = snapshot
  }

  columns(columns: Columns): void {
    this.#columns = columns
  }

  rows(part: Buffer): undefined {
    this.#parts.push(part)
  }

  whole(end: ReadEnd): RowText {
    return { columns: this.#columns, rowText: joinRows(this.#parts), ...end }
  }
}

/** What a process says of its statement where that failed: the process is well. */
class StatementFailure extends Error {
  constructor(failure: Failure) {
    super(failure.message, { cause: errorOf(failure) })
  }
}

export function errorOf({ refusal, message }: Failure): Error {
  return refusal ? new Refusal(refusal.kind, refusal.data as never) : new Error(message)
}
