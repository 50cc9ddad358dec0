import fs from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import Database from 'better-sqlite3'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import { liveKey } from '../../kv/table.ts'
import { adopt } from '../../schema/diff.ts'
import { differences, findColumn, isReservedName, type Schema } from '../../schema/model.ts'
import { createTouchTrigger, touchPrefix } from '../../schema/print.ts'
import { snapshot, verifySnapshot } from '../../schema/snapshot.ts'
import { quoteName } from '../../schema/sql.ts'
import { codeOf, refuseFault } from '../../storage/faults.ts'
import { removeDatabaseFile, syncFile } from '../../storage/files.ts'
import { markTable, writeChangeSet } from '../../storage/tenant-file.ts'
import { editSchemaInTurn, type Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Head } from '../heads.ts'
import type { Tenant } from '../tenant.ts'
import { holdPatiently } from '../writers.ts'
import { rowsOf, runAside } from './aside.ts'
import { copyDatabase } from './copy.ts'
import type { Imported, ImportOptions } from './import.ts'

/**
 * Make an SQLite file a tenant, as it is:
 *
 *     copy to scratch ─▶ check ─▶ hold edits and writes ─▶ flip the head and place the file, in one catalog transaction
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
    await copySource(source, scratch, options.path, progress)
    crashPoint('import.copied')
    const schema = readSchema(scratch, options.path, () => parts.ids.next())
    requireFitting(branch.head.schema, schema)
    const rows = await check(scratch, schema, options.path, progress)
    // Here it takes nobody's time; where writers wait for it, little is left to do.
    await syncLater(scratch)
    crashPoint('import.checked')

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
            holding: tenant,
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

async function syncLater(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function copySource(source: string, scratch: string, given: string, progress: Progress): Promise<void> {
  if (!hasMagic(source)) refuse('notADatabase', { what: given })
  try {
    await copyDatabase(source, scratch, progress)
  } catch (error) {
    const code = codeOf(error)
    if (code.startsWith('SQLITE_BUSY')) refuse('importFailed', { path: given, reason: 'another program has it locked' })
    if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
      refuse('importFailed', { path: given, reason: `it cannot be read: ${code}` }, { cause: error })
    }
    refuseFault(error, given)
  }
}

/** Whether the file starts as every SQLite file does. */
export function hasMagic(file: string): boolean {
  const handle = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const start = Buffer.alloc(16)
    return fs.readSync(handle, start, 0, 16, 0) === 16 && start.toString('latin1') === 'SQLite format 3\0'
  } finally {
    fs.closeSync(handle)
  }
}

function readSchema(scratch: string, given: string, newId: () => string): Schema {
  try {
    const db = new Database(scratch, { fileMustExist: true })
    try {
      // A copy in WAL mode cannot be read without writing beside it.
      db.pragma('journal_mode = delete')
      db.pragma('trusted_schema = off')
      requireNoReservedNames(db)
      const schema = snapshot(db, newId)
      const lost = verifySnapshot(db, schema)
      if (lost.length > 0) refuse('notSupported', { what: lost.join('; ') })
      return schema
    } finally {
      db.close()
    }
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_ERROR') {
      refuse('importFailed', { path: given, reason: error.message }, { cause: error })
    }
    return refuseFault(error, given)
  }
}

/** What a file of ours has under such names is left out of its export, but for the triggers that keep `updated_at`. */
function requireNoReservedNames(db: Database.Database): void {
  const objects = db.prepare<[], SchemaObject>('select type, name, tbl_name as "table" from sqlite_schema').all()
  const reserved = objects.find(({ type, name, table }) => {
    const isTouch = type === 'trigger' && name.startsWith(touchPrefix) && !table.startsWith('__')
    return name.startsWith('__') && !isTouch
  })
  if (reserved)
    refuse('notSupported', { what: `${reserved.type} ${reserved.name}: names that start with __ are reserved` })
}

interface SchemaObject {
  readonly type: string
  readonly name: string
  readonly table: string
}

function requireFitting(ours: Schema, theirs: Schema): void {
  for (const table of theirs.tables) {
    const isTouchable = ['id', 'created_at', 'updated_at'].every((name) => findColumn(table, name))
    if (table.systemColumns && !isTouchable) {
      refuse('notSupported', { what: `table ${table.name}: a trigger’s name starts with ${touchPrefix}` })
    }
  }
  if (isEmptySchema(ours)) return
  const found = differences(ours, theirs)
  if (found.length > 0) refuse('schemaMismatch', { differences: found })
}

function isEmptySchema({ tables, indexes, views, triggers, virtualTables }: Schema): boolean {
  return [tables, indexes, views, triggers, virtualTables].every((list) => list.length === 0)
}

/** SQLite's own checks of the copy; gives the count of rows of each table. */
async function check(scratch: string, schema: Schema, given: string, progress: Progress): Promise<RowCounts> {
  progress.report({ stage: 'check' })
  const tables = [...schema.tables, ...schema.virtualTables].map(({ name }) => name)
  const [integrity, orphans, ...counts] = await runAside(
    scratch,
    [
      'pragma integrity_check(10)',
      'select "table", rowid, parent from pragma_foreign_key_check limit 10',
      ...tables.map(countSql),
    ],
    progress.signal,
  )
  const faults = rowsOf(integrity, given).map(([text]) => String(text))
  if (faults.join() !== 'ok') refuse('corrupt', { what: given, reason: faults.join('; ') })
  if (orphans && 'error' in orphans) refuse('importFailed', { path: given, reason: orphans.error })
  const named = rowsOf(orphans, given)
  if (named.length > 0) {
    const reason = named.map(([table, rowid, parent]) => `row ${rowid} of ${table} refers to no row of ${parent}`)
    refuse('importFailed', { path: given, reason: reason.join('; ') })
  }
  return Object.fromEntries(tables.map((name, at) => [name, Number(rowsOf(counts[at], given)[0]?.[0])]))
}

export type RowCounts = { readonly [table: string]: number }

export function countSql(table: string): string {
  return `select count(*) from ${quoteName(table)}`
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
