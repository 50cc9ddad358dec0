import Database from 'better-sqlite3'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import { codeOf, guarded, refuseFault } from '../storage/faults.ts'
import { GroupCommit } from '../storage/group-commit.ts'
import { Branches } from './branches.ts'
import { ChangeSets } from './change-sets.ts'
import { Databases } from './databases.ts'
import { Files } from './files.ts'
import { migrate } from './migrations.ts'
import { Plans } from './plans.ts'
import { Tenants } from './tenants.ts'

/**
 * `metadata.db`: the truth about everything except tenants' rows. One table, one class, one file.
 *
 * It is held with an exclusive lock for as long as it is open: whoever holds it is the project's daemon. The lock is
 * the kernel's, so it goes with the process, however that ends.
 */
export class Catalog {
  readonly databases: Databases
  readonly branches: Branches
  readonly changeSets: ChangeSets
  readonly tenants: Tenants
  readonly files: Files
  readonly plans: Plans
  readonly #db: Database.Database
  readonly #group: GroupCommit
  readonly #nextSeq: Database.Statement<[], number>
  readonly #currentSeq: Database.Statement<[], number>

  private constructor(db: Database.Database) {
    this.#db = db
    this.#group = new GroupCommit(db, { onFault: (error) => faultOf(error) })
    this.databases = new Databases(db)
    this.branches = new Branches(db)
    this.changeSets = new ChangeSets(db)
    this.tenants = new Tenants(db)
    this.files = new Files(db)
    this.plans = new Plans(db)
    this.#currentSeq = db.prepare<[], number>('select seq from project').pluck()
    this.#nextSeq = db.prepare<[], number>('update project set seq = seq + 1 returning seq').pluck()
  }

  /**
   * Open the catalog and hold it. Refuses with `projectBusy` while another process holds it. `create` makes it where
   * there is none.
   */
  static open(file: string, options: { create?: boolean } = {}): Catalog {
    const db = guarded('catalog', () => new Database(file, { fileMustExist: !options.create, timeout: 0 }))
    try {
      db.pragma('locking_mode = exclusive')
      db.pragma('journal_mode = wal')
      db.pragma('synchronous = full')
      db.pragma('foreign_keys = on')
      db.pragma('trusted_schema = off')
      db.exec('begin immediate; commit')
      migrate(db)
      db.prepare('insert into project values (1, 0, ?) on conflict do nothing').run(new Date().toISOString())
      return new Catalog(db)
    } catch (error) {
      db.close()
      if (codeOf(error).startsWith('SQLITE_BUSY')) return refuse('projectBusy', { path: file }, { cause: error })
      return refuseFault(error, 'catalog')
    }
  }

  get sqliteVersion(): string {
    return this.#db.prepare('select sqlite_version()').pluck().get() as string
  }

  /** The number of the newest change. */
  get currentSeq(): number {
    return this.#currentSeq.get() as number
  }

  /** The next number of the one sequence that orders everything. Only within a write. */
  nextSeq(): number {
    return this.#nextSeq.get() as number
  }

  /** Write together with everything else of this turn of the event loop. Settles when it is on disk. */
  write<T>(work: () => T): Promise<T> {
    return this.#group.write(work)
  }

  /** Read. What was written in this turn is seen, and answered once it is on disk. */
  read<T>(work: () => T): T | Promise<T> {
    return this.#group.read(work)
  }

  /** Write in a transaction of its own, on disk when this returns. */
  writeNow<T>(work: () => T): T {
    try {
      return this.#group.alone(work)
    } catch (error) {
      return refuseFault(error, 'catalog')
    }
  }

  /** Bytes of the catalog's write-ahead log are brought into its file. */
  checkpoint(): void {
    this.#group.flush()
    crashPoint('catalogCheckpoint.begun')
    this.#db.pragma('wal_checkpoint(truncate)')
    crashPoint('catalogCheckpoint.done')
  }

  close(): void {
    this.#group.flush()
    this.#db.close()
  }
}

function faultOf(error: unknown): unknown {
  try {
    return refuseFault(error, 'catalog')
  } catch (fault) {
    return fault
  }
}
