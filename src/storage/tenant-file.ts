import fs from 'node:fs'
import type Database from 'better-sqlite3'
import { crashPoint } from '../base/crash-point.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { Checkpointer, RunningCheckpoint } from './checkpointer.ts'
import type { FileKey } from './cipher.ts'
import { type Durability, openFile } from './connection.ts'
import { codeOf, guarded, refuseFault } from './faults.ts'
import { sizeOf } from './files.ts'
import { GroupCommit } from './group-commit.ts'
import { LogSync } from './log-sync.ts'
import { Statements } from './statements.ts'

/** What may be done in a read: run prepared statements. */
export interface Reader {
  readonly statements: Statements
}

/** What may be done in a write. */
export interface Writer extends Reader {
  /** Rows changed by the statement that ran last. */
  changes(): number
}

const commitsBetweenLooks = 8
/** Writers that outrun a checkpoint wait for it when the log has grown by so many times what starts one. */
const maxGrowth = 3

/**
 * One open tenant file.
 *
 * **Invariant:** this is the only connection of the daemon that writes to the file, but for the holder of the tenant's
 * turn. Between two turns of the event loop it holds no transaction but that of reads (see `GroupCommit`).
 */
export class TenantFile implements Writer {
  readonly path: string
  /** Who uses it outside `read` and `write` calls `flush` first: reads may have left a transaction open. */
  readonly db: Database.Database
  readonly statements: Statements
  /** What it is encrypted with; undefined: it is not. */
  readonly key: FileKey | undefined
  /** The change set whose schema the file has, as it says itself. */
  changeSet: string
  /** Set while writes have to wait, and reads where it is awaited. */
  pause: WritePause | undefined
  /** How often the write-ahead log was brought into the file. */
  checkpoints = 0
  #logBytes = 0
  #commitsAtCheckpoint = 0
  #commitsThatFit = Number.POSITIVE_INFINITY
  #nextLook = commitsBetweenLooks
  readonly #group: GroupCommit
  readonly #checkpointBytes: number
  readonly #checkpointer: Checkpointer
  readonly #sync: LogSync | undefined
  readonly #name: string
  /** There was none when the file was opened, and nothing is in it yet. */
  #isLogNew: boolean
  #running: RunningCheckpoint | undefined
  readonly #changes: Database.Statement<[], number>

  constructor(location: string, options: TenantFileOptions) {
    this.path = location
    this.#name = options.name
    this.key = options.key
    this.#isLogNew = !fs.existsSync(`${location}-wal`)
    this.db = openWithKey(location, options)
    try {
      this.changeSet = requireChangeSet(this.db, options.name)
      this.statements = new Statements(this.db)
      this.#sync = options.durability === 'full' ? new LogSync(`${location}-wal`) : undefined
      this.#group = new GroupCommit(this.db, {
        onFault: (error) => storageFault(error, options.name),
        sync: this.#sync,
      })
      this.#changes = this.db.prepare<[], number>('select changes()').pluck()
    } catch (error) {
      this.db.close()
      throw error
    }
    this.#checkpointBytes = options.checkpointBytes
    this.#checkpointer = options.checkpointer
  }

  /** Whether writes wait to be acknowledged, or a checkpoint for its end. */
  get isBusy(): boolean {
    return this.#group.isOpen || this.#group.syncing !== undefined || this.#running !== undefined
  }

  /** The size of the write-ahead log. */
  get logBytes(): number {
    return sizeOf(`${this.path}-wal`)
  }

  changes(): number {
    return this.#changes.get() as number
  }

  read<T>(work: (reader: Reader) => T): T | Promise<T> {
    return this.#group.read(() => work(this))
  }

  /** Write together with what else is written to this file in this turn; settles when committed. */
  write<T>(work: (writer: Writer) => T): Promise<T> {
    this.#countWrite()
    return this.#group.write(() => work(this))
  }

  /** Write in a transaction of its own. */
  writeAlone<T>(work: (writer: Writer) => T): Promise<T> {
    this.#countWrite()
    return this.#group.apart(() => work(this))
  }

  /** The holder of the tenant's turn has committed something through another connection: reads see it from now on. */
  wroteAside(): void {
    this.#group.endRead()
    this.#nextLook = 0
    this.#countWrite()
  }

  /** Changes with each commit of another connection. */
  dataVersion(): number {
    this.flush()
    return this.db.pragma('data_version', { simple: true }) as number
  }

  /** Whether the holder of the tenant's turn has committed something since `version`; if so, it is as durable as it has to be. */
  async hasCommittedAside(version: number): Promise<boolean> {
    if (this.dataVersion() === version) return false
    await this.#sync?.aside()
    return true
  }

  /** Commit what is open. */
  flush(): void {
    this.#group.flush()
  }

  /** Bring the write-ahead log into the file, and leave none. */
  checkpoint(): void {
    this.flush()
    this.#running?.wait()
    crashPoint('checkpoint.begun')
    this.#isLogNew = false
    this.db.pragma('wal_checkpoint(truncate)')
    crashPoint('checkpoint.done')
    this.#startLog(0)
  }

  close(): void {
    this.flush()
    this.#running?.wait()
    this.db.close()
    void this.#closeLog()
  }

  async #closeLog(): Promise<void> {
    await this.#group.syncing
    this.#sync?.close()
  }

  /**
   * Put something into the log without syncing it. SQLite syncs the head of a log with its first frame, and the folder with
   * it: in a log that begins anew over an older one, frames of that one could pass for its own. In a new file there are none.
   */
  #beginLog(): void {
    this.#isLogNew = false
    if (sizeOf(`${this.path}-wal`) > 0) return
    this.#group.endRead()
    guarded(`tenant ${this.#name}`, () => {
      this.db.pragma('synchronous = off')
      try {
        // Written even if it stays what it is.
        this.db.pragma(`user_version = ${this.db.pragma('user_version', { simple: true })}`)
      } finally {
        this.db.pragma('synchronous = normal')
      }
    })
  }

  /**
   * Checkpoint when enough was written. The log is then used again from its start, as its blocks are there already and
   * to sync it costs less; so its size tells only how much it has grown, and what fits into it is counted in commits.
   */
  #countWrite(): void {
    if (this.#isLogNew) this.#beginLog()
    const commits = this.#group.commits - this.#commitsAtCheckpoint
    if (commits < this.#nextLook) return
    this.#nextLook = commits + commitsBetweenLooks
    const grownBytes = sizeOf(`${this.path}-wal`) - this.#logBytes
    if (this.#running) {
      if (grownBytes > maxGrowth * this.#checkpointBytes) this.#pauseFor(this.#running)
      return
    }
    const hasGrown = grownBytes > this.#checkpointBytes
    if (hasGrown) this.#commitsThatFit = commits
    else if (commits < this.#commitsThatFit) return
    void this.#restartLog()
  }

  /**
   * Bring the log into the file, beside those who write. What they have added meanwhile is little, so they wait until
   * that is in the file too; with the whole of it there, the next write starts the log anew.
   */
  async #restartLog(): Promise<void> {
    crashPoint('logRestart.begun')
    const { commits } = this.#group
    await this.#checkpointAside()
    if (this.db.open && this.#group.commits > commits) await this.#checkpointAside(true)
    if (!this.db.open) return
    crashPoint('logRestart.done')
    this.#startLog(sizeOf(`${this.path}-wal`))
  }

  async #checkpointAside(writersWait = false): Promise<void> {
    this.flush()
    const running = this.#checkpointer.start(this.path, this.key)
    this.#running = running
    if (writersWait) this.#pauseFor(running)
    await running.finished
    this.#running = undefined
    if (this.pause?.ended === running.finished) this.pause = undefined
  }

  #pauseFor({ finished }: RunningCheckpoint): void {
    this.pause ??= { isAwaited: false, ended: finished }
  }

  #startLog(logBytes: number): void {
    this.checkpoints++
    this.#logBytes = logBytes
    this.#commitsAtCheckpoint = this.#group.commits
    this.#nextLook = commitsBetweenLooks
  }
}

/** Writers wait for the last part of a checkpoint, and so does who comes after one that waits. */
export interface WritePause {
  isAwaited: boolean
  readonly ended: Promise<unknown>
}

export interface TenantFileOptions {
  readonly durability: Durability
  readonly checkpointBytes: number
  readonly checkpointer: Checkpointer
  /** How much of the file may be kept in memory. */
  readonly cacheBytes?: number
  /** The right key, where the file is encrypted. */
  readonly key?: FileKey
  /** The tenant's name, for errors. */
  readonly name: string
}

function openWithKey(location: string, { name, cacheBytes, key }: TenantFileOptions): Database.Database {
  try {
    return openFile(location, 'normal', { cacheBytes, key })
  } catch (error) {
    if (key === undefined || codeOf(error) !== 'SQLITE_NOTADB') throw error
    return refuse('corrupt', { what: `tenant ${name}`, reason: 'its first page does not verify' }, { cause: error })
  }
}

/** The table in which a file says where it stands. Written in the transaction that brought it there. */
export const markTable = `create table if not exists __cinch (key text primary key, value text) strict, without rowid`

/** Record, within a transaction, the change set whose schema the file has from now on. */
export function writeChangeSet(db: Database.Database, changeSet: string): void {
  db.prepare(`insert or replace into __cinch values ('changeSet', ?)`).run(changeSet)
}

export function readChangeSet(db: Database.Database): string {
  const changeSet = db.prepare(`select value from __cinch where key = 'changeSet'`).pluck().get()
  if (typeof changeSet !== 'string') throw new Error('the file has no mark of its schema')
  return changeSet
}

/** The same of a file that is not open; undefined where it is not there, or too broken to say. */
export function findChangeSet(path: string): string | undefined {
  if (!fs.existsSync(path)) return undefined
  try {
    const db = openFile(path, 'normal')
    try {
      return requireChangeSet(db, path)
    } finally {
      db.close()
    }
  } catch (error) {
    const isBroken = error instanceof Refusal || /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error))
    if (isBroken) return undefined
    throw error
  }
}

/** The same of a tenant's file. One without the mark is none of ours: emptied, or put there by somebody else. */
export function requireChangeSet(db: Database.Database, name: string): string {
  try {
    return readChangeSet(db)
  } catch (error) {
    const code = codeOf(error)
    if (code !== '' && code !== 'SQLITE_ERROR') throw error
    return refuse('corrupt', { what: `tenant ${name}`, reason: 'the file has no mark of its schema' }, { cause: error })
  }
}

function storageFault(error: unknown, name: string): unknown {
  // Other constraints fail in a statement and are refused there; a deferred one fails at the commit.
  if (codeOf(error) === 'SQLITE_CONSTRAINT_FOREIGNKEY') {
    const reason = error instanceof Error ? error.message : String(error)
    return new Refusal('constraintFailed', { constraint: 'foreignKey', reason }, { cause: error })
  }
  try {
    return refuseFault(error, `tenant ${name}`)
  } catch (fault) {
    return fault
  }
}
