import fs from 'node:fs'
import path from 'node:path'
import { parentPort } from 'node:worker_threads'
import { crashPoint } from '../base/crash-point.ts'
import { openFile, openMemory, withJournal } from '../storage/connection.ts'
import { codeOf } from '../storage/faults.ts'
import { sizeOf, syncFolder, writeSynced } from '../storage/files.ts'
import { readChangeSet } from '../storage/tenant-file.ts'
import type { Batch, LentFile, Outcome } from './drain-thread.ts'
import { migrate } from './migrate.ts'

/** Up to this size a file is made anew in memory and replaced; a larger one is migrated where it lies. */
const maxImageBytes = 2 * 1024 * 1024
/** How much of files is in memory at a time, so that files of many bytes do not become many times their bytes. */
const maxBytesAtOnce = 4 * 1024 * 1024

parentPort?.on('message', async (batch: Batch) => parentPort?.postMessage(await rollForward(batch)))

/**
 * What the disk does for one file it does for the others of the batch, too. The names of replaced files are durable when
 * this settles. A folder that cannot be synced ends the thread: of no file of the batch is then known where it stands.
 */
async function rollForward({ files, ...way }: Batch): Promise<Outcome[]> {
  const folders = new Set<string>()
  const attempt = async (file: LentFile): Promise<Outcome> => {
    const { id } = file
    try {
      const changeSet = await bringForward(file, way)
      folders.add(path.dirname(file.path))
      return { kind: 'stands', id, changeSet }
    } catch (error) {
      fs.rmSync(file.beside, { force: true })
      return { kind: 'failed', id, code: codeOf(error), message: messageOf(error) }
    }
  }
  const attempts: Promise<Outcome>[] = []
  let bytes = 0
  for (const file of files) {
    const size = sizeOf(file.path)
    if (bytes + size > maxBytesAtOnce) {
      await Promise.all(attempts)
      bytes = 0
    }
    bytes += size
    attempts.push(attempt(file))
  }
  const outcomes = await Promise.all(attempts)
  for (const folder of folders) syncFolder(folder)
  return outcomes
}

type Way = Omit<Batch, 'files'>

/** Gives the change set at which the file stands now. */
async function bringForward(file: LentFile, way: Way): Promise<string> {
  const isWhole = !fs.existsSync(`${file.path}-wal`) && !fs.existsSync(`${file.path}-shm`)
  return isWhole && sizeOf(file.path) <= maxImageBytes ? replace(file, way) : migrateInPlace(file, way)
}

/** One sync does for a file that is made anew, and at no time is it other than whole, at one change set or the other. */
async function replace({ path, beside }: LentFile, way: Way): Promise<string> {
  const { image, changeSet } = migrated(fs.readFileSync(path), way)
  if (image === undefined) return changeSet
  await writeSynced(beside, image)
  crashPoint('drain.writtenBeside')
  fs.renameSync(beside, path)
  crashPoint('drain.renamed')
  return changeSet
}

/** The bytes of a file as they are after its migrations, where it has any to go through. */
function migrated(file: Buffer, { ways }: Way): { image?: Buffer; changeSet: string } {
  const db = openMemory(withJournal(file, 'rollback'))
  try {
    const found = readChangeSet(db)
    const migrations = ways[found] ?? []
    if (migrations.length === 0) return { changeSet: found }
    migrate(db, migrations)
    return { image: withJournal(db.serialize(), 'wal'), changeSet: readChangeSet(db) }
  } finally {
    db.close()
  }
}

function migrateInPlace({ path }: LentFile, { ways, durability }: Way): string {
  const db = openFile(path, durability)
  try {
    migrate(db, ways[readChangeSet(db)] ?? [])
    return readChangeSet(db)
  } finally {
    db.close()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
