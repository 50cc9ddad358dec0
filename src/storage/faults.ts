import Database from 'better-sqlite3'
import { refuse } from '../base/refusal.ts'

/**
 * Turn a failure of the machine or of a file into a refusal of a stable kind; anything else passes as it is.
 * `what` names the thing as a client knows it (a tenant, the catalog), never a path of the daemon.
 */
export function refuseFault(error: unknown, what: string): never {
  const code = codeOf(error)
  const cause = { cause: error }
  const reason = error instanceof Error ? error.message : String(error)
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return refuse('storageFull', { what }, cause)
  }
  if (code.startsWith('SQLITE_CORRUPT')) return refuse('corrupt', { what, reason }, cause)
  if (code === 'SQLITE_NOTADB') return refuse('notADatabase', { what }, cause)
  if (code.startsWith('SQLITE_READONLY') || code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return refuse('storageReadOnly', { what }, cause)
  }
  if (code.startsWith('SQLITE_IOERR') || code.startsWith('SQLITE_CANTOPEN') || code === 'EIO' || code === 'EMFILE') {
    return refuse('storageError', { what, reason: code }, cause)
  }
  // better-sqlite3's own word for a file whose folder is gone.
  if (error instanceof TypeError && reason.includes('directory does not exist')) {
    return refuse('storageError', { what, reason: 'the folder is missing' }, cause)
  }
  throw error
}

/** Run `work`, with failures of the machine turned into refusals that name `what`. */
export function guarded<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    return refuseFault(error, what)
  }
}

/** The same for work that gives up the thread. */
export async function guardedAsync<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    return refuseFault(error, what)
  }
}

/** The code of an SQLite or system error; '' for any other. */
export function codeOf(error: unknown): string {
  if (error instanceof Database.SqliteError) return error.code
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}
