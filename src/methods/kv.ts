import * as z from 'zod'
import { KvKey, KvPattern, KvTtlMs } from '../../protocol/keys.ts'
import { refuse } from '../base/refusal.ts'
import { purgeKeys, readInSlices } from '../engine/kv.ts'
import type { Tenant } from '../engine/tenant.ts'
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
  tenantRefusals,
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

const readRefusals = tenantRefusals
const changeRefusals = [...tenantRefusals, ...writeRefusals] as const

export const get = method({
  summary: 'Get the value of a key. `found` tells a null that is stored from a key that is not there.',
  access: 'read',
  params: params({ ...tenantScope, key: KvKey }),
  result: z.object({ found: z.boolean(), value: Value.optional(), version: Version.optional() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(
      call.tenant(scope).read((reader) => kv.get(reader, { key, now })),
      (got) => new JsonText(gotText(got)),
    )
  },
})

export const mget = method({
  summary: 'Get the values of several keys, in their order.',
  access: 'read',
  params: params({ ...tenantScope, keys: Keys }),
  result: z.object({ values: z.array(get.result) }),
  refusals: readRefusals,
  handle: (call, { keys, ...scope }) => {
    checkBatch(call, keys)
    const now = call.engine.parts.clock()
    const maxBytes = call.engine.parts.config.limits.maxResultBytes
    return after(
      call.tenant(scope).read((reader) => kv.mget(reader, { keys, now, maxBytes })),
      (values) => new JsonText(`{"values":[${values.map(gotText).join(',')}]}`),
    )
  },
})

export const exists = method({
  summary: 'Tell whether a key is there.',
  access: 'read',
  params: params({ ...tenantScope, key: KvKey }),
  result: z.object({ exists: z.boolean() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(
      call.tenant(scope).read((reader) => kv.exists(reader, { key, now })),
      (exists) => ({ exists }),
    )
  },
})

export const set = method({
  summary:
    'Set a key. A condition that does not hold is no error: `set` tells, and `version` is that of what is there.',
  access: 'write',
  params: params({
    ...tenantScope,
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
  refusals: [...changeRefusals, 'invalidValue'],
  handle: async (call, { database, branch, tenant: name, timeoutMs: _, progressToken: __, ...options }) => {
    const tenant = call.tenant({ database, branch, tenant: name })
    const now = call.engine.parts.clock()
    const value = decodeBy(decodeKvValue, options.value, 'value')
    const was = await tenant.write((writer) => kv.set(writer, { ...options, value, now }))
    if (options.ttlMs !== undefined) expiresLater(call, tenant, now + options.ttlMs)
    return was
  },
})

const Item = z.strictObject({ key: KvKey, value: Value, ttlMs: KvTtlMs.optional() })

export const mset = method({
  summary: 'Set several keys, all or none. Of a key that stands there twice, the last one counts.',
  access: 'write',
  params: params({
    ...tenantScope,
    items: z.array(Item),
    ttlMs: KvTtlMs.optional().describe('for items that have none of their own'),
  }),
  result: z.object({ count: z.int(), versions: z.array(Version) }),
  refusals: [...changeRefusals, 'invalidValue'],
  handle: async (call, { items: given, ttlMs, ...scope }) => {
    checkBatch(call, given)
    const tenant = call.tenant(scope)
    const now = call.engine.parts.clock()
    const items = given.map((item, at) => ({
      ttlMs,
      ...item,
      value: decodeBy(decodeKvValue, item.value, `items[${at}].value`),
    }))
    const versions = await tenant.write((writer) => kv.mset(writer, { items, now }))
    const first = Math.min(...items.map((item) => item.ttlMs ?? Number.POSITIVE_INFINITY))
    if (Number.isFinite(first)) expiresLater(call, tenant, now + first)
    return { count: versions.length, versions }
  },
})

const remove = method({
  summary: 'Delete keys, and tell how many there were.',
  access: 'write',
  params: params({ ...tenantScope, keys: Keys }),
  result: z.object({ count: z.int() }),
  refusals: changeRefusals,
  handle: async (call, { keys, ...scope }) => {
    checkBatch(call, keys)
    const now = call.engine.parts.clock()
    return { count: await call.tenant(scope).write((writer) => kv.remove(writer, { keys, now })) }
  },
})

export { remove as delete }

export const increment = method({
  summary: 'Add to a number, and give the new one. A key that is not there begins at 0.',
  access: 'write',
  params: params({
    ...tenantScope,
    key: KvKey,
    by: Value.optional().describe('a number; default 1. An integer takes integers alone, a real takes both'),
    ttlMs: KvTtlMs.optional().describe('for a key that begins with this; one that is there keeps its time'),
  }),
  result: z.object({ value: Value, version: Version }),
  refusals: [...changeRefusals, 'invalidValue', 'notThatNumber', 'numberOverflow'],
  handle: async (call, { key, by = 1, ttlMs, ...scope }) => {
    const tenant = call.tenant(scope)
    const now = call.engine.parts.clock()
    const amount = decode(by, 'by')
    if (typeof amount !== 'bigint' && typeof amount !== 'number') {
      return refuse('invalidValue', { where: 'by', reason: 'it is not a number' })
    }
    const { value, version } = await tenant.write((writer) => kv.increment(writer, { key, by: amount, now, ttlMs }))
    if (ttlMs !== undefined) expiresLater(call, tenant, now + ttlMs)
    return new JsonText(`{"value":${kvValueText(value)},"version":${version}}`)
  },
})

export const expire = method({
  summary: 'Give a key that is there a time to live. Its value and version stay.',
  access: 'write',
  params: params({ ...tenantScope, key: KvKey, ttlMs: KvTtlMs }),
  result: z.object({ found: z.boolean() }),
  refusals: changeRefusals,
  handle: async (call, { key, ttlMs, ...scope }) => {
    const tenant = call.tenant(scope)
    const now = call.engine.parts.clock()
    const found = await tenant.write((writer) => kv.expire(writer, { key, now, ttlMs }))
    if (found) expiresLater(call, tenant, now + ttlMs)
    return { found }
  },
})

export const persist = method({
  summary: 'Have a key not expire any more. `persisted` is false for one that would not, or is not there.',
  access: 'write',
  params: params({ ...tenantScope, key: KvKey }),
  result: z.object({ persisted: z.boolean() }),
  refusals: changeRefusals,
  handle: async (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return { persisted: await call.tenant(scope).write((writer) => kv.persist(writer, { key, now })) }
  },
})

export const ttl = method({
  summary: 'Tell how many ms a key has left; null where it does not expire.',
  access: 'read',
  params: params({ ...tenantScope, key: KvKey }),
  result: z.object({ found: z.boolean(), ttlMs: z.int().nullable().optional() }),
  refusals: readRefusals,
  handle: (call, { key, ...scope }) => {
    const now = call.engine.parts.clock()
    return call.tenant(scope).read((reader) => kv.ttl(reader, { key, now }))
  },
})

export const keys = method({
  summary: 'List keys in the order of their characters, a page at a time.',
  access: 'read',
  params: params({ ...tenantScope, pattern: KvPattern.default('*'), limit: Limit, cursor: Cursor }),
  result: z.object({ keys: z.array(KvKey), nextCursor: NextCursor }),
  refusals: readRefusals,
  handle: (call, { pattern, limit, cursor, ...scope }) => {
    const now = call.engine.parts.clock()
    return after(
      call.tenant(scope).read((reader) => scans.keys(reader, { pattern, limit, after: cursor, now })),
      ({ keys, nextAfter }) => ({ keys: [...keys], nextCursor: nextAfter }),
    )
  },
})

export const scan = method({
  summary: 'List keys with their values, in the order of their characters, a page at a time.',
  access: 'read',
  params: params({ ...tenantScope, pattern: KvPattern.default('*'), limit: Limit, cursor: Cursor }),
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
      call.tenant(scope).read((reader) => scans.scan(reader, { pattern, limit, maxBytes, after: cursor, now })),
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
  params: params({ ...tenantScope, pattern: KvPattern.default('*') }),
  result: z.object({ count: z.int() }),
  refusals: readRefusals,
  handle: async (call, { pattern, ...scope }) => {
    const now = call.engine.parts.clock()
    let count = 0
    await readInSlices(call.tenant(scope), call, (reader, after) => {
      const slice = scans.count(reader, { pattern, after, now })
      count += slice.count
      return slice
    })
    return { count }
  },
})

export const size = method({
  summary: 'Tell how many bytes keys and their values take up: all of them, or those that are named.',
  access: 'read',
  params: params({ ...tenantScope, keys: Keys.optional() }),
  result: z.object({
    bytes: z.int().describe('of a text its UTF-8, of a number 8, of a boolean 1'),
    sizes: z.array(z.int()).optional().describe('of each key that was named, in their order; 0: it is not there'),
  }),
  refusals: readRefusals,
  handle: async (call, { keys, ...scope }) => {
    const tenant = call.tenant(scope)
    const now = call.engine.parts.clock()
    let bytes = 0
    if (keys === undefined) {
      await readInSlices(tenant, call, (reader, after) => {
        const slice = scans.size(reader, { after, now })
        bytes += slice.bytes
        return slice
      })
      return { bytes }
    }
    checkBatch(call, keys)
    const sizes = await tenant.read((reader) => keys.map((key) => scans.sizeOf(reader, { key, now })))
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

function checkBatch({ engine }: Call, items: readonly unknown[]): void {
  const { maxBatch } = engine.parts.config.limits
  if (items.length > maxBatch) refuse('limitExceeded', { limit: 'maxBatch', max: maxBatch })
}

function expiresLater({ engine }: Call, tenant: Tenant, due: number): void {
  engine.parts.expiry.note(tenant, due)
}
