import { createRequire } from 'node:module'
import { Refusal } from '../../base/refusal.ts'
import { type Process, Processes, type ProcessLimits, residentBytes } from '../../storage/processes.ts'
import type { Progress } from '../edit.ts'
import type { Failure, Order, Report } from './link.ts'
import type { Works } from './works.ts'

export interface ChoreLimits extends Omit<ProcessLimits, 'maxProcessesPerOwner'> {
  /** How much memory a process may take up. */
  readonly maxStatementBytes: number
}

/** Who waits for a chore, and what it is told meanwhile. */
export interface ChoreWatch extends Progress {
  /** What is written to the tenant from now on is not seen. */
  snapshot?(): void
  /** It is about to commit what `told` tells: does so by `commit`, or throws, and then nothing has happened. By default it may. */
  ready?(commit: () => Promise<void>, told: unknown): Promise<void>
}

type Input<N extends keyof Works> = Parameters<Works[N]>[0]
type Result<N extends keyof Works> = Awaited<ReturnType<Works[N]>>

const msBetweenLooks = 500

// By its name in package.json: a process runs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#chore-process')

/**
 * Long work on whole files, each in a process of its own: it keeps nobody waiting but for the file it writes to, and is killed
 * to stop it, which leaves everything as it was.
 */
export class Chores {
  readonly #processes: Processes
  readonly #limits: ChoreLimits

  constructor(limits: ChoreLimits) {
    this.#processes = new Processes(program, { ...limits, maxProcessesPerOwner: limits.maxProcesses })
    this.#limits = limits
  }

  /**
   * Have a chore done. An aborted signal kills its process, and rejects with the signal's reason, until it commits. When this
   * settles the process is through, or gone with all that it held.
   */
  async run<N extends keyof Works>(name: N, input: Input<N>, watch: ChoreWatch): Promise<Result<N>> {
    const process = await this.#processes.take({ signal: watch.signal, owner: watch.session ?? this })
    let isWell = false
    try {
      const result = await this.#watched(process, { kind: 'start', name, input }, watch)
      isWell = true
      return result as Result<N>
    } catch (error) {
      isWell = error instanceof ChoreFailure
      throw error instanceof ChoreFailure ? error.cause : error
    } finally {
      if (isWell) this.#processes.giveBack(process)
      else {
        this.#processes.kill(process)
        await process.ended
      }
    }
  }

  /** How many are under way. */
  get busy(): number {
    return this.#processes.busy
  }

  /** Kill them all. */
  close(): Promise<void> {
    return this.#processes.close()
  }

  #watched(process: Process, order: Order, watch: ChoreWatch): Promise<unknown> {
    const { maxStatementBytes } = this.#limits
    const { signal, ready = async (commit: () => Promise<void>) => commit() } = watch
    return new Promise((resolve, reject) => {
      /** Settles when whoever was asked whether it may commit is through. */
      let asked: Promise<void> | undefined
      let committing: { resolve(): void; reject(error: unknown): void } | undefined
      let failure: unknown
      const unstoppable = () => {
        clearInterval(memoryTimer)
        signal.removeEventListener('abort', stop)
      }
      const end = () => {
        unstoppable()
        deafen()
      }
      const fail = (error: unknown) => {
        failure ??= error
        end()
        committing?.reject(error)
        const rejectNow = () => reject(failure)
        Promise.resolve(asked).then(rejectNow, rejectNow)
      }
      const stop = () => fail(signal.reason)
      const commit = () => {
        if (failure !== undefined) throw failure
        signal.throwIfAborted()
        unstoppable()
        process.send({ kind: 'commit' } satisfies Order)
        return new Promise<void>((resolve, reject) => {
          committing = { resolve, reject }
        })
      }
      const deafen = process.hear((message) => {
        const report = message as Report
        if (report.kind === 'progress') watch.report(report.value)
        else if (report.kind === 'snapshot') watch.snapshot?.()
        else if (report.kind === 'committed') committing?.resolve()
        else if (report.kind === 'failed') fail(new ChoreFailure(report))
        else if (report.kind === 'ready') {
          asked = ready(commit, report.told)
          asked.catch(fail)
        } else {
          end()
          Promise.resolve(asked).then(() => resolve(report.result), reject)
        }
      })
      const memoryTimer = setInterval(() => {
        if ((residentBytes(process) ?? 0) <= maxStatementBytes) return
        fail(new Refusal('limitExceeded', { limit: 'maxStatementBytes', max: maxStatementBytes }))
      }, msBetweenLooks)
      signal.addEventListener('abort', stop, { once: true })
      void process.ended.then(() => fail(new Refusal('processEnded', {})))
      process.send(order)
    })
  }
}

/** What a process says of its chore where that failed: the process is well. */
class ChoreFailure extends Error {
  constructor({ refusal, code, message }: Failure) {
    const cause = refusal
      ? new Refusal(refusal.kind, refusal.data as never)
      : Object.assign(new Error(message), code === '' ? {} : { code })
    super(message, { cause })
  }
}
