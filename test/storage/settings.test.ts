import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'

const full = 2
const normal = 1

test.each([
  [{}, normal],
  [{ durability: 'full' }, full],
])('a tenant’s file is open with the settings that the promises rest on: %j', async (config, synchronous) => {
  const { client, daemon } = await startDaemon({ config })
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
  const durability = synchronous === full ? 'full' : 'normal'
  expect(await client.call('project.info')).toMatchObject({ durability })
  const orphan = { table: 't', rows: [{ a: 'nobody' }] }
  expect(await client.refused('row.insert', orphan)).toMatchObject({ constraint: 'foreignKey' })
})
