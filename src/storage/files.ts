import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { crashPoint } from '../base/crash-point.ts'

const fsync = promisify(fs.fsync)

/**
 * Make a new file, durable with its name when this returns. The folder is made where it is missing.
 * Fails where a file of this name exists: nothing is ever written over.
 */
export function createDurably(file: string, content: Uint8Array): void {
  const folder = path.dirname(file)
  const madeFolder = fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const handle = fs.openSync(file, 'wx', 0o600)
  try {
    crashPoint('createFile.opened')
    // Not writeSync: on a disk that is nearly full it writes a part, and says so only by its result.
    fs.writeFileSync(handle, content)
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
  syncFolder(folder)
  if (madeFolder !== undefined) syncFolders(path.dirname(folder), path.dirname(madeFolder))
}

/**
 * Write a file, its content durable when this settles, but not its name. What stood there is replaced, and not at once.
 * The content is taken before this returns: several such writes that begin together are synced together.
 */
export async function writeSynced(file: string, content: Uint8Array): Promise<void> {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const handle = fs.openSync(file, 'w', 0o600)
  try {
    fs.writeFileSync(handle, content)
    await fsync(handle)
  } finally {
    fs.closeSync(handle)
  }
}

/**
 * Copy a file, durable when this settles; the copy shares its blocks with the original where the file system can. Fails
 * where a file of that name exists. Nobody may write to the original meanwhile.
 */
export async function copyDurably(from: string, to: string): Promise<void> {
  const folder = path.dirname(to)
  const madeFolder = fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  await fs.promises.copyFile(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
  crashPoint('copyFile.copied')
  const handle = await fs.promises.open(to, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  syncFolder(folder)
  if (madeFolder !== undefined) syncFolders(path.dirname(folder), path.dirname(madeFolder))
}

/** Replace a file's content at once: whoever reads it sees the old or the new, after a crash too. */
export function replaceDurably(file: string, content: string): void {
  const beside = `${file}.new`
  const handle = fs.openSync(beside, 'w', 0o600)
  try {
    fs.writeFileSync(handle, content)
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
  moveDurably(beside, file)
}

/** Move a file that is complete and synced to its place. */
export function moveDurably(from: string, to: string): void {
  const madeFolder = fs.mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 })
  fs.renameSync(from, to)
  crashPoint('moveFile.moved')
  syncFolder(path.dirname(to))
  if (madeFolder !== undefined) syncFolders(path.dirname(path.dirname(to)), path.dirname(madeFolder))
}

/** Give a file a second name, durable when this returns. What stood under that name belonged to nobody. */
export function linkDurably(file: string, name: string): void {
  const folder = path.dirname(name)
  const madeFolder = fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  removeDatabaseFile(name)
  fs.linkSync(file, name)
  crashPoint('linkFile.linked')
  syncFolder(folder)
  if (madeFolder !== undefined) syncFolders(path.dirname(folder), path.dirname(madeFolder))
}

/**
 * Remove an SQLite file that belongs to nobody, with its write-ahead log and its index; what is not there is no error.
 * The file goes last: where there is none, no log waits for the next file of that name.
 */
export function removeDatabaseFile(file: string): void {
  for (const suffix of ['-wal', '-shm', '-journal', '']) {
    fs.rmSync(file + suffix, { force: true })
    crashPoint('removeFile.removed')
  }
}

/** Bytes of an SQLite file, its write-ahead log included; 0 where there is none. */
export function databaseBytes(file: string): { fileBytes: number; walBytes: number } {
  return { fileBytes: sizeOf(file), walBytes: sizeOf(`${file}-wal`) }
}

export function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

export function syncFile(file: string): void {
  const handle = fs.openSync(file, 'r')
  try {
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}

export function syncFolder(folder: string): void {
  syncFile(folder)
}

/** Sync `from` and every folder above it, up to and including `to`. */
export function syncFolders(from: string, to: string): void {
  for (let folder = from; ; folder = path.dirname(folder)) {
    syncFolder(folder)
    if (folder === to || folder === path.dirname(folder)) return
  }
}
