import fs from 'node:fs'
import type Database from 'better-sqlite3'
import { magic } from './cipher.ts'
import { openMemory, withJournal } from './connection.ts'
import { databaseBytes, sizeOf } from './files.ts'
import type { TenantFile } from './tenant-file.ts'

/** Up to this size a file is looked at as a whole. */
const maxImageBytes = 2 * 1024 * 1024
/** Up to this size a file is copied by way of memory. */
const maxCopiedBytes = 4 * 1024 * 1024

/**
 * What a small file that nobody has open holds, as a database in memory: to look at it so costs a fraction of opening it,
 * and what is done to the image reaches no file. Undefined where the bytes of the file are too many, or not all there is
 * to it: a log lies beside it, or it is encrypted, or there is none.
 *
 * The bytes are read at once, so that nobody of this process writes to the file meanwhile.
 */
export function openImage(path: string): Database.Database | undefined {
  const size = sizeOf(path)
  if (size === 0 || size > maxImageBytes || sizeOf(`${path}-wal`) > 0) return undefined
  const bytes = fs.readFileSync(path)
  const isPlain = bytes.subarray(0, magic.length).equals(magic)
  return isPlain ? openMemory(withJournal(bytes, 'rollback')) : undefined
}

/** The same of a file that is open, with what is committed to it. */
export function imageOf(file: TenantFile): Database.Database | undefined {
  file.flush()
  const { fileBytes, walBytes } = databaseBytes(file.path)
  if (fileBytes + walBytes > maxImageBytes) return undefined
  return openMemory(withJournal(file.db.serialize(), 'rollback'))
}

/**
 * The bytes of a small file that is open, with what is committed to it and is in its log yet: a file that has none.
 *
 * NOTE: SQLite hands out what a file holds, not how it lies on the disk: of an encrypted file this is the plain text.
 */
export function bytesOf(file: TenantFile): Buffer | undefined {
  file.flush()
  const { fileBytes, walBytes } = databaseBytes(file.path)
  if (fileBytes + walBytes > maxCopiedBytes) return undefined
  return withJournal(file.db.serialize(), 'wal')
}

/** The bytes of a small file that nobody has open and that has no log. */
export function bytesAt(path: string): Buffer | undefined {
  return sizeOf(path) > maxCopiedBytes ? undefined : fs.readFileSync(path)
}
