import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Place, requireBuild } from './cinch-support.ts'

const timeout = 120_000
let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  await place.run(['init'])
  await place.run(['tenant', 'create', 'x'])
})

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
})

const kv = (...args: string[]) => place.run(['kv', ...args])

test('a key is set, read, counted up and deleted', { timeout }, async () => {
  expect(await kv('set', 'a', '5')).toEqual({ code: 0, stdout: '', stderr: 'Set a (version 1).\n' })
  expect((await kv('increment', 'a', '37')).stdout).toBe('42\n')
  expect((await kv('get', 'a')).stdout).toBe('42\n')
  expect((await kv('exists', 'a')).stdout).toBe('true\n')
  expect(await place.json('kv', 'get', 'a')).toEqual({ found: true, value: 42, version: 2 })
  expect((await kv('delete', 'a')).code).toBe(1)
  expect((await kv('delete', 'a', 'none', '--yes')).stderr).toBe('Deleted 1 key.\n')
  expect((await kv('exists', 'a')).stdout).toBe('false\n')
  const gone = await kv('get', 'a')
  expect({ code: gone.code, stdout: gone.stdout }).toEqual({ code: 1, stdout: '' })
  expect(gone.stderr).toBe('cinch: No such key\n  key: a\n')
})

test('a value is JSON, or else text, or text in any case; from standard input, too', { timeout }, async () => {
  const values: readonly (readonly [string[], unknown])[] = [
    [['9007199254740993'], { $int: '9007199254740993' }],
    [['{"a": [1, 9007199254740993]}'], { a: [1, { $int: '9007199254740993' }] }],
    [['{not json'], '{not json'],
    [['007'], '007'],
    [['null'], null],
    [['5', '--text'], '5'],
    [['{"$blob":"AP8="}'], { $blob: 'AP8=' }],
  ]
  for (const [args, value] of values) {
    await kv('set', 'v', ...args)
    expect((await place.json('kv', 'get', 'v')).value).toEqual(value)
  }
  await place.run(['kv', 'set', 'v', '-', '--text'], { input: 'two\nlines' })
  expect((await kv('get', 'v')).stdout).toBe('two\nlines\n')
})

test('a condition that does not hold exits with 1 and says what is there', { timeout }, async () => {
  await kv('set', 'c', '1')
  const { version } = await place.json('kv', 'get', 'c')
  const late = await kv('set', 'c', '2', '--if-absent')
  expect(late.code).toBe(1)
  expect(late.stderr).toBe(
    `cinch: Not set\n  key: c\n  version: ${version}\n  the key is there, with version ${version}\n`,
  )
  expect((await kv('set', 'c', '2', '--if-version', String(version))).code).toBe(0)
  expect((await kv('set', 'c', '3', '--if-version', String(version))).code).toBe(1)
  expect((await kv('set', 'none', '3', '--if-present')).code).toBe(1)
})

test('times have units', { timeout }, async () => {
  await kv('set', 't', '1', '--ttl', '2h')
  const { ttlMs } = await place.json('kv', 'ttl', 't')
  expect(ttlMs).toBeGreaterThan(7_000_000)
  expect((await kv('persist', 't')).stderr).toBe('t does not expire any more.\n')
  expect((await kv('ttl', 't')).stdout).toBe('never expires\n')
  expect((await kv('expire', 't', '1.5d')).stderr).toBe('t expires in 1.5d.\n')
  for (const time of ['5', 's', '-5s', '0s', '1y', '0.5ms']) {
    expect((await kv('set', 't', '1', `--ttl=${time}`)).code, time).toBe(2)
  }
  await kv('set', 't', '2', '--keep-ttl')
  expect((await place.json('kv', 'ttl', 't')).ttlMs).toBeGreaterThan(100_000_000)
  expect((await kv('ttl', 'none')).code).toBe(1)
  await kv('delete', 't', '--yes')
})

test('keys are listed by patterns, and travel as one a line', { timeout }, async () => {
  const x = ['--tenant', 'x']
  await place.run([...x, 'kv', 'mset', 'a1=1', 'a2=two words', 'b={"c": [true]}', 'B=null'])
  expect((await place.run([...x, 'kv', 'keys'])).stdout).toBe('B\na1\na2\nb\n')
  expect((await place.run([...x, 'kv', 'keys', 'a[12]'])).stdout).toBe('a1\na2\n')
  expect((await place.run([...x, 'kv', 'keys', '--limit', '1'])).stderr).toBe('There may be more: --cursor "B"\n')
  expect((await place.run([...x, 'kv', 'keys', '--cursor', 'a1'])).stdout).toBe('a2\nb\n')
  expect((await place.run([...x, 'kv', 'count', 'a*'])).stdout).toBe('2\n')
  expect((await place.run([...x, 'kv', 'size'])).stdout).toBe('35\n')
  expect((await place.run([...x, 'kv', 'mget', 'a2', 'none'])).stdout).toBe(
    'key   value\n----  ---------\na2    two words\nnone  NULL\n',
  )

  await place.run([...x, 'kv', 'expire', 'a1', '1d'])
  const { stdout } = await place.run([...x, 'kv', 'scan', '--ndjson'])
  await place.run(['tenant', 'create', 'y'])
  const taken = await place.run(['--tenant', 'y', 'kv', 'mset', '--file', '-'], { input: stdout })
  expect(taken.stderr).toBe('Set 4 keys.\n')
  const [there, here] = await Promise.all([
    place.json('--tenant', 'x', 'kv', 'scan'),
    place.json('--tenant', 'y', 'kv', 'scan'),
  ])
  const values = ({ entries }: { entries: { key: string; value: unknown }[] }) =>
    entries.map(({ key, value }) => [key, value])
  expect(values(here)).toEqual(values(there))
  expect(here.entries[1].ttlMs).toBeGreaterThan(80_000_000)
})

test('a file has an object of keys and values, or a list', { timeout }, async () => {
  const file = path.join(place.folder, 'keys.json')
  fs.writeFileSync(file, '{"k1": 1, "k2": {"$int": "9007199254740993"}, "__proto__": 3}')
  expect((await kv('mset', '--file', file, '--ttl', '1h')).stderr).toBe('Set 3 keys.\n')
  expect((await place.json('kv', 'ttl', 'k1')).ttlMs).toBeGreaterThan(3_000_000)
  expect((await place.json('kv', 'get', '__proto__')).value).toBe(3)
  fs.writeFileSync(file, '[{"key": "k1", "value": 2}]')
  await kv('mset', '--file', file)
  expect((await place.json('kv', 'get', 'k1')).value).toBe(2)
  fs.writeFileSync(file, '{"key": "k1", "value": 3}\n{"key": "k2"')
  const broken = await kv('mset', '--file', file)
  expect(broken.code).toBe(2)
  expect(broken.stderr).toMatch(/line 2/)
  expect((await kv('mset')).code).toBe(2)
  expect((await kv('mset', 'nothing')).code).toBe(2)
  expect((await kv('purge')).stderr).toBe('Removed 0 keys.\n')
})
