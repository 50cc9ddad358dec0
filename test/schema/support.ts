import Database from 'better-sqlite3'
import { expect } from 'vitest'
import { Refusal } from '../../src/base/refusal.ts'
import { evolve, runSteps } from '../../src/schema/apply.ts'
import type { Change } from '../../src/schema/change.ts'
import type { Schema } from '../../src/schema/model.ts'
import { differences } from '../../src/schema/model.ts'
import { createTemplate, snapshot } from '../../src/schema/snapshot.ts'

export type Connection = Database.Database

/** Ids that count, so that a test that fails twice fails the same way. */
export function counter(prefix = 'id'): () => string {
  let next = 0
  return () => `${prefix}${++next}`
}

/** A database as the daemon opens files, made by these statements. */
export function open(sql = ''): Connection {
  const db = new Database(':memory:')
  db.pragma('foreign_keys = ON')
  db.pragma('recursive_triggers = OFF')
  db.pragma('trusted_schema = OFF')
  db.exec(sql)
  return db
}

export function read(db: Connection): Schema {
  return snapshot(db, counter())
}

export function schemaOf(sql: string): Schema {
  return read(open(sql))
}

/** Take a file with rows through the changes as the daemon does: on a template first, then by the recorded steps. */
export function migrate(db: Connection, ...changes: Change[]): Schema {
  const schema = read(db)
  const template = createTemplate(schema)
  const evolved = evolve(template, schema, changes, counter('new'))
  const witnesses = evolved.proofs.flatMap((proof) =>
    db
      .prepare(proof.sql)
      .all()
      .map((row) => [proof.reason, row]),
  )
  expect(witnesses).toEqual([])
  runSteps(db, JSON.parse(JSON.stringify(evolved.steps)), { rebuilt: evolved.rebuilt })
  expect(differences(evolved.schema, read(db))).toEqual([])
  expect(db.pragma('foreign_keys', { simple: true })).toBe(1)
  expect(db.pragma('legacy_alter_table', { simple: true })).toBe(0)
  return evolved.schema
}

/** The kind and data of the refusal that `body` ends in. */
export function refusal(body: () => unknown): { kind: string; [field: string]: unknown } {
  try {
    body()
  } catch (error) {
    if (error instanceof Refusal) return { kind: error.kind, ...error.data }
    throw error
  }
  throw new Error('not refused')
}

/** What rows of a file at the old schema stand against the changes: reason and witnesses. */
export function witnesses(sql: string, ...changes: Change[]): { reason: string; rows: unknown[] }[] {
  const db = open(sql)
  const schema = read(db)
  const { proofs } = evolve(createTemplate(schema), schema, changes, counter('new'))
  return proofs
    .map((proof) => ({ reason: proof.reason, rows: db.prepare(proof.sql).all() }))
    .filter(({ rows }) => rows.length > 0)
}
