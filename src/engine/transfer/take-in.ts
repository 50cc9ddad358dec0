import Database from 'better-sqlite3'
import { IdSource } from '../../base/ids.ts'
import { refuse } from '../../base/refusal.ts'
import { differences, findColumn, type Schema } from '../../schema/model.ts'
import { touchPrefix } from '../../schema/print.ts'
import { snapshot, verifySnapshot } from '../../schema/snapshot.ts'
import { startsAs } from '../../storage/cipher.ts'
import { openKeyed, openReadOnly } from '../../storage/connection.ts'
import { codeOf, refuseFault } from '../../storage/faults.ts'
import { syncFile } from '../../storage/files.ts'
import { type KeyedFile, rewrite, startOf } from '../../storage/rewrite.ts'
import type { Link } from '../chores/link.ts'
import { copyDatabase } from './copy.ts'
import { countRows, type RowCounts } from './count.ts'

export interface TakeIn {
  readonly source: KeyedFile
  /** Where the copy goes to; must not exist. It is encrypted if it has a key. */
  readonly copy: KeyedFile
  /** The source as the client named it. */
  readonly given: string
  /** The branch's schema, which the file's has to equal unless there is nothing in it. */
  readonly schema: Schema
}

export interface TakenIn {
  readonly schema: Schema
  readonly rows: RowCounts
}

/** In a process: copy an SQLite file, find that it is sound, and what it holds. The copy is on disk then. */
export async function takeIn({ source, copy, given, schema: ours }: TakeIn, link: Link): Promise<TakenIn> {
  await copySource(source, copy, given, link)
  const ids = new IdSource()
  const schema = readSchema(copy, given, () => ids.next())
  requireFitting(ours, schema)
  link.report({ stage: 'check' })
  const rows = check(copy, schema, given)
  syncFile(copy.path)
  return { schema, rows }
}

async function copySource(source: KeyedFile, copy: KeyedFile, given: string, link: Link): Promise<void> {
  if (source.key === undefined && !hasMagic(source.path)) refuse('notADatabase', { what: given })
  try {
    if (source.key ?? copy.key) rewrite(source, copy)
    else await copyDatabase(source.path, copy.path, link)
  } catch (error) {
    const code = codeOf(error)
    // Nothing but the first page's own code tells a wrong key from a page that is broken.
    if (source.key && code === 'SQLITE_NOTADB') refuse('wrongKey', { what: given })
    if (code.startsWith('SQLITE_BUSY')) refuse('importFailed', { path: given, reason: 'another program has it locked' })
    if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
      refuse('importFailed', { path: given, reason: `it cannot be read: ${code}` }, { cause: error })
    }
    refuseFault(error, given)
  }
}

/** Whether the file starts as every SQLite file does that is not encrypted. */
export function hasMagic(file: string): boolean {
  return startsAs(null, startOf(file))
}

function readSchema({ path, key }: KeyedFile, given: string, newId: () => string): Schema {
  try {
    const db = openKeyed(path, { fileMustExist: true }, key)
    try {
      // A copy in WAL mode cannot be read without writing beside it.
      db.pragma('journal_mode = delete')
      db.pragma('trusted_schema = off')
      requireNoReservedNames(db)
      const schema = snapshot(db, newId)
      const lost = verifySnapshot(db, schema)
      if (lost.length > 0) refuse('notSupported', { what: lost.join('; ') })
      return schema
    } finally {
      db.close()
    }
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_ERROR') {
      refuse('importFailed', { path: given, reason: error.message }, { cause: error })
    }
    return refuseFault(error, given)
  }
}

/** What a file of ours has under such names is left out of its export, but for the triggers that keep `updated_at`. */
function requireNoReservedNames(db: Database.Database): void {
  const objects = db.prepare<[], SchemaObject>('select type, name, tbl_name as "table" from sqlite_schema').all()
  const reserved = objects.find(({ type, name, table }) => {
    const isTouch = type === 'trigger' && name.startsWith(touchPrefix) && !table.startsWith('__')
    return name.startsWith('__') && !isTouch
  })
  if (reserved)
    refuse('notSupported', { what: `${reserved.type} ${reserved.name}: names that start with __ are reserved` })
}

interface SchemaObject {
  readonly type: string
  readonly name: string
  readonly table: string
}

/** Refuse a file's schema that is not the branch's, where that has one. */
export function requireFitting(ours: Schema, theirs: Schema): void {
  for (const table of theirs.tables) {
    const isTouchable = ['id', 'created_at', 'updated_at'].every((name) => findColumn(table, name))
    if (table.systemColumns && !isTouchable) {
      refuse('notSupported', { what: `table ${table.name}: a trigger’s name starts with ${touchPrefix}` })
    }
  }
  if (isEmptySchema(ours)) return
  const found = differences(ours, theirs)
  if (found.length > 0) refuse('schemaMismatch', { differences: found })
}

export function isEmptySchema({ tables, indexes, views, triggers, virtualTables }: Schema): boolean {
  return [tables, indexes, views, triggers, virtualTables].every((list) => list.length === 0)
}

/** SQLite's own checks; gives the count of rows of each table. */
function check(copy: KeyedFile, schema: Schema, given: string): RowCounts {
  const db = openReadOnly(copy.path, copy.key)
  try {
    const faults = db.prepare<[], string>('pragma integrity_check(10)').pluck().all()
    if (faults.join() !== 'ok') refuse('corrupt', { what: given, reason: faults.join('; ') })
    const orphans = db
      .prepare<[], [string, unknown, string]>('select "table", rowid, parent from pragma_foreign_key_check limit 10')
      .raw()
      .all()
    if (orphans.length > 0) {
      const reasons = orphans.map(([table, rowid, parent]) => `row ${rowid} of ${table} refers to no row of ${parent}`)
      refuse('importFailed', { path: given, reason: reasons.join('; ') })
    }
    return countRows(
      copy,
      [...schema.tables, ...schema.virtualTables].map(({ name }) => name),
    )
  } catch (error) {
    if (codeOf(error) === 'SQLITE_ERROR') {
      refuse('importFailed', { path: given, reason: (error as Error).message }, { cause: error })
    }
    return refuseFault(error, given)
  } finally {
    db.close()
  }
}
