import fs from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startDaemon } from '../support/daemon.ts'
import { ask, tenantPath } from '../support/project.ts'

let now = 1_000_000
const stored = 'select count(*) from __kv'

beforeEach(() => {
  now = 1_000_000
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** Let time go by, on the daemon's clock and for its timers. */
async function pass(ms: number): Promise<void> {
  now += ms
  await vi.advanceTimersByTimeAsync(ms)
}

/** Waits for what the disk does, which no clock tells. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate)
}

test('keys that have expired leave the file by themselves, and then nothing wakes the daemon', async () => {
  const { client, layout } = await startDaemon({ clock: () => now })
  const items = Array.from({ length: 700 }, (_, at) => ({ key: `k${at}`, value: at, ttlMs: 1_000 + at }))
  await client.call('kv.mset', { items })
  await client.call('kv.set', { key: 'stays', value: 1 })
  const file = tenantPath(layout)
  await pass(999)
  expect(ask(file, stored)).toEqual([701])
  await pass(30_000)
  await until(() => ask(file, stored)[0] === 1)
  await pass(100_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(await client.call('kv.scan')).toMatchObject({ entries: [{ key: 'stays' }] })
})

test('what expires later is waited for, and not looked for again and again', async () => {
  const { client, layout } = await startDaemon({ clock: () => now })
  await client.call('kv.set', { key: 'a', value: 1, ttlMs: 1_000_000 })
  await pass(20_000)
  expect(vi.getTimerCount()).toBe(1)
  const timers = vi.spyOn(globalThis, 'setTimeout')
  await pass(900_000)
  expect(timers).not.toHaveBeenCalled()
  await pass(100_000)
  await until(() => ask(tenantPath(layout), stored)[0] === 0)
})

test('a file that is opened with expired keys in it is tidied up', async () => {
  const first = await startDaemon({ clock: () => now })
  await first.client.call('kv.set', { key: 'a', value: 1, ttlMs: 5 })
  await first.daemon.stop()
  now += 5
  const { client, layout } = await startDaemon({ clock: () => now, layout: first.layout })
  await client.call('kv.get', { key: 'b' })
  await pass(10_000)
  await until(() => ask(tenantPath(layout), stored)[0] === 0)
})

test('a file that was closed meanwhile is not opened for it', async () => {
  const { client, daemon, layout } = await startDaemon({
    clock: () => now,
    config: { limits: { maxOpenFiles: 1 } },
  })
  await client.call('tenant.create', { name: 'x' })
  await client.call('kv.set', { key: 'a', value: 1, ttlMs: 5 })
  await client.call('kv.set', { tenant: 'x', key: 'a', value: 1, ttlMs: 5 })
  const { opened } = daemon.engine.parts.pool
  await pass(30_000)
  await until(() => ask(tenantPath(layout, 'x'), stored)[0] === 0)
  expect(daemon.engine.parts.pool.opened).toBe(opened)
  expect(ask(tenantPath(layout), stored)).toEqual([1])
})

test('a file that a fork shares is neither written nor copied for it', async () => {
  const { client, layout } = await startDaemon({ clock: () => now })
  await client.call('kv.set', { key: 'a', value: 1, ttlMs: 5 })
  await client.call('branch.create', { name: 'dev' })
  await client.call('kv.get', { branch: 'dev', key: 'a' })
  await pass(60_000)
  await new Promise(setImmediate)
  expect(ask(tenantPath(layout), stored)).toEqual([1])
  expect(fs.existsSync(tenantPath(layout, 'main', 'main', 'dev'))).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})

test.each([
  ['under maintenance', 'branch.setMaintenance', { name: 'main', enabled: true }],
  ['under its database’s', 'database.setMaintenance', { name: 'main', enabled: true }],
])('a branch %s is not written for it', async (_, method, params) => {
  const { client, layout, logged } = await startDaemon({ clock: () => now })
  await client.call('kv.set', { key: 'a', value: 1, ttlMs: 5 })
  await client.call(method, params)
  await pass(60_000)
  await new Promise(setImmediate)
  expect(ask(tenantPath(layout), stored)).toEqual([1])
  expect(logged.filter(({ level }) => Number(level) >= 40)).toEqual([])
  await client.call(method, { ...params, enabled: false })
  expect(await client.call('kv.purge')).toEqual({ count: 1 })
})
