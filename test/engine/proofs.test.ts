import fs from 'node:fs'
import { expect, test } from 'vitest'
import { createBranch } from '../../src/engine/branches.ts'
import { editSchema } from '../../src/engine/edit.ts'
import { renameTenant } from '../../src/engine/tenants.ts'
import { toChange } from '../../src/schema/change-spec.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { tenantPath } from '../support/project.ts'

const table = { name: 't', columns: [{ name: 'a' }, { name: 'b' }].map(typed), systemColumns: false }
const unique = { table: 't', columns: ['a'], unique: true }

function typed(column: { name: string }) {
  return { ...column, type: 'BLOB' }
}

/** Tenants with a file each, with as many rows, none of which the daemon has open. */
async function fleet(names: readonly string[], rows = 1): Promise<TestDaemon> {
  const { client, daemon, layout } = await startDaemon()
  await client.call('table.create', table)
  for (const name of names) {
    await client.call('tenant.create', { name })
    await client.call('row.insert', { tenant: name, table: 't', rows: Array.from({ length: rows }, (_, a) => ({ a })) })
  }
  await daemon.stop()
  return startDaemon({ layout })
}

const named = (count: number) => Array.from({ length: count }, (_, at) => `p${String(at).padStart(3, '0')}`)

test('a proof opens, copies and changes no small file, be it shared and behind', async () => {
  const { client, layout } = await fleet(['x', 'y', 'z'])
  await client.call('branch.create', { name: 'dev' })
  await client.call('column.add', { branch: 'dev', table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  const bytes = () => ['x', 'y', 'z'].map((name) => fs.readFileSync(tenantPath(layout, name)))
  const before = bytes()
  await client.call('index.create', { branch: 'dev', ...unique, columns: ['a', 'c'] })
  expect((await client.call('project.stats')).openFiles).toBe(0)
  expect(fs.readdirSync(layout.root)).not.toContain('main-dev')
  expect(bytes()).toEqual(before)
  // One that is open is looked at where it is, and is not copied either.
  await client.call('row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] })
  await client.call('branch.create', { name: 'leaf' })
  await client.call('column.add', { branch: 'leaf', table: 't', column: { name: 'd', type: 'TEXT', default: 'd' } })
  expect((await client.call('project.stats')).openFiles).toBe(1)
  const refused = await client.refused('index.create', { branch: 'leaf', ...unique, columns: ['d'] })
  expect(refused.witnesses).toMatchObject([
    {
      tenant: 'x',
      rows: [
        [1, 'd', 2],
        [2, 'd', 2],
      ],
    },
  ])
  expect(fs.readdirSync(layout.root)).not.toContain('main-leaf')
  expect(bytes().slice(1)).toEqual(before.slice(1))
})

test('rows that only a log holds are looked at, and those of a large file', async () => {
  const { client, layout } = await fleet(['x', 'y', 'z'])
  const write = (tenant: string, sql: string) => client.call('query.execute', { tenant, sql })
  await write('x', 'insert into t (a) values (0)')
  await write('y', 'insert into t (a, b) values (0, zeroblob(3000000))')
  expect(fs.statSync(`${tenantPath(layout, 'x')}-wal`).size).toBeGreaterThan(0)
  expect((await client.refused('index.create', unique)).witnesses).toMatchObject([
    {
      tenant: 'x',
      columns: ['rowid', 'a', 'rows'],
      rows: [
        [1, 0, 2],
        [2, 0, 2],
      ],
    },
    { tenant: 'y' },
  ])
})

test('rows are named with values that JSON cannot hold, and long ones are cut', async () => {
  const { client } = await fleet(['x'])
  for (const value of ['9223372036854775807', "x'00ff'", 'zeroblob(5000)']) {
    await client.call('query.execute', { tenant: 'x', sql: `insert into t (a) values (${value}), (${value})` })
  }
  const { witnesses } = await client.refused('index.create', unique)
  expect(witnesses[0].rows).toEqual([
    [2, { $int: '9223372036854775807' }, 2],
    [3, { $int: '9223372036854775807' }, 2],
    [6, { $blob: Buffer.alloc(1_000).toString('base64') }, 2],
    [7, { $blob: Buffer.alloc(1_000).toString('base64') }, 2],
    [4, { $blob: 'AP8=' }, 2],
    [5, { $blob: 'AP8=' }, 2],
  ])
})

test('each kind of proof names rows', async () => {
  const { client } = await fleet(['x'])
  await client.call('query.execute', { tenant: 'x', sql: 'insert into t (a, b) values (null, 7)' })
  const witness = async (change: object) => {
    const { witnesses } = await client.refused('schema.apply', {
      changes: [{ kind: 'alterColumn', table: 't', ...change }],
    })
    return witnesses.map(({ tenant, table, columns, rows }: Record<string, unknown>) => [tenant, table, columns, rows])
  }
  expect(await witness({ name: 'a', nullable: false })).toEqual([['x', 't', ['rowid'], [[2]]]])
  expect(await witness({ name: 'b', check: 'b < 7' })).toEqual([['x', 't', ['rowid'], [[2]]]])
  await client.call('table.create', {
    name: 'u',
    columns: [{ name: 'k', type: 'INTEGER' }],
    primaryKey: ['k'],
    systemColumns: false,
  })
  expect(await witness({ name: 'b', references: { table: 'u' } })).toEqual([['x', 't', ['rowid'], [[2]]]])
})

test('a proof is ended by its client, and nothing is changed', async () => {
  const { client } = await fleet(named(40), 2_000)
  const head = async () => (await client.call('branch.get', { name: 'main' })).head
  const before = await head()
  const edit = client.request('index.create', { ...unique, progressToken: 'p' }, 'e')
  await client.notification(({ method, params }) => {
    return method === '$/progress' && (params as { value: { stage: string } }).value.stage === 'prove'
  })
  client.notify('$/cancelRequest', { id: 'e' })
  expect((await edit).error?.data.kind).toBe('requestCancelled')
  expect(await head()).toBe(before)
  await client.call('index.create', unique)
})

test('tenants that are written to while others are looked at are looked at again, however many', async () => {
  const names = named(120)
  const { daemon } = await fleet(names, 100)
  const { engine } = daemon
  const main = engine.branch('main', 'main')
  let written: Promise<unknown> | undefined
  let looked = 0
  const report = ({ stage, done = 0 }: { stage?: string; done?: number }) => {
    if (stage !== 'prove' || written) return
    looked = done
    const write = (name: string) =>
      main.tenant(name).write(({ statements }) => statements.get('insert into t (a) values (0)').statement.run())
    written = Promise.all(names.slice(0, looked).map(write))
  }
  const index = toChange(main.head.schema, { kind: 'createIndex', ...unique }, () => engine.parts.ids.next())
  const edit = editSchema(engine.parts, main, { changes: [index] }, { signal: new AbortController().signal, report })
  const { kind, data } = await edit.catch((error) => error)
  expect([kind, data?.tenants]).toEqual(['proofFailed', looked])
  await written
})

test('a tenant that takes the place of one that was looked at is looked at, too', async () => {
  const names = named(40)
  const { client, daemon } = await fleet([...names, 'z'], 2_000)
  // Too large for a look at it in memory; shared, and behind.
  await client.call('query.execute', { tenant: 'z', sql: 'insert into t (a, b) values (0, zeroblob(3000000))' })
  const { engine } = daemon
  const options = { database: 'main', from: 'main', data: true, readOnly: false, description: null }
  const dev = await createBranch(engine, { name: 'dev', ...options })
  const change = (spec: Parameters<typeof toChange>[1]) =>
    toChange(dev.head.schema, spec, () => engine.parts.ids.next())
  const signal = new AbortController().signal
  const column = { name: 'c', type: 'TEXT', default: 'd' }
  await editSchema(
    engine.parts,
    dev,
    { changes: [change({ kind: 'addColumn', table: 't', column })] },
    { signal, report() {} },
  )

  let renamed: Promise<unknown> | undefined
  const report = ({ stage }: { stage?: string }) => {
    if (stage === 'prove') renamed ??= renameTenant(engine.parts, dev, 'z', 'a')
  }
  const index = change({ kind: 'createIndex', ...unique })
  await expect(editSchema(engine.parts, dev, { changes: [index] }, { signal, report })).rejects.toMatchObject({
    kind: 'proofFailed',
    data: { tenants: 1, witnesses: [{ tenant: 'a' }] },
  })
  await renamed
})
