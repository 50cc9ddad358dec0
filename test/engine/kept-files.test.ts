import fs from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { openSnapshot } from '../../src/engine/transfer/copy.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { temporaryFolder, tenantPath } from '../support/project.ts'

const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
  for (const name of ['x', 'free']) await client.call('tenant.create', { name })
  await insert('x', 1)
  await insert('free', 1)
})

const insert = (tenant: string, a: number, branch = 'main') =>
  client.call('row.insert', { branch, tenant, table: 't', rows: [{ a }] })
const values = async (tenant: string, branch = 'main') =>
  (await client.call('query.run', { branch, tenant, sql: 'select a from t order by rowid' })).rows.flat()

/** Read a tenant by its file's path, as an export does, from now until `end` is called, which gives the rows. */
async function reading(tenant: string, branch = 'main'): Promise<{ end(): Promise<unknown[]> }> {
  let end!: () => void
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let begun!: () => void
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const rows = started.daemon.engine.tenant('main', branch, tenant).keepInPlace(async (file) => {
    const db = await openSnapshot({ path: file as string }, new AbortController().signal)
    try {
      begun()
      await ended
      return db.prepare('select a from t order by rowid').pluck().all()
    } finally {
      db.close()
    }
  })
  await Promise.race([hasBegun, rows])
  return {
    end() {
      end()
      return rows
    },
  }
}

/** Make a call that has to wait until the file is let go of. */
async function waiting(method: string, params: object): Promise<{ result: Promise<unknown> }> {
  let isSettled = false
  const result = client.call(method, params).finally(() => {
    isSettled = true
  })
  // Another one that does as much, and need not wait, is through before it.
  const other = await started.connect()
  await other.call('tenant.rename', { name: 'free', newName: 'freed' })
  await other.call('tenant.rename', { name: 'freed', newName: 'free' })
  expect(isSettled).toBe(false)
  return { result }
}

const wholeFile = (tenant: string, branch = 'main') => {
  const file = tenantPath(started.layout, tenant, 'main', branch)
  return fs.readdirSync(path.dirname(file)).filter((name) => name.startsWith(path.basename(file)))
}

test('a tenant whose file is read by its path is renamed when that is through', async () => {
  const reader = await reading('x')
  const { result } = await waiting('tenant.rename', { name: 'x', newName: 'w' })
  expect(await reader.end()).toEqual([1])
  await result
  await insert('w', 2)
  expect(await values('w')).toEqual([1, 2])
  expect(wholeFile('x')).toEqual([])
})

test('a tenant whose file others see, and somebody reads by its path, is deleted when that is through', async () => {
  await client.call('branch.create', { name: 'dev' })
  const reader = await reading('x')
  const { result } = await waiting('tenant.delete', { name: 'x' })
  expect(await reader.end()).toEqual([1])
  await result
  await insert('x', 2, 'dev')
  expect(await values('x', 'dev')).toEqual([1, 2])
  expect(wholeFile('x')).toEqual([])
})

test('a tenant of its own is deleted while its file is read, which goes on, and its name is free', async () => {
  const reader = await reading('x')
  await client.call('tenant.delete', { name: 'x' })
  await client.call('tenant.create', { name: 'x' })
  await insert('x', 2)
  expect(await reader.end()).toEqual([1])
  expect(await values('x')).toEqual([2])
})

test('a branch whose files others see is deleted when nobody reads them by their paths', async () => {
  await client.call('branch.create', { name: 'dev' })
  await insert('x', 2, 'dev')
  await client.call('branch.create', { name: 'leaf', from: 'dev' })
  const reader = await reading('x', 'leaf')
  const { result } = await waiting('branch.delete', { name: 'dev' })
  expect(await reader.end()).toEqual([1, 2])
  await result
  await insert('x', 3, 'leaf')
  expect(await values('x', 'leaf')).toEqual([1, 2, 3])
})

test('a file that is read by its path follows an edit where it is, also where its branch got another name', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `y${at}`)
  await client.call('branch.create', { name: 'dev' })
  for (const name of names) await client.call('tenant.create', { branch: 'dev', name })
  await Promise.all(['x', ...names].map((name) => insert(name, 2, 'dev')))
  const { ino } = fs.statSync(tenantPath(started.layout, 'x', 'main', 'dev'))
  const reader = await reading('x', 'dev')
  await client.call('branch.rename', { name: 'dev', newName: 'new' })
  await client.call('column.add', { branch: 'new', table: 't', column: { name: 'b', type: 'TEXT' } })
  await started.daemon.engine.parts.drain.settled()
  expect((await client.call('branch.status', { name: 'new' })).files).toMatchObject({ total: 41, atHead: 41 })
  expect(fs.statSync(tenantPath(started.layout, 'x', 'main', 'new')).ino).toBe(ino)
  await insert('x', 3, 'new')
  expect(await reader.end()).toEqual([1, 2])
  expect(await values('x', 'new')).toEqual([1, 2, 3])
})

test('an export, and a statement of a process, go on while their tenant is renamed and written to', async () => {
  const rows = Array.from({ length: 30_000 }, (_, a) => ({ a }))
  await client.call('row.insert', { tenant: 'x', table: 't', rows, returning: 'none' })
  const { engine } = started.daemon
  const { id } = engine.tenant('main', 'main', 'x').file
  const file = path.join(temporaryFolder(), 'x.csv')
  const [exporter, asker] = await Promise.all([started.connect(), started.connect()])
  const exported = exporter.call('tenant.export', { name: 'x', path: file, table: 't' })
  const sql = 'select count(*) from t a, t b where a.a < 100 and b.a + a.a % 2 >= 0'
  const counted = asker.call('query.run', { tenant: 'x', sql })
  while (!engine.parts.pool.isKept(id)) await nextTurn()
  await client.call('tenant.rename', { name: 'x', newName: 'w' })
  await insert('w', -1)
  expect((await exported).rows).toEqual({ t: 30_001 })
  expect((await counted).rows).toEqual([[101 * 30_001]])
  expect(fs.readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(30_002)
  expect((await client.call('row.count', { tenant: 'w', table: 't' })).count).toBe(30_002)
})
