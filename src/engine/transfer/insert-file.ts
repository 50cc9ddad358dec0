import type Database from 'better-sqlite3'
import { IdSource } from '../../base/ids.ts'
import { refuse } from '../../base/refusal.ts'
import type { TableSpec } from '../../schema/define.ts'
import type { Table } from '../../schema/model.ts'
import type { Step } from '../../schema/plan.ts'
import { quoteText, sameName } from '../../schema/sql.ts'
import { type Durability, type KeyText, openFile } from '../../storage/connection.ts'
import { codeOf, guarded, refuseFault } from '../../storage/faults.ts'
import { writeChangeSet } from '../../storage/tenant-file.ts'
import type { Link } from '../chores/link.ts'
import { settleLog } from '../chores/log.ts'
import { Inference } from './infer.ts'
import { Inserter } from './inserter.ts'
import { eachRecord, inPlace, type RecordFile } from './records.ts'

/** While so much is written at once, pages of indexes are to stay in memory. */
const cacheBytes = 64 * 1024 * 1024

export interface InsertFile {
  readonly file: RecordFile
  /** The tenant's file, and its name for errors. */
  readonly path: string
  readonly key?: KeyText
  readonly tenant: string
  readonly durability: Durability
  readonly table: Table
  /** What makes the table, if it is not there. */
  readonly steps: readonly Step[]
  /** Where the tenant's file stands afterwards, if elsewhere. */
  readonly changeSet?: string
}

/** In a process: insert the rows of a text file in one transaction, and commit when that may be. Gives their count. */
export async function insertFile(job: InsertFile, link: Link): Promise<number> {
  const { file, table, steps, changeSet } = job
  const what = `tenant ${job.tenant}`
  const db = openFile(job.path, job.durability, { cacheBytes, key: job.key })
  try {
    db.exec('begin immediate')
    // A row may refer to one that stands further down in the file.
    if (table.foreignKeys.some((key) => sameName(key.table, table.name))) db.pragma('defer_foreign_keys = on')
    for (const { sql } of steps) db.prepare(sql).run()
    const inserter = new Inserter(db, table, { ids: new IdSource(), now: () => new Date().toISOString() })
    await eachRecord(file, inserter, 'rows', link)
    if (changeSet !== undefined) writeChangeSet(db, changeSet)
    await link.mayCommit(inserter.rows)
    guarded(what, () => commit(db, table, file.path))
    link.committed()
    settleLog(db)
    return inserter.rows
  } catch (error) {
    return refuseFault(error, what)
  } finally {
    // What is not committed goes with it.
    db.close()
  }
}

function commit(db: Database.Database, table: Table, path: string): void {
  try {
    db.exec('commit')
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_CONSTRAINT_FOREIGNKEY') throw error
    const sql = `select rowid, parent from pragma_foreign_key_check(${quoteText(table.name)}) limit 1`
    const [rowid, parent] = db.prepare<[], [unknown, unknown]>(sql).raw().get() ?? ['', 'another table']
    refuse('importFailed', { path, reason: `row ${rowid} of ${table.name} refers to no row of ${parent}` })
  }
}

/** In a process: tell what table a text file's records need; every value of it is looked at. */
export async function inferTable(
  { file, name }: { readonly file: RecordFile; readonly name: string },
  link: Link,
): Promise<TableSpec> {
  const inference = new Inference()
  await eachRecord(file, inference, 'look', link)
  return inPlace(file.path, () => inference.table(name))
}
