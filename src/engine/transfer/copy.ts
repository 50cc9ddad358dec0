import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import { type KeyText, openFile, openKeyed } from '../../storage/connection.ts'
import { codeOf } from '../../storage/faults.ts'
import { syncFile } from '../../storage/files.ts'
import { type KeyedFile, rewrite } from '../../storage/rewrite.ts'
import { readChangeSet } from '../../storage/tenant-file.ts'
import type { Link } from '../chores/link.ts'
import { Slices } from '../slices.ts'

const pagesAtOnce = 2_048
const lockWaitMs = 5_000
const lockRetryMs = 20

/**
 * Copy what is committed in an SQLite file, page by page, in a process of its own. The source may be in use by others: one
 * read transaction is held throughout, so the copy is of one moment. `target` must not exist.
 */
export async function copyDatabase(source: string, target: string, link: Link): Promise<void> {
  const db = await openSnapshot({ path: source }, link.signal)
  try {
    link.snapshot()
    fs.closeSync(fs.openSync(target, 'wx', 0o600))
    const slices = new Slices(link)
    await db.backup(target, {
      progress({ totalPages, remainingPages }) {
        slices.report(() => ({ stage: 'copy', pages: totalPages - remainingPages, total: totalPages }))
        return pagesAtOnce
      },
    })
  } finally {
    db.close()
  }
}

export interface CopyFile {
  readonly source: string
  /** Of a file that is encrypted; the copy has the same. */
  readonly key?: KeyText
  /** Must not exist. */
  readonly target: string
}

/** In a process: copy a tenant's file as of one moment, as a file of ours, which is on disk then. Gives where it stands. */
export async function copyFile({ source, key, target }: CopyFile, link: Link): Promise<{ changeSet: string }> {
  if (key) rewrite({ path: source, key }, { path: target, key })
  else await copyDatabase(source, target, link)
  const db = openFile(target, 'full', { key })
  let changeSet: string
  try {
    changeSet = readChangeSet(db)
    db.pragma('wal_checkpoint(truncate)')
  } finally {
    db.close()
  }
  syncFile(target)
  return { changeSet }
}

/**
 * A read-only connection that sees the file as it is now, for as long as it is open. A file that another program has
 * locked is waited for.
 */
export async function openSnapshot({ path, key }: KeyedFile, signal: AbortSignal): Promise<Database.Database> {
  const deadline = performance.now() + lockWaitMs
  for (;;) {
    const db = openKeyed(path, { readonly: true, fileMustExist: true, timeout: 0 }, key)
    try {
      db.pragma('trusted_schema = off')
      db.exec('begin')
      db.prepare('select 1 from sqlite_schema').get()
      return db
    } catch (error) {
      db.close()
      if (!codeOf(error).startsWith('SQLITE_BUSY') || performance.now() > deadline) throw error
    }
    await sleep(lockRetryMs, undefined, { signal })
  }
}
