import assert from 'node:assert/strict'
import Database from 'better-sqlite3'

/** The table of the workloads, the same in cinch, in bare SQLite and in PostgreSQL. */
export const table = {
  name: 'item',
  systemColumns: false,
  columns: [
    { name: 'id', type: 'INTEGER', nullable: false },
    { name: 'name', type: 'TEXT', nullable: false },
    { name: 'amount', type: 'INTEGER', nullable: false },
    { name: 'note', type: 'TEXT' },
  ],
  primaryKey: ['id'],
}
export const sqliteTable =
  'create table item (id integer primary key, name text not null, amount integer not null, note text)'
export const postgresTable =
  'create table item (id bigint primary key, name text not null, amount bigint not null, note text)'
export const columnTypes = ['int', 'text', 'int', 'text']

/** The row with this key, as it was written and must be read. */
export function rowOf(id) {
  return [id, `name of ${id}`, (id * 7919) % 1_000_003, 'a note of forty characters, or nearly so']
}

export function objectOf(id) {
  const [, name, amount, note] = rowOf(id)
  return { id, name, amount, note }
}

export function assertRow(row, id) {
  const expected = rowOf(id)
  const isEqual =
    row?.length === 4 && row[0] === id && row[1] === expected[1] && row[2] === expected[2] && row[3] === expected[3]
  if (!isEqual) assert.deepEqual(row, expected)
}

/** A bare SQLite file as the daemon keeps its own, for the peers that go without a daemon. */
export function openBare(file) {
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.pragma('synchronous = normal')
  return db
}

/** Spreads ids over 1…count, so that reads do not go along the table. */
export function scattered(id, count) {
  return (((id * 48_271) % 2_147_483_647) % count) + 1
}
