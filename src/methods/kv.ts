import * as z from 'zod'
import { KvKey, KvPattern, KvTtlMs } from '../../protocol/keys.ts'
import { refuse } from '../base/refusal.ts'
import { purgeKeys, readInSlices } from '../engine/kv.ts'
import type { Place } from '../engine/sql.ts'
import { Transaction } from '../engine/transactions.ts'
import * as kv from '../kv/operations.ts'
import * as scans from '../kv/scan.ts'
import { decodeKvValue, kvValueText } from '../kv/values.ts'
import { JsonText } from '../rpc/contract.ts'
import {
  after,
  type Call,
  decode,
  decodeBy,
  method,
  params,
  placeRefusals,
  placeScope,
  requireBatch,
  tenantScope,
  writeRefusals,
} from './method.ts'

const Value = z
  .custom<unknown>(() => true)
  .meta({
    id: 'KvValue',
    description:
      'any JSON. {"$int": digits}, {"$real": …} and {"$blob": base64} are what they are for rows, at any depth; an object of one of these names alone is always taken so. A whole real comes back tagged, so that it is told from an integer',
  })
const Version = z.int().nonnegative()
const Keys = z.array(KvKey)
const Cursor = KvKey.optional().describe('nextCursor of the page before')
const NextCursor = KvKey.optional().describe('there may be more: go on from here')
const Limit = z
  .int()
  .positive()
  .max(10_000)
  .default(1_000)
  .describe('a page may have fewer, or none, and still not be the last')

const readRefusals = placeRefusals
const changeRefusals = [...placeRefusals, ...writeRefusals, 'transactionReadOnly'] as const

export const get = method({
  summary: 'Get the value of a key. `found` tells a null that is stored from a key that is not there.',
  access: 'read',
  params: params({ ...placeScope, key: KvKey }),
  result: z.object({ found: z.boolean(), value: Value.optional(), version: Version.optional() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(call.place(scope).ask(kv.get, { key, now }, call), (got) => new JsonText(gotText(got)))
  },
})

export const mget = method({
  summary: 'Get the values of several keys, in their order.',
  access: 'read',
  params: params({ ...placeScope, keys: Keys }),
  result: z.object({ values: z.array(get.result) }),
  refusals: readRefusals,
  handle: (call, { keys, ...scope }) => {
    requireBatch(call, keys)
    const now = call.engine.parts.clock()
    const maxBytes = call.engine.parts.config.limits.maxResultBytes
    return after(
      call.place(scope).ask(kv.mget, { keys, now, maxBytes }, call),
      (values) => new JsonText(`{"values":[${values.map(gotText).join(',')}]}`),
    )
  },
})

export const exists = method({
  summary: 'Tell whether a key is there.',
  access: 'read',
  params: params({ ...placeScope, key: KvKey }),
  result: z.object({ exists: z.boolean() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(call.place(scope).ask(kv.exists, { key, now }, call), (exists) => ({ exists }))
  },
})

export const set = method({
  summary:
    'Set a key. A condition that does not hold is no error: `set` tells, and `version` is that of what is there.',
  access: 'write',
  params: params({
    ...placeScope,
    key: KvKey,
    value: Value,
    ttlMs: KvTtlMs.optional().describe('the key expires after so many ms; without it, never'),
    keepTtl: z.boolean().optional().describe('a key that is there keeps its time; ttlMs is for one that is not'),
    ifAbsent: z.boolean().optional(),
    ifPresent: z.boolean().optional(),
    ifVersion: Version.optional().describe('only if the key has this version; 0: only if it is absent'),
  }),
  result: z.object({
    set: z.boolean(),
    version: Version.describe('greater with each value of the key, and never the same again; 0: it is absent'),
  }),
  refusals: changeRefusals,
  handle: async (call, { database, branch, tenant, transaction, timeoutMs: _, progressToken: __, ...options }) => {
    const place = call.place({ database, branch, tenant, transaction })
    const now = call.engine.parts.clock()
    const value = decodeBy(decodeKvValue, options.value, 'value')
    const was = await place.change(kv.set, { ...options, value, now }, call)
    if (options.ttlMs !== undefined) expiresLater(call, place, now + options.ttlMs)
    return was
  },
})

const Item = z.strictObject({ key: KvKey, value: Value, ttlMs: KvTtlMs.optional() })

export const mset = method({
  summary: 'Set several keys, all or none. Of a key that stands there twice, the last one counts.',
  access: 'write',
  params: params({
    ...placeScope,
    items: z.array(Item),
    ttlMs: KvTtlMs.optional().describe('for items that have none of their own'),
  }),
  result: z.object({ count: z.int(), versions: z.array(Version) }),
  refusals: changeRefusals,
  handle: async (call, { items: given, ttlMs, ...scope }) => {
    requireBatch(call, given)
    const place = call.place(scope)
    const now = call.engine.parts.clock()
    const items = given.map((item, at) => ({
      ttlMs,
      ...item,
      value: decodeBy(decodeKvValue, item.value, `items[${at}].value`),
    }))
    const versions = await place.change(kv.mset, { items, now }, call)
    const first = Math.min(...items.map((item) => item.ttlMs ?? Number.POSITIVE_INFINITY))
    if (Number.isFinite(first)) expiresLater(call, place, now + first)
    return { count: versions.length, versions }
  },
})

const remove = method({
  summary: 'Delete keys, and tell how many there were.',
  access: 'write',
  params: params({ ...placeScope, keys: Keys }),
  result: z.object({ count: z.int() }),
  refusals: changeRefusals,
  handle: async (call, { keys, ...scope }) => {
    requireBatch(call, keys)
    const now = call.engine.parts.clock()
    return { count: await call.place(scope).change(kv.remove, { keys, now }, call) }
  },
})

export { remove as delete }

export const increment = method({
  summary: 'Add to a number, and give the new one. A key that is not there begins at 0.',
  access: 'write',
  params: params({
    ...placeScope,
    key: KvKey,
    by: Value.optional().describe('a number; default 1. An integer takes integers alone, a real takes both'),
    ttlMs: KvTtlMs.optional().describe('for a key that begins with this; one that is there keeps its time'),
  }),
  result: z.object({ value: Value, version: Version }),
  refusals: [...changeRefusals, 'notThatNumber', 'numberOverflow'],
  handle: async (call, { key, by = 1, ttlMs, ...scope }) => {
    const place = call.place(scope)
    const now = call.engine.parts.clock()
    const amount = decode(by, 'by')
    if (typeof amount !== 'bigint' && typeof amount !== 'number') {
      return refuse('invalidValue', { where: 'by', reason: 'it is not a number' })
    }
    const { value, version } = await place.change(kv.increment, { key, by: amount, now, ttlMs }, call)
    if (ttlMs !== undefined) expiresLater(call, place, now + ttlMs)
    return new JsonText(`{"value":${kvValueText(value)},"version":${version}}`)
  },
})

export const expire = method({
  summary: 'Give a key that is there a time to live. Its value and version stay.',
  access: 'write',
  params: params({ ...placeScope, key: KvKey, ttlMs: KvTtlMs }),
  result: z.object({ found: z.boolean() }),
  refusals: changeRefusals,
  handle: async (call, { key, ttlMs, ...scope }) => {
    const place = call.place(scope)
    const now = call.engine.parts.clock()
    const found = await place.change(kv.expire, { key, now, ttlMs }, call)
    if (found) expiresLater(call, place, now + ttlMs)
    return { found }
  },
})

export const persist = method({
  summary: 'Have a key not expire any more. `persisted` is false for one that would not, or is not there.',
  access: 'write',
  params: params({ ...placeScope, key: KvKey }),
  result: z.object({ persisted: z.boolean() }),
  refusals: changeRefusals,
  handle: async (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return { persisted: await call.place(scope).change(kv.persist, { key, now }, call) }
  },
})

export const ttl = method({
  summary: 'Tell how many ms a key has left; null where it does not expire.',
  access: 'read',
  params: params({ ...placeScope, key: KvKey }),
  result: z.object({ found: z.boolean(), ttlMs: z.int().nullable().optional() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return call.place(scope).ask(kv.ttl, { key, now }, call)
  },
})

export const keys = method({
  summary: 'List keys in the order of their characters, a page at a time.',
  access: 'read',
  params: params({ ...placeScope, pattern: KvPattern.default('*'), limit: Limit, cursor: Cursor }),
  result: z.object({ keys: z.array(KvKey), nextCursor: NextCursor }),
  refusals: readRefusals,
  handle: (call, { pattern, limit, cursor, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(
      call.place(scope).ask(scans.keys, { pattern, limit, after: cursor, now }, call),
      ({ keys, nextAfter }) => ({ keys: [...keys], nextCursor: nextAfter }),
    )
  },
})

export const scan = method({
  summary: 'List keys with their values, in the order of their characters, a page at a time.',
  access: 'read',
  params: params({ ...placeScope, pattern: KvPattern.default('*'), limit: Limit, cursor: Cursor }),
  result: z.object({
    entries: z.array(
      z.object({
        key: KvKey,
        value: Value,
        version: Version,
        ttlMs: z.int().nullable().describe('null: it does not expire'),
      }),
    ),
    nextCursor: NextCursor,
  }),
  refusals: readRefusals,
  handle: (call, { pattern, limit, cursor, ...scope }) => {
    const now = call.engine.parts.clock()
    const maxBytes = Math.min(maxPageBytes, call.engine.parts.config.limits.maxResultBytes)
    return after(
      call.place(scope).ask(scans.scan, { pattern, limit, maxBytes, after: cursor, now }, call),
      ({ entries, nextAfter }) => {
        const next = nextAfter === undefined ? '' : `,"nextCursor":${JSON.stringify(nextAfter)}`
        return new JsonText(`{"entries":[${entries.map(entryText).join(',')}]${next}}`)
      },
    )
  },
})

const maxPageBytes = 4 * 1024 * 1024

export const count = method({
  summary: 'Count keys. What others write meanwhile may be counted or not.',
  access: 'read',
  params: params({ ...placeScope, pattern: KvPattern.default('*') }),
  result: z.object({ count: z.int() }),
  refusals: readRefusals,
  handle: async (call, { pattern, ...scope }) => {
    const now = call.engine.parts.clock()
    const slices = await readInSlices(call.place(scope), scans.count, { pattern, now }, call)
    return { count: slices.reduce((sum, { count }) => sum + count, 0) }
  },
})

export const size = method({
  summary: 'Tell how many bytes keys and their values take up: all of them, or those that are named.',
  access: 'read',
  params: params({ ...placeScope, keys: Keys.optional() }),
  result: z.object({
    bytes: z.int().describe('of a text its UTF-8, of a number 8, of a boolean 1'),
    sizes: z.array(z.int()).optional().describe('of each key that was named, in their order; 0: it is not there'),
  }),
  refusals: readRefusals,
  handle: async (call, { keys, ...scope }) => {
    const place = call.place(scope)
    const now = call.engine.parts.clock()
    if (keys === undefined) {
      const slices = await readInSlices(place, scans.size, { now }, call)
      return { bytes: slices.reduce((sum, { bytes }) => sum + bytes, 0) }
    }
    requireBatch(call, keys)
    const sizes = await place.ask(scans.sizes, { keys, now }, call)
    return { bytes: sizes.reduce((sum, each) => sum + each, 0), sizes }
  },
})

export const purge = method({
  summary: 'Remove the keys that have expired now, rather than in the background, and tell how many went.',
  access: 'write',
  params: params(tenantScope),
  result: z.object({ count: z.int() }),
  refusals: changeRefusals,
  handle: async (call, scope) => ({
    count: await purgeKeys(call.tenant(scope), call, call.engine.parts.clock()),
  }),
})

function gotText(got: kv.Got): string {
  return got.found ? `{"found":true,"value":${kvValueText(got.value)},"version":${got.version}}` : '{"found":false}'
}

function entryText({ key, value, version, ttlMs }: scans.Entry): string {
  return `{"key":${JSON.stringify(key)},"value":${kvValueText(value)},"version":${version},"ttlMs":${ttlMs}}`
}

function expiresLater({ engine }: Call, place: Place, due: number): void {
  engine.parts.expiry.note(place instanceof Transaction ? place.tenant : place, due)
}
