import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { createBranch, renameBranch } from '../../src/engine/branches.ts'
import { deleteBranch } from '../../src/engine/delete-branch.ts'
import { editSchema } from '../../src/engine/edit.ts'
import { createProject, Engine } from '../../src/engine/engine.ts'
import { createTenant, deleteTenant, renameTenant, visibleTenants } from '../../src/engine/tenants.ts'
import { toChange } from '../../src/schema/change-spec.ts'
import { seed } from '../support/seed.ts'

const log = pino({ level: 'silent' })
const programs = Number(process.env.CINCH_PROGRAMS ?? 150)
const done = { programs: 0, steps: 0 }
const progress = { signal: new AbortController().signal, report() {} }

type Rows = readonly string[]

/** What branches and tenants should hold: every fork copies everything. */
type Naive = Map<string, Map<string, Rows>>

const names = ['a', 'b', 'c', 'd']

const step = fc.oneof(
  {
    weight: 18,
    arbitrary: fc.record({ do: fc.constant('fork' as const), branch: fc.nat(), data: fc.nat({ max: 9 }) }),
  },
  {
    weight: 15,
    arbitrary: fc.record({ do: fc.constant('create' as const), branch: fc.nat(), name: fc.constantFrom(...names) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('delete' as const), branch: fc.nat(), name: fc.constantFrom(...names) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('rename' as const),
      branch: fc.nat(),
      name: fc.constantFrom(...names),
      newName: fc.constantFrom(...names),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('drop' as const), branch: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renameBranch' as const), branch: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('edit' as const), branch: fc.nat() }) },
  {
    weight: 40,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      branch: fc.nat(),
      name: fc.constantFrom('main', ...names),
    }),
  },
)

afterAll(() => console.log(`copy before write: ${done.programs} programs, ${done.steps} steps (seed ${seed})`))

test(
  'branches of shared files hold what copies of everything would hold',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cinch-'))
        createProject(folder)
        let engine = Engine.open(folder, { log })
        const naive: Naive = new Map([['main', new Map([['main', []]])]])
        let count = 0
        try {
          await createTable(engine)
          for (const step of steps) {
            const branches = [...naive.keys()]
            const branch = 'branch' in step ? (branches[step.branch % branches.length] as string) : 'main'
            const tenants = naive.get(branch) as Map<string, Rows>
            const at = engine.branch('main', branch)
            switch (step.do) {
              case 'fork': {
                const name = `f${count++}`
                const data = step.data > 0
                await createBranch(engine, {
                  database: 'main',
                  name,
                  from: branch,
                  data,
                  readOnly: false,
                  description: null,
                })
                naive.set(name, new Map([...tenants].map(([tenant, rows]) => [tenant, data ? rows : []])))
                break
              }
              case 'create':
                if (tenants.has(step.name)) break
                await createTenant(engine.parts, at, step.name, null)
                tenants.set(step.name, [])
                break
              case 'delete':
                if (!tenants.delete(step.name)) break
                await deleteTenant(engine.parts, at, step.name)
                break
              case 'rename': {
                const rows = tenants.get(step.name)
                if (rows === undefined || tenants.has(step.newName)) break
                await renameTenant(engine.parts, at, step.name, step.newName)
                tenants.delete(step.name)
                tenants.set(step.newName, rows)
                break
              }
              case 'drop':
                if (branch === 'main') break
                await deleteBranch(engine, 'main', branch)
                naive.delete(branch)
                break
              case 'renameBranch': {
                if (branch === 'main') break
                const name = `f${count++}`
                await renameBranch(engine, 'main', branch, name)
                naive.delete(branch)
                naive.set(name, tenants)
                break
              }
              case 'reopen':
                await engine.close()
                engine = Engine.open(folder, { log })
                break
              case 'edit': {
                const column = { name: `c${count++}`, type: 'text' }
                const change = toChange(at.head.schema, { kind: 'addColumn', table: 't', column }, () =>
                  engine.parts.ids.next(),
                )
                await editSchema(engine.parts, at, { changes: [change] }, progress)
                break
              }
              case 'write': {
                const rows = tenants.get(step.name)
                if (rows === undefined) break
                const value = `v${count++}`
                await at
                  .tenant(step.name)
                  .write(({ statements }) => statements.get('insert into t (a) values (?)').statement.run(value))
                tenants.set(step.name, [...rows, value])
                break
              }
            }
            await expectEqual(engine, naive)
            done.steps++
          }
          await engine.parts.drain.settled()
          await expectEqual(engine, naive)
          expect(filesOnDisk(folder)).toEqual(new Set(engine.parts.catalog.files.paths()))
          done.programs++
        } finally {
          await engine.close()
          fs.rmSync(folder, { recursive: true, force: true })
        }
      }),
      { seed, numRuns: programs, timeout: 20_000 },
    )
  },
  programs * 4_000,
)

async function createTable(engine: Engine): Promise<void> {
  const branch = engine.branch('main', 'main')
  const table = { name: 't', systemColumns: false, columns: [{ name: 'a', type: 'text' }] }
  const change = toChange(branch.head.schema, { kind: 'createTable', ...table }, () => engine.parts.ids.next())
  await editSchema(engine.parts, branch, { changes: [change] }, progress)
}

async function expectEqual(engine: Engine, naive: Naive): Promise<void> {
  for (const [name, tenants] of naive) {
    const branch = engine.branch('main', name)
    const seen = [...visibleTenants(engine.parts.catalog, branch)].map((row) => row.name)
    expect(seen, `tenants of ${name}`).toEqual([...tenants.keys()].sort())
    for (const [tenant, rows] of tenants) {
      const found = await branch
        .tenant(tenant)
        .read(({ statements }) => statements.get('select a from t order by rowid').statement.all() as string[][])
      expect(found.flat(), `rows of ${tenant} in ${name}`).toEqual(rows)
    }
  }
}

function filesOnDisk(project: string): Set<string> {
  const root = `${project}/.cinchdb`
  const files = fs.readdirSync(root, { recursive: true, encoding: 'utf8' })
  return new Set(files.filter((file) => file.endsWith('.db') && file !== 'metadata.db'))
}
