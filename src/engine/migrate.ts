import type Database from 'better-sqlite3'
import { crashPoint } from '../base/crash-point.ts'
import { runSteps } from '../schema/apply.ts'
import { writeChangeSet } from '../storage/tenant-file.ts'
import type { Migration } from './heads.ts'

/** Bring a tenant's database forward, a transaction for each change set. `reached` hears of each after its commit. */
export function migrate(
  db: Database.Database,
  migrations: readonly Migration[],
  reached: (changeSet: string) => void = () => {},
): void {
  for (const { id, steps, rebuilt } of migrations) {
    const beforeCommit = () => {
      writeChangeSet(db, id)
      crashPoint('migrate.committing')
    }
    runSteps(db, steps, { rebuilt, beforeCommit })
    reached(id)
    crashPoint('migrate.committed')
  }
}
