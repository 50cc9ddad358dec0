import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'
import { tenantPath } from '../support/project.ts'

/** A daemon with a row of a tenant that is in the log only, as another reads the file and so keeps it there. */
async function withReader() {
  const { client, layout } = await startDaemon()
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
  await client.call('tenant.create', { name: 'x' })
  const insert = (a: number, branch = 'main') =>
    client.call('row.insert', { branch, tenant: 'x', table: 't', rows: [{ a }] })
  const rows = async (tenant = 'x', branch = 'main') =>
    (await client.call('query.run', { branch, tenant, sql: 'select a from t' })).rows.flat()
  await insert(1)
  const reader = new Database(tenantPath(layout, 'x'), { readonly: true })
  reader.exec('begin')
  reader.prepare('select * from t').all()
  await insert(2)
  return { client, reader, insert, rows }
}

test('a copy of a file that is being read has all its rows', async () => {
  const { client, reader, insert, rows } = await withReader()
  await client.call('branch.create', { name: 'dev' })
  await insert(3, 'dev')
  await insert(4)
  reader.close()
  expect(await rows('x', 'dev')).toEqual([1, 2, 3])
  expect(await rows()).toEqual([1, 2, 4])
})

test('a tenant is not renamed while its file is read and its log cannot go along', async () => {
  const { client, reader, rows } = await withReader()
  expect(await client.refused('tenant.rename', { name: 'x', newName: 'w' })).toMatchObject({
    kind: 'tenantBusy',
    tenants: ['x'],
  })
  expect(await rows()).toEqual([1, 2])
  reader.close()
  await client.call('tenant.rename', { name: 'x', newName: 'w' })
  expect(await rows('w')).toEqual([1, 2])
})
