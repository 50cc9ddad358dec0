import { refuseSqlError } from '../query/errors.ts'
import { codeOf } from '../storage/faults.ts'
import type { Prepared, Statements } from '../storage/statements.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'
import { isNestedValue, type KvValue } from './values.ts'

/**
 * Where a tenant's keys lie. `version` counts up with every value of a key, `expires` is in ms since 1970, `kind` is
 * `boolean` or `json` where SQLite's own type of `value` does not say it all. The value comes last: it may be long, and
 * what only looks at keys does not read it.
 */
const table = `create table if not exists __kv (
  key text primary key,
  version integer not null,
  expires integer,
  kind text,
  value any
) strict, without rowid`

/** The one thing that is looked for other than by key: what has expired. */
const index = 'create index if not exists __kv_expires on __kv (expires) where expires is not null'

/** A key as it is stored, expired or not. */
export interface Stored {
  readonly version: number
  readonly expires: number | null
}

export interface StoredValue extends Stored {
  readonly value: KvValue
}

/** Read; `absent` is the answer of a file that has no keys yet. */
export function reading<T>(absent: T, work: () => T): T {
  try {
    return work()
  } catch (error) {
    return isTableMissing(error) ? absent : refuseSqlError(error)
  }
}

/** Write; a file gets the table in the transaction of its first key. */
export function writing<T>(writer: Writer, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!isTableMissing(error)) return refuseSqlError(error)
  }
  try {
    for (const sql of [table, index]) writer.statements.get(sql).statement.run()
    return work()
  } catch (error) {
    return refuseSqlError(error)
  }
}

/**
 * Whether SQLite says so when it compiles the first statement: nothing was done yet. To know it beforehand would take a
 * look that nearly never finds anything, or a memory that the rollback of a first write makes wrong.
 */
function isTableMissing(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_ERROR' && error instanceof Error && error.message === 'no such table: __kv'
}

/** Finds something where a file has a key. */
export const liveKey = 'select 1 from __kv where expires is null or expires > ? limit 1'

export function isLive(stored: Stored | undefined, now: number): stored is Stored {
  return stored !== undefined && (stored.expires === null || stored.expires > now)
}

/** What is stored under a key, without its value. */
export function findStored(reader: Reader, key: string): Stored | undefined {
  const row = exactly(reader.statements, 'select version, expires from __kv where key = ?').get(key)
  if (row === undefined) return undefined
  const [version, expires] = row as [bigint, bigint | null]
  return { version: Number(version), expires: expires === null ? null : Number(expires) }
}

/** What is stored under a key. */
export function findValue(reader: Reader, key: string): StoredValue | undefined {
  const row = exactly(reader.statements, 'select version, expires, kind, value from __kv where key = ?').get(key)
  return row === undefined ? undefined : storedValue(row as ValueRow)
}

/** `version, expires, kind, value` as they are read. */
type ValueRow = [bigint, bigint | null, string | null, Exclude<KvValue, boolean>]

function storedValue([version, expires, kind, value]: ValueRow): StoredValue {
  return {
    version: Number(version),
    expires: expires === null ? null : Number(expires),
    value: kind === null ? value : kind === 'json' ? { json: value as string } : value === 1n,
  }
}

export function put(writer: Writer, key: string, { version, expires, value }: StoredValue): void {
  const { statement } = writer.statements.get(
    `insert into __kv (key, version, expires, kind, value) values (?, ?, ?, ?, ?)
     on conflict (key) do update set
       version = excluded.version, expires = excluded.expires, kind = excluded.kind, value = excluded.value`,
  )
  if (typeof value === 'boolean') statement.run(key, version, expires, 'boolean', value ? 1n : 0n)
  else if (isNestedValue(value)) statement.run(key, version, expires, 'json', value.json)
  else statement.run(key, version, expires, null, value)
}

/** A statement whose integers are all read as bigints: so an INTEGER and a whole REAL are told apart. */
export function exactly(statements: Statements, sql: string): Prepared['statement'] {
  return statements.get(sql).statement.safeIntegers(true)
}

/**
 * No key that is gone had a greater version: a key that comes anew begins above it. So a version never stands for two
 * values of one key, and who compares it cannot be misled by a key that was deleted and made again meanwhile.
 */
export function versionFloor({ statements }: Reader): number {
  const row = statements.get(`select value from __cinch where key = 'kvFloor'`).statement.get() as [string] | undefined
  return row === undefined ? 0 : Number(row[0])
}

/** Keys of these versions are about to go. */
export function raiseFloor(writer: Writer, versions: readonly number[]): void {
  const floor = Math.max(...versions)
  if (floor <= versionFloor(writer)) return
  writer.statements.get(`insert or replace into __cinch values ('kvFloor', ?)`).statement.run(String(floor))
}
