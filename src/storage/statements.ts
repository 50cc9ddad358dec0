import type Database from 'better-sqlite3'
import { Lru } from '../base/lru.ts'

/** A statement, prepared on one connection, with what is worth knowing before it runs. */
export interface Prepared {
  readonly statement: Database.Statement<unknown[], unknown>
  /** Result columns; empty where it returns no rows. Names need not be unique. */
  readonly columns: Columns
  /** Positions of columns declared BOOLEAN. */
  readonly booleans: readonly number[]
  /** It has parameters like `?2`, which better-sqlite3 takes for names. */
  readonly isNumbered: boolean
}

export type Columns = readonly ResultColumn[]

export interface ResultColumn {
  readonly name: string
  /** The declared type where the column comes straight from a table; else null. */
  readonly type: string | null
}

/** The prepared statements of one connection: those used last, by their text. */
export class Statements {
  readonly #db: Database.Database
  readonly #cache: Lru<string, Prepared>

  constructor(db: Database.Database, limit = 50) {
    this.#db = db
    this.#cache = new Lru(limit)
  }

  get(sql: string): Prepared {
    const cached = this.#cache.get(sql)
    // A statement whose rows are being read cannot be started again before it is through.
    if (cached !== undefined && !cached.statement.busy) return cached
    const prepared = prepare(this.#db, sql)
    this.#cache.set(sql, prepared)
    return prepared
  }

  /** Forget them all: the schema has changed. */
  clear(): void {
    this.#cache.clear()
  }
}

function prepare(db: Database.Database, sql: string): Prepared {
  const statement = db.prepare<unknown[], unknown>(sql)
  const isNumbered = /\?\d/.test(sql)
  // A row's number can have 64 bits too.
  if (!statement.reader) statement.safeIntegers(true)
  if (!statement.reader) return { statement, columns: [], booleans: [], isNumbered }
  statement.raw(true)
  // What a write returns cannot be read a second time, so its integers are read exactly at once.
  if (!statement.readonly) statement.safeIntegers(true)
  const columns = statement.columns().map(({ name, type }) => ({ name, type }))
  const booleans = columns.flatMap(({ type }, at) => (type?.toUpperCase() === 'BOOLEAN' ? [at] : []))
  return { statement, columns, booleans, isNumbered }
}
