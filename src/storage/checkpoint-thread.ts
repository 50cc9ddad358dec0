/**
 * The thread of `Checkpointer`: brings a file's write-ahead log into the file, with the syncs that this needs. One file
 * after another, each by a connection that lives as long.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { CheckpointJob, CheckpointReport } from './checkpointer.ts'
import { openKeyed } from './connection.ts'

const done = new Int32Array(workerData as SharedArrayBuffer)

parentPort?.on('message', (job: CheckpointJob) => {
  const report = checkpoint(job)
  job.key?.text.fill(0)
  Atomics.add(done, 0, 1)
  Atomics.notify(done, 0)
  parentPort?.postMessage(report)
})

function checkpoint({ path, key }: CheckpointJob): CheckpointReport {
  try {
    const db = openKeyed(path, { fileMustExist: true, timeout: 0 }, key)
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
