import type { Database } from '../../storage/connection.ts'

const patienceMs = 2_000

/**
 * Bring the log into the file after a long write, here where it keeps nobody waiting. Where that does not succeed (somebody reads
 * for long, the disk is full) it stays, and goes with the daemon's next checkpoint: what is committed is committed.
 */
export function settleLog(db: Database.Database): void {
  try {
    db.pragma(`busy_timeout = ${patienceMs}`)
    db.pragma('wal_checkpoint(truncate)')
  } catch {
    return
  }
}
