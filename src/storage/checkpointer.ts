import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import type { KeyText } from './connection.ts'

/** What the thread is asked, and says. */
export interface CheckpointJob {
  readonly path: string
  readonly key?: KeyText
}

export interface CheckpointReport {
  /** Why the log, or some of it, stays where it is. */
  readonly failure?: string
}

export interface RunningCheckpoint {
  /** Never rejects. */
  readonly finished: Promise<CheckpointReport>
  /** Hold this thread until the other one has let go of the file. */
  wait(): void
}

// By its name in package.json: a thread needs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#checkpoint-thread')

/** A thread without work ends after this. */
const idleMs = 10_000
const longestWaitMs = 30_000

/**
 * Checkpoints beside the daemon's thread: to sync two files takes milliseconds in which nobody would be served.
 *
 * They are passive: whoever reads or writes the file meanwhile does not notice. The thread has a connection of its own
 * while a job runs, so nobody may close, move or remove a file before its job is through.
 */
export class Checkpointer {
  #thread: CheckpointThread | undefined

  /** Checkpoint a file when those before it are through. */
  start(path: string, key?: KeyText): RunningCheckpoint {
    this.#thread ??= new CheckpointThread(() => {
      this.#thread = undefined
    })
    return this.#thread.start({ path, key })
  }

  /** Let the jobs under way finish, and end the thread. */
  async close(): Promise<void> {
    await this.#thread?.end()
  }
}

class CheckpointThread {
  readonly #worker: Worker
  /** How many jobs are through; counted by the thread, after it has let go of the file. */
  readonly #done = new Int32Array(new SharedArrayBuffer(4))
  readonly #onEnd: () => void
  #given = 0
  #waiting: ((report: CheckpointReport) => void)[] = []
  #last: Promise<unknown> = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
    this.#worker = new Worker(program, { workerData: this.#done.buffer })
    this.#worker.unref()
    this.#worker.on('message', (report: CheckpointReport) => this.#finish(report))
    this.#worker.on('error', ({ message }) => this.#fail(message))
    this.#worker.on('exit', () => this.#fail('the thread has ended'))
  }

  start({ path, key }: CheckpointJob): RunningCheckpoint {
    clearTimeout(this.#idleTimer)
    const job: CheckpointJob = { path, key: key && { text: key.text } }
    this.#worker.postMessage(job)
    const number = ++this.#given
    const finished = new Promise<CheckpointReport>((resolve) => this.#waiting.push(resolve))
    this.#last = finished
    return { finished, wait: () => this.#wait(number, path) }
  }

  async end(): Promise<void> {
    await this.#last
    await this.#worker.terminate()
  }

  #wait(number: number, path: string): void {
    const startedAt = performance.now()
    for (;;) {
      const done = Atomics.load(this.#done, 0)
      if (done >= number) return
      assert(performance.now() - startedAt < longestWaitMs, `the checkpoint of ${path} does not end`)
      Atomics.wait(this.#done, 0, done, 100)
    }
  }

  #finish(report: CheckpointReport): void {
    this.#waiting.shift()?.(report)
    if (this.#waiting.length > 0) return
    this.#idleTimer = setTimeout(() => void this.#worker.terminate(), idleMs).unref()
  }

  #fail(failure: string): void {
    this.#onEnd()
    clearTimeout(this.#idleTimer)
    Atomics.store(this.#done, 0, this.#given)
    for (const report of this.#waiting.splice(0)) report({ failure })
  }
}
