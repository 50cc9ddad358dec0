import fs from 'node:fs'
import process from 'node:process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { beforeEach, expect, test } from 'vitest'
import { defer } from '../support/cleanup.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, integrityOf, tenantPath } from '../support/project.ts'

const config = { limits: { maxOpenFiles: 4 } }
const columns = [{ name: 'a', type: 'INTEGER' }]
const table = { name: 't', columns, systemColumns: false }

let started: TestDaemon
let client: RawClient
/** The threads that were started, each with the end of it. */
let threads: Promise<void>[]

beforeEach(async () => {
  threads = []
  const watch = (worker: Worker) => threads.push(new Promise((resolve) => worker.once('exit', () => resolve())))
  process.on('worker', watch)
  defer(() => process.off('worker', watch))
  started = await startDaemon({ config })
  client = started.client
  await client.call('table.create', table)
})

/** Stop the daemon, so that every file is closed, and start another on the same project. */
async function restart(between: () => void = () => {}): Promise<void> {
  await started.daemon.stop()
  between()
  started = await startDaemon({ layout: started.layout })
  client = started.client
}

/** Tenants `x0`… with a file of one row each, which nobody has open. */
async function fleet(count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, at) => `x${at}`)
  await Promise.all(names.map((name) => client.call('tenant.create', { name })))
  await Promise.all(names.map((name, at) => insert(name, at)))
  await restart()
  return names
}

const insert = (tenant: string, a: number, branch = 'main') =>
  client.call('row.insert', { branch, tenant, table: 't', rows: [{ a }] })
const values = async (tenant: string, { branch = 'main', column = 'a' } = {}) =>
  (await client.call('query.run', { branch, tenant, sql: `select ${column} from t order by rowid` })).rows.flat()
const addColumn = (name: string, branch = 'main') =>
  client.call('column.add', { branch, table: 't', column: { name, type: 'TEXT', default: 'd' } })
const settled = () => started.daemon.engine.parts.drain.settled()
const status = async (name = 'main') => (await client.call('branch.status', { name })).files
const failures = () => started.logged.filter(({ level }) => (level as number) >= 50)
const markOf = (tenant: string) =>
  ask(tenantPath(started.layout, tenant), "select value from __cinch where key = 'changeSet'")[0]

/** The tenants whose files are with the other thread, as soon as some are. */
async function lent(names: readonly string[]): Promise<string[]> {
  const { parts } = started.daemon.engine
  const branch = started.daemon.engine.branch('main', 'main')
  const isAway = (name: string) => parts.pool.whenBack(branch.resolve(name)?.fileId ?? 0) !== undefined
  for (;;) {
    const away = names.filter(isAway)
    if (away.length > 0) return away
    await nextTurn()
  }
}

test('many files follow by a thread of their own, which ends when it is through', async () => {
  const names = await fleet(80)
  await addColumn('b')
  await settled()
  expect(threads).toHaveLength(1)
  await threads[0]
  const { head, files } = await client.call('branch.status')
  expect(files).toMatchObject({ total: 80, atHead: 80, behind: 0, failed: 0 })
  await started.daemon.stop()
  for (const name of names) {
    expect(markOf(name)).toBe(head)
    expect(integrityOf(tenantPath(started.layout, name))).toBe('ok')
  }
  expect(fs.readdirSync(started.layout.scratch)).toEqual([])
  await restart()
  for (const [at, name] of names.entries()) expect(await values(name, { column: "a || ' ' || b" })).toEqual([`${at} d`])
})

test('few files follow without another thread', async () => {
  await fleet(8)
  await addColumn('b')
  await settled()
  expect(await status()).toMatchObject({ total: 8, atHead: 8 })
  expect(threads).toEqual([])
})

test('a large file follows by the other thread, where it lies, and its reads wait for that', async () => {
  await client.call('tenant.create', { name: 'x' })
  const rows = Array.from({ length: 600 }, (_, a) => ({ a, filling: 'x'.repeat(5_000) }))
  await client.call('column.add', { table: 't', column: { name: 'filling', type: 'TEXT' } })
  await client.call('row.insert', { tenant: 'x', table: 't', rows, returning: 'none' })
  await restart()
  const before = fs.statSync(tenantPath(started.layout, 'x')).ino
  await addColumn('b')
  await client.call('column.alter', { table: 't', name: 'filling', default: 'y' })
  await lent(['x'])
  const sql = 'select count(*), sum(a), min(b), sum(length(filling)) from t'
  const { rows: found } = await client.call('query.run', { tenant: 'x', sql })
  expect(found).toEqual([[600, (600 * 599) / 2, 'd', 600 * 5_000]])
  await settled()
  expect(await status()).toMatchObject({ total: 1, atHead: 1 })
  expect(fs.statSync(tenantPath(started.layout, 'x')).ino).toBe(before)
  await Promise.all(threads)
})

test('whoever comes to use a file that is with the other thread waits for it, and finds it at the head', async () => {
  const names = await fleet(80)
  await addColumn('b')
  const away = await lent(names)
  const answers = await Promise.all([
    ...away.map((name) => values(name, { column: 'b' })),
    ...away.map((name) => insert(name, 100)),
    ...away.map((name) => client.call('tenant.verify', { name })),
  ])
  expect(answers.slice(0, away.length)).toEqual(away.map(() => ['d']))
  expect(answers.slice(-away.length)).toEqual(away.map(() => ({ sound: true, problems: [] })))
  await settled()
  for (const name of away) expect(await values(name)).toEqual([Number(name.slice(1)), 100])
  expect(failures()).toEqual([])
})

test('a branch that is forked, and tenants that are renamed and deleted, while files are with the other thread', async () => {
  const names = await fleet(80)
  await addColumn('b')
  const away = await lent(names)
  const [renamed, deleted, written, read] = away as [string, string, string, string]
  await client.call('branch.create', { name: 'dev' })
  await Promise.all([
    client.call('tenant.rename', { name: renamed, newName: 'w' }),
    client.call('tenant.delete', { name: deleted }),
    insert(written, 100, 'dev'),
    insert(written, 200),
  ])
  expect(await values(read, { branch: 'dev', column: 'b' })).toEqual(['d'])
  await settled()
  const first = (name: string) => Number(name.slice(1))
  expect(await values('w')).toEqual([first(renamed)])
  expect(await values(renamed, { branch: 'dev' })).toEqual([first(renamed)])
  expect(await values(deleted, { branch: 'dev' })).toEqual([first(deleted)])
  expect(await values(written, { branch: 'dev' })).toEqual([first(written), 100])
  expect(await values(written)).toEqual([first(written), 200])
  await client.call('branch.delete', { name: 'dev' })
  await settled()
  expect(await status()).toMatchObject({ total: 79, atHead: 79, behind: 0, failed: 0 })
  expect(failures()).toEqual([])
})

test('a head that moves on while files follow is followed, too', async () => {
  const names = await fleet(80)
  await addColumn('b')
  await lent(names)
  await addColumn('c')
  await lent(names)
  await addColumn('d')
  await settled()
  expect(await status()).toMatchObject({ total: 80, atHead: 80 })
  const { head } = await client.call('branch.status')
  await started.daemon.stop()
  for (const name of names) expect(markOf(name)).toBe(head)
  await Promise.all(threads)
})

test('files that cannot follow are set aside with the reason, and the others follow', async () => {
  const names = await fleet(80)
  await restart(() => {
    fs.writeFileSync(tenantPath(started.layout, 'x10'), Buffer.alloc(20_000, 'x'))
    fs.rmSync(tenantPath(started.layout, 'x20'))
    const foreign = new Database(tenantPath(started.layout, 'x30'))
    foreign.exec("update __cinch set value = 'of another project'")
    foreign.exec('pragma wal_checkpoint(truncate)')
    foreign.close()
    const taken = new Database(tenantPath(started.layout, 'x40'))
    taken.exec('alter table t add column b')
    taken.close()
  })
  await addColumn('b')
  await settled()
  expect(await status()).toMatchObject({ total: 80, atHead: 76, behind: 0, failed: 4 })
  expect(Object.fromEntries(failures().map(({ tenant, err }) => [tenant, (err as Error).message]))).toEqual({
    x10: expect.stringMatching(/notADatabase/),
    x20: expect.stringMatching(/ENOENT/),
    x30: expect.stringMatching(/of another project/),
    x40: expect.stringMatching(/duplicate column name: b/),
  })
  for (const name of names.slice(50)) expect(await values(name, { column: 'b' })).toEqual(['d'])
})

test('a daemon that is stopped while files follow waits for those in hand, and the next one finishes', async () => {
  const names = await fleet(300)
  await addColumn('b')
  await lent(names)
  await started.daemon.stop()
  expect(threads).toHaveLength(1)
  await threads[0]
  const there = names.map(markOf)
  expect(new Set(there).size).toBe(2)
  await restart()
  await settled()
  expect(await status()).toMatchObject({ total: 300, atHead: 300, failed: 0 })
})

test('a tenant that was renamed follows, where a fork without rows still knows its old name', async () => {
  const names = await fleet(20)
  await client.call('branch.create', { name: 'dev', data: false })
  for (const name of names) await client.call('tenant.rename', { name, newName: `z${name}` })
  await addColumn('b')
  await settled()
  expect(await status()).toMatchObject({ total: 20, atHead: 20, failed: 0 })
  expect(failures()).toEqual([])
})

test('rows stay what they should be while files follow edit after edit, and clients do what they like', {
  timeout: 120_000,
}, async () => {
  const names = await fleet(120)
  const expected = new Map(names.map((name, at) => [name, [at]]))
  let isOver = false
  let renames = 0
  const edit = async () => {
    for (let at = 0; at < 16; at++) {
      await addColumn(`c${at}`)
      if (at % 4 === 1) await client.call('branch.create', { name: `dev${at}` })
      if (at % 4 === 3) await client.call('branch.delete', { name: `dev${at - 2}` })
      if (at % 2) await settled()
    }
    isOver = true
  }
  const use = async (own: string[]) => {
    for (let at = 0; !isOver; at++) {
      const name = own[at % own.length] as string
      const rows = expected.get(name) as number[]
      if (at % 7 === 6) {
        const newName = `y${++renames}`
        await client.call('tenant.rename', { name, newName })
        expected.delete(name)
        expected.set(newName, rows)
        own[at % own.length] = newName
      } else if (at % 5 === 4) {
        await insert(name, at)
        rows.push(at)
      } else expect(await values(name)).toEqual(rows)
    }
  }
  const shares = Array.from({ length: 4 }, (_, share) => names.filter((_, at) => at % 4 === share))
  await Promise.all([edit(), ...shares.map(use)])
  await settled()
  expect(threads.length).toBeGreaterThan(0)
  for (const [name, rows] of expected) expect(await values(name), name).toEqual(rows)
  expect(await status()).toMatchObject({ total: 120, atHead: 120, failed: 0 })
  expect(failures()).toEqual([])
})
