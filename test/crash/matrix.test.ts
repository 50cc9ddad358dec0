import fs from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CrashPoint, crashPoints } from '../../src/base/crash-point.ts'
import { findTable } from '../../src/schema/model.ts'
import { Layout } from '../../src/storage/layout.ts'
import { type Armed, keys, type Operation, operations, type World } from './operations.ts'
import { checkDisk, fullName, keyName, readState, type State } from './state.ts'
import { build, copyOf, newFolder, Opened, room, run } from './support.ts'

/** After every kill every other one, instead of each of them once: minutes instead of seconds. */
const isWhole = process.env.CINCH_CRASH_PAIRS === 'all'
const atOnce = 3
const limits = { timeout: isWhole ? 600_000 : 60_000 }

const worlds = new Map<World, string>()
const reached = new Set<CrashPoint>()
const count = { cells: 0, kills: 0, violations: 0 }

beforeAll(async () => {
  for (const { world } of operations) {
    if (worlds.has(world)) continue
    const folder = newFolder()
    worlds.set(world, folder)
    await build(world, folder)
  }
}, 60_000)

afterAll(() => {
  fs.rmSync(room, { recursive: true, force: true })
  const { cells, kills, violations } = count
  console.log(
    `crash matrix: ${reached.size} points, ${cells} points x operations, ${kills} kills, ${violations} violations`,
  )
})

for (const operation of operations) {
  test(`${operation.name}: a daemon that dies anywhere in it leaves the state before or after`, limits, async () => {
    const states = await statesOf(operation)
    const works = operation.points.map(
      (point, at) => () => checkCell(operation, states, point, secondsOf(operation, at)),
    )
    await eachAtOnce(works)
  })
}

test('a daemon that dies while it makes a project leaves one or none', limits, async () => {
  const points = ['project.settings', 'project.catalogMade', 'project.placed', 'moveFile.moved'] as const
  const pairs = points.flatMap((first) => [undefined, ...points].map((second) => ({ first, second })))
  const checkPair = async ({ first, second }: (typeof pairs)[number]) => {
    const project = newFolder()
    fs.mkdirSync(project)
    const isThere = () => fs.existsSync(new Layout(project).catalog)
    const { isKilled } = await run(project, [], first, { create: true })
    expect(isKilled, `${first} is reached`).toBe(true)
    reached.add(first)
    count.kills++
    if (second === undefined) count.cells++
    else if (!isThere() && (await run(project, [], second, { create: true })).isKilled) count.kills++
    if (!isThere()) await build({ name: 'new', steps: [], isClosed: true }, project)
    const state = await openState(project)
    expect(state).toEqual(await openState(project))
    expect(Object.keys(state.branches)).toEqual(['main/main'])
  }
  await eachAtOnce(pairs.map((pair) => () => counted(`${pair.first}, ${pair.second}`, () => checkPair(pair))))
})

test('every crash point of a daemon is reached', () => {
  const ofDaemons = crashPoints.filter((point) => !point.startsWith('statement.'))
  expect(ofDaemons.filter((point) => !reached.has(point))).toEqual([])
})

/** What the project is before the operation and after each of its steps. */
async function statesOf({ world, steps }: Operation): Promise<State[]> {
  await using opened = new Opened(copyOf(worlds.get(world) as string))
  const states = [await readState(opened.engine)]
  for (const step of steps) {
    await opened.run(step)
    states.push(await readState(opened.engine))
  }
  return states
}

/** Where to die when what was cut short at the point of this number is done again. Over all of them, at each point. */
function secondsOf({ points, seconds }: Operation, at: number): readonly Armed[] {
  if (seconds) return seconds
  return isWhole ? points : [points[(at + (points.length >> 1)) % points.length] as Armed]
}

async function checkCell(
  operation: Operation,
  states: readonly State[],
  first: Armed,
  seconds: readonly Armed[],
): Promise<void> {
  const { name, steps, world } = operation
  const project = copyOf(worlds.get(world) as string)
  await counted(`${name}: killed at ${first}`, async () => {
    const { isKilled, done } = await run(project, steps, first)
    expect(isKilled, 'the point is reached').toBe(true)
    reached.add(first.replace(/:.*/, '') as CrashPoint)
    count.cells++
    count.kills++
    for (const second of seconds) {
      const again = copyOf(project)
      const later = await run(again, steps, second, { from: done })
      if (later.isKilled) count.kills++
      await named(`then at ${second}`, () => checkAfter(again, operation, states, later.done))
    }
    await checkAfter(project, operation, states, done)
  })
}

/**
 * The project is opened again. It is as before the first step that was not answered, or as after it; it goes on from
 * there to the end, takes writes everywhere, and is opened once more as if nothing had happened.
 */
async function checkAfter(
  project: string,
  { steps }: Operation,
  states: readonly State[],
  done: number,
): Promise<void> {
  let expected: State
  {
    await using opened = new Opened(project)
    checkDisk(opened.engine)
    const found = await readState(opened.engine)
    const candidates = states.slice(done, done + 2)
    const at = candidates.findIndex((state) => JSON.stringify(state) === JSON.stringify(found))
    if (at < 0) expect(found).toEqual(candidates[0])

    for (const step of steps.slice(done + at)) await opened.run(step)
    expect(await readState(opened.engine)).toEqual(states.at(-1))
    expected = await writeEverywhere(opened, states.at(-1) as State)
    expect(await readState(opened.engine)).toEqual(expected)
    await opened.engine.parts.drain.settled()
  }
  {
    await using again = new Opened(project)
    checkDisk(again.engine)
    expect(await readState(again.engine)).toEqual(expected)
    expect(again.warnings, 'warnings of the second start').toEqual([])
  }
  fs.rmSync(project, { recursive: true })
}

/** Write a row of its own to each tenant of each branch, so that it shows if two of them share what they must not. */
async function writeEverywhere(opened: Opened, before: State): Promise<State> {
  const expected = structuredClone(before) as { branches: { [name: string]: { tenants: Tenants } } } & State
  let key = 1_000
  for (const branch of [...opened.engine.parts.allBranches()]) {
    const [database, name] = [branch.database.row.name, branch.name]
    const table = findTable(branch.head.schema, 't')
    if (branch.isHidden) continue
    const isClosed = branch.row.maintenance ?? branch.database.row.maintenance
    if (!table || isClosed) continue
    for (const [tenant, rows] of Object.entries(
      (expected.branches[fullName(branch)] as { tenants: Tenants }).tenants,
    )) {
      const a = ++key
      const secret = keys[rows[keyName]?.[0] as keyof typeof keys]
      await opened.run([
        'row.insert',
        { database, branch: name, tenant, key: secret, table: 't', rows: [{ a, b: `b${a}` }] },
      ])
      const others = table.columns.slice(2).map(() => 'd')
      rows.t = [...(rows.t ?? []), JSON.stringify([a, `b${a}`, ...others])]
    }
  }
  return expected
}

type Tenants = { [name: string]: { [table: string]: string[] } }

async function openState(project: string): Promise<State> {
  await using opened = new Opened(project)
  checkDisk(opened.engine)
  return await readState(opened.engine)
}

async function counted(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await named(name, work)
  } catch (error) {
    count.violations++
    throw error
  }
}

async function named(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

/** Do all of it, a few at a time, and tell of every failure. */
async function eachAtOnce(works: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = []
  const next = works.values()
  const worker = async () => {
    for (const work of next) await work().catch((error: unknown) => errors.push(error))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (errors.length > 0) {
    throw new AggregateError(errors, errors.map((error) => (error as Error).message).join('\n\n'))
  }
}
