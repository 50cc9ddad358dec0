import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { refuse } from '../../base/refusal.ts'
import { findTable } from '../../schema/model.ts'
import { codeOf, refuseFault } from '../../storage/faults.ts'
import { syncFolder } from '../../storage/files.ts'
import { removeRewritten } from '../../storage/rewrite.ts'
import type { Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Tenant } from '../tenant.ts'
import type { RowCounts } from './count.ts'
import { type Format, formatByName, requireTableFor } from './import.ts'
import { targetFile } from './paths.ts'
import type { CsvWriting } from './rows-export.ts'

export interface ExportOptions {
  /** Absolute. */
  readonly path: string
  /** Absent: by the file's extension, else sqlite. */
  readonly format?: Format
  /** The table whose rows csv, json and ndjson hold. */
  readonly table?: string
  readonly csv?: CsvWriting
  readonly overwrite?: boolean
  /** What the caller writes later waits for this: it is not to be in the file. */
  readonly beforeWrites?: (snapshot: Promise<void>) => void
  /** Write the rows of an encrypted tenant so that anybody can read them. */
  readonly plaintext?: boolean
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
  const { overwrite = false, plaintext = false } = options
  if (tenant.row.cipher !== null && format !== 'sqlite' && !plaintext) {
    refuse('plaintextRefused', { tenant: tenant.name, format })
  }
  const target = targetFile(parts, options.path, overwrite)
  const beside = `${target}.new-${randomBytes(6).toString('hex')}`
  let snapshot!: () => void
  const seen = new Promise<void>((resolve) => {
    snapshot = resolve
  })
  options.beforeWrites?.(seen)
  try {
    const rows = await tenant.keepInPlace(async (path, key) => {
      progress.signal.throwIfAborted()
      const { image, schema } = tenant.branch.head
      const place = { source: path ?? image, key, target: beside }
      const watch = { ...progress, snapshot }
      if (format === 'sqlite') {
        const targetKey = plaintext ? undefined : tenant.key
        return parts.chores.run('exportSqlite', { ...place, targetKey, tenant: tenant.name }, watch)
      }
      const table = findTable(schema, options.table ?? '') ?? refuse('tableNotFound', { table: options.table ?? '' })
      const { csv = {} } = options
      return { [table.name]: await parts.chores.run('exportRows', { ...place, table, format, csv }, watch) }
    })
    progress.signal.throwIfAborted()
    const bytes = fs.statSync(beside).size
    // Somebody may have made it meanwhile.
    targetFile(parts, options.path, overwrite)
    fs.renameSync(beside, target)
    syncFolder(path.dirname(target))
    return { rows, bytes }
  } catch (error) {
    removeRewritten(beside)
    if (codeOf(error) === 'EACCES') refuse('pathRefused', { path: options.path, reason: 'it cannot be written' })
    return refuseFault(error, options.path)
  } finally {
    snapshot()
  }
}
