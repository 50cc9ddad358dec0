import fs from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { set } from '../../src/kv/operations.ts'
import { methods } from '../../src/methods/index.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { ask, integrityOf, temporaryFolder, tenantPath } from '../support/project.ts'
import { seed } from '../support/seed.ts'

const t = { name: 't', columns: [{ name: 'a', type: 'TEXT' }], systemColumns: false }

describe('values', () => {
  const exact: readonly unknown[] = [
    null,
    true,
    false,
    0,
    -1,
    9007199254740991,
    { $int: '9007199254740993' },
    { $int: '-9223372036854775808' },
    0.1,
    5e-324,
    { $real: '-0' },
    { $real: '0' },
    { $real: '2' },
    { $real: '1e+21' },
    { $real: '9007199254740992' },
    { $real: 'Infinity' },
    { $real: '-Infinity' },
    '',
    'a\0b',
    '😀 \u{10ffff} \uffff \ufeff',
    '{"$int":"5"}',
    { $blob: '' },
    { $blob: 'AAECAwD/' },
    [],
    {},
    [[[]], { '': null }],
    { $ref: '#/x', $int: { a: 1 }, b: '$int' },
    { a: [{ $int: '9007199254740993' }, { $blob: 'AP8=' }, { $real: '-0' }], b: 'a\0b' },
    JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'),
  ]

  test('come back as they were given', async () => {
    const { client } = await startDaemon()
    for (const [at, value] of exact.entries()) {
      await client.call('kv.set', { key: `k${at}`, value })
      const got = await client.call('kv.get', { key: `k${at}` })
      expect(JSON.stringify(got)).toBe(JSON.stringify({ found: true, value, version: 1 }))
    }
    const { entries } = await client.call('kv.scan')
    expect(entries.length).toBe(exact.length)
  })

  test('are stored as what they are', async () => {
    const { client, layout } = await startDaemon()
    await client.call('kv.mset', {
      items: [1, 1.5, { $real: '2' }, 'x', { $blob: 'AA==' }, null, true, [1]].map((value, at) => ({
        key: String(at),
        value,
      })),
    })
    expect(ask(tenantPath(layout), 'select typeof(value) from __kv order by key')).toEqual([
      'integer',
      'real',
      'real',
      'text',
      'blob',
      'null',
      'integer',
      'text',
    ])
  })

  test(`of any JSON come back as they were given (seed ${seed})`, { timeout: 60_000 }, async () => {
    const { client } = await startDaemon()
    const isExact = (value: unknown): boolean =>
      typeof value === 'number'
        ? !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value))
        : typeof value === 'object' && value !== null
          ? Object.values(value).every(isExact)
          : true
    const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }).filter(isExact)
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        await client.call('kv.set', { key: 'k', value })
        expect((await client.call('kv.get', { key: 'k' })).value).toEqual(value)
      }),
      { seed, numRuns: 300 },
    )
  })

  const refused: readonly (readonly [string, string])[] = [
    ['9007199254740993', 'a number beyond 2^53'],
    ['{"$int":"9223372036854775808"}', 'beyond 64 bits'],
    ['{"$int":5}', 'arrays and objects are not values'],
    ['{"$real":"NaN"}', 'no NaN'],
    ['{"$blob":"?"}', 'base64'],
    ['"\\ud800"', 'half of a surrogate pair'],
    ['{"a":[9007199254740993]}', 'a number beyond 2^53'],
    ['{"a":{"$blob":"?"}}', 'base64'],
    ['{"\\ud800":1}', 'half of a surrogate pair'],
    [`${'['.repeat(201)}${']'.repeat(201)}`, 'more than 200 deep'],
    [`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'more than 200 deep'],
  ]

  test.each(refused)('%s is refused', async (text, reason) => {
    const { client } = await startDaemon()
    const answer = client.answerTo('x')
    client.send(`{"jsonrpc":"2.0","id":"x","method":"kv.set","params":{"key":"k","value":${text}}}`)
    const { data } = (await answer).error ?? {}
    expect(data).toMatchObject({ kind: 'invalidValue', where: 'value', reason: expect.stringContaining(reason) })
    expect(await client.call('kv.exists', { key: 'k' })).toEqual({ exists: false })
  })

  test('that are missing are refused', async () => {
    const { client } = await startDaemon()
    expect(await client.refused('kv.set', { key: 'k' })).toMatchObject({ issues: [{ path: 'value' }] })
    const items = [{ key: 'a', value: 1 }, { key: 'b' }]
    expect(await client.refused('kv.mset', { items })).toMatchObject({ issues: [{ path: 'items.1.value' }] })
    expect(await client.call('kv.count')).toEqual({ count: 0 })
  })
})

describe('keys', () => {
  const good = [
    '__sys',
    ' ',
    'a b',
    '/:*?[]\\',
    '\n\t\r',
    '\u007f\u200b',
    "'; drop table t; --",
    '"',
    '%',
    'é'.repeat(512),
    '__proto__',
  ]
  const bad: readonly unknown[] = [
    '',
    'a\0',
    '\0',
    '\ud800',
    'é'.repeat(513),
    'x'.repeat(1_025),
    5,
    null,
    ['a'],
    { a: 1 },
  ]

  test('of any text can be stored, found, listed and deleted', async () => {
    const { client } = await startDaemon()
    for (const key of good) await client.call('kv.set', { key, value: key })
    expect(await client.call('kv.mget', { keys: good })).toEqual({
      values: good.map((key) => ({ found: true, value: key, version: 1 })),
    })
    const sorted = [...good].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect((await client.call('kv.keys')).keys).toEqual(sorted)
    expect(await client.call('kv.delete', { keys: good })).toEqual({ count: good.length })
  })

  const takingOne = ['get', 'exists', 'ttl', 'set', 'increment', 'expire', 'persist']

  test('are refused by one rule in every method', async () => {
    const { client } = await startDaemon()
    const names = [...methods.keys()].filter((name) => name.startsWith('kv.')).map((name) => name.slice(3))
    expect(names.sort()).toEqual(
      [...takingOne, 'mget', 'mset', 'delete', 'size', 'keys', 'scan', 'count', 'purge'].sort(),
    )
    for (const key of bad) {
      for (const name of takingOne) {
        const more = name === 'set' ? { value: 1 } : name === 'expire' ? { ttlMs: 1 } : {}
        expect(await client.refused(`kv.${name}`, { key, ...more }), name).toMatchObject({ kind: 'invalidParams' })
      }
      for (const name of ['mget', 'delete', 'size']) {
        expect(await client.refused(`kv.${name}`, { keys: ['a', key] }), name).toMatchObject({ kind: 'invalidParams' })
      }
      const items = [
        { key: 'a', value: 1 },
        { key, value: 1 },
      ]
      expect((await client.refused('kv.mset', { items })).kind).toBe('invalidParams')
    }
    expect((await client.refused('kv.get', { key: '' })).issues).toEqual([
      { path: 'key', message: 'a key is not empty' },
    ])
    expect(await client.call('kv.count')).toEqual({ count: 0 })
  })

  test('are never folded: upper and lower case are two', async () => {
    const { client } = await startDaemon()
    await client.call('kv.mset', { items: ['a', 'A', 'ä', 'Ä'].map((key) => ({ key, value: key })) })
    expect((await client.call('kv.keys', { pattern: 'a*' })).keys).toEqual(['a'])
    expect(await client.call('kv.get', { key: 'A' })).toMatchObject({ value: 'A' })
  })
})

describe('a null that is stored', () => {
  test('is told from a key that is not there', async () => {
    const { client } = await startDaemon()
    await client.call('kv.set', { key: 'a', value: null })
    expect(await client.call('kv.mget', { keys: ['a', 'b'] })).toEqual({
      values: [{ found: true, value: null, version: 1 }, { found: false }],
    })
  })
})

describe('a version', () => {
  test('guards a value against who changed it meanwhile', async () => {
    const { client } = await startDaemon()
    const { version } = await client.call('kv.set', { key: 'a', value: 1 })
    await client.call('kv.set', { key: 'a', value: 2 })
    const late = await client.call('kv.set', { key: 'a', value: 3, ifVersion: version })
    expect(late).toEqual({ set: false, version: version + 1 })
    expect(await client.call('kv.set', { key: 'a', value: 3, ifVersion: late.version })).toMatchObject({ set: true })
  })

  test('never comes again, whether the key was deleted, has expired or was purged', async () => {
    let now = 1_000
    const { client } = await startDaemon({ clock: () => now })
    const seen: number[] = []
    const make = async (params: object = {}) => {
      const { version } = await client.call('kv.set', { key: 'a', value: 1, ...params })
      seen.push(version)
    }
    await make()
    await make()
    await client.call('kv.delete', { keys: ['a'] })
    await make({ ttlMs: 5 })
    now += 5
    await make({ ifVersion: 0, ttlMs: 5 })
    now += 5
    await client.call('kv.purge')
    await make({ ifAbsent: true })
    await client.call('kv.delete', { keys: ['a'] })
    await client.call('kv.increment', { key: 'a' })
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
    expect((await client.call('kv.get', { key: 'a' })).version).toBeGreaterThan(Math.max(...seen))
  })
})

describe('a number', () => {
  test('is added to exactly, in 64 bits', async () => {
    const { client } = await startDaemon()
    await client.call('kv.set', { key: 'a', value: { $int: '9223372036854775806' } })
    expect(await client.call('kv.increment', { key: 'a' })).toMatchObject({ value: { $int: '9223372036854775807' } })
    expect(await client.refused('kv.increment', { key: 'a' })).toEqual({ kind: 'numberOverflow', key: 'a' })
    expect(await client.call('kv.increment', { key: 'a', by: { $int: '-9223372036854775807' } })).toMatchObject({
      value: 0,
    })
    expect(await client.call('kv.increment', { key: 'b', by: 9007199254740991 })).toMatchObject({
      value: 9007199254740991,
    })
    expect(await client.call('kv.increment', { key: 'b', by: 2 })).toMatchObject({
      value: { $int: '9007199254740993' },
    })
  })

  test('that is a real takes reals and integers, and stays finite', async () => {
    const { client } = await startDaemon()
    expect(await client.call('kv.increment', { key: 'a', by: 1.5 })).toMatchObject({ value: 1.5 })
    expect(await client.call('kv.increment', { key: 'a', by: 0.5 })).toMatchObject({ value: { $real: '2' } })
    expect(await client.call('kv.increment', { key: 'a' })).toMatchObject({ value: { $real: '3' } })
    await client.call('kv.set', { key: 'a', value: { $real: '1.7976931348623157e308' } })
    const by = { $real: '1.7976931348623157e308' }
    expect(await client.refused('kv.increment', { key: 'a', by })).toMatchObject({ kind: 'numberOverflow' })
  })

  test('is all that can be added to, and with', async () => {
    const { client } = await startDaemon()
    for (const value of [null, true, '1', { $blob: 'AA==' }, [1], { a: 1 }]) {
      await client.call('kv.set', { key: 'a', value })
      expect(await client.refused('kv.increment', { key: 'a' })).toMatchObject({ kind: 'notThatNumber', by: 'integer' })
    }
    for (const by of [null, true, '1', { $blob: 'AA==' }, [1]]) {
      expect(await client.refused('kv.increment', { key: 'b', by })).toMatchObject({
        kind: 'invalidValue',
        where: 'by',
      })
    }
    await client.call('kv.set', { key: 'a', value: 1 })
    expect(await client.refused('kv.increment', { key: 'a', by: 0.5 })).toMatchObject({ type: 'integer', by: 'real' })
    expect(await client.call('kv.exists', { key: 'b' })).toEqual({ exists: false })
  })

  test('begins anew where it has expired, and keeps its time where it has not', async () => {
    let now = 1_000
    const { client } = await startDaemon({ clock: () => now })
    await client.call('kv.increment', { key: 'a', by: 5, ttlMs: 10 })
    now += 9
    expect(await client.call('kv.increment', { key: 'a', ttlMs: 100 })).toMatchObject({ value: 6 })
    expect(await client.call('kv.ttl', { key: 'a' })).toEqual({ found: true, ttlMs: 1 })
    now += 1
    expect(await client.call('kv.increment', { key: 'a' })).toMatchObject({ value: 1 })
    expect(await client.call('kv.ttl', { key: 'a' })).toEqual({ found: true, ttlMs: null })
  })
})

describe('a key that has expired', () => {
  test('is seen by no method, though it lies in the file still', async () => {
    let now = 1_000
    const { client, layout } = await startDaemon({ clock: () => now })
    await client.call('kv.set', { key: 'a', value: 1, ttlMs: 10 })
    now += 10
    expect(await client.call('kv.get', { key: 'a' })).toEqual({ found: false })
    expect(await client.call('kv.mget', { keys: ['a'] })).toEqual({ values: [{ found: false }] })
    expect(await client.call('kv.exists', { key: 'a' })).toEqual({ exists: false })
    expect(await client.call('kv.ttl', { key: 'a' })).toEqual({ found: false })
    expect(await client.call('kv.keys')).toEqual({ keys: [] })
    expect(await client.call('kv.scan')).toEqual({ entries: [] })
    expect(await client.call('kv.count')).toEqual({ count: 0 })
    expect(await client.call('kv.count', { pattern: '?' })).toEqual({ count: 0 })
    expect(await client.call('kv.size')).toEqual({ bytes: 0 })
    expect(await client.call('kv.size', { keys: ['a'] })).toEqual({ bytes: 0, sizes: [0] })
    expect(await client.call('kv.expire', { key: 'a', ttlMs: 5 })).toEqual({ found: false })
    expect(await client.call('kv.persist', { key: 'a' })).toEqual({ persisted: false })
    expect(await client.call('kv.set', { key: 'a', value: 1, ifPresent: true })).toEqual({ set: false, version: 0 })
    expect(ask(tenantPath(layout), 'select count(*) from __kv')).toEqual([1])
    expect(await client.call('kv.delete', { keys: ['a'] })).toEqual({ count: 0 })
    expect(ask(tenantPath(layout), 'select count(*) from __kv')).toEqual([0])
  })

  test('of a time that is none is refused', async () => {
    const { client } = await startDaemon()
    for (const ttlMs of [0, -1, 0.5, '5', null, 10_000_000_000_001, 1e300]) {
      expect(await client.refused('kv.set', { key: 'a', value: 1, ttlMs })).toMatchObject({ kind: 'invalidParams' })
    }
    await client.call('kv.set', { key: 'a', value: 1, ttlMs: 10_000_000_000_000 })
    expect((await client.call('kv.ttl', { key: 'a' })).ttlMs).toBeGreaterThan(9_999_999_000_000)
  })
})

describe('many at once', () => {
  test('mset sets all or none', async () => {
    const { client } = await startDaemon()
    const items = [
      ...Array.from({ length: 500 }, (_, at) => ({ key: `k${at}`, value: at })),
      { key: 'z', value: { $int: 'x' } },
    ]
    expect(await client.refused('kv.mset', { items })).toMatchObject({ where: 'items[500].value' })
    expect(await client.call('kv.count')).toEqual({ count: 0 })
    expect(await client.call('kv.mset', { items: [] })).toEqual({ count: 0, versions: [] })
    const twice = [
      { key: 'a', value: 1 },
      { key: 'a', value: 2 },
    ]
    expect(await client.call('kv.mset', { items: twice })).toEqual({ count: 2, versions: [1, 2] })
    expect(await client.call('kv.get', { key: 'a' })).toMatchObject({ value: 2 })
  })

  test('more than the limit is refused by its name', async () => {
    const { client } = await startDaemon({ config: { limits: { maxBatch: 3, maxResultBytes: 1_000 } } })
    const keys = ['a', 'b', 'c', 'd']
    const refusal = { kind: 'limitExceeded', limit: 'maxBatch', max: 3 }
    for (const name of ['mget', 'delete', 'size']) {
      expect(await client.refused(`kv.${name}`, { keys })).toMatchObject(refusal)
    }
    expect(await client.refused('kv.mset', { items: keys.map((key) => ({ key, value: 1 })) })).toMatchObject(refusal)
    await client.call('kv.set', { key: 'a', value: 'x'.repeat(600) })
    expect(await client.refused('kv.mget', { keys: ['a', 'a'] })).toMatchObject({ limit: 'maxResultBytes' })
  })

  test('a page of values ends where it has enough, and the next one goes on', async () => {
    const { client } = await startDaemon({ config: { limits: { maxResultBytes: 1_000 } } })
    const items = Array.from({ length: 10 }, (_, at) => ({ key: `k${at}`, value: 'x'.repeat(600) }))
    await client.call('kv.mset', { items })
    const first = await client.call('kv.scan')
    expect(first.entries.map(({ key }: { key: string }) => key)).toEqual(['k0', 'k1'])
    const next = await client.call('kv.scan', { cursor: first.nextCursor })
    expect(next.entries[0].key).toBe('k2')
  })

  test('pages of keys hold each key that is there all the while once', async () => {
    const { client } = await startDaemon()
    const names = Array.from({ length: 100 }, (_, at) => `k${String(at).padStart(3, '0')}`)
    await client.call('kv.mset', { items: names.map((key) => ({ key, value: 1 })) })
    const found: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await client.call('kv.keys', { limit: 7, cursor })
      found.push(...page.keys)
      cursor = page.nextCursor
      if (cursor === undefined) break
      await client.call('kv.delete', { keys: [cursor] })
      await client.call('kv.set', { key: `${cursor}-new`, value: 1 })
    }
    expect(found.filter((key) => !key.endsWith('-new'))).toEqual(names)
  })

  test('counting a great many lets others have the thread, and sees nothing that its session writes later', async () => {
    const { client, connect } = await startDaemon()
    const other = await connect()
    await client.call('kv.set', { key: 'k', value: 1 })
    for (let from = 0; from < 60_000; from += 10_000) {
      const items = Array.from({ length: 10_000 }, (_, at) => ({ key: `k${from + at}`, value: at }))
      await client.call('kv.mset', { items })
    }
    const order: string[] = []
    const done = (name: string) => (answer: { count: number }) => {
      order.push(name)
      return answer.count
    }
    const counting = [
      client.call('kv.count', { pattern: '*?1' }).then(done('count')),
      client.call('kv.size').then(({ bytes }) => bytes),
      client.call('kv.mset', { items: [{ key: 'z1', value: 1 }] }).then(() => order.push('set')),
      other.call('kv.get', { key: 'k' }).then(() => order.push('get')),
    ]
    const [count] = await Promise.all(counting)
    expect(count).toBe(6_000)
    expect(order).toEqual(['get', 'count', 'set'])
    expect(await client.call('kv.count')).toEqual({ count: 60_002 })
    expect(await client.call('kv.count', { pattern: 'k1*' })).toEqual({ count: 11_111 })
  })

  test('a pattern that is costly to match gives short pages, and finds everything', async () => {
    const { client } = await startDaemon()
    const names = Array.from({ length: 100 }, (_, at) => `${'a'.repeat(1_000)}${at % 10 === 0 ? 'b' : at}${at}`)
    await client.call('kv.mset', { items: names.map((key) => ({ key, value: 1 })) })
    const pattern = `*${'a'.repeat(400)}b*`
    const found: string[] = []
    let pages = 0
    for (let cursor: string | undefined; ; pages++) {
      const page = await client.call('kv.keys', { pattern, cursor })
      found.push(...page.keys)
      cursor = page.nextCursor
      if (cursor === undefined) break
    }
    expect(pages).toBeGreaterThan(3)
    expect(found.length).toBe(10)
    expect(await client.call('kv.count', { pattern })).toEqual({ count: 10 })
  })

  test('sizes are those of keys and values', async () => {
    const { client } = await startDaemon()
    const values = [null, true, 1, 1.5, 'é', { $blob: 'AP8=' }, [1]]
    await client.call('kv.mset', { items: values.map((value, at) => ({ key: `k${at}`, value })) })
    const keys = [...values.map((_, at) => `k${at}`), 'none']
    const sizes = [2, 3, 10, 10, 4, 4, 5, 0]
    expect(await client.call('kv.size', { keys })).toEqual({ bytes: 38, sizes })
    expect(await client.call('kv.size')).toEqual({ bytes: 38 })
  })
})

describe('the file', () => {
  test('of a tenant that has none is not made by reading, and every answer is empty', async () => {
    const { client, layout } = await startDaemon()
    expect(await client.call('kv.get', { key: 'a' })).toEqual({ found: false })
    expect(await client.call('kv.keys')).toEqual({ keys: [] })
    expect(await client.call('kv.count')).toEqual({ count: 0 })
    expect(await client.call('kv.size')).toEqual({ bytes: 0 })
    expect(await client.call('kv.purge')).toEqual({ count: 0 })
    expect(fs.existsSync(tenantPath(layout))).toBe(false)
  })

  test('gets the table with its first key, and not before', async () => {
    const { client, layout } = await startDaemon()
    await client.call('table.create', t)
    await client.call('row.insert', { table: 't', rows: [{ a: 'x' }] })
    await client.call('kv.get', { key: 'a' })
    await client.call('kv.delete', { keys: ['a'] })
    await client.call('kv.expire', { key: 'a', ttlMs: 5 })
    await client.call('kv.persist', { key: 'a' })
    await client.call('kv.scan')
    const tables = "select name from sqlite_schema where name like '\\_\\_kv%' escape '\\'"
    expect(ask(tenantPath(layout), tables)).toEqual([])
    await client.call('kv.set', { key: 'a', value: 1 })
    expect(ask(tenantPath(layout), tables)).toEqual(['__kv', '__kv_expires'])
  })

  test.each([
    ['by itself', false],
    ['beside others of its turn', true],
  ])('gets it again where the first key was taken back with the table, %s', async (_, isInGroup) => {
    const { client, daemon } = await startDaemon()
    await client.call('table.create', t)
    const tenant = daemon.engine.tenant('main', 'main', 'main')
    const insert = () => tenant.write((writer) => writer.statements.get("insert into t values ('x')").statement.run())
    await insert()
    const first = isInGroup ? insert() : undefined
    const failing = tenant.write((writer) => {
      set(writer, { key: 'a', value: 1, now: 0 })
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await first
    expect(await client.call('kv.get', { key: 'a' })).toEqual({ found: false })
    expect(await client.call('kv.set', { key: 'b', value: 1 })).toMatchObject({ set: true })
    expect(await client.call('kv.keys')).toEqual({ keys: ['b'] })
  })

  test('keeps its keys when its tables are made anew', async () => {
    const { client, layout } = await startDaemon()
    await client.call('table.create', {
      ...t,
      columns: [
        { name: 'a', type: 'TEXT' },
        { name: 'b', type: 'INTEGER' },
      ],
    })
    await client.call('row.insert', { table: 't', rows: [{ a: 'x', b: 1 }] })
    await client.call('kv.set', { key: 'a', value: [1], ttlMs: 1_000_000 })
    await client.call('column.alter', { table: 't', name: 'b', type: 'TEXT' })
    await client.call('table.rename', { name: 't', newName: 'u' })
    await client.call('column.drop', { table: 'u', name: 'a' })
    expect(await client.call('kv.get', { key: 'a' })).toMatchObject({ value: [1] })
    expect((await client.call('row.list', { table: 'u' })).rows).toEqual([{ b: '1' }])
    expect(integrityOf(tenantPath(layout))).toBe('ok')
    expect((await client.call('tenant.verify')).sound).toBe(true)
    expect((await client.call('schema.get')).tables.map(({ name }: { name: string }) => name)).toEqual(['u'])
  })

  test('goes out as SQLite without its keys, and comes in where it has none', async () => {
    let now = 1_000
    const { client } = await startDaemon({ clock: () => now })
    const path = `${temporaryFolder()}/out.db`
    await client.call('table.create', t)
    await client.call('row.insert', { table: 't', rows: [{ a: 'x' }] })
    await client.call('kv.set', { key: 'secret', value: 'hidden in here' })
    await client.call('tenant.export', { path })
    expect(ask(path, 'select name from sqlite_schema')).toEqual(['t'])
    expect(fs.readFileSync(path).includes('hidden in here')).toBe(false)

    await client.call('tenant.create', { name: 'copy' })
    await client.call('kv.set', { tenant: 'copy', key: 'a', value: 1, ttlMs: 10 })
    expect(await client.refused('tenant.import', { name: 'copy', path })).toMatchObject({ kind: 'importFailed' })
    now += 10
    await client.call('tenant.import', { name: 'copy', path })
    expect(await client.call('kv.count', { tenant: 'copy' })).toEqual({ count: 0 })
  })

  test('in UTF-16 lists and counts by pattern, too', async () => {
    const { client } = await startDaemon()
    const path = `${temporaryFolder()}/in.db`
    const { default: Database } = await import('better-sqlite3')
    const db = new Database(path)
    db.exec("pragma encoding = 'UTF-16le'; create table t (a); insert into t values ('x')")
    db.close()
    await client.call('tenant.import', { path })
    const names = ['b1', 'b\u0101', 'a', 'bа', 'c', '😀']
    await client.call('kv.mset', { items: names.map((key) => ({ key, value: key })) })
    expect(await client.call('kv.count', { pattern: 'b*' })).toEqual({ count: 3 })
    expect(await client.call('kv.count')).toEqual({ count: 6 })
    const found: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await client.call('kv.keys', { limit: 1, cursor })
      found.push(...page.keys)
      cursor = page.nextCursor
      if (cursor === undefined) break
    }
    expect(found.sort()).toEqual([...names].sort())
    expect((await client.call('kv.keys', { pattern: 'b1' })).keys).toEqual(['b1'])
  })
})

describe('SQL', () => {
  const statements = [
    'select * from __kv',
    'select key from main."__KV"',
    "insert into __kv (key, version, value) values ('b', 1, 1)",
    'delete from __kv',
    'drop table __kv',
    'with x as (select * from __kv) select * from x',
    "select * from pragma_table_info('__kv')",
    "update __cinch set value = '0' where key = 'kvFloor'",
  ]

  test.each(statements)('%s is refused', async (sql) => {
    const { client } = await startDaemon()
    await client.call('kv.set', { key: 'a', value: 1 })
    for (const method of ['query.run', 'query.execute', 'query.explain']) {
      expect((await client.refused(method, { sql })).kind, method).toMatch(/^sql(Refused|Error)$/)
    }
    expect(await client.call('kv.scan')).toMatchObject({ entries: [{ key: 'a', value: 1 }] })
  })

  test('of views, triggers and foreign keys does not get at keys, either', async () => {
    const { client } = await startDaemon()
    await client.call('table.create', t)
    await client.call('kv.set', { key: 'a', value: 1 })
    const edits: readonly (readonly [string, object])[] = [
      ['view.create', { name: 'v', sql: 'select * from __kv' }],
      ['table.create', { ...t, name: '__kv' }],
      ['table.rename', { name: 't', newName: '__kv' }],
      ['table.copy', { name: '__kv', newName: 'u' }],
      ['table.drop', { name: '__kv' }],
      ['index.create', { table: '__kv', columns: ['value'] }],
      [
        'table.create',
        { ...t, name: 'u', columns: [{ name: 'a', type: 'TEXT', references: { table: '__kv', column: 'key' } }] },
      ],
      [
        'schema.apply',
        { changes: [{ kind: 'createTrigger', sql: 'create trigger r after insert on t begin delete from __kv; end' }] },
      ],
      ['row.insert', { table: '__kv', rows: [{ key: 'b', version: 1, value: 1 }] }],
      ['row.list', { table: '__kv' }],
    ]
    for (const [method, params] of edits) await client.refused(method, params)
    expect((await client.call('schema.get')).tables.length).toBe(1)
    expect(await client.call('kv.scan')).toMatchObject({ entries: [{ key: 'a', value: 1 }] })
  })
})

describe('branches and tenants', () => {
  const value = async (client: RawClient, scope: object) => (await client.call('kv.get', { key: 'a', ...scope })).value

  test('have keys of their own; a branch begins with those of its fork', async () => {
    const { client } = await startDaemon()
    await client.call('tenant.create', { name: 'x' })
    await client.call('kv.set', { key: 'a', value: 1 })
    await client.call('branch.create', { name: 'dev' })
    await client.call('branch.create', { name: 'bare', data: false })
    expect(await value(client, { tenant: 'x' })).toBeUndefined()
    expect(await value(client, { branch: 'dev' })).toBe(1)
    expect(await value(client, { branch: 'bare' })).toBeUndefined()
    await client.call('kv.set', { key: 'a', value: 2 })
    expect(await value(client, { branch: 'dev' })).toBe(1)
    await client.call('kv.increment', { branch: 'dev', key: 'a', by: 10 })
    expect(await value(client, { branch: 'dev' })).toBe(11)
    expect(await value(client, {})).toBe(2)
    await client.call('branch.merge', { source: 'dev' })
    expect(await value(client, {})).toBe(2)
  })

  test('under maintenance, or read-only, are read and not written', async () => {
    const { client } = await startDaemon()
    await client.call('kv.set', { key: 'a', value: 1 })
    await client.call('branch.create', { name: 'still', readOnly: true })
    await client.call('branch.setMaintenance', { name: 'main', enabled: true })
    const writes: readonly (readonly [string, object])[] = [
      ['kv.set', { key: 'a', value: 2 }],
      ['kv.mset', { items: [{ key: 'a', value: 2 }] }],
      ['kv.delete', { keys: ['a'] }],
      ['kv.increment', { key: 'a' }],
      ['kv.expire', { key: 'a', ttlMs: 1 }],
      ['kv.persist', { key: 'a' }],
      ['kv.purge', {}],
    ]
    for (const [method, params] of writes) {
      expect((await client.refused(method, params)).kind, method).toBe('maintenance')
      expect((await client.refused(method, { branch: 'still', ...params })).kind, method).toBe('branchReadOnly')
    }
    expect(await value(client, {})).toBe(1)
    expect(await value(client, { branch: 'still' })).toBe(1)
  })
})
