import { beforeEach, describe, expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

let started: TestDaemon
let client: RawClient

const columns = ['a', 'b'].map((name) => ({ name, type: 'TEXT' }))

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', { name: 't', columns, systemColumns: false })
  for (const name of ['x', 'y']) await client.call('tenant.create', { name })
  await insert('x', { a: '1', b: null }, { a: '2', b: 'two' })
  await insert('y', { a: '3', b: null })
  await client.call('branch.create', { name: 'dev' })
})

const insert = (tenant: string, ...rows: object[]) => client.call('row.insert', { tenant, table: 't', rows })
const rows = async (tenant: string, sql: string, branch = 'main') =>
  (await client.call('query.run', { branch, tenant, sql })).rows
const merge = (source = 'dev', target = 'main', options = {}) =>
  client.call('branch.merge', { source, target, ...options })
const addColumn = (branch: string, name: string) =>
  client.call('column.add', { branch, table: 't', column: { name, type: 'TEXT' } })

/** On dev: `b` is filled and NOT NULL, `t` is copied, and the copy has a column made of two. */
async function work(): Promise<void> {
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'b', nullable: false, fill: 'none' })
  await client.call('table.copy', { branch: 'dev', source: 't', name: 'u' })
  await client.call('column.add', { branch: 'dev', table: 'u', column: { name: 'c', type: 'TEXT' } })
  await client.call('column.alter', { branch: 'dev', table: 'u', name: 'c', fill: { sql: "a || '-' || b" } })
  await client.call('column.drop', { branch: 'dev', table: 'u', name: 'b' })
}

async function expectWork(): Promise<void> {
  await client.call('tenant.create', { name: 'later' })
  for (const [tenant, of, ofCopy] of [
    [
      'x',
      [
        ['1', 'none'],
        ['2', 'two'],
      ],
      [
        ['1', '1-none'],
        ['2', '2-two'],
      ],
    ],
    ['y', [['3', 'none']], [['3', '3-none']]],
    ['later', [], []],
  ] as const) {
    expect(await rows(tenant, 'select a, b from t order by rowid')).toEqual(of)
    expect(await rows(tenant, 'select a, c from u order by rowid')).toEqual(ofCopy)
  }
}

describe.each([
  ['fast-forward', async () => {}],
  ['of three', async () => addColumn('main', 'own')],
  [
    'of three, into which the source has taken the target before',
    async () => {
      await addColumn('main', 'own')
      await merge('main', 'dev')
    },
  ],
  [
    'of three, after the target was taken over and moved on',
    async () => {
      await addColumn('main', 'own')
      await merge('main', 'dev')
      await addColumn('main', 'more')
    },
  ],
])('a merge %s', (_, move) => {
  test.each(['before', 'after'])('fills and copies rows as its source did; the target moved %s', async (when) => {
    if (when === 'before') await move()
    await work()
    if (when === 'after') await move()
    expect(await merge('dev', 'main', { dryRun: true })).toMatchObject({ status: 'planned' })
    expect(await merge()).toMatchObject({ status: 'merged' })
    await expectWork()
    await started.daemon.engine.parts.drain.settled()
    expect((await client.call('branch.status')).files).toMatchObject({ behind: 0, failed: 0 })
  })
})

test('rows are filled once, and not again by the next merge', async () => {
  await addColumn('main', 'own')
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'b', fill: 'none' })
  await merge()
  await insert('x', { a: '4', b: null })
  await addColumn('dev', 'more')
  await merge()
  // Nor is what the target itself has sent there and gets back.
  await merge('main', 'dev')
  await addColumn('dev', 'last')
  await merge()
  expect(await rows('x', 'select a, b from t order by rowid')).toEqual([
    ['1', 'none'],
    ['2', 'two'],
    ['4', null],
  ])
})

test('what cannot be filled is a conflict, and can be left as it is', async () => {
  await client.call('column.drop', { table: 't', name: 'a' })
  await client.call('column.alter', { branch: 'dev', table: 't', name: 'b', fill: { sql: 'a' } })
  const { status, conflicts } = await merge()
  expect(status).toBe('conflicts')
  expect(conflicts).toMatchObject([{ kind: 'rows', path: 'table:t/column:b/rows' }])
  const resolutions = [{ path: 'table:t/column:b/rows', take: 'ours' }]
  expect(await merge('dev', 'main', { resolutions })).toMatchObject({ status: 'merged' })
  expect(await rows('x', 'select b from t order by rowid')).toEqual([[null], ['two']])
})
