import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { refuse } from '../../base/refusal.ts'
import { openFile, openReadOnly } from '../../storage/connection.ts'
import { codeOf } from '../../storage/faults.ts'
import { sizeOf, syncFile, syncFolder } from '../../storage/files.ts'
import { openImage } from '../../storage/image.ts'
import { readChangeSet } from '../../storage/tenant-file.ts'
import type { Link } from '../chores/link.ts'
import { copyDatabase } from '../transfer/copy.ts'
import type { SavedFile } from './format.ts'

const chunkBytes = 1024 * 1024

/** A tenant's file that is to be copied into a backup. */
export interface FileToSave {
  readonly source: string
  readonly target: string
  readonly cipher: string | null
  /** Where the catalog has it stand: what an encrypted file says of itself cannot be read. */
  readonly changeSet: string
}

/** What became of a file. `code` is SQLite's or the system's, or empty. */
export type Outcome =
  | { readonly kind: 'saved'; readonly file: SavedFile }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** In a process: copy files to which nobody writes, each with its log, and have them on disk. */
export function saveFiles({ files }: { readonly files: readonly FileToSave[] }): Outcome[] {
  const outcomes = files.map((file): Outcome => {
    try {
      return { kind: 'saved', file: saveOne(file) }
    } catch (error) {
      return { kind: 'failed', code: codeOf(error), message: error instanceof Error ? error.message : String(error) }
    }
  })
  for (const folder of new Set(files.map(({ target }) => path.dirname(target)))) syncFolder(folder)
  return outcomes
}

function saveOne(file: FileToSave): SavedFile {
  const { source, target, cipher } = file
  makeFolder(path.dirname(target))
  const hasLog = sizeOf(`${source}-wal`) > 0
  // The log first: what is brought into the file meanwhile is in it.
  if (hasLog) copyBytes(`${source}-wal`, `${target}-wal`)
  const sha256 = copyBytes(source, target)
  if (cipher === null && !hasLog) return { bytes: sizeOf(target), sha256, changeSet: changeSetOf(target), cipher }
  return settled(file)
}

/** In a process: copy a file as of one moment while its tenant is written to. */
export async function saveFile(file: FileToSave, link: Link): Promise<SavedFile> {
  makeFolder(path.dirname(file.target))
  await copyDatabase(file.source, file.target, link)
  const saved = settled(file)
  syncFolder(path.dirname(file.target))
  return saved
}

/** One file without a log, where it can be opened; what is in it, and where it stands. */
function settled({ target, cipher, changeSet }: FileToSave): SavedFile {
  if (cipher !== null) {
    const log = fs.existsSync(`${target}-wal`) ? { log: hashOf(`${target}-wal`) } : {}
    return { ...hashOf(target), changeSet, cipher, ...log }
  }
  const db = openFile(target, 'full')
  try {
    db.pragma('wal_checkpoint(truncate)')
  } finally {
    db.close()
  }
  syncFile(target)
  return { ...hashOf(target), changeSet: changeSetOf(target), cipher }
}

/** Where a file without a log stands, as it says itself. Nobody else has it open. */
function changeSetOf(file: string): string {
  const image = openImage(file)
  const db = image ?? openReadOnly(file)
  try {
    return readChangeSet(db)
  } finally {
    db.close()
    // Who only reads leaves what it needed to read.
    if (!image) for (const suffix of ['-wal', '-shm']) fs.rmSync(file + suffix, { force: true })
  }
}

/** A backup's file that is to be copied to its place, or, without one, only looked at. */
export interface FileToRestore {
  readonly tenant: string
  readonly source: string
  readonly target?: string
  readonly saved: SavedFile
}

export interface RestoreFiles {
  readonly backup: string
  readonly files: readonly FileToRestore[]
}

/** In a process: copy files out of a backup, which have to be as they were put there, and have them on disk. */
export function restoreFiles({ backup, files }: RestoreFiles): void {
  for (const { tenant, source, target, saved } of files) {
    if (target === undefined) continue
    makeFolder(path.dirname(target))
    const reason = faultOf(source, saved) ?? copied(source, target, saved)
    if (reason !== undefined) refuse('backupBroken', { backup, reason: `file of tenant ${tenant}: ${reason}` })
  }
  const folders = files.flatMap(({ target }) => (target === undefined ? [] : path.dirname(target)))
  for (const folder of new Set(folders)) syncFolder(folder)
}

function copied(source: string, target: string, saved: SavedFile): string | undefined {
  if (saved.log && copyBytes(`${source}-wal`, `${target}-wal`) !== saved.log.sha256) return 'its log was changed'
  if (copyBytes(source, target) !== saved.sha256) return 'it was changed'
  if (saved.cipher !== null) return undefined
  try {
    return changeSetOf(target) === saved.changeSet ? undefined : 'it stands at another change set'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** In a process: what is wrong with files of a backup, by their tenants. */
export function checkSaved({ files }: RestoreFiles): string[] {
  return files.flatMap(({ tenant, source, saved }) => {
    const reason = faultOf(source, saved) ?? (hashOf(source).sha256 === saved.sha256 ? undefined : 'it was changed')
    return reason === undefined ? [] : [`file of tenant ${tenant}: ${reason}`]
  })
}

/** What can be said without reading a file. A link, or a pipe, is none. */
function faultOf(source: string, { bytes, log }: SavedFile): string | undefined {
  const stat = fs.lstatSync(source, { throwIfNoEntry: false })
  if (stat === undefined) return 'it is missing'
  if (!stat.isFile()) return 'it is not a regular file'
  if (stat.size !== bytes) return `it has ${stat.size} bytes instead of ${bytes}`
  const logStat = fs.lstatSync(`${source}-wal`, { throwIfNoEntry: false })
  if (log ? !logStat?.isFile() || logStat.size !== log.bytes : logStat !== undefined) return 'its log is not as it was'
  return undefined
}

/** Copy a file to a new one, and have it on disk. Gives its SHA-256. */
function copyBytes(source: string, target: string): string {
  const hash = createHash('sha256')
  const to = fs.openSync(target, 'wx', 0o600)
  try {
    eachChunk(source, (chunk) => {
      hash.update(chunk)
      fs.writeFileSync(to, chunk)
    })
    fs.fsyncSync(to)
  } finally {
    fs.closeSync(to)
  }
  return hash.digest('hex')
}

function hashOf(file: string): { bytes: number; sha256: string } {
  const hash = createHash('sha256')
  let bytes = 0
  eachChunk(file, (chunk) => {
    hash.update(chunk)
    bytes += chunk.length
  })
  return { bytes, sha256: hash.digest('hex') }
}

function eachChunk(file: string, take: (chunk: Uint8Array) => void): void {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  const from = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
  try {
    for (let length = fs.readSync(from, buffer); length > 0; length = fs.readSync(from, buffer)) {
      take(buffer.subarray(0, length))
    }
  } finally {
    fs.closeSync(from)
  }
}

function makeFolder(folder: string): void {
  const made = fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (let at = folder; made !== undefined && at !== path.dirname(made); ) {
    at = path.dirname(at)
    syncFolder(at)
  }
}
