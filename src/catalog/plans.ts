import type Database from 'better-sqlite3'
import type { PlannedChangeSet } from './change-sets.ts'

/**
 * What a catalog write and the disk have to agree on, where they cannot change at once. Deleted when they do; what is found
 * at start is settled then. Each can be settled twice.
 */
export type Plan = (MoveFolder | Flip | Reencrypt) & { readonly id: number }

/** Written in the write that speaks of the folder's new name already: the move is made up for. */
interface MoveFolder {
  readonly kind: 'moveFolder'
  readonly from: string
  readonly to: string
}

/** Written before a file goes to a change set of its own: if the file stands there, the branch is to stand there, too. */
interface Flip {
  readonly kind: 'flip'
  readonly branchId: number
  readonly fileId: number
  readonly changeSet: PlannedChangeSet
}

/** Written before a file is replaced by one that is encrypted otherwise: how the file starts tells which of them it is. */
interface Reencrypt {
  readonly kind: 'reencrypt'
  readonly branchId: number
  readonly fileId: number
  readonly cipher: string | null
}

export class Plans {
  readonly #insert: Database.Statement
  readonly #all: Database.Statement<[], { id: number; kind: Plan['kind']; data: string }>
  readonly #delete: Database.Statement

  constructor(db: Database.Database) {
    this.#insert = db.prepare('insert into plan (kind, data) values ($kind, $data)')
    this.#all = db.prepare('select id, kind, data from plan order by id')
    this.#delete = db.prepare('delete from plan where id = ?')
  }

  insert(plan: MoveFolder | Flip | Reencrypt): Plan {
    const { kind, ...data } = plan
    const { lastInsertRowid } = this.#insert.run({ kind, data: JSON.stringify(data) })
    return { id: Number(lastInsertRowid), ...plan }
  }

  all(): Plan[] {
    return this.#all.all().map(({ id, kind, data }) => ({ id, kind, ...JSON.parse(data) }))
  }

  delete(id: number): void {
    this.#delete.run(id)
  }
}
