import fs from 'node:fs'
import path from 'node:path'
import { type FileKey, useFormat } from './cipher.ts'
import { type KeyText, openKeyed } from './connection.ts'
import { createDurably, removeDatabaseFile, syncFile } from './files.ts'

/** An SQLite file, and its key where it is encrypted. */
export interface KeyedFile {
  readonly path: string
  readonly key?: KeyText
}

const pageBytes = 4096

/**
 * Write all that is committed in an SQLite file to another one under another key, or none. Row ids, the texts of the
 * schema and what the file says of itself stay as they are. The target must not exist, or be empty; no byte of it, and nothing beside
 * it, is ever anything but encrypted, if it is to be. It has no write-ahead log, and is not synced.
 *
 * `VACUUM INTO` writes with the key of the connection's main database, whatever it reads: so that is an empty one under
 * the key of the target. A key never is in the text of a statement, nor in a file's name, where errors would tell it.
 */
export function rewrite(source: KeyedFile, target: KeyedFile): void {
  const empty = emptyBeside(target.path)
  fs.closeSync(fs.openSync(empty, 'w', 0o600))
  fs.closeSync(fs.openSync(target.path, 'a', 0o600))
  try {
    const db = openKeyed(empty, { readonly: true, fileMustExist: true, timeout: lockWaitMs }, target.key)
    try {
      if (target.key === undefined) useFormat(db)
      db.pragma('temp_store = memory')
      db.pragma('trusted_schema = off')
      db.prepare('attach ? as source key ?').run(source.path, source.key?.text ?? '')
      // Other programs take it for granted.
      db.pragma(`source.page_size = ${pageBytes}`)
      db.prepare('vacuum source into ?').run(target.path)
    } finally {
      db.close()
    }
  } catch (error) {
    removeDatabaseFile(target.path)
    throw error
  } finally {
    fs.rmSync(empty, { force: true })
  }
}

/** Remove a file that was, or was to be, written so, with all that a process leaves beside it that is killed meanwhile. */
export function removeRewritten(path: string): void {
  for (const each of [path, emptyBeside(path), plainBeside(path)]) removeDatabaseFile(each)
}

function emptyBeside(path: string): string {
  return `${path}.empty`
}

/** Of a file without rows. */
function plainBeside(path: string): string {
  return `${path}.plain`
}

/** A file of another program may be locked for a moment. */
const lockWaitMs = 5_000

/**
 * Make an encrypted file of the bytes of a plain one without rows, which lie at `scratch` meanwhile; durable with its
 * name when this returns. Fails where a file of this name exists.
 */
export function createEncrypted(file: string, plain: Uint8Array, key: FileKey, scratch: string): void {
  fs.mkdirSync(path.dirname(scratch), { recursive: true, mode: 0o700 })
  createDurably(file, new Uint8Array())
  rewriteBytes(plain, { path: file, key }, scratch)
  syncFile(file)
}

/** The same of a target that need not be durable. */
export function rewriteBytes(plain: Uint8Array, target: KeyedFile, scratch = plainBeside(target.path)): void {
  fs.writeFileSync(scratch, plain, { mode: 0o600 })
  try {
    rewrite({ path: scratch }, target)
  } finally {
    fs.rmSync(scratch, { force: true })
  }
}

/** The first 16 bytes of a file that nobody has open. */
export function startOf(file: string): Buffer {
  const handle = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const start = Buffer.alloc(16)
    return start.subarray(0, fs.readSync(handle, start, 0, start.length, 0))
  } finally {
    fs.closeSync(handle)
  }
}
