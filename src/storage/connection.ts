import Database from 'better-sqlite3'
import { applyKey, type FileKey } from './cipher.ts'

export type Durability = 'normal' | 'full'

export type { Database }

const defaultCacheBytes = 2 * 1024 * 1024

/** A file's key, where it is encrypted. */
export type KeyText = Pick<FileKey, 'text'>

/**
 * Open one SQLite file for reading and writing. The one place where pragmas of a tenant's connection are set.
 *
 * `wal_autocheckpoint` is 0: the daemon checkpoints, off the hot path. `recursive_triggers` is off, as SQLite has it
 * by default (this build does not): the trigger that keeps `updated_at` relies on it.
 */
export function openFile(
  file: string,
  durability: Durability,
  { cacheBytes = defaultCacheBytes, key }: { cacheBytes?: number; key?: KeyText } = {},
): Database.Database {
  const db = openKeyed(file, { fileMustExist: true, timeout: 0 }, key)
  try {
    configure(db)
    db.pragma('journal_mode = wal')
    db.pragma(`synchronous = ${durability === 'full' ? 'full' : 'normal'}`)
    db.pragma('wal_autocheckpoint = 0')
    db.pragma(`cache_size = -${cacheBytes >> 10}`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Open a file that is only read, as another program may be using it. */
export function openReadOnly(file: string, key?: KeyText): Database.Database {
  const db = openKeyed(file, { readonly: true, fileMustExist: true, timeout: 2_000 }, key)
  db.pragma('trusted_schema = off')
  db.pragma('temp_store = memory')
  return db
}

/** Open a file as it is, with its key if it is encrypted; a wrong one shows with its first use. */
export function openKeyed(file: string, options: Database.Options, key?: KeyText): Database.Database {
  const db = new Database(file, options)
  if (key === undefined) return db
  try {
    applyKey(db, key)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** A database in memory: empty, or with the content of `image`. */
export function openMemory(image?: Buffer): Database.Database {
  const db = image === undefined ? new Database(':memory:') : new Database(image)
  configure(db)
  return db
}

/**
 * The bytes of an SQLite file, marked as having a write-ahead log or a rollback journal: bytes 18 and 19 of its header.
 * A database in memory can only have the latter. The bytes are changed where they are.
 */
export function withJournal(file: Buffer, journal: 'wal' | 'rollback'): Buffer {
  file[18] = journal === 'wal' ? 2 : 1
  file[19] = file[18]
  return file
}

function configure(db: Database.Database): void {
  db.pragma('foreign_keys = on')
  db.pragma('trusted_schema = off')
  db.pragma('recursive_triggers = off')
  db.pragma('temp_store = memory')
}
