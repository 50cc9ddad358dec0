import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import { ask, integrityOf, temporaryProject, tenantPath } from '../support/project.ts'
import { Random } from '../support/random.ts'
import { seed } from '../support/seed.ts'

const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }
const tenants = ['main', 'x', 'y']

test(`what was acknowledged is there after the daemon is killed (seed ${seed})`, { timeout: 90_000 }, async () => {
  const random = new Random(seed)
  const layout = temporaryProject({ config: { checkpointBytes: 65_536 } })
  const acknowledged = new Map(tenants.map((tenant) => [tenant, new Set<number>()]))
  const columns = new Set(['a'])
  const made = new Set<string>()
  let value = 0
  for (let round = 0; round < 25; round++) {
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    if (round === 0) {
      await client.call('table.create', table)
      for (const name of ['x', 'y']) await client.call('tenant.create', { name })
    }
    const head = await client.call('branch.status')
    const fields = (await client.call('column.list', { table: 't' })).columns.map(({ name }: { name: string }) => name)
    for (const column of columns) expect(fields).toContain(column)
    const known = (await client.call('tenant.list')).tenants.map(({ name }: { name: string }) => name)
    for (const name of made) expect(known).toContain(name)
    for (const [tenant, values] of acknowledged) {
      const { rows } = await client.call('query.run', { tenant, sql: 'select a from t' })
      const stored = new Set(rows.flat())
      expect([...values].filter((a) => !stored.has(a))).toEqual([])
      expect(stored.size).toBe(rows.length)
      if (values.size > 0) {
        expect(ask(tenantPath(layout, tenant), "select value from __cinch where key = 'changeSet'")).toEqual([
          head.head,
        ])
        expect(await client.call('tenant.verify', { name: tenant })).toMatchObject({ sound: true })
      }
    }
    const write = async (tenant: string): Promise<void> => {
      for (;;) {
        const a = ++value
        await client.call('row.insert', { tenant, table: 't', rows: [{ a }] })
        acknowledged.get(tenant)?.add(a)
      }
    }
    const edit = async () => {
      for (let at = 0; at < 3; at++) {
        const name = `c${round}x${at}`
        await client.call('column.add', { table: 't', column: { name, type: 'TEXT' } })
        columns.add(name)
        await client.call('tenant.create', { name })
        made.add(name)
        await client.call('row.insert', { tenant: name, table: 't', rows: [{ a: 1 }] })
      }
    }
    const work = Promise.allSettled([edit(), ...[...tenants, ...tenants].map(write)])
    await sleep(random.next() * 150)
    await cinchd.kill('SIGKILL')
    await work
  }
  for (const tenant of tenants) expect(integrityOf(tenantPath(layout, tenant))).toBe('ok')
  expect([...acknowledged.values()].reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(100)
})

test('the write-ahead log stays bounded under constant writing', { timeout: 60_000 }, async () => {
  const layout = temporaryProject({ config: { checkpointBytes: 262_144 } })
  const client = await (await startCinchd(layout)).connect()
  await client.call('table.create', { ...table, columns: [{ name: 'a', type: 'TEXT' }] })
  let largest = 0
  for (let burst = 0; burst < 200; burst++) {
    const rows = [{ a: 'x'.repeat(2_000) }]
    await Promise.all(
      Array.from({ length: 50 }, () => client.call('row.insert', { table: 't', rows, returning: 'none' })),
    )
    largest = Math.max(largest, fs.statSync(`${tenantPath(layout)}-wal`).size)
  }
  // 20 MB were written.
  expect(largest).toBeLessThan(3_000_000)
  expect((await client.call('row.count', { table: 't' })).count).toBe(10_000)
})
