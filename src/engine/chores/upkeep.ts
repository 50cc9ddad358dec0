import type { Proof } from '../../schema/plan.ts'
import { type Database, type Durability, type KeyText, openFile, openReadOnly } from '../../storage/connection.ts'
import { codeOf } from '../../storage/faults.ts'
import { Statements } from '../../storage/statements.ts'
import { readChangeSet } from '../../storage/tenant-file.ts'
import type { Migration } from '../heads.ts'
import { migrate } from '../migrate.ts'
import { probe, type Witness } from '../probe.ts'
import { settleLog } from './log.ts'

/** A tenant's file, and how it is written to. */
interface WrittenFile {
  readonly path: string
  readonly key?: KeyText
  readonly durability: Durability
}

export interface MigrateFile extends WrittenFile {
  /** What it has to go through. */
  readonly migrations: readonly Migration[]
}

/** In a process: bring a file forward. Gives the change set at which it stands then. */
export function migrateFile({ path, key, durability, migrations }: MigrateFile): string {
  const db = openFile(path, durability, { key })
  try {
    sortOnDisk(db, key)
    migrate(db, migrations)
    settleLog(db)
    return readChangeSet(db)
  } finally {
    db.close()
  }
}

/** In a process: rewrite a file without its unused pages. Until that is committed, nothing has happened. */
export function vacuumFile({ path, key, durability }: WrittenFile): void {
  const db = openFile(path, durability, { key })
  try {
    sortOnDisk(db, key)
    db.exec('vacuum')
    settleLog(db)
  } finally {
    db.close()
  }
}

/** In a process: what SQLite's own checks say of a file; nothing where it is sound. */
export function checkFile({ path, key }: { readonly path: string; readonly key?: KeyText }): string[] {
  const db = openReadOnly(path, key)
  try {
    if (key && !verifies(db)) return ['its first page does not verify']
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
  readonly key?: KeyText
  readonly tenant: string
  readonly proofs: readonly Proof[]
}

/** In a process: look for rows that stand against an edit. */
export function probeFile({ path, key, tenant, proofs }: ProbeFile): Witness[] {
  const db = openReadOnly(path, key)
  try {
    return probe({ statements: new Statements(db) }, tenant, proofs)
  } finally {
    db.close()
  }
}

/**
 * What sorts the keys of a large index does not fit into memory. Of what is encrypted nothing goes to the disk that is not:
 * there it has to fit.
 */
function sortOnDisk(db: Database.Database, key: KeyText | undefined): void {
  if (key === undefined) db.pragma('temp_store = file')
}

/** Whether the first page of a file is what the key says, which is the right one. */
function verifies(db: Database.Database): boolean {
  try {
    db.pragma('schema_version')
    return true
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_NOTADB') throw error
    return false
  }
}
