import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Progress } from './edit.ts'

/** For work of which nobody is told, and which goes on to its end. */
export const unwatched: Progress = { signal: new AbortController().signal, report() {} }

const sliceMs = 5
const reportMs = 100

/** Long work in slices: tells when the thread is due to others, gives it to them, tells of progress, and stops on signal. */
export class Slices {
  readonly #progress: Progress
  #sliceEnd = performance.now() + sliceMs
  #reportAt = performance.now()

  constructor(progress: Progress) {
    this.#progress = progress
  }

  get isOver(): boolean {
    return performance.now() > this.#sliceEnd
  }

  /** Let others have the thread. */
  async next(done?: () => object): Promise<void> {
    if (done) this.report(done)
    await nextTurn()
    this.#progress.signal.throwIfAborted()
    this.#sliceEnd = performance.now() + sliceMs
  }

  /** Tell where the work is: at first, and then if the last time is a while ago. */
  report(done: () => object): void {
    if (performance.now() < this.#reportAt) return
    this.#progress.report(done())
    this.#reportAt = performance.now() + reportMs
  }
}
