import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import type { Chores } from '../../src/engine/chores/chores.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, integrityOf, tenantPath } from '../support/project.ts'

const table = {
  name: 't',
  columns: [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ],
  systemColumns: false,
}
const rows = 20_000

let started: TestDaemon
let client: RawClient
let other: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  other = await started.connect()
  await client.call('table.create', table)
  for (const name of ['big', 'small']) await client.call('tenant.create', { name })
  const numbers = `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${rows})`
  const sql = `${numbers} insert into t select n, printf('%0200d', n) from r`
  await client.call('query.execute', { tenant: 'big', sql })
  await client.call('row.insert', { tenant: 'small', table: 't', rows: [{ a: 1 }] })
})

const count = (asker: RawClient, tenant: string) => asker.call('row.count', { tenant, table: 't' })
const upkeep = (): Chores => started.daemon.engine.parts.upkeep
const until = async (isSo: () => boolean) => {
  while (!isSo()) await nextTurn()
}

test.for<[string, string, object]>([
  ['an index', 'index.create', { table: 't', columns: ['b'] }],
  ['a table made anew', 'column.alter', { table: 't', name: 'a', nullable: false }],
])('a large file gets %s while others are served; its own readers and writers wait and find it', async ([
  ,
  method,
  params,
]) => {
  await client.call(method, params)
  const order: string[] = []
  const told = (what: string) => () => order.push(what)
  const read = count(client, 'big').then((found) => {
    order.push('big')
    return found
  })
  const writer = await started.connect()
  const write = writer
    .call('row.insert', { tenant: 'big', table: 't', rows: [{ a: -1, b: 'new' }] })
    .then(told('written'))
  await until(() => upkeep().busy > 0)
  await count(other, 'small').then(told('small'))
  await other.call('row.insert', { tenant: 'small', table: 't', rows: [{ a: 2 }] }).then(told('small'))
  expect(order).toEqual(['small', 'small'])
  expect((await read).count).toBeGreaterThanOrEqual(rows)
  await write
  await started.daemon.engine.parts.drain.settled()
  expect((await client.call('branch.status', {})).files).toMatchObject({ total: 2, atHead: 2, failed: 0 })
  expect((await count(client, 'big')).count).toBe(rows + 1)
  expect((await client.call('tenant.size', { name: 'big' })).walBytes).toBeLessThan(100_000)
})

test('a large file that nobody uses follows in the background, and what needs no rows to be read does at once', async () => {
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  await count(client, 'big')
  expect(upkeep().busy).toBe(0)
  await client.call('index.create', { table: 't', columns: ['c'] })
  await until(() => upkeep().busy > 0)
  await started.daemon.engine.parts.drain.settled()
  expect((await client.call('branch.status', {})).files).toMatchObject({ total: 2, atHead: 2 })
})

test('a daemon that stops while a large file follows leaves it sound, and the next one goes on', async () => {
  await client.call('index.create', { table: 't', columns: ['b'] })
  await until(() => upkeep().busy > 0)
  await started.daemon.stop()
  const file = tenantPath(started.layout, 'big')
  expect(integrityOf(file)).toBe('ok')
  const next = await startDaemon({ layout: started.layout })
  expect((await count(next.client, 'big')).count).toBe(rows)
  expect(ask(file, "select count(*) from sqlite_schema where type = 'index'")).toEqual([1])
})

test('a branch that is forked while a large file follows sees it whole', async () => {
  await client.call('index.create', { table: 't', columns: ['b'] })
  const read = count(other, 'big')
  await until(() => upkeep().busy > 0)
  await client.call('branch.create', { name: 'dev' })
  await client.call('row.insert', { branch: 'dev', tenant: 'big', table: 't', rows: [{ a: 0 }] })
  await read
  expect((await client.call('row.count', { branch: 'dev', tenant: 'big', table: 't' })).count).toBe(rows + 1)
  expect((await count(client, 'big')).count).toBe(rows)
  expect(integrityOf(tenantPath(started.layout, 'big', 'main', 'dev'))).toBe('ok')
})

test('rows of a large file that stand against an edit are found while others are served', async () => {
  await client.call('query.execute', { tenant: 'big', sql: `update t set b = 'x' where a in (5, 7)` })
  const edit = client.refused('index.create', { table: 't', columns: ['b'], unique: true })
  await until(() => upkeep().busy > 0)
  await count(other, 'small')
  expect(await edit).toMatchObject({ kind: 'proofFailed', tenants: 1, witnesses: [{ tenant: 'big' }] })
})

test('what is written to a large file while it is proved is proved, too', async () => {
  const edit = client.request('index.create', { table: 't', columns: ['b'], unique: true })
  const twice = { tenant: 'big', table: 't', rows: [{ b: 'twice' }, { b: 'twice' }] }
  await until(() => upkeep().busy > 0)
  await other.call('row.insert', twice)
  expect((await edit).error?.data).toMatchObject({ kind: 'proofFailed', witnesses: [{ tenant: 'big' }] })
  // With nothing against it, writers go on after the flip, and by the new schema.
  await other.call('query.execute', { tenant: 'big', sql: `delete from t where b = 'twice'` })
  const again = client.call('index.create', { table: 't', columns: ['b'], unique: true })
  await until(() => upkeep().busy > 0)
  const writes = [other.call('row.insert', { tenant: 'big', table: 't', rows: [{ b: 'once' }] })]
  await again
  await Promise.all(writes)
  expect(await other.refused('row.insert', twice)).toMatchObject({ kind: 'constraintFailed' })
})

test('a vacuum keeps writers of its tenant waiting and nobody else, and gives the room back', async () => {
  await client.call('query.execute', { tenant: 'big', sql: 'delete from t where a % 4' })
  const { chores } = started.daemon.engine.parts
  const order: string[] = []
  const vacuum = client.call('tenant.vacuum', { name: 'big' }).then((sizes) => {
    order.push('vacuum')
    return sizes
  })
  await until(() => chores.busy > 0)
  const write = other.call('row.insert', { tenant: 'big', table: 't', rows: [{ a: -1 }] })
  const reader = await started.connect()
  const left = (await count(reader, 'big')).count
  await reader.call('row.insert', { tenant: 'small', table: 't', rows: [{ a: 2 }] })
  expect(order).toEqual([])
  const { before, after } = await vacuum
  await write
  expect(after.fileBytes + after.walBytes).toBeLessThan((before.fileBytes + before.walBytes) / 2)
  expect((await count(client, 'big')).count).toBe(left + 1)
  expect(integrityOf(tenantPath(started.layout, 'big'))).toBe('ok')
})

test.for<[string, object]>([
  ['tenant.vacuum', { name: 'big' }],
  ['tenant.verify', { name: 'big' }],
  ['tenant.copy', { source: 'big', name: 'copy' }],
])('%s stops at once when it is cancelled, and leaves everything as it was', async ([method, params]) => {
  const { chores } = started.daemon.engine.parts
  const answer = client.request(method, params, 'going')
  await until(() => chores.busy > 0)
  client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'going' } }))
  expect((await answer).error?.data.kind).toBe('requestCancelled')
  expect(chores.busy).toBe(0)
  expect((await client.call('tenant.list', {})).tenants.map(({ name }: { name: string }) => name)).toEqual([
    'big',
    'main',
    'small',
  ])
  await client.call('row.insert', { tenant: 'big', table: 't', rows: [{ a: 0 }] })
  expect((await count(client, 'big')).count).toBe(rows + 1)
  expect(await client.call('tenant.verify', { name: 'big' })).toEqual({ sound: true, problems: [] })
})

test('a copy of a tenant has its rows of one moment, and lives on by itself', async () => {
  await client.call('tenant.copy', { source: 'big', name: 'copy', description: 'of big' })
  await client.call('row.insert', { tenant: 'big', table: 't', rows: [{ a: 0 }] })
  await client.call('query.execute', { tenant: 'copy', sql: 'delete from t where a < 3' })
  expect((await count(client, 'big')).count).toBe(rows + 1)
  expect((await count(client, 'copy')).count).toBe(rows - 2)
  expect((await client.call('tenant.get', { name: 'copy' })).description).toBe('of big')
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  expect((await client.call('row.list', { tenant: 'copy', table: 't', limit: 1 })).rows).toHaveLength(1)
  // Without rows, or of a tenant without a file, it costs a row of the catalog.
  await client.call('tenant.copy', { source: 'big', name: 'bare', data: false })
  await client.call('tenant.copy', { source: 'main', name: 'lazy' })
  for (const name of ['bare', 'lazy']) {
    expect(await client.call('tenant.get', { name })).toMatchObject({ hasFile: false })
    expect((await count(client, name)).count).toBe(0)
  }
  const kinds = async (params: object) => (await client.refused('tenant.copy', params)).kind
  expect(await kinds({ source: 'none', name: 'n' })).toBe('tenantNotFound')
  expect(await kinds({ source: 'big', name: 'small' })).toBe('tenantExists')
  expect(await kinds({ source: 'big', name: 'A' })).toBe('invalidName')
})

test('a tenant that a fork shares is copied, and the fork does not see it', async () => {
  await client.call('branch.create', { name: 'dev' })
  await client.call('tenant.copy', { branch: 'dev', source: 'big', name: 'copy' })
  expect((await client.call('row.count', { branch: 'dev', tenant: 'copy', table: 't' })).count).toBe(rows)
  expect(await client.refused('tenant.get', { name: 'copy' })).toMatchObject({ kind: 'tenantNotFound' })
})
