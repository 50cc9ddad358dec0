import type { Reader } from '../storage/tenant-file.ts'
import { isPrefixOnly, Matcher, parseGlob, rangeOf } from './glob.ts'
import { type At, get, valueBytes } from './operations.ts'
import { exactly, findValue, reading, type StoredValue } from './table.ts'
import type { KvValue } from './values.ts'

/**
 * Keys that match a pattern, in the order of their code points, a slice at a time: however many keys there are, and however
 * few of them match, a slice looks at so many. Who wants more goes on `after` the key at which it ended.
 */
export interface SliceOptions extends At {
  readonly pattern: string
  /** Only keys behind this one. */
  readonly after?: string
}

/** `nextAfter`: where the next slice begins; undefined at the end of all. */
export interface Slice {
  readonly nextAfter: string | undefined
}

export interface KeySlice extends Slice {
  readonly keys: readonly string[]
}

export function keys(reader: Reader, { limit, ...options }: SliceOptions & { readonly limit: number }): KeySlice {
  const keys: string[] = []
  const nextAfter = walk(reader, options, (key) => keys.push(key) < limit)
  return { keys, nextAfter }
}

export interface Entry {
  readonly key: string
  readonly value: KvValue
  readonly version: number
  /** Null where it does not expire. */
  readonly ttlMs: number | null
}

export interface EntrySlice extends Slice {
  readonly entries: readonly Entry[]
}

/** As `keys`, with what is stored under each; a slice also ends with the entry with which its values have `maxBytes`. */
export function scan(
  reader: Reader,
  { limit, maxBytes, ...options }: SliceOptions & { readonly limit: number; readonly maxBytes: number },
): EntrySlice {
  const entries: Entry[] = []
  let bytes = 0
  // A value may be long: that of a key that does not match is not read.
  const nextAfter = walk(reader, options, (key) => {
    const { value, version, expires } = findValue(reader, key) as StoredValue
    bytes += valueBytes(value)
    entries.push({ key, value, version, ttlMs: expires === null ? null : expires - options.now })
    return entries.length < limit && bytes < maxBytes
  })
  return { entries, nextAfter }
}

export interface CountSlice extends Slice {
  readonly count: number
}

export function count(reader: Reader, options: SliceOptions): CountSlice {
  const glob = parseGlob(options.pattern)
  if (isPrefixOnly(glob) && isOrdered(reader)) return tally(reader, options, rangeOf(glob))
  let count = 0
  const nextAfter = walk(reader, options, () => ++count > 0)
  return { count, nextAfter }
}

export interface SizeSlice extends CountSlice {
  readonly bytes: number
}

/** How much all keys and their values take up, as `valueBytes` counts it. */
export function size(reader: Reader, options: Omit<SliceOptions, 'pattern'>): SizeSlice {
  return tally(reader, options, { from: '', to: undefined })
}

/** The same of some keys, in their order; 0 for one that is not there. */
export function sizes(reader: Reader, { keys, now }: At & { readonly keys: readonly string[] }): number[] {
  return keys.map((key) => {
    const got = get(reader, { key, now })
    return got.found ? Buffer.byteLength(key) + valueBytes(got.value) : 0
  })
}

const tallied = 10_000

/** Count without looking at keys one by one here. */
function tally(reader: Reader, { now, after }: Omit<SliceOptions, 'pattern'>, range: Range): SizeSlice {
  return reading({ count: 0, bytes: 0, nextAfter: undefined }, () => {
    const sql = `
      select count(*), max(key), count(*) filter (where live), coalesce(sum(bytes) filter (where live), 0)
      from (
        select key, expires is null or expires > ? as live, octet_length(key) + case
            when kind = 'boolean' then 1
            when typeof(value) in ('integer', 'real') then 8
            else coalesce(octet_length(value), 0)
          end as bytes
        from __kv where key ${after === undefined ? '>=' : '>'} ? and key < ? order by key limit ${tallied}
      )`
    const found = reader.statements.get(sql).statement.get(now, after ?? range.from, range.to ?? beyond)
    const [seen, last, count, bytes] = found as [number, string | null, number, number]
    return { count, bytes, nextAfter: seen === tallied && last !== null ? last : undefined }
  })
}

interface Range {
  readonly from: string
  readonly to: string | undefined
}

/** To SQLite, every BLOB is greater than every text. */
const beyond = new Uint8Array()

/** Keys that a slice looks at, and the effort to match them, at most: a few milliseconds. */
const maxLooks = 5_000
const maxSteps = 1_000_000

/**
 * Give each key that is there and matches to `take`, until that says no or the slice is over. Gives the last key that was
 * looked at, if there may be more.
 */
function walk(
  reader: Reader,
  { pattern, after, now }: SliceOptions,
  take: (key: string) => boolean,
): string | undefined {
  return reading(undefined, () => {
    const matcher = new Matcher(parseGlob(pattern))
    const { from, to } = isOrdered(reader) ? rangeOf(matcher.glob) : everything
    const sql = `select key, expires from __kv where key ${after === undefined ? '>=' : '>'} ? and key < ? order by key`
    const rows = exactly(reader.statements, sql).iterate(after ?? from, to ?? beyond)
    let looks = 0
    for (const [key, expires] of rows as Iterable<[string, bigint | null]>) {
      const isThere = expires === null || expires > now
      const goesOn = !isThere || !matcher.matches(key) || take(key)
      if (!goesOn || ++looks >= maxLooks || matcher.steps > maxSteps) return key
    }
    return undefined
  })
}

const everything: Range = { from: '', to: undefined }

/**
 * Whether keys lie in the order of their code points. A file that was adopted may be in UTF-16, whose bytes order texts
 * otherwise: there a prefix is no range.
 */
function isOrdered({ statements }: Reader): boolean {
  const [encoding] = statements.get('pragma encoding').statement.get() as [string]
  return encoding === 'UTF-8'
}
