import { createRequire } from 'node:module'
import { Refusal } from '../base/refusal.ts'
import { type Process, Processes, type ProcessLimits, residentBytes } from '../storage/processes.ts'
import type { Columns } from '../storage/statements.ts'
import type { Params } from './execute.ts'
import { FrameReader } from './frames.ts'

/** One statement that reads, for a process. */
export interface StatementJob {
  /** The path of a file, or the bytes of a database. */
  readonly source: string | Uint8Array
  readonly sql: string
  readonly params: Params
  readonly limits: { readonly maxRows: number; readonly maxBytes: number }
  /** Each row as an object of its columns, rather than an array. */
  readonly asObjects: boolean
}

/** A result whose rows are JSON already: one after the other, with commas between them. */
export interface RowText {
  readonly columns: Columns
  readonly rowText: string
  readonly count: number
  readonly truncated: boolean
  /** How long the statement took, reading of its result included, in ms. */
  readonly ms: number
}

/** Told of a result while it comes. */
export interface RowTaker {
  /** What is written from now on is not seen. */
  snapshot(): void
}

export interface StatementLimits extends ProcessLimits {
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
  readonly #limits: StatementLimits

  constructor(limits: StatementLimits) {
    this.processes = new Processes(program, limits)
    this.#limits = limits
  }

  /**
   * Run a statement. An aborted `signal` kills its process, and rejects with the signal's reason; so does the time that
   * no statement may take longer than.
   */
  async read(job: StatementJob, signal: AbortSignal, taker: RowTaker): Promise<RowText> {
    const process = await this.processes.take(signal)
    let isThrough = false
    try {
      const result = await this.#run(process, job, signal, taker)
      isThrough = true
      return result
    } catch (error) {
      // A statement that failed leaves its process as it was.
      isThrough = error instanceof StatementFailure
      throw error instanceof StatementFailure ? error.cause : error
    } finally {
      if (isThrough) this.processes.giveBack(process)
      else this.processes.kill(process)
    }
  }

  #run(process: Process, job: StatementJob, signal: AbortSignal, taker: RowTaker): Promise<RowText> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = []
      let columns: Columns = []
      const end = () => {
        clearTimeout(timer)
        clearInterval(memoryTimer)
        process.output.off('data', onData)
        signal.removeEventListener('abort', stop)
      }
      const fail = (error: unknown) => {
        end()
        reject(error)
      }
      const stop = () => fail(signal.reason)
      const { maxStatementMs, maxStatementBytes } = this.#limits
      const timer = setTimeout(() => fail(new Refusal('timeout', { timeoutMs: maxStatementMs })), maxStatementMs)
      const look = () => {
        if ((residentBytes(process) ?? 0) <= maxStatementBytes) return
        fail(new Refusal('limitExceeded', { limit: 'maxStatementBytes', max: maxStatementBytes }))
      }
      const memoryTimer = setInterval(look, msBetweenLooks)
      const reader = new FrameReader((frame, body) => {
        if (frame === 'snapshot') taker.snapshot()
        else if (frame === 'columns') columns = JSON.parse(body.toString())
        else if (frame === 'rows') parts.push(body)
        else if (frame === 'done') {
          end()
          resolve({ columns, rowText: joined(parts), ...JSON.parse(body.toString()) })
        } else fail(new StatementFailure(body))
      })
      const onData = (chunk: Buffer) => reader.push(chunk)
      process.output.on('data', onData)
      signal.addEventListener('abort', stop, { once: true })
      void process.ended.then(() => fail(new Error('the process of a statement has ended')))
      process.send(job)
    })
  }

  close(): Promise<void> {
    return this.processes.close()
  }
}

const comma = Buffer.from(',')

function joined(parts: readonly Buffer[]): string {
  return Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [comma, part]))).toString()
}

/** What a process said of its statement: the process is well. */
class StatementFailure extends Error {
  constructor(body: Buffer) {
    const { refusal, message } = JSON.parse(body.toString())
    super(message, { cause: refusal ? new Refusal(refusal.kind, refusal.data) : new Error(message) })
  }
}
