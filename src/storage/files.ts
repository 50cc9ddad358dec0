import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'

const fsync = promisify(fs.fsync)

/**
 * Make a new file, durable with its name when this returns. The folder is made where it is missing.
 * Fails where a file of this name exists: nothing is ever written over.
 */
export function createDurably(file: string, content: Uint8Array): void {
  const folders = makeFolderOf(file)
  const handle = fs.openSync(file, 'wx', 0o600)
  try {
    crashPoint('createFile.opened')
    // Not writeSync: on a disk that is nearly full it writes a part, and says so only by its result.
    fs.writeFileSync(handle, content)
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
  for (const folder of folders) syncFolder(folder)
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

/** Make a new file, durable with its name when this settles. Fails where a file of this name exists. */
export async function writeDurably(file: string, content: Uint8Array): Promise<void> {
  const folders = makeFolderOf(file)
  const handle = await fs.promises.open(file, 'wx', 0o600)
  try {
    crashPoint('createFile.opened')
    await handle.writeFile(content)
    await Promise.all([handle.sync(), ...folders.map(syncLater)])
  } finally {
    await handle.close()
  }
}

/**
 * Copy a file, durable when this settles; the copy shares its blocks with the original where the file system can. Fails
 * where a file of that name exists. Nobody may write to the original meanwhile.
 *
 * Another process does it: a process that closes a file, under whatever descriptor, drops the locks that it has on it.
 */
export async function copyDurably(from: string, to: string): Promise<void> {
  const folders = makeFolderOf(to)
  await copyAside(from, to)
  crashPoint('copyFile.copied')
  const handle = await fs.promises.open(to, 'r+')
  try {
    await Promise.all([handle.sync(), ...folders.map(syncLater)])
  } finally {
    await handle.close()
  }
}

async function copyAside(from: string, to: string): Promise<void> {
  const program = `
    const fs = require('node:fs')
    const [from, to] = process.argv.slice(1)
    try {
      fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
    } catch (error) {
      process.stdout.write(error.code)
      process.exitCode = 1
    }
  `
  const run = promisify(execFile)
  await run(process.execPath, ['--eval', program, from, to]).catch((error: { stdout?: string; signal?: string }) => {
    if (error.signal) refuse('processEnded', {}, { cause: error })
    throw Object.assign(new Error(`cannot copy ${from} to ${to}`, { cause: error }), { code: error.stdout })
  })
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
  const folders = makeFolderOf(to)
  fs.renameSync(from, to)
  crashPoint('moveFile.moved')
  for (const folder of folders) syncFolder(folder)
}

/** Give a file a second name, durable when this returns. What stood under that name belonged to nobody. */
export function linkDurably(file: string, name: string): void {
  const folders = makeFolderOf(name)
  removeDatabaseFile(name)
  fs.linkSync(file, name)
  crashPoint('linkFile.linked')
  for (const folder of folders) syncFolder(folder)
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

/** The same beside this thread. */
export async function syncLater(file: string): Promise<void> {
  const handle = await fs.promises.open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export function syncFolder(folder: string): void {
  syncFile(folder)
}

/** Make a file's folder where it is missing. Gives the folders that have to be synced before the file's name lasts. */
function makeFolderOf(file: string): string[] {
  const folder = path.dirname(file)
  const made = fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const folders = [folder]
  for (let at = folder; made !== undefined && at !== path.dirname(made); folders.push(at)) at = path.dirname(at)
  return folders
}
