import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder } from '../support/project.ts'

test('files go in and out over the wire, with progress', async () => {
  const { client } = await startDaemon()
  const folder = temporaryFolder()
  const [csv, db] = [path.join(folder, 'people.csv'), path.join(folder, 'people.db')]
  fs.writeFileSync(csv, `name;age\n${'Ada;36\n'.repeat(60_000)}`)
  const params = { path: csv, table: 'people', create: true, delimiter: ';', progressToken: 'p' }
  expect(await client.request('tenant.import', params)).toMatchObject({
    result: { rows: { people: 60_000 }, changeSet: expect.any(String) },
  })
  expect(client.notifications[0]).toMatchObject({
    method: '$/progress',
    params: { token: 'p', value: { stage: expect.any(String), bytes: expect.any(Number) } },
  })
  expect(await client.request('tenant.export', { path: db })).toMatchObject({
    result: { rows: { people: 60_000 }, bytes: fs.statSync(db).size },
  })
  await client.request('tenant.create', { name: 'two' })
  expect(await client.request('tenant.import', { name: 'two', path: db })).toMatchObject({
    result: { rows: { people: 60_000 }, changeSet: null },
  })
})

test.for<[string, object, string]>([
  ['tenant.import', { path: 'x.db' }, 'pathRefused'],
  ['tenant.import', { path: '/nonexistent/x.db' }, 'fileNotFound'],
  ['tenant.import', { path: '/dev/null' }, 'pathRefused'],
  ['tenant.import', { path: '/etc/passwd', format: 'sqlite' }, 'notADatabase'],
  ['tenant.import', { path: '/etc/passwd', format: 'csv' }, 'invalidValue'],
  ['tenant.import', { path: '/etc/passwd', format: 'csv', table: 't' }, 'tableNotFound'],
  ['tenant.import', { path: '/etc/passwd', format: 'json', table: 't', create: true }, 'importFailed'],
  ['tenant.import', { path: '/etc/passwd', format: 'csv', table: '__t', create: true, delimiter: ':' }, 'invalidName'],
  ['tenant.import', { path: '/etc/passwd', delimiter: '"' }, 'invalidParams'],
  ['tenant.import', { name: 'none', path: '/etc/passwd' }, 'tenantNotFound'],
  ['tenant.export', { path: '/etc/passwd' }, 'fileExists'],
  ['tenant.export', { path: '/tmp', overwrite: true }, 'pathRefused'],
  ['tenant.export', { path: '/tmp/x.csv' }, 'invalidValue'],
])('%s %j is refused: %s', async ([name, params, kind]) => {
  const { client } = await startDaemon()
  expect(await client.request(name, params)).toMatchObject({ error: { data: { kind } } })
})
