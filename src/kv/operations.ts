import { maxInt64, minInt64 } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'
import {
  exactly,
  findStored,
  findValue,
  isLive,
  put,
  raiseFloor,
  reading,
  type StoredValue,
  versionFloor,
  writing,
} from './table.ts'
import { type KvValue, kvTypeOf } from './values.ts'

/**
 * What can be done to keys. Each is a function of a reader or writer and plain arguments with a plain result, so that it
 * runs wherever there is a connection. `now` is the time in ms since 1970: a key that has expired by it is not there.
 */
export interface At {
  readonly now: number
}

export type Got = { readonly found: false } | Found

export interface Found {
  readonly found: true
  readonly value: KvValue
  /** Greater with each value that the key gets, and never the same again. */
  readonly version: number
}

const absent: Got = { found: false }

export function get(reader: Reader, { key, now }: At & { readonly key: string }): Got {
  return reading(absent, () => {
    const stored = findValue(reader, key)
    return isLive(stored, now) ? { found: true, value: stored.value, version: stored.version } : absent
  })
}

/** In the order of `keys`. Refuses what is more than `maxBytes` together. */
export function mget(
  reader: Reader,
  { keys, now, maxBytes }: At & { readonly keys: readonly string[]; readonly maxBytes: number },
): Got[] {
  let bytes = 0
  return keys.map((key) => {
    const got = get(reader, { key, now })
    if (got.found) bytes += valueBytes(got.value)
    if (bytes > maxBytes) refuse('limitExceeded', { limit: 'maxResultBytes', max: maxBytes })
    return got
  })
}

export function exists(reader: Reader, { key, now }: At & { readonly key: string }): boolean {
  return reading(false, () => isLive(findStored(reader, key), now))
}

/** The ms that a key has left; null where it does not expire. */
export type Ttl = { readonly found: false } | { readonly found: true; readonly ttlMs: number | null }

export function ttl(reader: Reader, { key, now }: At & { readonly key: string }): Ttl {
  return reading<Ttl>(absent as Ttl, () => {
    const stored = findStored(reader, key)
    if (!isLive(stored, now)) return { found: false }
    return { found: true, ttlMs: stored.expires === null ? null : stored.expires - now }
  })
}

export interface Item {
  readonly key: string
  readonly value: KvValue
  /** Without one, the key does not expire. */
  readonly ttlMs?: number
}

export interface SetOptions extends At, Item {
  /** A key that is there keeps its time; `ttlMs` is for one that is not. */
  readonly keepTtl?: boolean
  readonly ifAbsent?: boolean
  readonly ifPresent?: boolean
  /** Only if this is the key's version; 0: only if it is absent. */
  readonly ifVersion?: number
}

/** `version` is that of what is there now; 0 where nothing is. */
export interface WasSet {
  readonly set: boolean
  readonly version: number
}

export function set(writer: Writer, options: SetOptions): WasSet {
  const { key, value, now, ttlMs, keepTtl, ifAbsent, ifPresent, ifVersion } = options
  return writing(writer, () => {
    const stored = findStored(writer, key)
    const live = isLive(stored, now) ? stored : undefined
    const current = live?.version ?? 0
    const isRefused = (ifAbsent && live) || (ifPresent && !live) || (ifVersion !== undefined && ifVersion !== current)
    if (isRefused) return { set: false, version: current }
    const version = (stored?.version ?? versionFloor(writer)) + 1
    const expires = keepTtl && live ? live.expires : ttlMs === undefined ? null : now + ttlMs
    put(writer, key, { version, expires, value })
    return { set: true, version }
  })
}

/** Of a key that stands there twice, the last one counts. Gives the version of each. */
export function mset(writer: Writer, { items, now }: At & { readonly items: readonly Item[] }): number[] {
  return items.map((item) => set(writer, { ...item, now }).version)
}

/** Gives how many there were. */
export function remove(writer: Writer, { keys, now }: At & { readonly keys: readonly string[] }): number {
  return reading(0, () => {
    const statement = exactly(writer.statements, 'delete from __kv where key = ? returning version, expires')
    const versions: number[] = []
    let count = 0
    for (const key of keys) {
      const row = statement.get(key) as [bigint, bigint | null] | undefined
      if (row === undefined) continue
      versions.push(Number(row[0]))
      if (row[1] === null || row[1] > now) count++
    }
    if (versions.length > 0) raiseFloor(writer, versions)
    return count
  })
}

export interface IncrementOptions extends At {
  readonly key: string
  readonly by: bigint | number
  /** For a key that begins with this; one that is there keeps its time. */
  readonly ttlMs?: number
}

export interface Incremented {
  readonly value: bigint | number
  readonly version: number
}

/**
 * Add to a number; a key that is not there begins at 0. An INTEGER takes integers alone and stays exact, a REAL takes both.
 */
export function increment(writer: Writer, { key, by, now, ttlMs }: IncrementOptions): Incremented {
  return writing(writer, () => {
    const stored = findValue(writer, key)
    const live = isLive(stored, now) ? (stored as StoredValue) : undefined
    const value = live === undefined ? by : sum(key, live.value, by)
    const version = (stored?.version ?? versionFloor(writer)) + 1
    const expires = live ? live.expires : ttlMs === undefined ? null : now + ttlMs
    put(writer, key, { version, expires, value })
    return { value, version }
  })
}

function sum(key: string, value: KvValue, by: bigint | number): bigint | number {
  if (typeof value === 'bigint' && typeof by === 'bigint') {
    const result = value + by
    return result >= minInt64 && result <= maxInt64 ? result : refuse('numberOverflow', { key })
  }
  const isExact = typeof by === 'number' || Number.isSafeInteger(Number(by))
  if (typeof value !== 'number' || !isExact) {
    return refuse('notThatNumber', { key, type: kvTypeOf(value), by: typeof by === 'bigint' ? 'integer' : 'real' })
  }
  const result = value + Number(by)
  return Number.isFinite(result) ? result : refuse('numberOverflow', { key })
}

/** Whether the key is there. Its value, and so its version, stays. */
export function expire(writer: Writer, { key, now, ttlMs }: At & { readonly key: string; ttlMs: number }): boolean {
  return reading(false, () => {
    if (!isLive(findStored(writer, key), now)) return false
    setExpiry(writer, key, now + ttlMs)
    return true
  })
}

/** Have a key not expire. Whether there was something to be done. */
export function persist(writer: Writer, { key, now }: At & { readonly key: string }): boolean {
  return reading(false, () => {
    const stored = findStored(writer, key)
    if (!isLive(stored, now) || stored.expires === null) return false
    setExpiry(writer, key, null)
    return true
  })
}

function setExpiry({ statements }: Writer, key: string, expires: number | null): void {
  statements.get('update __kv set expires = ? where key = ?').statement.run(expires, key)
}

/** Remove at most `limit` keys that have expired, the oldest first. Gives how many went. */
export function purge(writer: Writer, { now, limit }: At & { readonly limit: number }): number {
  return reading(0, () => {
    const statement = exactly(
      writer.statements,
      `delete from __kv where key in (select key from __kv where expires <= ? order by expires limit ?)
       returning version`,
    )
    const versions = (statement.all(now, BigInt(limit)) as [bigint][]).map(([version]) => Number(version))
    if (versions.length > 0) raiseFloor(writer, versions)
    return versions.length
  })
}

/** When the next key expires, or has; undefined where none ever does. */
export function nextExpiry({ statements }: Reader): number | undefined {
  return reading(undefined, () => {
    const sql = 'select min(expires) from __kv where expires is not null'
    const [expires] = exactly(statements, sql).get() as [bigint | null]
    return expires === null ? undefined : Number(expires)
  })
}

/** Bytes of a value: of a text its UTF-8, of a number 8, of a boolean 1. */
export function valueBytes(value: KvValue): number {
  switch (kvTypeOf(value)) {
    case 'null':
      return 0
    case 'boolean':
      return 1
    case 'integer':
    case 'real':
      return 8
    case 'text':
      return Buffer.byteLength(value as string)
    case 'json':
      return Buffer.byteLength((value as { json: string }).json)
    case 'bytes':
      return (value as Uint8Array).byteLength
  }
}
