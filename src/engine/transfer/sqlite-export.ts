import fs from 'node:fs'
import { touchPrefix } from '../../schema/print.ts'
import { quoteName } from '../../schema/sql.ts'
import { type KeyText, openKeyed } from '../../storage/connection.ts'
import { guarded } from '../../storage/faults.ts'
import { syncFile } from '../../storage/files.ts'
import { type KeyedFile, rewrite, rewriteBytes } from '../../storage/rewrite.ts'
import type { Link } from '../chores/link.ts'
import { copyDatabase } from './copy.ts'
import { countRows, type RowCounts } from './count.ts'

export interface SqliteExport {
  /** The path of a tenant's file, or the bytes of an empty database. */
  readonly source: string | Uint8Array
  /** Of a file that is encrypted. */
  readonly key?: KeyText
  /** Must not exist. */
  readonly target: string
  /** Of one that is to be encrypted. */
  readonly targetKey?: KeyText
  /** The tenant's name, for errors. */
  readonly tenant: string
}

/**
 * In a process: write the tenant as an SQLite file. The daemon's own tables are left out; the triggers that keep
 * `updated_at` are plain SQL and stay. Pages are copied as they are, so that row ids and the texts of the schema are too. Hence
 * no VACUUM, which may number rows anew: the few pages that the tables left behind are free, and overwritten with zeros. What
 * is encrypted, or is to be, is rewritten, which keeps row ids as well.
 */
export async function exportSqlite(job: SqliteExport, link: Link): Promise<RowCounts> {
  const target = { path: job.target, key: job.targetKey }
  await write(job, target, link)
  const tables = removeOwnTables(target)
  link.report({ stage: 'count' })
  const rows = guarded(`tenant ${job.tenant}`, () => countRows(target, tables))
  syncFile(target.path)
  return rows
}

async function write({ source, key }: SqliteExport, target: KeyedFile, link: Link): Promise<void> {
  if (typeof source !== 'string') {
    if (target.key) rewriteBytes(source, target)
    else fs.writeFileSync(target.path, source, { flag: 'wx', mode: 0o600 })
  } else if (key || target.key) {
    rewrite({ path: source, key }, target)
    // Nothing tells when its read begins.
    link.snapshot()
  } else await copyDatabase(source, target.path, link)
}

/** Gives the names of the tables that stay. */
function removeOwnTables({ path, key }: KeyedFile): string[] {
  const db = openKeyed(path, { fileMustExist: true }, key)
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
