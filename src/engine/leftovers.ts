import fs from 'node:fs'
import path from 'node:path'
import type { EngineParts } from './engine.ts'
import { Slices, unwatched } from './slices.ts'

/**
 * Move a folder whose files the catalog knows no more out of the way, so that its name is free at once. What a crash leaves
 * is removed at the next start.
 *
 * @returns where it lies now
 */
export function setAside({ layout, ids }: EngineParts, folder: string): string {
  const aside = layout.scratchFile(ids.next())
  if (fs.existsSync(folder)) {
    fs.mkdirSync(layout.scratch, { recursive: true, mode: 0o700 })
    fs.renameSync(folder, aside)
  }
  return aside
}

/**
 * Close files that lie in folders which were set aside, and remove the folders. SQLite does not bring the log into a file
 * that is not where it was opened, so closing one costs no sync.
 */
export async function freeFiles(
  { pool }: EngineParts,
  fileIds: readonly number[],
  folders: readonly string[],
): Promise<void> {
  const slices = new Slices(unwatched)
  for (const id of fileIds) {
    pool.close(id)
    if (slices.isOver) await slices.next()
  }
  for (const folder of folders) await removeFolder(folder)
}

/** A shard after the other: all of them at once would be thousands of answers at once. */
async function removeFolder(folder: string): Promise<void> {
  if (!fs.existsSync(folder)) return
  for (const shard of await fs.promises.readdir(folder)) {
    await fs.promises.rm(path.join(folder, shard), { recursive: true, force: true })
  }
  await fs.promises.rm(folder, { recursive: true, force: true })
}
