import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import type { Durability } from '../storage/connection.ts'
import type { Migration } from './heads.ts'

/** Files for the thread to bring forward, and how. */
export interface Batch {
  readonly files: readonly LentFile[]
  /** By the change set at which a file is found: what it has to go through. A file found at another one stays there. */
  readonly ways: { readonly [changeSet: string]: readonly Migration[] }
  readonly durability: Durability
}

/** A file that nobody else uses. Absolute paths; `beside` is on the same file system, for this file alone. */
export interface LentFile {
  readonly id: number
  readonly path: string
  readonly beside: string
}

/** What became of a file: where it stands now, or why it is where it was. `code` is SQLite's or the system's, or empty. */
export type Outcome =
  | { readonly kind: 'stands'; readonly id: number; readonly changeSet: string }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }

// By its name in package.json: a thread needs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#drain-worker')

/**
 * The thread that brings files forward: what that costs of processor and disk does not keep the daemon's own from its
 * clients. It is there from the first batch on until this is disposed of. A thread rather than a process: it never
 * outlives the daemon, so no file is ever written by somebody whom the next daemon does not know of.
 */
export class DrainThread implements AsyncDisposable {
  #worker: Worker | undefined
  #fault: unknown
  /** The one whose batch is under way. */
  #waiting: { resolve(outcomes: Outcome[]): void; reject(error: Error): void } | undefined

  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  /** One batch at a time. Rejects if the thread dies: each file is whole then, and as it was or brought forward. */
  rollForward(batch: Batch): Promise<Outcome[]> {
    assert(this.#waiting === undefined, 'the thread of the drain has a batch already')
    this.#worker ??= this.#start()
    this.#worker.postMessage(batch)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** Ends the thread, after the file that it has in hand. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(program)
    worker.on('message', (outcomes: Outcome[]) => this.#settled()?.resolve(outcomes))
    worker.on('error', (error) => {
      this.#fault = error
    })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#settled()?.reject(new Error('the thread of the drain has ended', { cause: this.#fault }))
    })
    return worker
  }

  /** Whoever waits for the batch that is through now. */
  #settled() {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }
}
