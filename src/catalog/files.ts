import type Database from 'better-sqlite3'

/** One tenant file: the branch it belongs to, where it lies, and what is known of it from outside. */
export interface FileRow {
  readonly id: number
  readonly branchId: number
  /** Relative to `.cinchdb`. */
  readonly path: string
  /** The `seq` since which nobody else shares it; -1: that is not known. */
  readonly privateSince: number
  /** Where it stood when last seen. The file itself knows better; this is for counting and for finding what is behind. */
  readonly changeSet: string
  /** Why it cannot be brought forward, where that failed. */
  readonly fault: string | null
  /** How it is encrypted; null: it is not. */
  readonly cipher: string | null
}

export class Files {
  readonly #insert: Database.Statement
  readonly #get: Database.Statement<[number], FileRow>
  readonly #hasPath: Database.Statement<[string], number>
  readonly #paths: Database.Statement<[], string>
  readonly #behind: Database.Statement<[BehindParams], FileRow>
  readonly #counts: Database.Statement<[{ branchId: number; head: string }], FileCounts>
  readonly #setChangeSet: Database.Statement
  readonly #setFault: Database.Statement
  readonly #setPath: Database.Statement
  readonly #setOwner: Database.Statement
  readonly #setCipher: Database.Statement
  readonly #moveFolder: Database.Statement
  readonly #setPrivateSince: Database.Statement
  readonly #ownedBy: Database.Statement<[number], FileRow>
  readonly #namedElsewhere: Database.Statement<[number], FileRow>
  readonly #delete: Database.Statement
  readonly #deleteOfBranch: Database.Statement

  constructor(db: Database.Database) {
    this.#insert = db.prepare(`
      insert into file (branch_id, path, private_since, change_set, cipher)
      values ($branchId, $path, $privateSince, $changeSet, $cipher)
    `)
    this.#get = db.prepare(`select ${columns} from file where id = ?`)
    this.#hasPath = db.prepare<[string], number>('select count(*) from file where path = ?').pluck()
    this.#paths = db.prepare<[], string>('select path from file').pluck()
    // By the index of paths: a page costs what is on it, however many were before it.
    this.#behind = db.prepare(`
      select ${columns} from file
      where +branch_id = $branchId and change_set <> $head and fault is null and cipher is null
        and path > $after and path > $folder || '/' and path < $folder || '0'
      order by path limit $limit
    `)
    this.#counts = db.prepare(`
      select count(*) as total, count(*) filter (where change_set = $head) as atHead, count(fault) as failed,
        count(*) filter (where change_set <> $head and fault is null and cipher is not null) as locked
      from file where branch_id = $branchId
    `)
    this.#setChangeSet = db.prepare('update file set change_set = $changeSet, fault = null where id = $id')
    this.#setFault = db.prepare('update file set fault = $fault where id = $id')
    this.#setPath = db.prepare('update file set path = $path where id = $id')
    this.#setOwner = db.prepare(`
      update file set branch_id = $branchId, path = $path, private_since = -1 where id = $id
    `)
    this.#setCipher = db.prepare('update file set cipher = $cipher, fault = null where id = $id')
    this.#moveFolder = db.prepare(`
      update file set path = $to || substr(path, length($from) + 1) where branch_id = $branchId and substr(path, 1, length($from) + 1) = $from || '/'
    `)
    this.#setPrivateSince = db.prepare('update file set private_since = $privateSince where id = $id')
    this.#ownedBy = db.prepare(`select ${columns} from file where branch_id = ?`)
    this.#namedElsewhere = db.prepare(`
      select ${columns} from file
      where branch_id = ? and exists (select 1 from tenant t where t.file_id = file.id and t.branch_id <> file.branch_id)
    `)
    this.#deleteOfBranch = db.prepare('delete from file where branch_id = ?')
    this.#delete = db.prepare('delete from file where id = ?')
  }

  insert(file: Omit<FileRow, 'id' | 'fault'>): FileRow {
    const { lastInsertRowid } = this.#insert.run(file)
    return { ...file, id: Number(lastInsertRowid), fault: null }
  }

  get(id: number): FileRow | undefined {
    return this.#get.get(id)
  }

  hasPath(path: string): boolean {
    return this.#hasPath.get(path) === 1
  }

  /** Every path the catalog knows. */
  paths(): string[] {
    return this.#paths.all()
  }

  /**
   * Files of a branch, all of which lie in `folder`, that were last seen behind its head, in the order of their paths;
   * those that cannot follow are left out, and those that are encrypted: they follow when somebody uses them.
   */
  behind(params: BehindParams): FileRow[] {
    return this.#behind.all(params)
  }

  counts(branchId: number, head: string): FileCounts {
    return this.#counts.get({ branchId, head }) as FileCounts
  }

  setChangeSet(id: number, changeSet: string): void {
    this.#setChangeSet.run({ id, changeSet })
  }

  setFault(id: number, fault: string): void {
    this.#setFault.run({ id, fault })
  }

  setPath(id: number, path: string): void {
    this.#setPath.run({ id, path })
  }

  /** Hand a file to another branch, under whose name it lies now. It may be shared: its first write looks. */
  setOwner(id: number, branchId: number, path: string): void {
    this.#setOwner.run({ id, branchId, path })
  }

  /** Another file lies in its place, encrypted otherwise. */
  setCipher(id: number, cipher: string | null): void {
    this.#setCipher.run({ id, cipher })
  }

  /** A branch's files lie in another folder. */
  moveFolder(branchId: number, from: string, to: string): void {
    this.#moveFolder.run({ branchId, from, to })
  }

  setPrivateSince(id: number, privateSince: number): void {
    this.#setPrivateSince.run({ id, privateSince })
  }

  ownedBy(branchId: number): FileRow[] {
    return this.#ownedBy.all(branchId)
  }

  /** Files of a branch to which rows of another branch point. */
  namedElsewhere(branchId: number): FileRow[] {
    return this.#namedElsewhere.all(branchId)
  }

  deleteOfBranch(branchId: number): void {
    this.#deleteOfBranch.run(branchId)
  }

  delete(id: number): void {
    this.#delete.run(id)
  }
}

interface BehindParams {
  readonly branchId: number
  readonly head: string
  readonly folder: string
  /** The path that the page before ended with. */
  readonly after: string
  readonly limit: number
}

export interface FileCounts {
  readonly total: number
  readonly atHead: number
  readonly failed: number
  /** Behind, and encrypted. */
  readonly locked: number
}

const columns = 'id, branch_id as branchId, path, private_since as privateSince, change_set as changeSet, fault, cipher'
