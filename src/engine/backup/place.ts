import fs from 'node:fs'
import path from 'node:path'
import { refuse } from '../../base/refusal.ts'
import { checkName } from '../../schema/define.ts'
import type { EngineParts } from '../engine.ts'
import { newFolder, readableFolder } from '../transfer/paths.ts'
import { Backup } from './format.ts'

/** What a client gives for a backup is a name, or, where it says so by being absolute, the path of a folder. */
function isPath(given: string): boolean {
  return path.isAbsolute(given)
}

/** Where a backup is to be made; refuses where there is something. */
export function placeOf(parts: EngineParts, given: string): string {
  if (isPath(given)) return newFolder(parts, given)
  checkName('backup', given)
  const folder = path.join(parts.layout.backups, given)
  if (fs.existsSync(folder)) refuse('backupExists', { backup: given })
  fs.mkdirSync(parts.layout.backups, { recursive: true, mode: 0o700 })
  return folder
}

/** Open a backup by what a client gives for it. */
export function openBackup(parts: EngineParts, given: string): Backup {
  return Backup.open(given, isPath(given) ? readableFolder(parts, given) : ownFolder(parts, given))
}

/** The folder of a backup that has a name. */
export function ownFolder({ layout }: EngineParts, given: string): string {
  if (isPath(given))
    refuse('pathRefused', { path: given, reason: 'a backup outside of the project is removed by hand' })
  checkName('backup', given)
  return path.join(layout.backups, given)
}
