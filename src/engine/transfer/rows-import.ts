import type Database from 'better-sqlite3'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import { checkName, defineTable } from '../../schema/define.ts'
import { findTable, type Table } from '../../schema/model.ts'
import { quoteText, sameName } from '../../schema/sql.ts'
import { openFile } from '../../storage/connection.ts'
import { codeOf, refuseFault } from '../../storage/faults.ts'
import { sizeOf } from '../../storage/files.ts'
import type { TenantFile } from '../../storage/tenant-file.ts'
import { editSchemaInTurn, type Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Tenant } from '../tenant.ts'
import type { Imported } from './import.ts'
import { Inference } from './infer.ts'
import { Inserter } from './inserter.ts'
import { eachRecord, type RecordFile, refuseText } from './records.ts'
import { TextFault } from './text.ts'

export interface RowsImportOptions {
  readonly table: string
  readonly create?: boolean
  readonly message?: string
  readonly client?: string
}

/** While so much is written at once, pages of indexes are to stay in memory. */
const cacheKiB = 16_384

/**
 * Insert the rows of a text file, all or none. They are written in one transaction on a connection of their own: reads
 * of the tenant go on and see what was there before, its writes and the branch's schema edits wait.
 */
export function importRows(
  parts: EngineParts,
  tenant: Tenant,
  file: RecordFile,
  options: RowsImportOptions,
  progress: Progress,
): Promise<Imported> {
  const { branch } = tenant
  return branch.editing.run(async () => {
    progress.signal.throwIfAborted()
    const insertAll = () =>
      tenant.exclusively((target) => insertRecords(parts, tenant, target, file, options, progress))
    const known = findTable(branch.head.schema, options.table)
    if (known) return { rows: { [known.name]: await insertAll() }, changeSet: null }
    if (!options.create) refuse('tableNotFound', { table: options.table })
    const changeSet = await createTable(parts, tenant, file, options, progress)
    try {
      return { rows: { [options.table]: await insertAll() }, changeSet }
    } catch (error) {
      const undo = { changes: [{ kind: 'dropTable', table: options.table }], message: 'undo a failed import' } as const
      await editSchemaInTurn(parts, branch, undo, { signal: new AbortController().signal, report: () => {} })
      throw error
    }
  })
}

/** Make the table for what is in the file: every value of it is looked at first. */
async function createTable(
  parts: EngineParts,
  { branch }: Tenant,
  file: RecordFile,
  { table, message = `import ${table}`, client }: RowsImportOptions,
  progress: Progress,
): Promise<string | null> {
  checkName('table', table)
  const inference = new Inference()
  await eachRecord(file, inference, 'look', progress)
  const spec = inLine(file.path, () => inference.table(table))
  const change = { kind: 'createTable', ...defineTable(branch.head.schema, spec, () => parts.ids.next()) } as const
  const { changeSet } = await editSchemaInTurn(parts, branch, { changes: [change], message, client }, progress)
  return changeSet
}

async function insertRecords(
  parts: EngineParts,
  tenant: Tenant,
  target: TenantFile,
  file: RecordFile,
  options: RowsImportOptions,
  progress: Progress,
): Promise<number> {
  const { branch } = tenant
  const table = findTable(branch.head.schema, options.table) ?? refuse('tableNotFound', { table: options.table })
  const { checkpointBytes, durability } = parts.config
  const db = openFile(target.path, durability)
  try {
    db.pragma(`cache_size = -${cacheKiB}`)
    db.exec('begin immediate')
    // A row may refer to one that stands further down in the file.
    if (table.foreignKeys.some((key) => sameName(key.table, table.name))) db.pragma('defer_foreign_keys = on')
    const inserter = new Inserter(db, table, parts)
    await eachRecord(file, inserter, 'rows', progress)
    progress.signal.throwIfAborted()
    branch.requireWritable()
    crashPoint('importRows.committing')
    commit(db, table, file.path)
    crashPoint('importRows.committed')
    target.wroteAside()
    return inserter.rows
  } catch (error) {
    if (db.inTransaction) db.exec('rollback')
    return refuseFault(error, `tenant ${tenant.name}`)
  } finally {
    db.close()
    if (target.db.open && sizeOf(`${target.path}-wal`) > checkpointBytes) target.checkpoint()
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

function inLine<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TextFault) refuseText(path, error)
    throw error
  }
}
