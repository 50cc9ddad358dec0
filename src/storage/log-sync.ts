import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { isAlone } from '../base/turn.ts'
import { syncFolder } from './files.ts'

const fdatasync = promisify(fs.fdatasync)

/** A sync that takes no longer may hold the daemon's thread, where nobody else was heard for a while. */
const quickMs = 1
/** After so many of them in a row, the disk counts as quick. */
const quickInARow = 4
/** How many the disk did quickly in a row: one disk for all files. */
let quickSyncs = 0

/**
 * Makes a write-ahead log durable: what SQLite does with `synchronous = full`, without syncing the log's times. Until it
 * grows, its size stays as it is.
 */
export class LogSync {
  readonly #path: string
  /** The log's descriptor, once something was synced. */
  #log: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Beside this thread: a disk may take milliseconds. */
  async aside(): Promise<void> {
    const log = this.#opened()
    const startedAt = performance.now()
    await fdatasync(log)
    noteTime(startedAt)
  }

  /** On this thread, which spares two wake-ups, if the disk is quick and nobody else has to wait for it. Gives whether it was. */
  here(): boolean {
    if (quickSyncs < quickInARow || !isAlone()) return false
    const log = this.#opened()
    const startedAt = performance.now()
    fs.fdatasyncSync(log)
    noteTime(startedAt)
    return true
  }

  close(): void {
    if (this.#log !== undefined) fs.closeSync(this.#log)
    this.#log = undefined
  }

  #opened(): number {
    if (this.#log === undefined) {
      this.#log = fs.openSync(this.#path, 'r')
      syncFolder(path.dirname(this.#path))
    }
    return this.#log
  }
}

function noteTime(startedAt: number): void {
  quickSyncs = performance.now() - startedAt <= quickMs ? quickSyncs + 1 : 0
}
