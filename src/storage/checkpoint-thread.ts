/**
 * The thread of `Checkpointer`: brings a file's write-ahead log into the file, with the syncs that this needs. One file
 * after another, each by a connection that lives as long.
 */
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { CheckpointJob, CheckpointReport } from './checkpointer.ts'

const done = new Int32Array(workerData as SharedArrayBuffer)

parentPort?.on('message', ({ path }: CheckpointJob) => {
  const report = checkpoint(path)
  Atomics.add(done, 0, 1)
  Atomics.notify(done, 0)
  parentPort?.postMessage(report)
})

function checkpoint(path: string): CheckpointReport {
  try {
    const db = new Database(path, { fileMustExist: true, timeout: 0 })
    try {
      db.pragma('synchronous = normal')
      db.pragma('wal_checkpoint(passive)')
      return {}
    } finally {
      db.close()
    }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) }
  }
}
