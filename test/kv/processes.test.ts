import { expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import { integrityOf, temporaryProject, tenantPath } from '../support/project.ts'
import { seed } from '../support/seed.ts'
import { startCounter } from './counter-support.ts'

test('two processes that count together lose no count', { timeout: 120_000 }, async () => {
  const layout = temporaryProject()
  const client = await (await startCinchd(layout, { env: { CINCH_CHECK_RESULTS: '' } })).connect()
  const each = 20_000
  const counters = [startCounter(layout, 'n', each), startCounter(layout, 'n', each)]
  const told = await Promise.all(counters)
  expect(await client.call('kv.get', { key: 'n' })).toMatchObject({ value: 2 * each, version: 2 * each })
  // Each value was told to one of them.
  expect(new Set(told.flat()).size).toBe(2 * each)
})

test(`keys that were acknowledged are there after the daemon is killed (seed ${seed})`, {
  timeout: 90_000,
}, async () => {
  const layout = temporaryProject({ config: { checkpointBytes: 65_536 } })
  /** By key, the last value that was acknowledged, and all that were asked for since. */
  const known = new Map<string, { value: number; asked: number }>()
  let counted = 0
  let askedToCount = 0
  for (let round = 0; round < 8; round++) {
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    for (const [key, { value, asked }] of known) {
      const got = await client.call('kv.get', { key })
      expect(got.value).toBeGreaterThanOrEqual(value)
      expect(got.value).toBeLessThanOrEqual(asked)
    }
    const { value: count = 0 } = await client.call('kv.get', { key: 'count' })
    expect(count).toBeGreaterThanOrEqual(counted)
    expect(count).toBeLessThanOrEqual(askedToCount)
    askedToCount = count
    const pairs = await client.call('kv.mget', { keys: ['left', 'right'] })
    expect(pairs.values[0].value).toBe(pairs.values[1].value)

    let answers = 0
    let seenEnough = () => {}
    const enough = new Promise<void>((resolve) => {
      seenEnough = resolve
    })
    const answered = () => {
      if (++answers > 200 + ((seed + round * 37) % 100)) seenEnough()
    }
    const setting = async (key: string) => {
      for (;;) {
        const entry = known.get(key) ?? { value: 0, asked: 0 }
        known.set(key, entry)
        const value = entry.asked + 1
        entry.asked = value
        await client.call('kv.set', { key, value, ttlMs: 1_000_000 })
        entry.value = value
        answered()
      }
    }
    const counting = async () => {
      for (;;) {
        askedToCount++
        counted = (await client.call('kv.increment', { key: 'count' })).value
        answered()
      }
    }
    const pairing = async () => {
      for (let value = round * 1_000_000; ; value++) {
        await client.call('kv.mset', { items: ['left', 'right'].map((key) => ({ key, value })) })
        answered()
      }
    }
    const work = Promise.allSettled([...['a', 'b', 'c'].map(setting), counting(), pairing()])
    await enough
    await cinchd.kill('SIGKILL')
    await work
  }
  expect(counted).toBeGreaterThan(8)
  expect(integrityOf(tenantPath(layout))).toBe('ok')
})
