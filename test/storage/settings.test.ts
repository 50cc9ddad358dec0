import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'

/** Where commits have to be durable, the log is synced beside SQLite, before they are acknowledged. */
const synchronous = 1

test.each([
  'normal',
  'full',
])('a tenant’s file is open with the settings that the promises rest on: %j', async (durability) => {
  const { client, daemon } = await startDaemon({ config: { durability } })
  const columns = [{ name: 'a', type: 'TEXT', references: { table: 't', column: 'id' } }]
  await client.call('table.create', { name: 't', columns })
  await client.call('row.insert', { table: 't', rows: [{}] })
  const pragma = (name: string) =>
    daemon.engine
      .tenant('main', 'main', 'main')
      .read(({ statements }) => (statements.get(`pragma ${name}`).statement.get() as unknown[])[0])
  expect({
    journal_mode: await pragma('journal_mode'),
    synchronous: await pragma('synchronous'),
    wal_autocheckpoint: await pragma('wal_autocheckpoint'),
    foreign_keys: await pragma('foreign_keys'),
    trusted_schema: await pragma('trusted_schema'),
    recursive_triggers: await pragma('recursive_triggers'),
  }).toEqual({
    journal_mode: 'wal',
    synchronous,
    wal_autocheckpoint: 0,
    foreign_keys: 1,
    trusted_schema: 0,
    recursive_triggers: 0,
  })
  expect(await client.call('project.info')).toMatchObject({ durability })
  const orphan = { table: 't', rows: [{ a: 'nobody' }] }
  expect(await client.refused('row.insert', orphan)).toMatchObject({ constraint: 'foreignKey' })
})
