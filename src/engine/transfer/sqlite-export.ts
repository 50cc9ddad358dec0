import fs from 'node:fs'
import Database from 'better-sqlite3'
import { touchPrefix } from '../../schema/print.ts'
import { quoteName } from '../../schema/sql.ts'
import type { Progress } from '../edit.ts'
import type { Tenant } from '../tenant.ts'
import { rowsOf, runAside } from './aside.ts'
import { copyDatabase } from './copy.ts'
import { countSql, type RowCounts } from './sqlite-import.ts'

/**
 * Write the tenant as a plain SQLite file. The daemon's own tables are left out; the triggers that keep `updated_at`
 * are plain SQL and stay. Pages are copied as they are, so that row ids and the texts of the schema are too. Hence no
 * VACUUM, which may number rows anew: the few pages that the tables left behind are free, and overwritten with zeros.
 */
export async function exportSqlite(tenant: Tenant, target: string, progress: Progress): Promise<RowCounts> {
  await tenant.keepInPlace(async (source) => {
    if (source === null) fs.writeFileSync(target, tenant.branch.head.image, { flag: 'wx', mode: 0o600 })
    else await copyDatabase(source, target, progress)
  })
  const tables = removeOwnTables(target)
  progress.report({ stage: 'count' })
  const counts = await runAside(target, tables.map(countSql), progress.signal)
  return Object.fromEntries(
    tables.map((name, at) => [name, Number(rowsOf(counts[at], `tenant ${tenant.name}`)[0]?.[0])]),
  )
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
