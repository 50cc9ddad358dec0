import type Database from 'better-sqlite3'

/**
 * What is to be done to the disk after a catalog write that already speaks of it as done. Written in that write, deleted
 * when it is done; what is found at start is done then. Each can be done twice.
 */
export type Plan = { readonly id: number; readonly kind: 'moveFolder'; readonly from: string; readonly to: string }

export class Plans {
  readonly #insert: Database.Statement
  readonly #all: Database.Statement<[], { id: number; kind: Plan['kind']; data: string }>
  readonly #delete: Database.Statement

  constructor(db: Database.Database) {
    this.#insert = db.prepare('insert into plan (kind, data) values ($kind, $data)')
    this.#all = db.prepare('select id, kind, data from plan order by id')
    this.#delete = db.prepare('delete from plan where id = ?')
  }

  insert({ kind, ...data }: Omit<Plan, 'id'>): Plan {
    const { lastInsertRowid } = this.#insert.run({ kind, data: JSON.stringify(data) })
    return { id: Number(lastInsertRowid), kind, ...data }
  }

  all(): Plan[] {
    return this.#all.all().map(({ id, kind, data }) => ({ id, kind, ...JSON.parse(data) }))
  }

  delete(id: number): void {
    this.#delete.run(id)
  }
}
