import type Database from 'better-sqlite3'

/** Changes that became visible together: one node of a branch's history. Ids are UUIDs. */
export interface ChangeSet {
  readonly id: string
  readonly parent: string | null
  /** The other parent, after a merge. */
  readonly merged: string | null
  /** How many change sets lie before it, along `parent`. */
  readonly depth: number
  readonly seq: number
  readonly message: string | null
  /** The client that asked for it, as it named itself. */
  readonly client: string | null
  readonly createdAt: string
  /** JSON: the changes, and the steps that bring a file of `parent`'s schema to this one's. */
  readonly changes: string
  readonly steps: string
  /** JSON: the whole schema, kept for some of them so that no history has to be replayed from its beginning. */
  readonly model: string | null
  /** JSON, of a merge: ids of the other parent's objects that are this side's, by the ids that they have here. */
  readonly sameAs: string | null
}

export class ChangeSets {
  readonly #insert: Database.Statement
  readonly #get: Database.Statement<[string], ChangeSet>
  readonly #history: Database.Statement<[string, number], ChangeSet>

  constructor(db: Database.Database) {
    this.#insert = db.prepare(`
      insert into change_set (id, parent, merged, depth, seq, message, client, created_at, changes, steps, model, same_as)
      values ($id, $parent, $merged, $depth, $seq, $message, $client, $createdAt, $changes, $steps, $model, $sameAs)
    `)
    this.#get = db.prepare(`select ${columns} from change_set where id = ?`)
    this.#history = db.prepare(`
      with recursive line (id, step) as (
        select ?, 0
        union all
        select parent, step + 1 from line join change_set using (id) where parent is not null
      )
      select ${columns} from line join change_set using (id) order by step limit ?
    `)
  }

  insert(changeSet: ChangeSet): void {
    this.#insert.run(changeSet)
  }

  get(id: string): ChangeSet | undefined {
    return this.#get.get(id)
  }

  /** `id` and what lies before it along first parents, newest first. */
  history(id: string, limit: number): ChangeSet[] {
    return this.#history.all(id, limit)
  }
}

const columns =
  'id, parent, merged, depth, seq, message, client, created_at as createdAt, changes, steps, model, same_as as sameAs'
