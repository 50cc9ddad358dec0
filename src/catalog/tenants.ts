import type Database from 'better-sqlite3'

/**
 * A tenant as one branch knows it, from `created` on. A branch that has no row of its own for a name sees its parent's,
 * as of the fork; so a change never touches a row that a fork can see: it adds one.
 */
export interface TenantRow {
  readonly branchId: number
  readonly name: string
  /** The `seq` of this row. */
  readonly created: number
  readonly deleted: 0 | 1
  /** Null: the tenant has no file yet, and every table of it is empty. */
  readonly fileId: number | null
  /** How its file is encrypted, or will be once there is one; null: it is not. */
  readonly cipher: string | null
  readonly description: string | null
  readonly createdAt: string
}

export class Tenants {
  readonly #insert: Database.Statement
  readonly #deciding: Database.Statement<[{ branchId: number; name: string; asOf: number }], TenantRow>
  readonly #page: Database.Statement<[PageParams], TenantRow>
  readonly #setFile: Database.Statement
  readonly #setCipher: Database.Statement
  readonly #remove: Database.Statement
  readonly #usersOfFile: Database.Statement<[number], TenantRow>
  readonly #deleteOfBranch: Database.Statement
  readonly #letGoOfFile: Database.Statement
  readonly #letGoOfFilesOf: Database.Statement
  readonly #ofBranch: Database.Statement<[number], TenantRow>

  constructor(db: Database.Database) {
    this.#insert = db.prepare(`
      insert into tenant (branch_id, name, created, deleted, file_id, cipher, description, created_at)
      values ($branchId, $name, $created, $deleted, $fileId, $cipher, $description, $createdAt)
    `)
    this.#deciding = db.prepare(`
      select ${columns} from tenant
      where branch_id = $branchId and name = $name and created <= $asOf
      order by created desc limit 1
    `)
    // The newest row of each name, as of a number: that of which none of the same name follows by then.
    this.#page = db.prepare(`
      select ${columns} from tenant t
      where branch_id = $branchId and created <= $asOf and name > $after and name >= $prefix and name < $prefixEnd
        and not exists (
          select 1 from tenant u
          where u.branch_id = t.branch_id and u.name = t.name and u.created > t.created and u.created <= $asOf
        )
      order by name limit $limit
    `)
    this.#setFile = db.prepare(`
      update tenant set file_id = $fileId where branch_id = $branchId and name = $name and created = $created
    `)
    this.#setCipher = db.prepare(`
      update tenant set cipher = $cipher where branch_id = $branchId and name = $name and created = $created
    `)
    this.#remove = db.prepare('delete from tenant where branch_id = $branchId and name = $name and created = $created')
    this.#letGoOfFile = db.prepare('update tenant set file_id = null where file_id = ?')
    this.#letGoOfFilesOf = db.prepare(`
      update tenant set file_id = null where file_id in (select id from file where branch_id = ?)
    `)
    this.#ofBranch = db.prepare(`select ${columns} from tenant where branch_id = ? order by name, created`)
    this.#deleteOfBranch = db.prepare('delete from tenant where branch_id = ?')
    this.#usersOfFile = db.prepare(`select ${columns} from tenant where file_id = ?`)
  }

  insert(tenant: TenantRow): void {
    this.#insert.run(tenant)
  }

  /** The row of `branchId` itself that decides about `name` as of `asOf`; a deleted one counts. */
  deciding(branchId: number, name: string, asOf: number): TenantRow | undefined {
    return this.#deciding.get({ branchId, name, asOf })
  }

  /** The rows of `branchId` itself that decide as of `asOf`, in the order of names; deleted ones count. */
  page(branchId: number, options: { asOf: number; prefix: string; after: string; limit: number }): TenantRow[] {
    return this.#page.all({ branchId, ...options, prefixEnd: `${options.prefix}\u{10ffff}` })
  }

  setFile({ branchId, name, created }: TenantRow, fileId: number | null): void {
    this.#setFile.run({ branchId, name, created, fileId })
  }

  setCipher({ branchId, name, created }: TenantRow, cipher: string | null): void {
    this.#setCipher.run({ branchId, name, created, cipher })
  }

  remove({ branchId, name, created }: TenantRow): void {
    this.#remove.run({ branchId, name, created })
  }

  /** Every row of a branch, of any time. */
  ofBranch(branchId: number): TenantRow[] {
    return this.#ofBranch.all(branchId)
  }

  /** A file goes that nobody sees. Rows that point at it may still be seen by forks without data. */
  letGoOfFile(fileId: number): void {
    this.#letGoOfFile.run(fileId)
  }

  /** The same for every file of a branch. */
  letGoOfFilesOf(branchId: number): void {
    this.#letGoOfFilesOf.run(branchId)
  }

  deleteOfBranch(branchId: number): void {
    this.#deleteOfBranch.run(branchId)
  }

  /** Every row, of any branch and time, that points at a file. */
  usersOfFile(fileId: number): TenantRow[] {
    return this.#usersOfFile.all(fileId)
  }
}

interface PageParams {
  readonly branchId: number
  readonly asOf: number
  readonly prefix: string
  readonly prefixEnd: string
  readonly after: string
  readonly limit: number
}

const columns =
  'branch_id as branchId, name, created, deleted, file_id as fileId, cipher, description, created_at as createdAt'
