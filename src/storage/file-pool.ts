import { assert } from '../base/assert.ts'
import type { TenantFile, WritePause } from './tenant-file.ts'

const cacheBudgetBytes = 256 * 1024 * 1024
const maxCacheBytes = 16 * 1024 * 1024
const minCacheBytes = 2 * 1024 * 1024

/**
 * The open tenant files, at most `limit`: the one unused longest is closed for a new one, never one in use.
 *
 * **Invariant:** a file that is lent to another thread is not open here; one that is lent in place is paused.
 */
export class FilePool {
  readonly #open = new Map<number, PooledFile>()
  /** What is to be waited for before a file is opened. */
  readonly #lent = new Map<number, Promise<void>>()
  /** Those who need a file to stay open, and where it is. */
  readonly #keepers = new Map<number, Set<Promise<unknown>>>()
  readonly #limit: number
  #clock = 0
  /** Counts up with every file that is opened. */
  opened = 0
  #checkpointsOfClosed = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * How much of a file that is opened now may be kept in memory: the fewer files are open, the more. Pages take memory
   * only once they were read.
   */
  get cacheBytes(): number {
    const share = cacheBudgetBytes / (this.#open.size + 1)
    return Math.min(maxCacheBytes, Math.max(minCacheBytes, share))
  }

  get size(): number {
    return this.#open.size
  }

  /** Bytes of the write-ahead logs of the open files. */
  get logBytes(): number {
    let bytes = 0
    for (const { file } of this.#open.values()) bytes += file.logBytes
    return bytes
  }

  /** How often a write-ahead log was brought into its file, so far. */
  get checkpoints(): number {
    let count = this.#checkpointsOfClosed
    for (const { file } of this.#open.values()) count += file.checkpoints
    return count
  }

  /** The file with this id if it is open. */
  find(id: number): PooledFile | undefined {
    return this.#open.get(id)
  }

  /** Take in a file that was just opened. */
  add(id: number, file: TenantFile): PooledFile {
    assert(!this.#lent.has(id), 'a file was opened that is lent')
    while (this.#open.size >= this.#limit && this.#closeLeastRecentlyUsed()) {}
    this.opened++
    const pooled: PooledFile = { id, file, usedAt: ++this.#clock, isClosed: false }
    this.#open.set(id, pooled)
    return pooled
  }

  /** Say that a file is used now. */
  touch(pooled: PooledFile): void {
    pooled.usedAt = ++this.#clock
  }

  /** Close one file, if it is open. */
  close(id: number): void {
    const pooled = this.#open.get(id)
    if (pooled) this.#close(pooled)
  }

  /** Close the files that are encrypted so. */
  closeEncrypted(cipher: string): void {
    for (const pooled of [...this.#open.values()]) if (pooled.file.key?.cipher === cipher) this.#close(pooled)
  }

  /** Leave a file, which is closed, to somebody else until `work` is through, well or not. */
  async lend<T>(id: number, work: Promise<T>): Promise<T> {
    const isInUse = this.#open.has(id) || this.#lent.has(id) || this.isKept(id)
    assert(!isInUse, 'a file was lent that is in use')
    const done = () => {}
    this.#lent.set(id, work.then(done, done))
    try {
      return await work
    } finally {
      this.#lent.delete(id)
    }
  }

  /**
   * Leave a file to somebody who writes to it where it lies, by a connection of another process, until `work` is through. It may
   * be open here: nobody reads or writes it meanwhile.
   */
  async lendInPlace<T>(id: number, work: () => Promise<T>): Promise<T> {
    assert(!this.#lent.has(id), 'a file was lent that is lent already')
    const lent = this.keep(id, work)
    const file = this.#open.get(id)?.file
    const pause: WritePause = { isAwaited: true, ended: lent }
    if (file) file.pause = pause
    const done = () => {
      this.#lent.delete(id)
      if (file?.pause === pause) file.pause = undefined
    }
    const ended = lent.then(done, done)
    this.#lent.set(id, ended)
    await ended
    return lent
  }

  /** Settles when a file that is lent is back; undefined for one that is here. */
  whenBack(id: number): Promise<void> | undefined {
    return this.#lent.get(id)
  }

  /** Have a file stay open, and where it is, until `work` is through, well or not: it is used by its path. */
  async keep<T>(id: number, work: () => Promise<T>): Promise<T> {
    const keepers = this.#keepers.get(id) ?? new Set()
    this.#keepers.set(id, keepers)
    const keeper = (async () => work())()
    keepers.add(keeper)
    try {
      return await keeper
    } finally {
      keepers.delete(keeper)
      if (keepers.size === 0) this.#keepers.delete(id)
    }
  }

  /** Settles when those who need a file to stay where it is have let go of it; undefined if nobody does. */
  whenLetGo(id: number): Promise<unknown> | undefined {
    const keepers = this.#keepers.get(id)
    return keepers && Promise.allSettled(keepers)
  }

  /** Whether somebody needs a file to stay where it is. */
  isKept(id: number): boolean {
    return this.#keepers.has(id)
  }

  /** Commit whatever waits for its commit. */
  flushAll(): void {
    for (const { file } of this.#open.values()) file.flush()
  }

  closeAll(): void {
    for (const pooled of [...this.#open.values()]) this.#close(pooled)
  }

  *[Symbol.iterator](): IterableIterator<PooledFile> {
    yield* this.#open.values()
  }

  /** False where every file is in use: then one more is opened than wanted, rather than anything closed under its user. */
  #closeLeastRecentlyUsed(): boolean {
    let oldest: PooledFile | undefined
    for (const pooled of this.#open.values()) {
      const isInUse = this.isKept(pooled.id) || pooled.file.isBusy
      if (!isInUse && (oldest === undefined || pooled.usedAt < oldest.usedAt)) oldest = pooled
    }
    if (oldest) this.#close(oldest)
    return oldest !== undefined
  }

  #close(pooled: PooledFile): void {
    this.#open.delete(pooled.id)
    pooled.isClosed = true
    pooled.file.close()
    pooled.onClose?.()
    this.#checkpointsOfClosed += pooled.file.checkpoints
  }
}

export interface PooledFile {
  readonly id: number
  readonly file: TenantFile
  usedAt: number
  isClosed: boolean
  /** Called when it is closed. */
  onClose?: () => void
}
