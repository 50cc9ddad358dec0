import fs from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { Branch } from '../../src/engine/branch.ts'
import { createBranch } from '../../src/engine/branches.ts'
import { deleteBranch } from '../../src/engine/delete-branch.ts'
import { editSchema } from '../../src/engine/edit.ts'
import { Engine } from '../../src/engine/engine.ts'
import { mergeBranches } from '../../src/engine/merge.ts'
import { unwatched } from '../../src/engine/slices.ts'
import { createTenant, deleteTenant, renameTenant, visibleTenants } from '../../src/engine/tenants.ts'
import { type ChangeSpec, toChange } from '../../src/schema/change-spec.ts'
import { defer } from '../support/cleanup.ts'
import { temporaryProject } from '../support/project.ts'

const log = pino({ level: 'silent' })
const names = Array.from({ length: 24 }, (_, at) => `x${at}`)

async function start(): Promise<Engine> {
  const { project } = temporaryProject()
  const engine = Engine.open(project, { log })
  defer(() => engine.close())
  await makeTable(engine, engine.branch('main', 'main'))
  return engine
}

function makeTable(engine: Engine, branch: Branch): Promise<unknown> {
  const table = { name: 't', systemColumns: false, columns: [{ name: 'a', type: 'text' }] }
  const change = toChange(branch.head.schema, { kind: 'createTable', ...table }, () => engine.parts.ids.next())
  return editSchema(engine.parts, branch, { changes: [change] }, unwatched)
}

function fork(engine: Engine, from: string, name: string): Promise<Branch> {
  return createBranch(engine, { database: 'main', name, from, data: true, readOnly: false, description: null })
}

async function makeTenants(engine: Engine, branch: Branch): Promise<void> {
  await Promise.all(names.map((name) => createTenant(engine.parts, branch, name, null)))
}

async function write(branch: Branch, tenant: string, value: string): Promise<void> {
  await branch.tenant(tenant).write(({ statements }) => {
    statements.get('insert into t values (?)').statement.run(value)
  })
}

const writeAll = (branch: Branch, value: string) => Promise.all(names.map((name) => write(branch, name, value)))

function rows(branch: Branch, tenant: string): string[] | Promise<string[]> {
  return branch.tenant(tenant).read(({ statements }) => {
    return statements.get('select a from t order by rowid').statement.all().flat() as string[]
  })
}

async function contents(engine: Engine, branch: Branch): Promise<Map<string, readonly string[]>> {
  const tenants = [...visibleTenants(engine.parts.catalog, branch)].map(({ name }) => name)
  return new Map(await Promise.all(tenants.map(async (name) => [name, await rows(branch, name)] as const)))
}

/** Tenants' files on disk, and whatever else lies in folders. */
function filesOnDisk({ parts }: Engine): string[] {
  const files = fs.readdirSync(parts.layout.root, { recursive: true, encoding: 'utf8' })
  return files.filter((file) => file.includes('/') && /\.db$|^scratch/.test(file)).sort()
}

/** Let others have the thread until the branch is gone. */
async function gone(engine: Engine, name: string): Promise<void> {
  while (engine.database('main').branches.has(name)) await nextTurn()
}

test('the name of a deleted branch is free at once, and its files go without touching those of the next one', async () => {
  const engine = await start()
  await makeTenants(engine, engine.branch('main', 'main'))
  await writeAll(await fork(engine, 'main', 'dev'), 'old')
  let isThrough = false
  const deleting = deleteBranch(engine, 'main', 'dev').then(() => {
    isThrough = true
  })
  await gone(engine, 'dev')
  expect(isThrough).toBe(false)
  const dev = await fork(engine, 'main', 'dev')
  await writeAll(dev, 'new')
  await deleting
  for (const name of names) expect(await rows(dev, name)).toEqual(['new'])
  expect(filesOnDisk(engine)).toEqual(engine.parts.catalog.files.paths().sort())
})

test('the name of a deleted database is free at once, and its files go without touching those of the next one', async () => {
  const engine = await start()
  const make = async (value: string) => {
    await engine.createDatabase('d', null)
    const branch = engine.branch('d', 'main')
    await makeTable(engine, branch)
    await makeTenants(engine, branch)
    await writeAll(branch, value)
    return branch
  }
  const old = await make('old')
  const deleting = engine.deleteDatabase('d')
  while (engine.databases.length > 1) await nextTurn()
  const branch = await make('new')
  await deleting
  for (const name of names) expect(await rows(branch, name)).toEqual(['new'])
  expect(filesOnDisk(engine)).toEqual(engine.parts.catalog.files.paths().sort())
  await expect(write(old, 'x0', 'late')).rejects.toMatchObject({ kind: 'branchNotFound' })
})

test('a deleted branch leaves the open files of others open', async () => {
  const engine = await start()
  const main = engine.branch('main', 'main')
  await makeTenants(engine, main)
  await writeAll(main, 'a')
  const dev = await fork(engine, 'main', 'dev')
  for (const name of names) await rows(dev, name)
  const open = engine.parts.pool.size
  await deleteBranch(engine, 'main', 'dev')
  expect(engine.parts.pool.size).toBe(open)
})

test('who had a tenant of the branch finds nothing, and a fork of it is refused', async () => {
  const engine = await start()
  const dev = await fork(engine, 'main', 'dev')
  await makeTenants(engine, dev)
  await writeAll(dev, 'a')
  const tenant = dev.tenant('x1')
  const deleting = deleteBranch(engine, 'main', 'dev')
  await gone(engine, 'dev')
  expect(() => tenant.read(() => undefined)).toThrow('tenantNotFound')
  await expect(write(dev, 'x1', 'b')).rejects.toMatchObject({ kind: 'branchNotFound' })
  await expect(fork(engine, 'dev', 'leaf')).rejects.toMatchObject({ kind: 'branchNotFound' })
  await deleting
})

test('a branch is deleted twice at once, and with what is forked from it', async () => {
  const engine = await start()
  await makeTenants(engine, engine.branch('main', 'main'))
  const dev = await fork(engine, 'main', 'dev')
  await writeAll(dev, 'a')
  const leaf = await fork(engine, 'dev', 'leaf')
  const outcomes = await Promise.allSettled([
    deleteBranch(engine, 'main', 'dev'),
    deleteBranch(engine, 'main', 'dev'),
    fork(engine, 'dev', 'other'),
    deleteBranch(engine, 'main', 'leaf'),
  ])
  expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { kind: 'branchNotFound' } }])
  expect(outcomes.slice(2).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  expect(engine.database('main').branches.has(leaf.name)).toBe(false)
  const other = engine.branch('main', 'other')
  for (const name of names) expect(await rows(other, name)).toEqual(['a'])
  expect(filesOnDisk(engine)).toEqual(engine.parts.catalog.files.paths().sort())
})

describe('a merge that deletes its source', () => {
  const merge = (engine: Engine, progress = unwatched) =>
    mergeBranches(
      engine,
      engine.branch('main', 'dev'),
      engine.branch('main', 'main'),
      { resolutions: [], dryRun: false, deleteSource: true },
      progress,
    )
  const index = { kind: 'createIndex', name: 'i', table: 't', columns: ['a'], unique: true } as const
  const edit = (engine: Engine, branch: Branch, ...specs: ChangeSpec[]) => {
    const changes = specs.map((spec) => toChange(branch.head.schema, spec, () => engine.parts.ids.next()))
    return editSchema(engine.parts, branch, { changes }, unwatched)
  }

  test('does so in the moment of the merge, and not if rows stand against that', async () => {
    const engine = await start()
    const main = engine.branch('main', 'main')
    await makeTenants(engine, main)
    const dev = await fork(engine, 'main', 'dev')
    await edit(engine, dev, index)
    for (const value of ['a', 'a']) await write(main, 'x1', value)
    await expect(merge(engine)).rejects.toMatchObject({ kind: 'proofFailed' })
    expect(engine.branch('main', 'dev')).toBe(dev)
    await write(dev, 'x2', 'b')
    expect(await rows(dev, 'x2')).toEqual(['b'])

    const leaf = await fork(engine, 'dev', 'leaf')
    await main.tenant('x1').write(({ statements }) => statements.get('delete from t').statement.run())
    expect(await merge(engine)).toMatchObject({ status: 'merged', fastForward: true })
    expect([...engine.database('main').branches.keys()].sort()).toEqual(['leaf', 'main'])
    expect(main.head.schema.indexes).toHaveLength(1)
    expect(leaf.parent).toBe(main)
    expect(await rows(leaf, 'x2')).toEqual(['b'])
    expect(await rows(main, 'x2')).toEqual([])
    expect(filesOnDisk(engine)).toEqual(engine.parts.catalog.files.paths().sort())
  })

  test('is refused if that was edited meanwhile', async () => {
    const engine = await start()
    const main = engine.branch('main', 'main')
    await makeTenants(engine, main)
    const values = Array.from({ length: 2_000 }, (_, at) => `v${at}`)
    await Promise.all(names.flatMap((name) => values.map((value) => write(main, name, value))))
    const dev = await fork(engine, 'main', 'dev')
    await edit(engine, dev, index)
    const [before, history] = [main.head, engine.parts.catalog.changeSets.history(main.head.id, 10)]
    let edited: Promise<unknown> | undefined
    const report = (value: object) => {
      if ('stage' in value && value.stage === 'prove') edited ??= edit(engine, dev, { kind: 'dropIndex', name: 'i' })
    }
    await expect(merge(engine, { ...unwatched, report })).rejects.toMatchObject({ kind: 'headMoved' })
    await edited
    expect(main.head).toBe(before)
    expect(engine.parts.catalog.changeSets.history(main.head.id, 10)).toEqual(history)
    expect(engine.branch('main', 'dev')).toBe(dev)
    expect(await merge(engine)).toMatchObject({ status: 'merged' })
  })
})

const work = fc.oneof(
  fc.record({ do: fc.constant('write' as const), at: fc.nat({ max: 2 }), name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant('delete' as const), at: fc.nat({ max: 2 }), name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant('rename' as const), at: fc.nat({ max: 2 }), name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant('fork' as const), at: fc.nat({ max: 2 }), name: fc.constant('') }),
  fc.record({ do: fc.constant('wait' as const), at: fc.constant(0), name: fc.constant('') }),
)

test('what others do while the files that they see are handed over holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(work, { minLength: 1, maxLength: 30 }), async (works) => {
      const { project } = temporaryProject()
      await using engine = Engine.open(project, { log })
      const main = engine.branch('main', 'main')
      await makeTable(engine, main)
      await makeTenants(engine, main)
      await writeAll(main, 'main')
      const dev = await fork(engine, 'main', 'dev')
      await writeAll(dev, 'dev')
      const branches = [await fork(engine, 'dev', 'leaf'), await fork(engine, 'dev', 'twig'), main]
      const expected = new Map(
        await Promise.all(branches.map(async (branch) => [branch, await contents(engine, branch)] as const)),
      )

      const deleting = deleteBranch(engine, 'main', 'dev')
      let count = 0
      for (const { do: what, at, name } of works) {
        const branch = branches[at % branches.length] as Branch
        const tenants = expected.get(branch) as Map<string, readonly string[]>
        const value = `v${++count}`
        if (what === 'wait') await nextTurn()
        else if (what === 'fork') {
          const made = await fork(engine, branch.name, `f${count}`)
          branches.push(made)
          expected.set(made, new Map(tenants))
        } else if (tenants.has(name)) {
          const values = tenants.get(name) as readonly string[]
          if (what === 'write') {
            await write(branch, name, value)
            tenants.set(name, [...values, value])
          } else {
            tenants.delete(name)
            if (what === 'rename') tenants.set(value, values)
            await (what === 'delete'
              ? deleteTenant(engine.parts, branch, name)
              : renameTenant(engine.parts, branch, name, value))
          }
        }
      }
      await deleting
      for (const [branch, tenants] of expected) {
        const found = await contents(engine, branch)
        expect(Object.fromEntries(found), branch.name).toEqual(Object.fromEntries(tenants))
      }
      // Everybody writes, so that it shows if two of them have one file.
      for (const branch of branches) await write(branch, 'main', branch.name)
      for (const branch of branches) expect(await rows(branch, 'main')).toEqual([branch.name])
      await engine.parts.drain.settled()
      expect(filesOnDisk(engine)).toEqual(engine.parts.catalog.files.paths().sort())
    }),
    { numRuns: Number(process.env.CINCH_PROGRAMS ?? 10) },
  )
}, 600_000)
