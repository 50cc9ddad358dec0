import fs from 'node:fs'
import Database from 'better-sqlite3'
import { touchPrefix } from '../../schema/print.ts'
import { quoteName } from '../../schema/sql.ts'
import { guarded } from '../../storage/faults.ts'
import { syncFile } from '../../storage/files.ts'
import type { Link } from '../chores/link.ts'
import { copyDatabase } from './copy.ts'
import { countRows, type RowCounts } from './count.ts'

export interface SqliteExport {
  /** The path of a tenant's file, or the bytes of an empty database. */
  readonly source: string | Uint8Array
  /** Must not exist. */
  readonly target: string
  /** The tenant's name, for errors. */
  readonly tenant: string
}

/**
 * In a process: write the tenant as a plain SQLite file. The daemon's own tables are left out; the triggers that keep
 * `updated_at` are plain SQL and stay. Pages are copied as they are, so that row ids and the texts of the schema are too. Hence
 * no VACUUM, which may number rows anew: the few pages that the tables left behind are free, and overwritten with zeros.
 */
export async function exportSqlite({ source, target, tenant }: SqliteExport, link: Link): Promise<RowCounts> {
  if (typeof source === 'string') await copyDatabase(source, target, link)
  else fs.writeFileSync(target, source, { flag: 'wx', mode: 0o600 })
  const tables = removeOwnTables(target)
  link.report({ stage: 'count' })
  const rows = guarded(`tenant ${tenant}`, () => countRows(target, tables))
  syncFile(target)
  return rows
}

/** Gives the names of the tables that stay. */
function removeOwnTables(file: string): string[] {
  const db = new Database(file, { fileMustExist: true })
  try {
    db.pragma('trusted_schema = off')
    db.pragma('journal_mode = delete')
    db.pragma('secure_delete = on')
    db.pragma('foreign_keys = off')
    const objects = db
      .prepare<[], { type: string; name: string }>(
        "select type, name from sqlite_schema where name like '\\_\\_%' escape '\\'",
      )
      .all()
    db.transaction(() => {
      for (const { type, name } of objects) {
        if (type === 'trigger' && name.startsWith(touchPrefix)) continue
        db.exec(`drop ${type} if exists ${quoteName(name)}`)
      }
    })()
    return db
      .prepare<[], string>(
        `select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual')
          and name not like 'sqlite\\_%' escape '\\' order by name`,
      )
      .pluck()
      .all()
  } finally {
    db.close()
  }
}
