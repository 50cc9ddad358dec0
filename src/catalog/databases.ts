import type Database from 'better-sqlite3'

export interface DatabaseRow {
  readonly id: number
  readonly name: string
  readonly description: string | null
  readonly createdAt: string
  /** JSON `{reason?, since}` while under maintenance. */
  readonly maintenance: string | null
}

export class Databases {
  readonly #insert: Database.Statement
  readonly #all: Database.Statement<[], DatabaseRow>
  readonly #delete: Database.Statement
  readonly #setMaintenance: Database.Statement

  constructor(db: Database.Database) {
    this.#insert = db.prepare(
      'insert into database (name, description, created_at) values ($name, $description, $createdAt)',
    )
    this.#all = db.prepare(
      'select id, name, description, created_at as createdAt, maintenance from database order by name',
    )
    this.#delete = db.prepare('delete from database where id = ?')
    this.#setMaintenance = db.prepare('update database set maintenance = $maintenance where id = $id')
  }

  insert(database: Omit<DatabaseRow, 'id' | 'maintenance'>): DatabaseRow {
    const { lastInsertRowid } = this.#insert.run(database)
    return { ...database, id: Number(lastInsertRowid), maintenance: null }
  }

  all(): DatabaseRow[] {
    return this.#all.all()
  }

  delete(id: number): void {
    this.#delete.run(id)
  }

  setMaintenance(id: number, maintenance: string | null): void {
    this.#setMaintenance.run({ id, maintenance })
  }
}
