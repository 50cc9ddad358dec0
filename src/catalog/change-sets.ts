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

/** One that has no place in the order of changes yet. */
export type PlannedChangeSet = Omit<ChangeSet, 'seq'>

export class ChangeSets {
  readonly #insert: Database.Statement
  readonly #get: Database.Statement<[string], ChangeSet>
  readonly #parents: Database.Statement<[string], Parents>
  readonly #history: Database.Statement<[string, number], ChangeSet>

  constructor(db: Database.Database) {
    this.#insert = db.prepare(`
      insert into change_set (id, parent, merged, depth, seq, message, client, created_at, changes, steps, model, same_as)
      values ($id, $parent, $merged, $depth, $seq, $message, $client, $createdAt, $changes, $steps, $model, $sameAs)
    `)
    this.#get = db.prepare(`select ${columns} from change_set where id = ?`)
    this.#parents = db.prepare('select parent, merged, seq, same_as as sameAs from change_set where id = ?')
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

  /**
   * The newest change set from which both `a` and `b` come, along either parent.
   */
  commonAncestor(a: string, b: string): string | undefined {
    const ofA = new Set(this.#ancestors(a))
    let newest: { id: string; seq: number } | undefined
    for (const id of this.#ancestors(b)) {
      const seq = ofA.has(id) ? (this.#parents.get(id)?.seq ?? 0) : -1
      if (seq >= 0 && seq > (newest?.seq ?? -1)) newest = { id, seq }
    }
    return newest?.id
  }

  /** Whether `ancestor` lies on the line of first parents of `id`, or is it. */
  isOnLine(ancestor: string, id: string): boolean {
    for (let at: string | null = id; at !== null; at = this.#parents.get(at)?.parent ?? null) {
      if (at === ancestor) return true
    }
    return false
  }

  /**
   * The line of first parents that leads from what `known` comes from to `id`, oldest first. `isOwn` is false of what only
   * brought there what `known` comes from anyway.
   */
  lineSince(known: string, id: string): { changeSet: ChangeSet; isOwn: boolean }[] {
    const ancestors = new Set(this.#ancestors(known))
    const line: { changeSet: ChangeSet; isOwn: boolean }[] = []
    for (let at = this.get(id); at !== undefined && !ancestors.has(at.id); at = this.get(at.parent ?? '')) {
      line.push({ changeSet: at, isOwn: at.merged === null || !ancestors.has(at.merged) })
    }
    return line.reverse()
  }

  /** What the merges among the ancestors of these say of ids that mean the same; JSON. */
  sameAs(...ids: string[]): string[] {
    const all = new Set(ids.flatMap((id) => [...this.#ancestors(id)]))
    return [...all].flatMap((id) => this.#parents.get(id)?.sameAs ?? [])
  }

  /** `id` and all that it comes from, along either parent, oldest first. */
  lineage(id: string): ChangeSet[] {
    const all = [...this.#ancestors(id)].map((each) => this.get(each) as ChangeSet)
    return all.sort((a, b) => a.seq - b.seq)
  }

  *#ancestors(id: string): Iterable<string> {
    const seen = new Set<string>()
    const open = [id]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      yield at
      const { parent, merged } = this.#parents.get(at) ?? { parent: null, merged: null }
      if (parent !== null) open.push(parent)
      if (merged !== null) open.push(merged)
    }
  }

  /** `id` and what lies before it along first parents, newest first. */
  history(id: string, limit: number): ChangeSet[] {
    return this.#history.all(id, limit)
  }
}

interface Parents {
  readonly parent: string | null
  readonly merged: string | null
  readonly seq: number
  readonly sameAs: string | null
}

const columns =
  'id, parent, merged, depth, seq, message, client, created_at as createdAt, changes, steps, model, same_as as sameAs'
