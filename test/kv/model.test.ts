import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Matcher, parseGlob } from '../../src/kv/glob.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { seed } from '../support/seed.ts'

interface Kept {
  value: unknown
  version: number
  expires: number | null
}

/** A tenant as it should be: what is gone is gone, and no version comes twice. */
type Model = Map<string, Kept>

const keyNames = ['a', 'b', 'ab', 'A', '*', 'ключ', '😀', '\u0001', 'x'.repeat(1_024)]
const key = fc.constantFrom(...keyNames)
const value = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, 1, -1, 0.5, '', 'text', [], {}, { $int: '9223372036854775807' }),
  fc.constantFrom<unknown>({ $real: '-0' }, { $real: '2' }, { $real: 'Infinity' }, { $blob: 'AP8=' }, [1, { a: null }]),
)
const ttlMs = fc.constantFrom(undefined, undefined, 5, 20, 1_000)
const pattern = fc.constantFrom('*', 'a*', '[ab]', '?', 'A', '\\*', 'nothing', '*b')
const tenant = fc.nat({ max: 2 })

const step = fc.oneof(
  fc.record({ do: fc.constant('get' as const), tenant, key }),
  fc.record({ do: fc.constant('mget' as const), tenant, keys: fc.array(key, { maxLength: 4 }) }),
  fc.record({ do: fc.constant('exists' as const), tenant, key }),
  fc.record({ do: fc.constant('ttl' as const), tenant, key }),
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      tenant,
      key,
      value,
      ttlMs,
      keepTtl: fc.boolean(),
      when: fc.constantFrom('always', 'always', 'ifAbsent', 'ifPresent', 'ifVersion', 'ifOtherVersion'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mset' as const),
      tenant,
      items: fc.array(fc.record({ key, value, ttlMs }), { maxLength: 4 }),
      ttlMs,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('delete' as const), tenant, keys: fc.array(key, { maxLength: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('increment' as const),
      tenant,
      key,
      by: fc.constantFrom(undefined, 1, -3, 0.25, { $real: '1' }, { $int: '9223372036854775807' }),
      ttlMs,
    }),
  },
  fc.record({ do: fc.constant('expire' as const), tenant, key, ttlMs: fc.constantFrom(5, 20, 1_000) }),
  fc.record({ do: fc.constant('persist' as const), tenant, key }),
  fc.record({ do: fc.constant('keys' as const), tenant, pattern, limit: fc.constantFrom(1, 2, 100) }),
  fc.record({ do: fc.constant('scan' as const), tenant, limit: fc.constantFrom(1, 100) }),
  fc.record({ do: fc.constant('count' as const), tenant, pattern }),
  fc.record({ do: fc.constant('purge' as const), tenant }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 5, 20, 1_000) }) },
  fc.record({ do: fc.constant('fork' as const), tenant }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

test(`keys do what a map would, in every tenant and branch (seed ${seed})`, { timeout: 120_000 }, async () => {
  let now = 1_700_000_000_000
  const { client } = await startDaemon({ clock: () => now })
  let program = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
      program++
      const world = new World(client, `p${program}`, () => now)
      await world.begin()
      for (const step of steps) {
        if (step.do === 'pass') now += step.ms
        else await world.run(step)
      }
      await world.compareAll()
    }),
    { seed, numRuns: Number(process.env.CINCH_PROGRAMS ?? 40) },
  )
})

interface Place {
  readonly scope: { readonly branch: string; readonly tenant: string }
  readonly model: Model
  /** The versions of keys that are gone. */
  readonly gone: Map<string, number>
}

/** Three tenants, of which some may come to be on a branch of their own; each with what it should hold. */
class World {
  readonly #client: RawClient
  readonly #name: string
  readonly #now: () => number
  readonly #places: Place[] = []
  #forks = 0

  constructor(client: RawClient, name: string, now: () => number) {
    this.#client = client
    this.#name = name
    this.#now = now
  }

  async begin(): Promise<void> {
    for (let at = 0; at < 3; at++) {
      const tenant = `${this.#name}-${at}`
      await this.#client.call('tenant.create', { name: tenant })
      this.#places.push({ scope: { branch: 'main', tenant }, model: new Map(), gone: new Map() })
    }
  }

  async run(step: Exclude<Step, { do: 'pass' }>): Promise<void> {
    const place = this.#places[step.tenant % this.#places.length] as Place
    const { scope, model } = place
    const ask = (method: string, params: object = {}) => this.#client.call(`kv.${method}`, { ...scope, ...params })
    const now = this.#now()
    const live = (key: string) => this.#live(model, key)
    const got = (key: string) => {
      const kept = live(key)
      return kept ? { found: true, value: kept.value, version: kept.version } : { found: false }
    }
    const stored = (key: string, value: unknown, version: number, expires: number | null) => {
      const before = Math.max(place.gone.get(key) ?? 0, model.get(key)?.version ?? 0)
      expect(version).toBeGreaterThan(before)
      model.set(key, { value, version, expires })
    }
    const drop = (key: string) => {
      const kept = model.get(key)
      if (kept) place.gone.set(key, kept.version)
      model.delete(key)
    }

    switch (step.do) {
      case 'get':
        return expect(await ask('get', { key: step.key })).toEqual(got(step.key))
      case 'mget':
        return expect(await ask('mget', { keys: step.keys })).toEqual({ values: step.keys.map(got) })
      case 'exists':
        return expect(await ask('exists', { key: step.key })).toEqual({ exists: live(step.key) !== undefined })
      case 'ttl': {
        const kept = live(step.key)
        const left = kept?.expires == null ? null : kept.expires - now
        return expect(await ask('ttl', { key: step.key })).toEqual(
          kept ? { found: true, ttlMs: left } : { found: false },
        )
      }
      case 'set': {
        const { key, value, ttlMs, keepTtl, when } = step
        const kept = live(key)
        const current = kept?.version ?? 0
        const conditions = {
          always: [{}, true],
          ifAbsent: [{ ifAbsent: true }, !kept],
          ifPresent: [{ ifPresent: true }, kept !== undefined],
          ifVersion: [{ ifVersion: current }, true],
          ifOtherVersion: [{ ifVersion: current + 1 }, false],
        } as const
        const [condition, holds] = conditions[when as keyof typeof conditions]
        const answer = await ask('set', { key, value, ttlMs, keepTtl, ...condition })
        if (!holds) return expect(answer).toEqual({ set: false, version: current })
        expect(answer.set).toBe(true)
        const expires = keepTtl && kept ? kept.expires : ttlMs === undefined ? null : now + ttlMs
        return stored(key, value, answer.version, expires)
      }
      case 'mset': {
        const { versions } = await ask('mset', { items: step.items, ttlMs: step.ttlMs })
        for (const [at, { key, value, ttlMs = step.ttlMs }] of step.items.entries()) {
          stored(key, value, versions[at], ttlMs === undefined ? null : now + ttlMs)
        }
        return
      }
      case 'delete': {
        const count = new Set(step.keys.filter(live)).size
        expect(await ask('delete', { keys: step.keys })).toEqual({ count })
        return step.keys.forEach(drop)
      }
      case 'increment': {
        const { key, by, ttlMs } = step
        const kept = live(key)
        const sum = added(kept ? kept.value : undefined, by ?? 1)
        if (sum === 'notThatNumber' || sum === 'numberOverflow') {
          const { kind } = await this.#client.refused('kv.increment', { ...scope, key, by })
          return expect(kind).toBe(sum)
        }
        const answer = await ask('increment', { key, by, ttlMs })
        expect(answer.value).toEqual(sum)
        return stored(key, sum, answer.version, kept ? kept.expires : ttlMs === undefined ? null : now + ttlMs)
      }
      case 'expire': {
        const kept = live(step.key)
        expect(await ask('expire', { key: step.key, ttlMs: step.ttlMs })).toEqual({ found: kept !== undefined })
        if (kept) kept.expires = now + step.ttlMs
        return
      }
      case 'persist': {
        const kept = live(step.key)
        const persisted = kept !== undefined && kept.expires !== null
        expect(await ask('persist', { key: step.key })).toEqual({ persisted })
        if (kept) kept.expires = null
        return
      }
      case 'keys':
        return expect(await this.#allKeys(scope, step.pattern, step.limit)).toEqual(this.#keys(model, step.pattern))
      case 'scan':
        return this.#compare(scope, model, step.limit)
      case 'count':
        return expect(await ask('count', { pattern: step.pattern })).toEqual({
          count: this.#keys(model, step.pattern).length,
        })
      case 'purge': {
        const expired = [...model.keys()].filter((key) => !live(key))
        expect(await ask('purge')).toEqual({ count: expired.length })
        return expired.forEach(drop)
      }
      case 'fork': {
        if (this.#forks > 0) return
        const branch = `${this.#name}-${++this.#forks}`
        await this.#client.call('branch.create', { name: branch, from: scope.branch })
        const copy = new Map([...model].map(([key, kept]) => [key, { ...kept }]))
        this.#places.push({ scope: { branch, tenant: scope.tenant }, model: copy, gone: new Map(place.gone) })
        return
      }
    }
  }

  async compareAll(): Promise<void> {
    for (const { scope, model } of this.#places) await this.#compare(scope, model, 3)
  }

  async #compare(scope: object, model: Model, limit: number): Promise<void> {
    const entries: unknown[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await this.#client.call('kv.scan', { ...scope, limit, cursor })
      expect(page.entries.length).toBeLessThanOrEqual(limit)
      entries.push(...page.entries)
      cursor = page.nextCursor
      if (cursor === undefined) break
    }
    const expected = this.#keys(model, '*').map((key) => {
      const { value, version, expires } = model.get(key) as Kept
      return { key, value, version, ttlMs: expires === null ? null : expires - this.#now() }
    })
    expect(entries).toEqual(expected)
  }

  async #allKeys(scope: object, pattern: string, limit: number): Promise<string[]> {
    const keys: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await this.#client.call('kv.keys', { ...scope, pattern, limit, cursor })
      keys.push(...page.keys)
      cursor = page.nextCursor
      if (cursor === undefined) return keys
    }
  }

  #keys(model: Model, pattern: string): string[] {
    const matcher = new Matcher(parseGlob(pattern))
    return [...model.keys()]
      .filter((key) => this.#live(model, key) && matcher.matches(key))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  #live(model: Model, key: string): Kept | undefined {
    const kept = model.get(key)
    return kept && (kept.expires === null || kept.expires > this.#now()) ? kept : undefined
  }
}

/** The sum of two numbers of the wire, by the rules as the reference tells them. */
function added(value: unknown, by: unknown): unknown {
  if (value === undefined) return by
  const [a, b] = [numberOf(value), numberOf(by)]
  if (a === undefined || b === undefined) return 'notThatNumber'
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    const sum = a + b
    if (sum > 2n ** 63n - 1n || sum < -(2n ** 63n)) return 'numberOverflow'
    return Number.isSafeInteger(Number(sum)) ? Number(sum) : { $int: String(sum) }
  }
  if (typeof a === 'bigint' || (typeof b === 'bigint' && !Number.isSafeInteger(Number(b)))) return 'notThatNumber'
  const sum = a + Number(b)
  if (!Number.isFinite(sum)) return 'numberOverflow'
  return Number.isInteger(sum) ? { $real: Object.is(sum, -0) ? '-0' : String(sum) } : sum
}

function numberOf(value: unknown): bigint | number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return undefined
  if ('$int' in value) return BigInt(value.$int as string)
  return '$real' in value ? Number(value.$real) : undefined
}
