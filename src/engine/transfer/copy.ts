import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { codeOf } from '../../storage/faults.ts'
import type { Progress } from '../edit.ts'
import { Slices } from '../slices.ts'

const firstPages = 64
const maxPages = 16_384
const stepMs = 2
const lockWaitMs = 5_000
const lockRetryMs = 20

/**
 * Copy what is committed in an SQLite file, page by page, in slices. The source may be in use by others: one read
 * transaction is held throughout, so the copy is of one moment. `target` must not exist.
 */
export async function copyDatabase(source: string, target: string, progress: Progress): Promise<void> {
  const db = await openSnapshot(source, progress.signal)
  try {
    fs.closeSync(fs.openSync(target, 'wx', 0o600))
    const slices = new Slices(progress)
    let pages = firstPages
    let stepStart = performance.now()
    await db.backup(target, {
      progress({ totalPages, remainingPages }) {
        progress.signal.throwIfAborted()
        slices.report(() => ({ stage: 'copy', pages: totalPages - remainingPages, total: totalPages }))
        const now = performance.now()
        pages = now - stepStart < stepMs ? Math.min(maxPages, pages * 2) : Math.max(firstPages, pages >> 1)
        stepStart = now
        return pages
      },
    })
  } finally {
    db.close()
  }
}

/**
 * A read-only connection that sees the file as it is now, for as long as it is open. A file that another program has
 * locked is waited for.
 */
export async function openSnapshot(file: string, signal: AbortSignal): Promise<Database.Database> {
  const deadline = performance.now() + lockWaitMs
  for (;;) {
    const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
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
