import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { ask, temporaryFolder, tenantPath } from '../support/project.ts'

const table = {
  name: 't',
  columns: [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'BLOB' },
  ],
  systemColumns: false,
}

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', table)
})

const insert = (tenant: string, a: number, branch = 'main') =>
  client.call('row.insert', { branch, tenant, table: 't', rows: [{ a }] })
const values = async (tenant: string, branch = 'main') =>
  (await client.call('query.run', { branch, tenant, sql: 'select a from t order by rowid' })).rows.flat()
const branches = async () =>
  (await client.call('branch.list', {})).branches.map(({ name }: { name: string }) => name).sort()
const folderOf = (name: string) => path.join(started.layout.backups, name)

async function fill(): Promise<void> {
  for (const name of ['x', 'y', 'empty']) await client.call('tenant.create', { name, description: `is ${name}` })
  await insert('main', 1)
  await insert('x', 2)
  await insert('y', 3)
}

test('a branch comes back as another one, which lives on by itself', async () => {
  await fill()
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  const made = await client.call('backup.create', { backup: 'one', description: 'first' })
  expect(made).toMatchObject({
    backup: 'one',
    kind: 'branch',
    branch: 'main',
    tenants: 4,
    files: 3,
    description: 'first',
  })
  await insert('x', 20)
  await client.call('tenant.delete', { name: 'y' })
  await client.call('column.drop', { table: 't', name: 'c' })

  const restored = await client.call('backup.restore', { backup: 'one', branch: 'old' })
  expect(restored).toEqual({ branch: 'old', tenant: null, tenants: 4 })
  expect(await branches()).toEqual(['main', 'old'])
  expect(await values('x', 'old')).toEqual([2])
  expect(await values('y', 'old')).toEqual([3])
  expect(await values('empty', 'old')).toEqual([])
  expect((await client.call('tenant.get', { branch: 'old', name: 'y' })).description).toBe('is y')
  expect((await client.call('column.list', { branch: 'old', table: 't' })).columns).toHaveLength(3)
  expect((await client.call('branch.get', { name: 'old' })).head).toBe(made.head)
  await insert('x', 4, 'old')
  await client.call('branch.create', { name: 'leaf', from: 'old' })
  await insert('x', 5, 'old')
  expect(await values('x', 'leaf')).toEqual([2, 4])
  expect(await values('x')).toEqual([2, 20])
  await client.call('branch.delete', { name: 'old' })
  expect(await values('x', 'leaf')).toEqual([2, 4])
})

test('a backup goes to another project by its path, history and all', async () => {
  await fill()
  const folder = path.join(temporaryFolder(), 'b')
  const { head, path: made } = await client.call('backup.create', { backup: folder })
  expect(made).toBe(folder)
  expect((await client.call('backup.list', {})).backups).toEqual([])
  const other = await startDaemon()
  await other.client.call('backup.restore', { backup: folder, branch: 'b' })
  const rows = await other.client.call('query.run', { branch: 'b', tenant: 'x', sql: 'select a from t' })
  expect(rows.rows).toEqual([[2]])
  expect((await other.client.call('branch.history', { name: 'b' })).changeSets[0].id).toBe(head)
  // A tenant of it fits where its change set is in the branch's history.
  await other.client.call('column.add', { branch: 'b', table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  const again = { backup: folder, branch: 'b', tenant: 'y', name: 'z' }
  expect(await other.client.call('backup.restore', again)).toEqual({ branch: 'b', tenant: 'z', tenants: 1 })
  const moved = await other.client.call('query.run', { branch: 'b', tenant: 'z', sql: 'select a, c from t' })
  expect(moved.rows).toEqual([[3, 'd']])
  expect(await other.client.refused('backup.restore', { ...again, branch: 'main' })).toMatchObject({
    kind: 'schemaMismatch',
  })
})

test('files come back byte for byte, and rows with their ids', async () => {
  await fill()
  const b = { $blob: Buffer.alloc(3_000_000, 7).toString('base64') }
  await client.call('row.insert', {
    tenant: 'x',
    table: 't',
    rows: [
      { a: 1, b },
      { a: 2, b },
    ],
    returning: 'none',
  })
  await client.call('query.execute', { tenant: 'x', sql: 'delete from t where a = 1' })
  await client.call('backup.create', { backup: 'one' })
  await client.call('backup.restore', { backup: 'one', branch: 'old' })
  for (const tenant of ['main', 'x', 'y']) {
    const saved = fs.readFileSync(
      path.join(
        folderOf('one'),
        'files',
        path.relative(path.join(started.layout.root, 'main-main'), tenantPath(started.layout, tenant)),
      ),
    )
    expect(fs.readFileSync(tenantPath(started.layout, tenant, 'main', 'old')).equals(saved), tenant).toBe(true)
  }
  const sql = 'select rowid, a, length(b) from t'
  const rows = (branch: string) => client.call('query.run', { branch, tenant: 'x', sql })
  expect((await rows('old')).rows).toEqual((await rows('main')).rows)
})

test('one tenant is backed up by itself, and restored beside itself or in its own place', async () => {
  await fill()
  await client.call('backup.create', { backup: 'x1', tenant: 'x' })
  await client.call('branch.create', { name: 'dev' })
  await insert('x', 20)
  expect(await client.refused('backup.restore', { backup: 'x1' })).toMatchObject({ kind: 'tenantExists', tenant: 'x' })
  await client.call('backup.restore', { backup: 'x1', name: 'x2' })
  expect(await values('x2')).toEqual([2])
  expect(await values('x')).toEqual([2, 20])
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  await client.call('backup.restore', { backup: 'x1', force: true })
  expect(await values('x')).toEqual([2])
  await insert('x', 30)
  expect(await values('x')).toEqual([2, 30])
  expect(await values('x', 'dev')).toEqual([2])
  expect((await client.call('tenant.verify', { name: 'x' })).sound).toBe(true)
})

test('a branch is replaced by a restored one only by force, and a protected one never', async () => {
  await fill()
  await client.call('branch.create', { name: 'dev' })
  await insert('x', 20, 'dev')
  await client.call('backup.create', { backup: 'b', branch: 'dev' })
  await client.call('branch.create', { name: 'leaf', from: 'dev' })
  await insert('x', 21, 'dev')
  expect(await client.refused('backup.restore', { backup: 'b' })).toMatchObject({ kind: 'branchExists', branch: 'dev' })
  await client.call('backup.restore', { backup: 'b', force: true })
  expect(await values('x', 'dev')).toEqual([2, 20])
  expect(await values('x', 'leaf')).toEqual([2, 20])
  await insert('x', 22, 'dev')
  expect(await values('x', 'leaf')).toEqual([2, 20])
  expect(await client.refused('backup.restore', { backup: 'b', branch: 'main', force: true })).toMatchObject({
    kind: 'protected',
  })
  expect(await branches()).toEqual(['dev', 'leaf', 'main'])
})

test('a backup under load is of one moment: each tenant’s content is what was acknowledged by then, and no transaction is torn', async () => {
  const tenants = Array.from({ length: 12 }, (_, at) => `l${at}`)
  for (const name of tenants) {
    await client.call('tenant.create', { name })
    await client.call('row.insert', { tenant: name, table: 't', rows: [{ a: 0 }, { a: 0 }] })
  }
  const writer = await started.connect()
  const acknowledged = new Map<string, number>(tenants.map((name) => [name, 0]))
  let isOver = false
  // Two rows a transaction, one tenant after the other: whoever sees round n of one has to see n - 1 of every other.
  const load = (async () => {
    for (let round = 1; !isOver; round++) {
      for (const name of tenants) {
        await writer.call('row.insert', { tenant: name, table: 't', rows: [{ a: round }, { a: round }] })
        acknowledged.set(name, round)
      }
    }
  })()
  while (acknowledged.get('l11') === 0) await client.call('ping')
  const before = new Map(acknowledged)
  const sizes: number[] = []
  for (const backup of ['one', 'two', 'three']) {
    const made = await client.call('backup.create', { backup })
    sizes.push(made.files)
  }
  const after = new Map(acknowledged)
  isOver = true
  await load
  expect(sizes).toEqual([12, 12, 12])
  for (const backup of ['one', 'two', 'three']) {
    await client.call('backup.restore', { backup, branch: backup })
    const rounds: number[] = []
    for (const name of tenants) {
      const found = (await values(name, backup)) as number[]
      const last = found.at(-1) as number
      const whole = Array.from({ length: last + 1 }, (_, round) => [round, round]).flat()
      expect(found, `${backup} ${name}`).toEqual(whole)
      expect(last).toBeGreaterThanOrEqual(before.get(name) as number)
      expect(last).toBeLessThanOrEqual((after.get(name) as number) + 1)
      rounds.push(last)
    }
    // One moment: the rounds go down once along the line, by one.
    expect(Math.max(...rounds) - Math.min(...rounds)).toBeLessThanOrEqual(1)
    expect(rounds).toEqual([...rounds].sort((a, b) => b - a))
  }
  expect(await branches()).toEqual(['main', 'one', 'three', 'two'])
}, 120_000)

test('what a backup saw is nobody’s concern when it is through: no file is copied for it any more', async () => {
  await fill()
  await client.call('backup.create', { backup: 'one' })
  await insert('x', 20)
  const files = started.daemon.engine.parts.catalog.files.paths()
  expect(files).toHaveLength(3)
  expect(fs.readdirSync(started.layout.root).filter((name) => name.includes('__'))).toEqual([])
})

test.for<[string, (folder: string) => void, string]>([
  ['a changed byte of a file', (folder) => change(anyFile(folder)), 'it was changed'],
  ['a file that is cut', (folder) => fs.truncateSync(anyFile(folder), 4096), 'has 4096 bytes'],
  ['a file that is gone', (folder) => fs.rmSync(anyFile(folder)), 'it is missing'],
  ['a link in place of a file', (folder) => relink(anyFile(folder)), 'not a regular file'],
  ['a log beside a file', (folder) => fs.writeFileSync(`${anyFile(folder)}-wal`, 'x'), 'its log'],
  ['a changed list', (folder) => change(path.join(folder, 'tenants.ndjson')), 'tenants.ndjson was changed'],
  ['a changed history', (folder) => change(path.join(folder, 'history.ndjson')), 'history.ndjson was changed'],
  ['a missing list', (folder) => fs.rmSync(path.join(folder, 'history.ndjson')), 'history.ndjson is missing'],
])('%s is found, and refused by a restore, which leaves nothing', async ([, harm, reason]) => {
  await fill()
  await client.call('backup.create', { backup: 'one' })
  expect(await client.call('backup.verify', { backup: 'one' })).toEqual({ sound: true, problems: [] })
  harm(folderOf('one'))
  expect(await client.call('backup.verify', { backup: 'one' })).toEqual({
    sound: false,
    problems: [expect.stringContaining(reason)],
  })
  const known = started.daemon.engine.parts.catalog.files.paths()
  expect(await client.refused('backup.restore', { backup: 'one', branch: 'old' })).toMatchObject({
    kind: 'backupBroken',
    backup: 'one',
    reason: expect.stringContaining(reason),
  })
  expect(await branches()).toEqual(['main'])
  expect(started.daemon.engine.parts.catalog.files.paths()).toEqual(known)
  expect(fs.readdirSync(started.layout.root).filter((name) => name.includes('__'))).toEqual([])
})

function anyFile(folder: string): string {
  const files = fs.readdirSync(path.join(folder, 'files'), { recursive: true, encoding: 'utf8' }).sort()
  return path.join(folder, 'files', files.find((file) => file.endsWith('x.db')) as string)
}

function change(file: string): void {
  const bytes = fs.readFileSync(file)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] as number) ^ 1
  fs.writeFileSync(file, bytes)
}

function relink(file: string): void {
  fs.renameSync(file, `${file}.moved`)
  fs.symlinkSync(`${file}.moved`, file)
}

test('a backup of a newer format, and what is none, are refused', async () => {
  await client.call('backup.create', { backup: 'one' })
  const file = path.join(folderOf('one'), 'manifest.json')
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'))
  fs.writeFileSync(file, JSON.stringify({ ...manifest, format: 9, lists: {} }))
  const restore = { backup: 'one', branch: 'old' }
  expect(await client.refused('backup.restore', restore)).toMatchObject({
    kind: 'backupTooNew',
    found: 9,
    supported: 1,
  })
  fs.writeFileSync(file, JSON.stringify({ format: 1 }))
  expect(await client.refused('backup.restore', restore)).toMatchObject({ kind: 'backupBroken' })
  fs.writeFileSync(file, '{')
  expect(await client.refused('backup.restore', restore)).toMatchObject({ kind: 'backupBroken' })
  expect(await client.refused('backup.restore', { backup: temporaryFolder() })).toMatchObject({
    kind: 'backupNotFound',
  })
  expect(await client.refused('backup.restore', { backup: 'two' })).toMatchObject({ kind: 'backupNotFound' })
  await client.call('backup.delete', { backup: 'one' })
  expect(fs.readdirSync(started.layout.backups)).toEqual([])
})

test.for<[string, (line: string) => string]>([
  ['no JSON', (line) => line.slice(1)],
  [
    'changes that are none',
    (line) => JSON.stringify({ ...JSON.parse(line), id: 'x', changes: '[{"kind":"nothing"}]' }),
  ],
  ['steps that are none', (line) => JSON.stringify({ ...JSON.parse(line), id: 'x', steps: '{' })],
  ['a parent that is not there', (line) => JSON.stringify({ ...JSON.parse(line), id: 'x', parent: 'y' })],
])('a history with %s is refused, however its hash says it is right, and the project opens again', async ([
  ,
  forge,
]) => {
  await client.call('backup.create', { backup: 'one' })
  const lines = fs
    .readFileSync(path.join(folderOf('one'), 'history.ndjson'), 'utf8')
    .trim()
    .split('\n')
  const text = [...lines.slice(0, -1), forge(lines.at(-1) as string), ''].join('\n')
  fs.writeFileSync(path.join(folderOf('one'), 'history.ndjson'), text)
  const file = path.join(folderOf('one'), 'manifest.json')
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'))
  manifest.lists['history.ndjson'] = createHash('sha256').update(text).digest('hex')
  fs.writeFileSync(file, JSON.stringify({ ...manifest, head: text.includes('"x"') ? 'x' : manifest.head }))
  expect(await client.refused('backup.restore', { backup: 'one', branch: 'old' })).toMatchObject({
    kind: 'backupBroken',
  })
  await started.daemon.stop()
  const next = await startDaemon({ layout: started.layout })
  expect((await next.client.call('branch.list', {})).branches).toHaveLength(1)
})

test('no path leads into the project, out of the backups, or over something', async () => {
  const folder = temporaryFolder()
  const kinds = async (backup: string) => (await client.refused('backup.create', { backup })).kind
  expect(await kinds(folder)).toBe('fileExists')
  expect(await kinds(path.join(folder, 'a', 'b'))).toBe('fileNotFound')
  expect(await kinds(path.join(started.layout.root, 'b'))).toBe('pathRefused')
  for (const name of ['../b', '.b', 'B', '', '__b']) expect(await kinds(name)).toBe('invalidName')
  await client.call('backup.create', { backup: 'ab' })
  expect(await kinds('ab')).toBe('backupExists')
  expect(await client.refused('backup.delete', { backup: folder })).toMatchObject({ kind: 'pathRefused' })
  expect(await client.refused('backup.restore', { backup: started.layout.backups })).toMatchObject({
    kind: 'pathRefused',
  })
})

test('backups outlive the daemon, and one that was cut short is swept', async () => {
  await fill()
  await client.call('backup.create', { backup: 'ab' })
  const { backup } = await client.call('backup.create', { tenant: 'x' })
  expect(backup).toMatch(/^x-\d{8}-\d{6}-\d{3}$/)
  await started.daemon.stop()
  fs.mkdirSync(folderOf('.new-1/files/ab'), { recursive: true })
  const next = await startDaemon({ layout: started.layout })
  const { backups } = await next.client.call('backup.list', {})
  expect(backups.map(({ backup, kind }: { backup: string; kind: string }) => [backup, kind])).toEqual([
    ['ab', 'branch'],
    [backup, 'tenant'],
  ])
  expect(fs.existsSync(folderOf('.new-1'))).toBe(false)
  expect(await next.client.call('backup.verify', { backup: 'ab' })).toMatchObject({ sound: true })
})

test('a backup that is cancelled leaves nothing', async () => {
  await fill()
  const b = { $blob: Buffer.alloc(8_000_000).toString('base64') }
  for (let at = 0; at < 6; at++)
    await client.call('row.insert', { tenant: 'x', table: 't', rows: [{ b }], returning: 'none' })
  const made = client.request('backup.create', { backup: 'one' }, 'making')
  while (![...started.daemon.engine.parts.allBranches()].some(({ isHidden }) => isHidden)) await nextTurn()
  client.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'making' } }))
  expect((await made).error?.data.kind).toBe('requestCancelled')
  expect(fs.readdirSync(started.layout.backups)).toEqual([])
  expect([...started.daemon.engine.parts.allBranches()].map(({ name }) => name)).toEqual(['main'])
  expect(ask(tenantPath(started.layout, 'x'), 'select count(*) from t')).toEqual([7])
})
