import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import { liveKey } from '../../kv/table.ts'
import { adopt } from '../../schema/diff.ts'
import { isReservedName } from '../../schema/model.ts'
import { createTouchTrigger, touchPrefix } from '../../schema/print.ts'
import { quoteName } from '../../schema/sql.ts'
import { removeDatabaseFile, syncFile } from '../../storage/files.ts'
import { markTable, writeChangeSet } from '../../storage/tenant-file.ts'
import { editSchemaInTurn, type Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Head } from '../heads.ts'
import type { Tenant } from '../tenant.ts'
import { holdPatiently } from '../writers.ts'
import type { Imported, ImportOptions } from './import.ts'
import { isEmptySchema, requireFitting } from './take-in.ts'

/**
 * Make an SQLite file a tenant, as it is:
 *
 *     copy to scratch, check ─▶ hold edits and writes ─▶ flip the head and place the file, in one catalog transaction
 *
 * Where the branch has no schema yet, the file's becomes the branch's; else they have to be equal. The tenant's own
 * file, if it has one, goes first, and only if it has no rows: cut short after that, the tenant is as empty as before.
 */
export async function importSqlite(
  parts: EngineParts,
  tenant: Tenant,
  source: string,
  options: ImportOptions,
  progress: Progress,
): Promise<Imported> {
  const { branch } = tenant
  const { layout } = parts
  const scratch = path.join(layout.scratch, `${parts.ids.next()}.db`)
  fs.mkdirSync(layout.scratch, { recursive: true, mode: 0o700 })
  try {
    await tenant.back()
    requireNoRows(tenant, options.path, parts.clock())
    const given = { source, scratch, given: options.path, schema: branch.head.schema }
    const { rows, schema } = await parts.chores.run('takeIn', given, progress)
    crashPoint('import.copied')

    return await branch.editing.run(() =>
      holdPatiently(tenant, async () => {
        progress.signal.throwIfAborted()
        branch.requireWritable()
        requireFitting(branch.head.schema, schema)
        while (tenant.row.fileId !== null && !tenant.isPrivate) await parts.sharing.makePrivate(tenant)
        requireNoRows(tenant, options.path, parts.clock())
        tenant.dropFile()
        crashPoint('import.emptied')
        const before = tenant.row
        const place = (head: Head) => {
          finish(scratch, head)
          crashPoint('import.finished')
          tenant.placeFile(scratch, head.id)
          crashPoint('import.placed')
        }
        try {
          if (!isEmptySchema(branch.head.schema) || isEmptySchema(schema)) {
            parts.catalog.writeNow(() => place(branch.head))
            crashPoint('import.committed')
            return { rows, changeSet: null }
          }
          const message = options.message ?? `import ${path.basename(options.path)}`
          const edit = {
            changes: adopt(schema),
            message,
            client: options.client,
            alongside: { record: place },
            holding: [tenant],
          }
          const { changeSet } = await editSchemaInTurn(parts, branch, edit, progress)
          return { rows, changeSet }
        } catch (error) {
          // The catalog knows nothing of the file, should it be in its place already.
          tenant.follow(before)
          throw error
        }
      }),
    )
  } finally {
    removeDatabaseFile(scratch)
  }
}

/** Refuse if any table of the tenant has a row, be it the daemon's own but the mark; a key that has expired is none. */
function requireNoRows(tenant: Tenant, given: string, now: number): void {
  const file = tenant.path()
  if (file === null) return
  tenant.flush()
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
  try {
    const tables = db
      .prepare<[], string>(
        `select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual')
          and name <> '__cinch' and name not like 'sqlite\\_%' escape '\\'`,
      )
      .pluck()
      .all()
    const taken = tables.some((name) => {
      if (name === '__kv') return db.prepare(liveKey).get(now) !== undefined
      return db.prepare(`select 1 from ${quoteName(name)} limit 1`).get() !== undefined
    })
    if (taken) {
      refuse('importFailed', { path: given, reason: 'the tenant has rows already; import into a new tenant' })
    }
  } finally {
    db.close()
  }
}

/** Make the copy a tenant's file that stands at `head`, synced. Nothing that the file held before is changed. */
function finish(scratch: string, head: Head): void {
  const db = new Database(scratch, { fileMustExist: true })
  try {
    db.pragma('trusted_schema = off')
    db.pragma('journal_mode = wal')
    db.transaction(() => {
      db.exec(markTable)
      writeChangeSet(db, head.id)
      for (const name of touchTriggers(db)) db.exec(`drop trigger ${quoteName(name)}`)
      for (const table of head.schema.tables) if (table.systemColumns) db.exec(createTouchTrigger(table))
    })()
    db.pragma('wal_checkpoint(truncate)')
  } finally {
    db.close()
  }
  syncFile(scratch)
}

function touchTriggers(db: Database.Database): string[] {
  const triggers = db.prepare<[], string>("select name from sqlite_schema where type = 'trigger'").pluck().all()
  return triggers.filter((name) => isReservedName(name) && name.startsWith(touchPrefix))
}
