import type { Proof } from '../../schema/plan.ts'
import { type Durability, openFile, openReadOnly } from '../../storage/connection.ts'
import { Statements } from '../../storage/statements.ts'
import { readChangeSet } from '../../storage/tenant-file.ts'
import type { Migration } from '../heads.ts'
import { migrate } from '../migrate.ts'
import { probe, type Witness } from '../probe.ts'
import { settleLog } from './log.ts'

/** A tenant's file, and how it is written to. */
interface WrittenFile {
  readonly path: string
  readonly durability: Durability
}

export interface MigrateFile extends WrittenFile {
  /** What it has to go through. */
  readonly migrations: readonly Migration[]
}

/** In a process: bring a file forward. Gives the change set at which it stands then. */
export function migrateFile({ path, durability, migrations }: MigrateFile): string {
  const db = openFile(path, durability)
  try {
    // What sorts the keys of a large index does not fit into memory.
    db.pragma('temp_store = file')
    migrate(db, migrations)
    settleLog(db)
    return readChangeSet(db)
  } finally {
    db.close()
  }
}

/** In a process: rewrite a file without its unused pages. Until that is committed, nothing has happened. */
export function vacuumFile({ path, durability }: WrittenFile): void {
  const db = openFile(path, durability)
  try {
    db.pragma('temp_store = file')
    db.exec('vacuum')
    settleLog(db)
  } finally {
    db.close()
  }
}

/** In a process: what SQLite's own checks say of a file; nothing where it is sound. */
export function checkFile({ path }: { readonly path: string }): string[] {
  const db = openReadOnly(path)
  try {
    const integrity = db.prepare<[], string>('pragma integrity_check').pluck().all()
    const orphans = db.pragma('foreign_key_check') as { table: string; rowid: number; parent: string }[]
    return [
      ...integrity.filter((text) => text !== 'ok'),
      ...orphans.map(({ table, rowid, parent }) => `row ${rowid} of ${table} refers to no row of ${parent}`),
    ]
  } finally {
    db.close()
  }
}

export interface ProbeFile {
  readonly path: string
  readonly tenant: string
  readonly proofs: readonly Proof[]
}

/** In a process: look for rows that stand against an edit. */
export function probeFile({ path, tenant, proofs }: ProbeFile): Witness[] {
  const db = openReadOnly(path)
  try {
    return probe({ statements: new Statements(db) }, tenant, proofs)
  } finally {
    db.close()
  }
}
