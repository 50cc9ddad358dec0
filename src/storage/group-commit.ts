import type Database from 'better-sqlite3'
import { crashPoint } from '../base/crash-point.ts'
import { afterTurn, turnStartedAt } from '../base/turn.ts'
import { codeOf } from './faults.ts'

/**
 * Writes to one SQLite file that arrive within one turn of the event loop share one transaction, and so one commit.
 *
 * Reads share a transaction too: SQLite takes and drops its lock once, not for each. It begins with the second read
 * within `readHoldMs` and ends after that time or with the next write, whichever comes first. Since nobody else writes to
 * the file meanwhile, it hides nothing; who takes the connection for something else ends it first (`flush`).
 *
 * A write's promise settles after the commit: what is acknowledged is committed. Each write is atomic of itself (a
 * savepoint), so one that fails takes nothing else with it. A read that arrives while the group is open sees the
 * writes before it, and like them it is answered after the commit: nobody is ever told of a row that may still go.
 *
 * Where commits have to be durable, acknowledging waits for a sync that does not hold the thread, unless that is quick and
 * nobody else is there; commits made while one is under way share the next.
 */
export class GroupCommit {
  readonly #db: Database.Database
  readonly #schedule: (group: GroupCommit) => void
  readonly #onFault: (error: unknown) => unknown
  readonly #sync: Sync | undefined
  readonly #begin: Database.Statement
  readonly #commit: Database.Statement
  readonly #seldom = new Map<string, Database.Statement>()
  /** Counts up with every commit of a write. */
  commits = 0
  #members: Member[] = []
  /** Committed, and to be answered when the sync that is under way, or the next one, is through. */
  #synced: Member[] = []
  #unsynced: Member[] = []
  #syncing: Promise<void> | undefined
  #isReading = false
  /** When something was read last, as `turnStartedAt` tells. */
  #lastRead = Number.NEGATIVE_INFINITY

  constructor(db: Database.Database, options: GroupCommitOptions = {}) {
    this.#db = db
    this.#schedule = options.schedule ?? scheduleFlush
    this.#onFault = options.onFault ?? ((error) => error)
    this.#sync = options.sync
    this.#begin = db.prepare('begin immediate')
    this.#commit = db.prepare('commit')
  }

  /** Whether writes wait for their commit. */
  get isOpen(): boolean {
    return this.#members.length > 0
  }

  /** Settles when everything committed is durable; undefined where nothing waits for that. */
  get syncing(): Promise<void> | undefined {
    return this.#syncing
  }

  /** Run `work` in this turn's transaction. It must not give up the thread. */
  write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let value: T
      try {
        value = this.isOpen ? this.#runInside(work) : this.#runFirst(work)
      } catch (error) {
        return reject(this.#onFault(error))
      }
      this.#members.push({ work, value, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Run `work` now. Its result is handed over now, or when the writes that it may have seen are acknowledged. */
  read<T>(work: () => T): T | Promise<T> {
    if (!this.isOpen && this.#syncing === undefined) {
      if (!this.#isReading) this.#maybeHold()
      return work()
    }
    return new Promise<T>((resolve, reject) => {
      const value = work()
      const member = { work, value, resolve: resolve as (value: unknown) => void, reject }
      if (this.isOpen) this.#members.push(member)
      else if (this.#unsynced.length > 0) this.#unsynced.push(member)
      else this.#synced.push(member)
    })
  }

  /** Run `work` in a transaction of its own, at once. Settles like a write. */
  apart<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      try {
        const value = this.alone(work)
        this.#acknowledge([{ work, value, resolve: resolve as (value: unknown) => void, reject }])
      } catch (error) {
        reject(error)
      }
    })
  }

  /** Run `work` in a transaction of its own, committed when this returns. */
  alone<T>(work: () => T): T {
    this.flush()
    this.commits++
    try {
      this.#begin.run()
      const value = work()
      this.#commit.run()
      return value
    } catch (error) {
      this.#abandon()
      throw this.#onFault(error)
    }
  }

  /** End the transaction that is open. Never throws: a commit that fails is told to those who wait for it. */
  flush(): void {
    this.endRead()
    if (!this.isOpen) return
    const members = this.#members
    this.#members = []
    this.commits++
    try {
      crashPoint('group.committing')
      this.#commit.run()
      crashPoint('group.committed')
    } catch (error) {
      this.#abandon()
      if (codeOf(error).startsWith('SQLITE_CONSTRAINT')) return this.#runApart(members)
      return this.#rejectAll(members, error)
    }
    this.#acknowledge(members)
  }

  #rejectAll(members: readonly Member[], error: unknown): void {
    const fault = this.#onFault(error)
    for (const member of members) member.reject(fault)
  }

  /** What was committed is acknowledged: now, or once it is durable. */
  #acknowledge(members: readonly Member[]): void {
    if (this.#sync === undefined) return resolveAll(members)
    try {
      if (this.#syncing === undefined && this.#sync.here()) return resolveAll(members)
    } catch (error) {
      return this.#rejectAll(members, error)
    }
    this.#unsynced.push(...members)
    this.#syncing ??= this.#syncAll(this.#sync)
  }

  /** One sync for everything that was committed when it began. */
  async #syncAll(sync: Sync): Promise<void> {
    while (this.#unsynced.length > 0) {
      const members = this.#unsynced
      this.#synced = members
      this.#unsynced = []
      try {
        await sync.aside()
        resolveAll(members)
      } catch (error) {
        this.#rejectAll(members, error)
      }
    }
    this.#syncing = undefined
  }

  /** Each one again in a transaction of its own: one of them has failed in a way that took all of them. */
  #runApart(members: readonly Member[]): void {
    for (const { work, resolve, reject } of members) this.apart(work).then(resolve, reject)
  }

  #maybeHold(): void {
    const now = turnStartedAt()
    const isSecond = now - this.#lastRead <= readHoldMs
    this.#lastRead = now
    if (!isSecond) return
    this.#run('begin')
    this.#isReading = true
    if (reading.push(this) === 1) setTimeout(endReads, readHoldMs).unref()
  }

  /** End the transaction that reads share, if there is one. */
  endRead(): void {
    if (!this.#isReading) return
    this.#isReading = false
    if (this.#db.inTransaction) this.#commit.run()
  }

  #runFirst<T>(work: () => T): T {
    this.endRead()
    this.#begin.run()
    try {
      const value = work()
      this.#schedule(this)
      return value
    } catch (error) {
      this.#abandon()
      throw error
    }
  }

  #runInside<T>(work: () => T): T {
    this.#run('savepoint member')
    try {
      const value = work()
      this.#run('release member')
      return value
    } catch (error) {
      if (this.#db.inTransaction) {
        this.#run('rollback to member')
        this.#run('release member')
        throw error
      }
      // The whole transaction is gone: a trigger rolled it back, or the disk is full. Each of the others again by itself.
      const members = this.#members
      this.#members = []
      this.#runApart(members)
      throw error
    }
  }

  /** For what few files ever need: a statement that is kept takes up memory. */
  #run(sql: string): void {
    let statement = this.#seldom.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#seldom.set(sql, statement)
    }
    statement.run()
  }

  #abandon(): void {
    if (this.#db.inTransaction) this.#run('rollback')
  }
}

export interface GroupCommitOptions {
  /** Called when a group opens; has to call `flush` soon. By default at the end of this turn of the event loop. */
  readonly schedule?: (group: GroupCommit) => void
  /** Without it, what is committed is acknowledged. */
  readonly sync?: Sync
  /** Turns what SQLite says into what writes are rejected with. */
  readonly onFault?: (error: unknown) => unknown
}

/** Makes durable what was committed before. */
export interface Sync {
  /** At once, where that is quick and holds up nobody; gives whether it was done. */
  here(): boolean
  /** Without holding the thread. */
  aside(): Promise<void>
}

interface Member {
  readonly work: () => unknown
  readonly value: unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

function resolveAll(members: readonly Member[]): void {
  for (const { resolve, value } of members) resolve(value)
}

/** How long reads keep their transaction: the log cannot start again from its beginning meanwhile. */
const readHoldMs = 10

let reading: GroupCommit[] = []

function endReads(): void {
  const groups = reading
  reading = []
  for (const group of groups) group.endRead()
}

let scheduled: GroupCommit[] = []

/** Commit when everybody who had something to say in this turn was heard. */
function scheduleFlush(group: GroupCommit): void {
  scheduled.push(group)
  if (scheduled.length === 1) afterTurn(flushScheduled)
}

function flushScheduled(): void {
  const groups = scheduled
  scheduled = []
  for (const group of groups) group.flush()
}
