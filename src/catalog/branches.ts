import type Database from 'better-sqlite3'

export interface BranchRow {
  readonly id: number
  readonly databaseId: number
  readonly name: string
  readonly parentId: number | null
  /** The `seq` as of which it sees its parent's tenants. */
  readonly forkedAt: number
  /** The newest fork of it or of a branch below it: a file private since before that may be shared. */
  readonly lastFork: number
  /** The change set it stands at. */
  readonly head: string
  readonly readOnly: 0 | 1
  /** 0: it has its parent's tenants, but none of their rows. */
  readonly withData: 0 | 1
  readonly description: string | null
  readonly createdAt: string
  /** JSON `{reason?, since}` while under maintenance. */
  readonly maintenance: string | null
}

export class Branches {
  readonly #insert: Database.Statement
  readonly #all: Database.Statement<[], BranchRow>
  readonly #setHead: Database.Statement
  readonly #setLastFork: Database.Statement
  readonly #setLastForks: Database.Statement
  readonly #setParent: Database.Statement
  readonly #rename: Database.Statement
  readonly #delete: Database.Statement
  readonly #setMaintenance: Database.Statement

  constructor(db: Database.Database) {
    this.#insert = db.prepare(`
      insert into branch (database_id, name, parent_id, forked_at, last_fork, head, read_only, with_data,
        description, created_at)
      values ($databaseId, $name, $parentId, $forkedAt, $lastFork, $head, $readOnly, $withData,
        $description, $createdAt)
    `)
    this.#all = db.prepare(`
      select id, database_id as databaseId, name, parent_id as parentId, forked_at as forkedAt, last_fork as lastFork,
        head, read_only as readOnly, with_data as withData, description, created_at as createdAt, maintenance
      from branch order by id
    `)
    this.#setHead = db.prepare('update branch set head = $head where id = $id')
    this.#setLastFork = db.prepare('update branch set last_fork = $lastFork where id = $id')
    this.#setLastForks = db.prepare('update branch set last_fork = $lastFork where database_id = $databaseId')
    this.#setParent = db.prepare(`
      update branch set parent_id = $parentId, forked_at = $forkedAt, with_data = $withData where id = $id
    `)
    this.#rename = db.prepare('update branch set name = $name where id = $id')
    this.#delete = db.prepare('delete from branch where id = ?')
    this.#setMaintenance = db.prepare('update branch set maintenance = $maintenance where id = $id')
  }

  insert(branch: Omit<BranchRow, 'id' | 'maintenance'>): BranchRow {
    const { lastInsertRowid } = this.#insert.run(branch)
    return { ...branch, id: Number(lastInsertRowid), maintenance: null }
  }

  all(): BranchRow[] {
    return this.#all.all()
  }

  setHead(id: number, head: string): void {
    this.#setHead.run({ id, head })
  }

  setLastFork(id: number, lastFork: number): void {
    this.#setLastFork.run({ id, lastFork })
  }

  /** The same for every branch of a database. */
  setLastForks(databaseId: number, lastFork: number): void {
    this.#setLastForks.run({ databaseId, lastFork })
  }

  setParent({ id, parentId, forkedAt, withData }: BranchRow): void {
    this.#setParent.run({ id, parentId, forkedAt, withData })
  }

  rename(id: number, name: string): void {
    this.#rename.run({ id, name })
  }

  delete(id: number): void {
    this.#delete.run(id)
  }

  setMaintenance(id: number, maintenance: string | null): void {
    this.#setMaintenance.run({ id, maintenance })
  }
}
