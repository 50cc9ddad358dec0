import fs from 'node:fs'
import path from 'node:path'
import type Database from 'better-sqlite3'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import { liveKey } from '../../kv/table.ts'
import { adopt } from '../../schema/diff.ts'
import { isReservedName } from '../../schema/model.ts'
import { createTouchTrigger, touchPrefix } from '../../schema/print.ts'
import { quoteName } from '../../schema/sql.ts'
import { type FileKey, keyWithSalt, magic } from '../../storage/cipher.ts'
import { openKeyed } from '../../storage/connection.ts'
import { syncFile } from '../../storage/files.ts'
import { type KeyedFile, removeRewritten, startOf } from '../../storage/rewrite.ts'
import { markTable, writeChangeSet } from '../../storage/tenant-file.ts'
import { editSchemaInTurn, type Progress } from '../edit.ts'
import { type HeldKey, refuseNotEncrypted } from '../encryption.ts'
import type { EngineParts } from '../engine.ts'
import type { Head } from '../heads.ts'
import type { Tenant } from '../tenant.ts'
import { holdPatiently } from '../writers.ts'
import type { Imported, ImportOptions } from './import.ts'
import { hasMagic, isEmptySchema, requireFitting } from './take-in.ts'

/**
 * Make an SQLite file a tenant, as it is:
 *
 *     copy to scratch, check ─▶ hold edits and writes ─▶ flip the head and place the file, in one catalog transaction
 *
 * Where the branch has no schema yet, the file's becomes the branch's; else they have to be equal. The tenant's own
 * file, if it has one, goes first, and only if it has no rows: cut short after that, the tenant is as empty as before.
 *
 * The copy is encrypted as the tenant is. Where the tenant is not, and the file is, the tenant is so from then on, with
 * the file's key: nothing of the file is ever in plain text here.
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
  const opened: HeldKey[] = []
  try {
    await tenant.back()
    requireNoRows(tenant, options.path, parts.clock())
    const { cipher } = tenant.row
    const fileKey = await keyOfSource(parts, source, options)
    if (options.key !== undefined && cipher === null && fileKey === undefined) refuseNotEncrypted(tenant)
    if (fileKey) opened.push(fileKey)
    const key = tenant.key ?? fileKey?.key
    const copy: KeyedFile = { path: scratch, key }
    const given = {
      source: { path: source, key: fileKey?.key },
      copy,
      given: options.path,
      schema: branch.head.schema,
    }
    const { rows, schema } = await parts.chores.run('takeIn', given, progress)
    crashPoint('import.copied')

    return await branch.editing.run(() =>
      holdPatiently(tenant, async () => {
        progress.signal.throwIfAborted()
        branch.requireWritable()
        requireFitting(branch.head.schema, schema)
        while (tenant.row.fileId !== null && !tenant.isPrivate) await parts.sharing.makePrivate(tenant)
        requireNoRows(tenant, options.path, parts.clock())
        if (tenant.row.cipher !== cipher) {
          refuse('tenantBusy', { database: branch.database.row.name, branch: branch.name, tenants: [tenant.name] })
        }
        tenant.dropFile()
        crashPoint('import.emptied')
        const before = tenant.row
        const place = (head: Head) => {
          finish(copy, head)
          crashPoint('import.finished')
          tenant.placeFile(scratch, head.id, key?.cipher ?? null)
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
    for (const { letGo } of opened) letGo()
    removeRewritten(scratch)
  }
}

/** The key of a file that is encrypted; undefined for one that is not. Whether it is the right one shows with its use. */
async function keyOfSource({ keys }: EngineParts, source: string, { path, key: secret }: ImportOptions) {
  if (secret === undefined || hasMagic(source)) return undefined
  const salt = startOf(source)
  if (salt.length < magic.length) return refuse('notADatabase', { what: path })
  const key = await keyWithSalt(secret, salt)
  const letGo = keys.hold(key)
  return { key: keys.find(key.cipher) as FileKey, letGo }
}

/** Refuse if any table of the tenant has a row, be it the daemon's own but the mark; a key that has expired is none. */
function requireNoRows(tenant: Tenant, given: string, now: number): void {
  const file = tenant.path()
  if (file === null) return
  tenant.flush()
  const db = openKeyed(file, { readonly: true, fileMustExist: true, timeout: 0 }, tenant.key)
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
function finish({ path, key }: KeyedFile, head: Head): void {
  const db = openKeyed(path, { fileMustExist: true }, key)
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
  syncFile(path)
}

function touchTriggers(db: Database.Database): string[] {
  const triggers = db.prepare<[], string>("select name from sqlite_schema where type = 'trigger'").pluck().all()
  return triggers.filter((name) => isReservedName(name) && name.startsWith(touchPrefix))
}
