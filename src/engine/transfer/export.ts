import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { refuse } from '../../base/refusal.ts'
import { codeOf, refuseFault } from '../../storage/faults.ts'
import { removeDatabaseFile, syncFile, syncFolder } from '../../storage/files.ts'
import type { Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Tenant } from '../tenant.ts'
import { type Format, formatByName, requireTableFor } from './import.ts'
import { targetFile } from './paths.ts'
import { exportRows } from './rows-export.ts'
import { exportSqlite } from './sqlite-export.ts'
import type { RowCounts } from './sqlite-import.ts'

export interface ExportOptions {
  /** Absolute. */
  readonly path: string
  /** Absent: by the file's extension, else sqlite. */
  readonly format?: Format
  /** The table whose rows csv, json and ndjson hold. */
  readonly table?: string
  /** Between the fields of csv. A comma by default. */
  readonly delimiter?: string
  readonly overwrite?: boolean
}

export interface Exported {
  /** How many rows of each table are in the file. */
  readonly rows: RowCounts
  readonly bytes: number
}

/**
 * Write a tenant, or one table of it, to a file: what was committed at one moment. The file is made beside its place and
 * moved there when it is complete and on disk; what is cut short leaves nothing but, after a crash, that one beside.
 */
export async function exportFile(
  parts: EngineParts,
  tenant: Tenant,
  options: ExportOptions,
  progress: Progress,
): Promise<Exported> {
  const format = options.format ?? formatByName(options.path) ?? 'sqlite'
  requireTableFor(format, options.table)
  const { overwrite = false, table = '', delimiter } = options
  const target = targetFile(parts, options.path, overwrite)
  const beside = `${target}.new-${randomBytes(6).toString('hex')}`
  try {
    progress.signal.throwIfAborted()
    const rows =
      format === 'sqlite'
        ? await exportSqlite(tenant, beside, progress)
        : { [table]: await exportRows(tenant, beside, { format, table, delimiter }, progress) }
    progress.signal.throwIfAborted()
    syncFile(beside)
    const bytes = fs.statSync(beside).size
    // Somebody may have made it meanwhile.
    targetFile(parts, options.path, overwrite)
    fs.renameSync(beside, target)
    syncFolder(path.dirname(target))
    return { rows, bytes }
  } catch (error) {
    removeDatabaseFile(beside)
    if (codeOf(error) === 'EACCES') refuse('pathRefused', { path: options.path, reason: 'it cannot be written' })
    return refuseFault(error, options.path)
  }
}
