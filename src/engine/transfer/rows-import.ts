import type Database from 'better-sqlite3'
import { assert } from '../../base/assert.ts'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import type { ChangeOf } from '../../schema/change.ts'
import { checkName, defineTable } from '../../schema/define.ts'
import { findTable, type Table } from '../../schema/model.ts'
import type { Step } from '../../schema/plan.ts'
import { quoteName, quoteText, sameName } from '../../schema/sql.ts'
import { openFile } from '../../storage/connection.ts'
import { codeOf, guarded, refuseFault } from '../../storage/faults.ts'
import { sizeOf } from '../../storage/files.ts'
import { type TenantFile, writeChangeSet } from '../../storage/tenant-file.ts'
import type { Branch } from '../branch.ts'
import { type Alongside, editSchemaInTurn, type Progress } from '../edit.ts'
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
    const table = findTable(branch.head.schema, options.table)
    if (table === undefined) {
      if (!options.create) refuse('tableNotFound', { table: options.table })
      return importTable(parts, tenant, file, options, progress)
    }
    const rows = await insertRecords(parts, tenant, file, { table, steps: [] }, progress, ({ commit }) => commit())
    return { rows: { [table.name]: rows }, changeSet: null }
  })
}

/**
 * The same for a table that is made for them. The tenant's file gets it, and its rows, in the transaction that says that the
 * file stands at a change set of which nobody has heard; that is committed within the flip to it:
 *
 *     plan the flip (catalog) ─▶ [ flip (catalog) ─▶ commit (file) ─▶ commit (catalog) ]
 *
 * A crash between the two commits leaves the plan, and a file that stands where the plan leads: the flip is made up for at
 * the next start.
 */
async function importTable(
  parts: EngineParts,
  tenant: Tenant,
  file: RecordFile,
  { table: name, message = `import ${name}`, client }: RowsImportOptions,
  progress: Progress,
): Promise<Imported> {
  const { branch } = tenant
  const { catalog, positions } = parts
  const change = await inferTable(parts, branch, file, name, progress)
  const edit = { changes: [change], message, client }
  // What is refused is refused before rows are read.
  const { plan: steps } = await editSchemaInTurn(parts, branch, { ...edit, dryRun: true }, progress)
  let changeSet: string | null = null
  const rows = await insertRecords(parts, tenant, file, { table: change.table, steps }, progress, async (writing) => {
    const { db, target } = writing
    const { id: fileId } = tenant.file
    const before = branch.head.id
    let planned: number | undefined
    let isCommitted = false
    const alongside: Alongside = {
      announce(changeSet) {
        planned = catalog.writeNow(() => {
          const { id } = catalog.plans.insert({ kind: 'flip', branchId: branch.row.id, fileId, changeSet })
          crashPoint('importRows.planning')
          return id
        })
        crashPoint('importRows.planned')
      },
      record({ id }) {
        assert(planned !== undefined, 'a flip was not planned')
        catalog.plans.delete(planned)
        writeChangeSet(db, id)
        writing.commit()
        isCommitted = true
      },
      done() {
        target.statements.clear()
        target.changeSet = branch.head.id
        positions.note(fileId, branch.head.id)
      },
    }
    try {
      const outcome = await editSchemaInTurn(parts, branch, { ...edit, holding: tenant, alongside }, progress)
      changeSet = outcome.changeSet
    } catch (error) {
      // The catalog could not be written after the file was.
      if (isCommitted) takeBack(db, change.table.name, before)
      throw error
    }
  })
  return { rows: { [name]: rows }, changeSet }
}

/** The table for what is in the file: every value of it is looked at. */
async function inferTable(
  { ids }: EngineParts,
  branch: Branch,
  file: RecordFile,
  name: string,
  progress: Progress,
): Promise<ChangeOf<'createTable'>> {
  checkName('table', name)
  const inference = new Inference()
  await eachRecord(file, inference, 'look', progress)
  const spec = inLine(file.path, () => inference.table(name))
  return { kind: 'createTable', ...defineTable(branch.head.schema, spec, () => ids.next()) }
}

/** The transaction in which rows are written. */
interface Writing {
  readonly db: Database.Database
  readonly target: TenantFile
  commit(): void
}

/** Take the steps that make the table, if there are any, insert the rows, and let `finish` commit. */
function insertRecords(
  parts: EngineParts,
  tenant: Tenant,
  file: RecordFile,
  { table, steps }: { readonly table: Table; readonly steps: readonly Step[] },
  progress: Progress,
  finish: (writing: Writing) => void | Promise<void>,
): Promise<number> {
  const { checkpointBytes, durability } = parts.config
  return tenant.exclusively(async (target) => {
    // What the catalog is to speak of has to be on disk before.
    const db = openFile(target.path, steps.length > 0 ? 'full' : durability)
    try {
      db.pragma(`cache_size = -${cacheKiB}`)
      db.exec('begin immediate')
      // A row may refer to one that stands further down in the file.
      if (table.foreignKeys.some((key) => sameName(key.table, table.name))) db.pragma('defer_foreign_keys = on')
      for (const { sql } of steps) db.prepare(sql).run()
      const inserter = new Inserter(db, table, parts)
      await eachRecord(file, inserter, 'rows', progress)
      progress.signal.throwIfAborted()
      tenant.branch.requireWritable()
      const commitNow = () => {
        crashPoint('importRows.committing')
        guarded(`tenant ${tenant.name}`, () => commit(db, table, file.path))
        crashPoint('importRows.committed')
        target.wroteAside()
      }
      await finish({ db, target, commit: commitNow })
      return inserter.rows
    } catch (error) {
      if (db.inTransaction) db.exec('rollback')
      return refuseFault(error, `tenant ${tenant.name}`)
    } finally {
      db.close()
      if (target.db.open && sizeOf(`${target.path}-wal`) > checkpointBytes) target.checkpoint()
    }
  }, progress)
}

/** Undo a commit of which nobody else has heard. */
function takeBack(db: Database.Database, table: string, changeSet: string): void {
  db.transaction(() => {
    db.exec(`drop table ${quoteName(table)}`)
    writeChangeSet(db, changeSet)
  })()
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
