import fs from 'node:fs'
import path from 'node:path'
import { refuse } from '../../base/refusal.ts'
import { codeOf } from '../../storage/faults.ts'
import { sizeOf } from '../../storage/files.ts'
import type { EngineParts } from '../engine.ts'

/**
 * The file that is to be read, its links followed. Refuses whatever is no regular file, and every way into the
 * project's own folder. Nothing is opened before that is settled: closing a file drops the locks that this process has
 * on it, under whatever name.
 */
export function sourceFile(parts: EngineParts, given: string): string {
  requirePlainPath(given)
  const source = realPath(given)
  const stat = fs.statSync(source)
  if (!stat.isFile()) refuse('pathRefused', { path: given, reason: 'not a regular file' })
  if (isInProject(parts, source) || isOwnFile(parts, stat)) refuseOwn(given)
  try {
    fs.accessSync(source, fs.constants.R_OK)
  } catch (error) {
    refuse('pathRefused', { path: given, reason: 'it cannot be read' }, { cause: error })
  }
  return source
}

/**
 * Where a file is to be written: its folder's links followed. `overwrite` allows a regular file there that is not in
 * use as a database.
 */
export function targetFile(parts: EngineParts, given: string, overwrite: boolean): string {
  requirePlainPath(given)
  const target = path.join(realPath(path.dirname(given)), path.basename(given))
  if (isInProject(parts, target)) refuseOwn(given)
  const stat = fs.lstatSync(target, { throwIfNoEntry: false })
  if (stat && !stat.isFile()) refuse('pathRefused', { path: given, reason: 'not a regular file' })
  if (stat && !overwrite) refuse('fileExists', { path: given })
  if (stat && isOwnFile(parts, stat)) refuseOwn(given)
  for (const suffix of ['-wal', '-journal']) {
    // SQLite would take it for the new file's own and write its pages over it.
    if (sizeOf(target + suffix) > 0)
      refuse('pathRefused', { path: given, reason: `a file with ${suffix} lies beside it` })
  }
  return target
}

/** Where a folder is to be made, the links to it followed. Nothing is there. */
export function newFolder(parts: EngineParts, given: string): string {
  requirePlainPath(given)
  const folder = path.join(realPath(path.dirname(given)), path.basename(given))
  if (isInProject(parts, folder)) refuseOwn(given)
  if (fs.lstatSync(folder, { throwIfNoEntry: false })) refuse('fileExists', { path: given })
  return folder
}

/** A folder that is to be read, the links to it followed. */
export function readableFolder(parts: EngineParts, given: string): string {
  requirePlainPath(given)
  const folder = realPath(given)
  if (isInProject(parts, folder)) refuseOwn(given)
  if (!fs.statSync(folder).isDirectory()) refuse('pathRefused', { path: given, reason: 'not a folder' })
  return folder
}

function requirePlainPath(given: string): void {
  const reason = !path.isAbsolute(given)
    ? 'not an absolute path'
    : given.includes('\0') || given !== given.trim() || given.endsWith(path.sep)
      ? 'a path has no NUL, does not end in a separator, and neither starts nor ends with space'
      : undefined
  if (reason !== undefined) refuse('pathRefused', { path: given, reason })
}

function realPath(given: string): string {
  try {
    return fs.realpathSync(given)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return refuse('fileNotFound', { path: given })
    return refuse('pathRefused', { path: given, reason: code }, { cause: error })
  }
}

function isInProject({ layout }: EngineParts, file: string): boolean {
  const root = fs.realpathSync(layout.root)
  return file === root || file.startsWith(root + path.sep)
}

/** Whether this is another name of a file that the daemon has open. */
function isOwnFile({ layout, pool }: EngineParts, { dev, ino, nlink }: fs.Stats): boolean {
  if (nlink === 1) return false
  return [layout.catalog, ...[...pool].map(({ file }) => file.path)].some((own) => {
    const stat = fs.statSync(own, { throwIfNoEntry: false })
    return stat?.dev === dev && stat.ino === ino
  })
}

function refuseOwn(given: string): never {
  return refuse('pathRefused', { path: given, reason: 'the project’s own files are reached through their tenants' })
}
