import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import {
  CancelledError,
  type Cinch,
  CinchError,
  ConnectionLost,
  ConstraintError,
  connect,
  ExistsError,
  LimitError,
  NotFoundError,
  real,
  TimeoutError,
  TransactionEndedError,
} from '../../src/client/index.ts'
import { startCinchd } from '../support/cinchd.ts'
import { defer } from '../support/cleanup.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryProject } from '../support/project.ts'

async function connected(options: { maxResultRows?: number } = {}) {
  const { daemon, layout } = await startDaemon({ config: { limits: options } })
  const db = await connect({ project: layout.project, start: false })
  defer(() => db.close())
  await db.table.create({ name: 't', columns: [{ name: 'a', type: 'INTEGER', unique: true }], systemColumns: false })
  return { db, daemon, layout }
}

const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r'
const failure = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: CinchError) => error,
  )

test('a handle’s calls go to its own database, branch and tenant, side by side with others', async () => {
  const { db } = await connected()
  expect(db.server.server.name).toBe('cinchd')
  await db.tenant.create({ name: 'acme' })
  await db.branch.create({ name: 'feature' })
  const acme = db.scope({ tenant: 'acme' })
  const feature = acme.scope({ branch: 'feature' })
  const counts = async () =>
    (await Promise.all([db, acme, feature].map((each) => each.row.count({ table: 't' })))).map(({ count }) => count)
  await acme.row.insert({ table: 't', rows: [{ a: 1 }] })
  await feature.row.insert({ table: 't', rows: [{ a: 2 }, { a: 3 }] })
  expect(await counts()).toEqual([0, 1, 2])
  // A tenant or branch that a method is about goes by another name.
  expect((await acme.tenant.get()).name).toBe('acme')
  expect((await feature.branch.get()).name).toBe('feature')
  expect((await feature.row.count({ table: 't', branch: 'main' })).count).toBe(1)
})

test('values go both ways as they are, in rows, statements and keys, and errors', async () => {
  const { db } = await connected()
  const values = { i: 2n ** 62n, w: 3, r: 0.5, inf: -Infinity, t: 'ä\0😀', b: new Uint8Array([0, 255]), n: null }
  const { rows } = await db.query('select :i i, :w w, :r r, :inf inf, :t t, :b b, :n n', values)
  expect(rows).toEqual([values])
  const types = await db.query<string[]>('select typeof(?), typeof(?), typeof(?)', [2, real(2), -0], {
    rowFormat: 'array',
  })
  expect(types.rows).toEqual([['integer', 'real', 'real']])
  const zero = await db.query<{ z: number }>('select -0.0 z')
  expect(zero.rows[0]?.z).toBe(-0)
  const value = { list: [2n ** 60n, 1, 'x', new Uint8Array([1])], nested: { none: null } }
  await db.kv.set({ key: 'k', value })
  expect(await db.kv.get({ key: 'k' })).toEqual({ found: true, value, version: 1 })
  const key = { name: 'n', type: 'INTEGER' }
  await db.table.create({ name: 'u', columns: [key], primaryKey: ['n'], systemColumns: false })
  expect((await failure(db.row.delete({ table: 'u', ids: [2n ** 60n] })))?.data).toMatchObject({ id: 2n ** 60n })
})

test.each([
  [Number.NaN, RangeError],
  [real(Number.NaN), RangeError],
  [2n ** 63n, RangeError],
  [-(2n ** 63n) - 1n, RangeError],
  [new Date(0), TypeError],
  [() => 1, TypeError],
  [[undefined], TypeError],
] as const)('%s is refused before anything is sent', async (value, kind) => {
  const { db } = await connected()
  expect(await failure(db.execute('insert into t values (?)', [value as never]))).toBeInstanceOf(kind)
  expect(await db.row.count({ table: 't' })).toEqual({ count: 0 })
})

test('a schema’s definitions are plain JSON', async () => {
  const { db } = await connected()
  await db.column.add({ table: 't', column: { name: 'r', type: 'REAL', default: 1e300 } })
  await db.row.insert({ table: 't', rows: [{ a: 1 }] })
  expect((await db.query('select r from t')).rows).toEqual([{ r: 1e300 }])
  const infinite = { name: 's', type: 'REAL', default: Infinity }
  expect(await failure(db.column.add({ table: 't', column: infinite }))).toBeInstanceOf(RangeError)
})

test('a refusal is an error of its family, with what belongs to it', async () => {
  const { db } = await connected({ maxResultRows: 10 })
  await db.row.insert({ table: 't', rows: [{ a: 1 }] })
  const cases = [
    [() => db.branch.get({ name: 'nowhere' }), NotFoundError, 'branchNotFound'],
    [() => db.tenant.create({ name: 'main' }), ExistsError, 'tenantExists'],
    [() => db.row.insert({ table: 't', rows: [{ a: 1 }] }), ConstraintError, 'constraintFailed'],
    [() => db.query(endless, [], { timeoutMs: 50 }), TimeoutError, 'timeout'],
    [() => db.query('select * from nowhere'), CinchError, 'sqlError'],
  ] as const
  for (const [call, family, kind] of cases) {
    const error = await failure(call())
    expect(error).toBeInstanceOf(family)
    expect(error).toMatchObject({ kind, code: expect.any(Number), data: expect.any(Object) })
  }
  expect(await failure(db.row.insert({ table: 't', rows: [{ a: 1 }] }))).toMatchObject({
    data: { constraint: 'unique', table: 't', columns: ['a'] },
  })
  const statements = Array.from({ length: 100_001 }, () => ({ sql: 'select 1' }))
  expect(await failure(db.batch(statements))).toBeInstanceOf(LimitError)
})

test('a transaction is committed at its end, and rolled back where its work fails', async () => {
  const { db } = await connected()
  const found = await db.transaction(async (tx) => {
    await tx.row.insert({ table: 't', rows: [{ a: 1 }] })
    await tx.kv.set({ key: 'k', value: 1 })
    return (await tx.query('select a from t')).rows
  })
  expect(found).toEqual([{ a: 1 }])
  const failing = db.transaction(async (tx) => {
    await tx.execute('delete from t')
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect((await db.row.count({ table: 't' })).count).toBe(1)
  const tx = await db.begin({ mode: 'read' })
  expect((await db.project.stats()).transactions).toBe(1)
  expect(await failure(tx.branch.list())).toBeInstanceOf(TypeError)
  await tx.rollback()
  await tx.rollback()
  expect(await failure(tx.query('select 1'))).toBeInstanceOf(TransactionEndedError)
  expect((await db.project.stats()).transactions).toBe(0)
})

test('a cursor gives rows of any number, as objects or arrays, and pages give lists of any number', async () => {
  const { db, daemon } = await connected()
  await db.row.insert({ table: 't', rows: Array.from({ length: 2_500 }, (_, a) => ({ a })) })
  let sum = 0
  for await (const { a } of await db.cursor<{ a: number }>('select a from t where a >= ?', [500], { count: 100 }))
    sum += a
  expect(sum).toBe((500 + 2_499) * 1_000)
  for await (const row of await db.cursor('select a, a * 1.5, 1 << 62 from t where a = 3', [], {
    rowFormat: 'array',
  })) {
    expect(row).toEqual([3, 4.5, 2n ** 62n])
  }
  const sizes: number[] = []
  for await (const { rows } of db.pages('row.list', { table: 't', limit: 1_000 })) sizes.push(rows.length)
  expect(sizes).toEqual([1_000, 1_000, 500])
  expect(daemon.engine.cursors.size).toBe(0)
})

test('a call whose signal aborts is cancelled at the daemon, and tells why', async () => {
  const { db } = await connected()
  const reason = new Error('enough')
  const controller = new AbortController()
  const call = failure(db.query(endless, [], { signal: controller.signal }))
  await vi.waitFor(async () => expect((await db.project.stats()).lanes).toBeDefined())
  controller.abort(reason)
  expect(await call).toBeInstanceOf(CancelledError)
  expect(await call).toMatchObject({ kind: 'requestCancelled', cause: reason })
  expect(await failure(db.query('select 1', [], { signal: controller.signal }))).toBeInstanceOf(CancelledError)
  expect((await db.query('select 1 a')).rows).toEqual([{ a: 1 }])
})

test('progress of a call is told, and what its listener throws fails that call alone', async () => {
  const { db, layout } = await connected()
  const file = path.join(layout.project, 'rows.ndjson')
  fs.writeFileSync(file, Array.from({ length: 20_000 }, (_, a) => `{"a":${a}}\n`).join(''))
  const news: object[] = []
  const { rows } = await db.tenant.import({ path: file, table: 't' }, { onProgress: (value) => news.push(value) })
  expect(rows).toEqual({ t: 20_000 })
  expect(news.length).toBeGreaterThan(0)
  const onProgress = () => {
    throw new Error('deaf')
  }
  await db.tenant.create({ name: 'other' })
  await expect(db.tenant.import({ name: 'other', path: file, table: 't' }, { onProgress })).rejects.toThrow('deaf')
  expect((await db.row.count({ table: 't' })).count).toBe(20_000)
})

test('a message that is too large fails its own call, and no other', async () => {
  const { db } = await connected()
  const others = [db.query('select 1 a'), db.query('select 2 a')]
  expect(await failure(db.query('select ?', ['x'.repeat(80 * 1024 * 1024)]))).toBeInstanceOf(LimitError)
  expect((await Promise.all(others)).map(({ rows }) => rows)).toEqual([[{ a: 1 }], [{ a: 2 }]])
})

/** A daemon of its own process, which can be killed, and a client that may start another. */
async function killable(): Promise<{ db: Cinch; kill: () => Promise<unknown>; restart: () => Promise<unknown> }> {
  const layout = temporaryProject()
  const cinchd = await startCinchd(layout)
  const db = await connect({ project: layout.project, start: false })
  defer(() => db.close())
  return { db, kill: () => cinchd.kill('SIGKILL'), restart: () => startCinchd(layout) }
}

test('calls under way fail when the daemon is lost, and the next one connects again', async () => {
  const { db, kill, restart } = await killable()
  const call = failure(db.query(endless))
  await db.query('select 1')
  await kill()
  expect(await call).toBeInstanceOf(ConnectionLost)
  expect(await call).toMatchObject({ method: 'query.run' })
  await restart()
  expect((await db.query('select 1 a')).rows).toEqual([{ a: 1 }])
})

test('with a transaction open nothing connects again before it is ended', async () => {
  const { db, kill, restart } = await killable()
  const tx = await db.begin()
  await kill()
  await restart()
  expect(await failure(tx.query('select 1'))).toBeInstanceOf(ConnectionLost)
  expect(await failure(db.query('select 1'))).toBeInstanceOf(ConnectionLost)
  await tx.rollback()
  expect((await db.query('select 1 a')).rows).toEqual([{ a: 1 }])
})

test('a client that is closed stays so, and its scopes close nothing', async () => {
  const { db } = await connected()
  await db.scope({ tenant: 'main' }).close()
  const call = failure(db.query(endless))
  await db.query('select 1')
  await db.close()
  expect(await call).toBeInstanceOf(ConnectionLost)
  expect(await failure(db.query('select 1'))).toBeInstanceOf(ConnectionLost)
})

test('a daemon that says what is no message is left', async () => {
  const layout = temporaryProject()
  const server = net.createServer((socket) => socket.end('{"jsonrpc":\n'))
  defer(() => server.close())
  const socket = path.join(layout.root, 'daemon.sock')
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  fs.writeFileSync(layout.discovery, JSON.stringify({ pid: process.pid, socket, version: '0' }))
  const error = await failure(connect({ project: layout.project, start: false }))
  expect(error).toBeInstanceOf(ConnectionLost)
  expect(error?.message).toContain('no message')
})

test('an encrypted tenant is unlocked for the connection by its key', async () => {
  const { db, layout } = await connected()
  await db.tenant.create({ name: 'secret', key: 'a passphrase' })
  const secret = await connect({ project: layout.project, start: false, tenant: 'secret', key: 'a passphrase' })
  defer(() => secret.close())
  await secret.row.insert({ table: 't', rows: [{ a: 1 }] })
  expect(await failure(db.scope({ tenant: 'secret' }).row.count({ table: 't' }))).toMatchObject({
    kind: 'tenantLocked',
  })
})
