import type Database from 'better-sqlite3'
import { assert } from '../../base/assert.ts'
import { crashPoint } from '../../base/crash-point.ts'
import { Refusal, refuse } from '../../base/refusal.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { ChangeOf } from '../../schema/change.ts'
import { checkName, defineTable } from '../../schema/define.ts'
import { findTable, type Table } from '../../schema/model.ts'
import type { Step } from '../../schema/plan.ts'
import { quoteName } from '../../schema/sql.ts'
import { readChangeSet, type TenantFile, writeChangeSet } from '../../storage/tenant-file.ts'
import type { Branch } from '../branch.ts'
import { type Alongside, type EditOutcome, editSchemaInTurn, type Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Tenant } from '../tenant.ts'
import type { Imported } from './import.ts'
import type { RecordFile } from './records.ts'

export interface RowsImportOptions {
  readonly table: string
  readonly create?: boolean
  readonly message?: string
  readonly client?: string
}

/**
 * Insert the rows of a text file, all or none. They are written in one transaction, in a process: reads of the tenant go on and
 * see what was there before, its writes and the branch's schema edits wait.
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
      // At the next start after a crash nobody could look into the file.
      if (options.create && tenant.row.cipher !== null) {
        refuse('notSupported', { what: 'to make a table of a file for an encrypted tenant; create the table first' })
      }
      if (!options.create) refuse('tableNotFound', { table: options.table })
      return importTable(parts, tenant, file, options, progress)
    }
    const rows = await insertRecords(parts, tenant, file, { table, steps: [] }, progress)
    return { rows: { [table.name]: rows }, changeSet: null }
  })
}

/**
 * The same for a table that is made for them. The tenant's file gets it, and its rows, in the transaction that says that the
 * file stands at a change set of which nobody has heard; that is committed right before the flip to it:
 *
 *     plan the flip (catalog) ─▶ commit (file) ─▶ flip (catalog)
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
  const id = parts.ids.next()
  const before = branch.head.id
  let planned: number | undefined
  let outcome: EditOutcome | undefined
  const rows = await insertRecords(parts, tenant, file, { table: change.table, steps, changeSet: id }, progress, {
    async ready(commit, target) {
      const { id: fileId } = tenant.file
      const alongside: Alongside = {
        async announce(changeSet) {
          planned = catalog.writeNow(() => {
            const { id } = catalog.plans.insert({ kind: 'flip', branchId: branch.row.id, fileId, changeSet })
            crashPoint('importRows.planning')
            return id
          })
          crashPoint('importRows.planned')
          await commit()
        },
        record() {
          assert(planned !== undefined, 'a flip was not planned')
          catalog.plans.delete(planned)
        },
        done() {
          target.statements.clear()
          target.changeSet = branch.head.id
          positions.note(fileId, branch.head.id)
        },
      }
      outcome = await editSchemaInTurn(parts, branch, { ...edit, id, holding: [tenant], alongside }, progress)
    },
    /** What is committed to the file, and the catalog does not know of, goes before the plan does. */
    undo({ db }) {
      if (readChangeSet(db) === id) takeBack(db, change.table.name, before)
      if (planned !== undefined) forget(catalog, planned)
    },
  })
  return { rows: { [name]: rows }, changeSet: outcome?.changeSet ?? null }
}

/** The table for what is in the file: every value of it is looked at. */
async function inferTable(
  { chores, ids }: EngineParts,
  branch: Branch,
  file: RecordFile,
  name: string,
  progress: Progress,
): Promise<ChangeOf<'createTable'>> {
  checkName('table', name)
  const spec = await chores.run('inferTable', { file, name }, progress)
  return { kind: 'createTable', ...defineTable(branch.head.schema, spec, () => ids.next()) }
}

interface Insertion {
  readonly table: Table
  /** What makes the table, if it is not there. */
  readonly steps: readonly Step[]
  /** Where the file stands afterwards, if elsewhere. */
  readonly changeSet?: string
}

interface Finish {
  /** All is written; has it committed. */
  ready(commit: () => Promise<void>, target: TenantFile): Promise<void>
  /** Something failed, at whatever time. */
  undo(target: TenantFile): void
}

const justCommit: Finish = { ready: (commit) => commit(), undo() {} }

/** Insert the rows of a file in a process. */
function insertRecords(
  { chores, config }: EngineParts,
  tenant: Tenant,
  file: RecordFile,
  insertion: Insertion,
  progress: Progress,
  finish = justCommit,
): Promise<number> {
  return tenant.exclusively(async (target) => {
    // What the catalog is to speak of has to be on disk before.
    const durability = insertion.changeSet === undefined ? config.durability : 'full'
    const { path, key } = target
    const insert = { ...insertion, path, key, durability, tenant: tenant.name, file } as const
    let rows: number | undefined
    const ready = async (commit: () => Promise<void>, told: unknown) => {
      tenant.branch.requireWritable()
      await finish.ready(async () => {
        const version = target.dataVersion()
        crashPoint('importRows.committing')
        try {
          await commit()
        } catch (error) {
          // Killed while it committed, it may have done so.
          if (!(await target.hasCommittedAside(version))) throw error
        }
        crashPoint('importRows.committed')
        target.wroteAside()
      }, target)
      rows = told as number
    }
    try {
      return await chores.run('insertFile', insert, { ...progress, ready })
    } catch (error) {
      // What became of the process after all was done changes nothing.
      if (rows !== undefined) return rows
      target.flush()
      finish.undo(target)
      throw error
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

/** The plan is in nobody's way should that fail: it is settled at the next start. */
function forget(catalog: Catalog, plan: number): void {
  try {
    catalog.writeNow(() => catalog.plans.delete(plan))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
}
