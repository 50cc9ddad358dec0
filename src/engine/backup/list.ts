import fs from 'node:fs'
import path from 'node:path'
import { Refusal } from '../../base/refusal.ts'
import { guardedAsync } from '../../storage/faults.ts'
import { syncFolder } from '../../storage/files.ts'
import { unfinishedPrefix } from '../../storage/layout.ts'
import type { Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import { Slices } from '../slices.ts'
import { Backup } from './format.ts'
import { ownFolder } from './place.ts'

const filesAtOnce = 256

/** The backups that have a name, in the order of their names; those of a newer version, and broken ones, are left out. */
export function listBackups({ layout }: EngineParts): Backup[] {
  if (!fs.existsSync(layout.backups)) return []
  const names = fs.readdirSync(layout.backups).filter((name) => !name.startsWith(unfinishedPrefix))
  return names.sort().flatMap((name) => {
    try {
      return [Backup.open(name, path.join(layout.backups, name))]
    } catch (error) {
      if (error instanceof Refusal) return []
      throw error
    }
  })
}

/** What of a backup is not as it was made; nothing where it is. Every byte is read. */
export async function verifyBackup({ chores }: EngineParts, backup: Backup, progress: Progress): Promise<string[]> {
  const problems: string[] = []
  const slices = new Slices(progress)
  try {
    backup.history()
    const files = backup.tenants().flatMap(({ name, file }) => {
      return file ? [{ tenant: name, source: backup.file(name), saved: file }] : []
    })
    for (let from = 0; from < files.length; from += filesAtOnce) {
      const some = { backup: backup.name, files: files.slice(from, from + filesAtOnce) }
      problems.push(...(await guardedAsync('the backup', () => chores.run('checkSaved', some, progress))))
      await slices.next(() => ({
        stage: 'verify',
        done: Math.min(files.length, from + filesAtOnce),
        total: files.length,
      }))
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.kind !== 'backupBroken') throw error
    problems.push(String(error.data.reason))
  }
  return problems
}

/** Delete a backup that has a name. It is gone at once, and its files soon after. */
export async function deleteBackup(parts: EngineParts, name: string): Promise<void> {
  const folder = ownFolder(parts, name)
  // One that is broken can be deleted, too.
  if (!fs.existsSync(folder)) Backup.open(name, folder)
  const aside = path.join(parts.layout.backups, `${unfinishedPrefix}${parts.ids.next()}`)
  fs.renameSync(folder, aside)
  syncFolder(parts.layout.backups)
  await fs.promises.rm(aside, { recursive: true, force: true })
}
