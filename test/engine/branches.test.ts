import fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { tenantPath } from '../support/project.ts'

const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
})

const insert = (branch: string, tenant: string, ...values: number[]) =>
  client.call('row.insert', { branch, tenant, table: 't', rows: values.map((a) => ({ a })) })
const values = async (branch: string, tenant: string, sql = 'select a from t order by rowid') =>
  (await client.call('query.run', { branch, tenant, sql })).rows.flat()
const create = (name: string, branch = 'main') => client.call('tenant.create', { branch, name })
const fork = (name: string, from = 'main') => client.call('branch.create', { name, from })
const tenants = async (branch: string) =>
  (await client.call('tenant.list', { branch })).tenants.map(({ name }: { name: string }) => name)

/** Files below the project's folder that belong to tenants. */
const files = () =>
  fs
    .readdirSync(started.layout.root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.includes('/') && file.endsWith('.db'))
    .sort()

describe('a fork', () => {
  test('copies nothing until somebody writes, and then one file', async () => {
    for (const name of ['x', 'y', 'z']) {
      await create(name)
      await insert('main', name, 1)
    }
    const before = files()
    expect(before).toHaveLength(3)
    await fork('dev')
    expect(await values('dev', 'x')).toEqual([1])
    expect(files()).toEqual(before)
    await insert('dev', 'x', 2)
    expect(files()).toEqual([...before, path.relative(started.layout.root, devFile('x'))].sort())
  })

  test('goes its own way: rows, tenants and schema', async () => {
    for (const name of ['x', 'y', 'z']) await create(name)
    await insert('main', 'x', 1)
    await fork('dev')
    await insert('dev', 'x', 2)
    await insert('main', 'x', 3)
    await client.call('tenant.delete', { branch: 'dev', name: 'y' })
    await client.call('tenant.rename', { name: 'z', newName: 'w' })
    await create('of-main')
    await create('of-dev', 'dev')
    await client.call('column.add', { branch: 'dev', table: 't', column: { name: 'b', type: 'TEXT', default: 'd' } })

    expect([await values('main', 'x'), await values('dev', 'x')]).toEqual([
      [1, 3],
      [1, 2],
    ])
    expect(await tenants('main')).toEqual(['main', 'of-main', 'w', 'x', 'y'])
    expect(await tenants('dev')).toEqual(['main', 'of-dev', 'x', 'z'])
    expect(await values('dev', 'x', 'select b from t')).toEqual(['d', 'd'])
    expect((await client.refused('query.run', { tenant: 'x', sql: 'select b from t' })).kind).toBe('sqlError')
  })

  test('meets nothing of what lies in its folder', async () => {
    await create('x')
    await insert('main', 'x', 1)
    // Bytes of another tenant, where dev's copies of x and main will lie.
    for (const name of ['x', 'main']) {
      fs.mkdirSync(path.dirname(devFile(name)), { recursive: true })
      for (const suffix of ['', '-wal']) fs.writeFileSync(devFile(name) + suffix, 'stranger')
    }
    await fork('dev')
    expect((await client.call('branch.list')).branches).toHaveLength(2)
    await insert('dev', 'x', 2)
    await insert('dev', 'main', 3)
    expect([await values('dev', 'x'), await values('dev', 'main')]).toEqual([[1, 2], [3]])
    expect(await client.call('tenant.verify', { branch: 'dev', name: 'x' })).toMatchObject({ sound: true })
  })

  test('of a branch without a name, of none, or twice, leaves nothing', async () => {
    await fork('dev')
    const before = await client.call('branch.list')
    expect((await client.refused('branch.create', { name: 'dev' })).kind).toBe('branchExists')
    expect((await client.refused('branch.create', { name: 'leaf', from: 'none' })).kind).toBe('branchNotFound')
    expect(await client.call('branch.list')).toEqual(before)
  })
})

test.each([
  ['renamed', 'tenant.rename', { name: 'x', newName: 'w' }],
  ['deleted', 'tenant.delete', { name: 'x' }],
])('a file that two tenants of different names see goes to the other when one is %s', async (_, method, params) => {
  await create('x')
  await insert('main', 'x', 1)
  await fork('dev')
  await client.call('tenant.rename', { branch: 'dev', name: 'x', newName: 'y' })
  await fork('leaf', 'dev')
  for (const branch of ['dev', 'leaf']) expect(await values(branch, 'y')).toEqual([1])
  await client.call(method, params)
  await create('x')
  await insert('main', 'x', 2)
  for (const branch of ['dev', 'leaf']) expect(await values(branch, 'y')).toEqual([1])
  await insert('dev', 'y', 3)
  await client.call('column.add', { branch: 'leaf', table: 't', column: { name: 'b', type: 'TEXT' } })
  await insert('leaf', 'y', 4)
  expect([await values('main', 'x'), await values('dev', 'y'), await values('leaf', 'y')]).toEqual([
    [2],
    [1, 3],
    [1, 4],
  ])
})

describe('a branch that is deleted', () => {
  test('goes with its change sets, inherited and its own, and its name is free', async () => {
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT' } })
    await fork('dev')
    await client.call('column.add', { branch: 'dev', table: 't', column: { name: 'c', type: 'TEXT' } })
    await insert('dev', 'main', 1)
    await client.call('branch.delete', { name: 'dev' })
    expect((await client.refused('branch.get', { name: 'dev' })).kind).toBe('branchNotFound')
    expect(files()).toEqual([])
    await fork('dev')
    expect(await values('dev', 'main')).toEqual([])
    expect((await client.call('column.list', { branch: 'dev', table: 't' })).columns).toHaveLength(2)
  })

  test('leaves its children to its parent, with all that they saw through it', async () => {
    await create('x')
    await insert('main', 'x', 1)
    await fork('dev')
    await insert('dev', 'x', 2)
    await fork('leaf', 'dev')
    await insert('dev', 'x', 3)
    await client.call('branch.delete', { name: 'dev' })
    expect(await client.call('branch.get', { name: 'leaf' })).toMatchObject({ parent: 'main' })
    expect([await values('main', 'x'), await values('leaf', 'x')]).toEqual([[1], [1, 2]])
    await insert('leaf', 'x', 4)
    expect(await values('main', 'x')).toEqual([1])
  })
})

test('a renamed branch keeps everything, and its children follow', async () => {
  await create('x')
  await fork('dev')
  await insert('dev', 'x', 1)
  await fork('leaf', 'dev')
  await client.call('branch.rename', { name: 'dev', newName: 'stage' })
  expect((await client.refused('query.run', { branch: 'dev', sql: 'select 1' })).kind).toBe('branchNotFound')
  expect(await client.call('branch.get', { name: 'leaf' })).toMatchObject({ parent: 'stage' })
  expect([await values('stage', 'x'), await values('leaf', 'x')]).toEqual([[1], [1]])
})

test('the branches that the settings name cannot be deleted or renamed', async () => {
  started = await startDaemon({ config: { protectedBranches: ['release'] } })
  client = started.client
  for (const name of ['release', 'dev']) await fork(name)
  const isProtected = { kind: 'protected', noun: 'branch', name: 'release' }
  expect(await client.refused('branch.delete', { name: 'release' })).toMatchObject(isProtected)
  expect(await client.refused('branch.rename', { name: 'release', newName: 'x' })).toMatchObject(isProtected)
  await client.call('branch.delete', { name: 'dev' })
  // Whatever it is called: without the first one there would be no branch to fork.
  await client.call('branch.rename', { name: 'main', newName: 'trunk' })
  expect(await client.refused('branch.delete', { name: 'trunk' })).toMatchObject({ kind: 'protected', name: 'trunk' })
})

function devFile(tenant: string): string {
  return tenantPath(started.layout, tenant, 'main', 'dev')
}
