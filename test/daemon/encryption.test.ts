import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { canary, fileOf, filesWith, makeTable, makeTenant, rawKey, read } from '../support/encryption.ts'
import { temporaryProject } from '../support/project.ts'

test('an encrypted tenant is read and written with its key, given with each call', async () => {
  const { client, layout } = await startDaemon()
  const key = 'correct horse'
  await makeTable(client)
  expect(await client.call('tenant.create', { name: 'x', key })).toMatchObject({ encrypted: true, hasFile: false })
  await client.call('row.insert', { tenant: 'x', key, table: 't', rows: [{ a: 1, b: canary }] })
  expect(await client.call('query.run', read(key))).toMatchObject({ rows: [[canary]] })
  expect(await client.call('row.get', { tenant: 'x', key, table: 't', id: 1 })).toMatchObject({ row: { b: canary } })
  expect(filesWith(layout, canary)).toEqual([])
})

test('without its key, or with another, nothing of a tenant is told or changed', async () => {
  const { client } = await startDaemon()
  const [key, other] = [rawKey(), rawKey()]
  await makeTable(client)
  await makeTenant(client, key)
  await makeTenant(client, other, 'y')
  for (const [method, params] of [
    ['query.run', { sql: 'select b from t' }],
    ['query.run', { sql: 'select count(*) from t, t as u, t as v' }],
    ['query.execute', { sql: 'delete from t' }],
    ['query.explain', { sql: 'select b from t' }],
    ['row.list', { table: 't' }],
    ['row.insert', { table: 't', rows: [{ a: 2, b: 'b' }] }],
  ] as const) {
    const scoped = { tenant: 'x', ...params }
    expect(await client.refused(method, scoped), method).toMatchObject({ kind: 'tenantLocked', tenants: ['x'] })
    expect(await client.refused(method, { ...scoped, key: other }), method).toMatchObject({ kind: 'wrongKey' })
    expect(await client.refused(method, { ...scoped, key: 'guess' }), method).toMatchObject({ kind: 'wrongKey' })
  }
  for (const method of ['tenant.verify', 'tenant.vacuum', 'tenant.decrypt']) {
    expect(await client.refused(method, { name: 'x' }), method).toMatchObject({ kind: 'tenantLocked' })
    expect(await client.refused(method, { name: 'x', key: other }), method).toMatchObject({ kind: 'wrongKey' })
  }
  expect(await client.refused('tenant.unlock', { name: 'x', key: other })).toMatchObject({ kind: 'wrongKey' })
  expect(await client.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
  expect(await client.call('query.run', read(key))).toMatchObject({ rows: [[canary]] })
})

test('the keys and values of an encrypted tenant are locked with it', async () => {
  const { client, connect } = await startDaemon()
  const key = rawKey()
  await client.call('tenant.create', { name: 'x', key })
  const kv = { tenant: 'x', key: 'k' }
  expect(await client.refused('kv.set', { ...kv, value: 1 })).toMatchObject({ kind: 'tenantLocked' })
  await client.call('tenant.unlock', { name: 'x', key })
  await client.call('kv.set', { ...kv, value: 1 })
  expect(await client.call('kv.get', kv)).toMatchObject({ found: true, value: 1 })
  const other = await connect()
  expect(await other.refused('kv.get', kv)).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.refused('kv.keys', { tenant: 'x' })).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.call('kv.keys', { tenant: 'x', key })).toMatchObject({ keys: ['k'] })
})

test('a transaction of an encrypted tenant needs its key to begin, and is its session’s alone', async () => {
  const { client, connect, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  expect(await client.refused('transaction.begin', { tenant: 'x' })).toMatchObject({ kind: 'tenantLocked' })
  const { transaction } = await client.call('transaction.begin', { tenant: 'x', key })
  await client.call('row.insert', { transaction, table: 't', rows: [{ a: 2, b: canary }] })
  expect(await client.call('query.run', { transaction, sql: 'select b from t' })).toMatchObject({
    rows: [[canary], [canary]],
  })
  const sql = 'select b from t'
  expect(await client.refused('query.run', { transaction, key: rawKey(), sql })).toMatchObject({ kind: 'wrongKey' })
  expect(await client.refused('query.run', { tenant: 'x', sql })).toMatchObject({ kind: 'tenantLocked' })
  const other = await connect()
  expect(await other.refused('query.run', { transaction, sql })).toMatchObject({ kind: 'transactionNotFound' })
  expect(filesWith(layout, canary)).toEqual([])
  await client.call('transaction.commit', { transaction })
  expect(await client.call('query.run', read(key))).toMatchObject({ rows: [[canary], [canary]] })
  const reading = await client.call('transaction.begin', { tenant: 'x', key, mode: 'read' })
  expect(await client.call('query.run', { transaction: reading.transaction, sql })).toMatchObject({
    rows: [[canary], [canary]],
  })
})

test('a cursor of an encrypted tenant needs its key to be opened, and reads on with the session’s', async () => {
  const { client, connect } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const sql = 'select b from t order by b'
  expect(await client.refused('query.open', { tenant: 'x', sql })).toMatchObject({ kind: 'tenantLocked' })
  const { cursor } = await client.call('query.open', { tenant: 'x', key, sql })
  const other = await connect()
  expect((await other.refused('query.fetch', { cursor, count: 1 })).kind).toMatch(/^cursor/)
  expect(await client.call('query.fetch', { cursor, count: 5 })).toMatchObject({ rows: [[canary]], done: true })
})

test('a tenant that has no file yet is locked, too', async () => {
  const { client } = await startDaemon()
  await makeTable(client)
  await client.call('tenant.create', { name: 'x', key: rawKey() })
  expect(await client.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
  expect(await client.refused('query.run', read(rawKey()))).toMatchObject({ kind: 'wrongKey' })
})

test('a key for a tenant that is not encrypted is refused', async () => {
  const { client } = await startDaemon()
  await makeTable(client)
  await makeTenant(client)
  expect(await client.refused('query.run', read(rawKey()))).toMatchObject({ kind: 'tenantNotEncrypted' })
  for (const method of ['tenant.unlock', 'tenant.decrypt', 'tenant.vacuum']) {
    const refused = await client.refused(method, { name: 'x', key: 'k' })
    expect(refused, method).toMatchObject({ kind: 'tenantNotEncrypted' })
  }
  expect(await client.refused('tenant.lock', { name: 'x' })).toMatchObject({ kind: 'tenantNotEncrypted' })
})

test.each([
  ['nothing', ''],
  ['a raw key as SQLCipher writes it', `x'${'ab'.repeat(32)}'`],
  ['too few digits', { raw: 'abc' }],
  ['more than a raw key', { raw: 'ab'.repeat(32), more: 1 }],
  ['a number', 7],
])('what is no key is refused, and not shown: %s', async (_, key) => {
  const { client, logged } = await startDaemon()
  const { error } = await client.request('tenant.create', { name: 'x', key })
  expect(error?.data).toMatchObject({ kind: 'invalidParams', issues: [{ path: 'key' }] })
  expect(JSON.stringify([error, logged])).not.toContain('abab')
})

test('what one session unlocks stays locked for another, though the file is open', async () => {
  const { client, connect, daemon } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('tenant.unlock', { name: 'x', key })
  expect(await client.call('query.run', read())).toMatchObject({ rows: [[canary]] })
  expect(daemon.engine.parts.pool.size).toBe(1)

  const other = await connect()
  expect(await other.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.refused('query.run', read(rawKey()))).toMatchObject({ kind: 'wrongKey' })
  expect(await other.call('query.run', read(key))).toMatchObject({ rows: [[canary]] })
  expect(await other.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
  const path = '/nowhere/out.db'
  expect(await other.refused('tenant.export', { name: 'x', path })).toMatchObject({ kind: 'tenantLocked' })
  expect(await client.call('query.run', read())).toMatchObject({ rows: [[canary]] })
})

test('with the last who may use a file it is closed, and its key gone', async () => {
  const { client, connect, daemon } = await startDaemon()
  const { pool, keys } = daemon.engine.parts
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  expect(pool.size, 'after a call with the key').toBe(0)
  const other = await connect()
  await client.call('tenant.unlock', { name: 'x', key })
  await other.call('tenant.unlock', { name: 'x', key })
  const cipher = daemon.engine.tenant('main', 'main', 'x').row.cipher as string
  const text = keys.find(cipher)?.text as Uint8Array
  await client.call('tenant.lock', { name: 'x' })
  expect(await client.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.call('query.run', read())).toMatchObject({ rows: [[canary]] })
  await other.close()
  await expect.poll(() => pool.size).toBe(0)
  expect(keys.find(cipher)).toBeUndefined()
  expect(text.every((byte) => byte === 0)).toBe(true)
})

test('an unlock ends with its time', async () => {
  const { client, daemon } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('tenant.unlock', { name: 'x', key, ttlMs: 20 })
  await expect.poll(() => daemon.engine.parts.pool.size).toBe(0)
  expect(await client.refused('query.run', read())).toMatchObject({ kind: 'tenantLocked' })
})

test('calls that are sent at once with a passphrase keep their order', async () => {
  const { client } = await startDaemon()
  const key = 'correct horse'
  await makeTable(client)
  const answers = await Promise.all([
    client.call('tenant.create', { name: 'x', key }),
    client.call('row.insert', { tenant: 'x', key, table: 't', rows: [{ a: 1, b: 'first' }] }),
    client.call('query.execute', { tenant: 'x', key, sql: `update t set b = b || ', second'` }),
    client.call('tenant.unlock', { name: 'x', key }),
    client.call('query.run', read()),
  ])
  expect(answers[4]).toMatchObject({ rows: [['first, second']] })
})

test('what is sent right after an edit with a passphrase sees what it did', async () => {
  const { client } = await startDaemon()
  const [one, two] = ['correct horse', 'battery staple']
  await makeTable(client)
  await makeTenant(client, one)
  const [, , found] = await Promise.all([
    client.call('tenant.rekey', { name: 'x', key: one, newKey: two }),
    client.call('tenant.decrypt', { name: 'x', key: two }),
    client.call('query.run', read()),
  ])
  expect(found).toMatchObject({ rows: [[canary]] })
})

test('nothing of an encrypted tenant is in plain text anywhere: rows, indexes, copies, logs; nor is a key', async () => {
  const layout = temporaryProject()
  fs.writeFileSync(layout.config, JSON.stringify({ logLevel: 'debug', logParameters: true, slowStatementMs: 0 }))
  const cinchd = await startCinchd(layout)
  const client = await cinchd.connect()
  const [key, passphrase, wrong] = [rawKey(), 'pass-phrase-5521', 'not-this-8812']
  await makeTable(client)
  await client.call('index.create', { table: 't', columns: ['b'] })
  await makeTenant(client, undefined, 'plain')
  await makeTenant(client, key)
  await makeTenant(client, passphrase, 'y')
  await client.call('tenant.unlock', { name: 'x', key })
  // A write in a process; a sort of everything in one; a fork, and what the first write after it copies.
  const sql = `with recursive n(a) as (values (2) union all select a + 1 from n where a < 5000)
    insert into t select a, '${canary}' || a from n`
  await client.call('query.execute', { tenant: 'x', sql })
  await client.call('query.run', { tenant: 'x', sql: 'select b from t order by b desc' })
  await client.call('kv.set', { tenant: 'x', key: canary, value: canary })
  await client.call('branch.create', { name: 'dev' })
  await client.call('row.insert', { branch: 'dev', tenant: 'x', table: 't', rows: [{ a: -1, b: canary }] })
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } })
  await client.call('query.run', read())
  await client.call('tenant.vacuum', { name: 'x' })
  await client.call('tenant.encrypt', { name: 'main', key })
  await client.call('tenant.rekey', { name: 'x', newKey: passphrase })
  await client.refused('query.run', { tenant: 'x', key: wrong, sql: `select '${canary}' from nothing` })
  await client.refused('query.run', { tenant: 'x', key: passphrase, sql: `select '${canary}' from nothing` })
  const stats = JSON.stringify(await client.call('project.stats', {}))

  const inPlain = () => {
    expect(filesWith(layout, canary).every((file) => file.includes('plain.db'))).toBe(true)
    expect(filesWith(layout, canary), 'the plain tenant shows').not.toEqual([])
    for (const text of [key.raw, passphrase, wrong]) expect(filesWith(layout, text), 'a key').toEqual([])
  }
  inPlain()
  await client.close()
  await cinchd.kill('SIGTERM')
  inPlain()
  const said = cinchd.stderr.split('\n').filter((line) => line.includes(canary))
  expect(said.length, 'the plain tenant shows').toBeGreaterThan(0)
  for (const line of said) expect(line).toContain('plain')
  for (const text of [key.raw, passphrase, wrong]) expect(cinchd.stderr + stats).not.toContain(text)
  expect(stats).not.toContain(`'${canary}'`)
})

test('a process that runs a statement has the key neither among its arguments nor in its environment', async () => {
  const { client, daemon } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const slow = `with recursive n(a) as (values (1) union all select a + 1 from n where a < 30000000)
    select count(*) from n, t`
  const running = client.request('query.run', { tenant: 'x', key, sql: slow }, 'slow')
  await expect.poll(() => daemon.engine.parts.processLane.processes.busy).toBe(1)
  const told = processesOf(process.pid).flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])
  expect(told.length).toBeGreaterThan(0)
  for (const file of told) expect(fs.readFileSync(file, 'latin1'), file).not.toContain(key.raw)
  client.notify('$/cancelRequest', { id: 'slow' })
  expect((await running).error?.data).toMatchObject({ kind: 'requestCancelled' })
})

function processesOf(parent: number): string[] {
  return fs.readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const [, parentOf] = fs
        .readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
      return Number(parentOf) === parent
    } catch {
      return false
    }
  })
}

test('a tenant is encrypted, gets another key and is decrypted with all its rows; an old key opens nothing', async () => {
  const { client, connect, layout } = await startDaemon()
  const [one, two] = [rawKey(), rawKey()]
  await makeTable(client)
  await makeTenant(client)
  const other = await connect()
  expect(await client.call('tenant.encrypt', { name: 'x', key: one })).toMatchObject({ encrypted: true })
  expect(filesWith(layout, canary)).toEqual([])
  expect(await client.refused('tenant.encrypt', { name: 'x', key: one })).toMatchObject({ kind: 'tenantEncrypted' })
  await client.call('tenant.unlock', { name: 'x', key: one })
  await other.call('tenant.unlock', { name: 'x', key: one })
  await client.call('tenant.rekey', { name: 'x', newKey: two })
  expect(await client.call('query.run', read()), 'its own session').toMatchObject({ rows: [[canary]] })
  expect(await other.refused('query.run', read()), 'another').toMatchObject({ kind: 'tenantLocked' })
  expect(await other.refused('query.run', read(one))).toMatchObject({ kind: 'wrongKey' })
  expect(await other.call('query.run', read(two))).toMatchObject({ rows: [[canary]] })
  expect(await other.call('tenant.decrypt', { name: 'x', key: two })).toMatchObject({ encrypted: false })
  expect(await other.call('query.run', read())).toMatchObject({ rows: [[canary]] })
  expect(filesWith(layout, canary)).not.toEqual([])
})

test('a tenant without a file is encrypted, gets another key and is decrypted, too', async () => {
  const { client } = await startDaemon()
  const [one, two] = [rawKey(), rawKey()]
  await makeTable(client)
  await client.call('tenant.create', { name: 'x' })
  expect(await client.call('tenant.encrypt', { name: 'x', key: one })).toMatchObject({
    encrypted: true,
    hasFile: false,
  })
  await client.call('tenant.rekey', { name: 'x', key: one, newKey: two })
  expect(await client.refused('query.run', read(one))).toMatchObject({ kind: 'wrongKey' })
  expect(await client.call('query.run', read(two))).toMatchObject({ rows: [] })
  expect(await client.call('tenant.decrypt', { name: 'x', key: two })).toMatchObject({ encrypted: false })
  expect(await client.call('query.run', read())).toMatchObject({ rows: [] })
})

test('row ids, indexes and full-text tables stay as they are when a tenant is encrypted', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  const file = path.join(layout.project, 'in.db')
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(file)
  db.exec(`
    create table w (b text);
    create index w_by_b on w (b);
    create virtual table f using fts5 (b);
    insert into w (rowid, b) values (5, 'five'), (9, 'nine');
    insert into f (rowid, b) values (7, 'seven words');
  `)
  db.close()
  await client.call('tenant.create', { name: 'x' })
  await client.call('tenant.import', { name: 'x', path: file })
  await client.call('tenant.encrypt', { name: 'x', key })
  const run = async (sql: string) => (await client.call('query.run', { tenant: 'x', key, sql })).rows
  expect(await run('select rowid, b from w order by rowid')).toEqual([
    [5, 'five'],
    [9, 'nine'],
  ])
  expect(await run(`select rowid from f where f match 'words'`)).toEqual([[7]])
  expect(await client.call('tenant.verify', { name: 'x', key })).toMatchObject({ sound: true })
})

test('writes that come while a tenant is encrypted are in it', async () => {
  const { client } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client)
  await client.call('query.execute', {
    tenant: 'x',
    sql: `with recursive n(a) as (values (2) union all select a + 1 from n where a < 20000)
      insert into t select a, 'b' || a from n`,
  })
  const encrypting = client.call('tenant.encrypt', { name: 'x', key })
  const inserting = client.request('row.insert', { tenant: 'x', key, table: 't', rows: [{ a: -1, b: 'late' }] })
  await encrypting
  expect((await inserting).error).toBeUndefined()
  const counted = await client.call('query.run', { tenant: 'x', key, sql: 'select count(*) from t' })
  expect(counted).toMatchObject({ rows: [[20_001]] })
})

test('a second client that encrypts a tenant at the same time is refused, and its key opens nothing', async () => {
  const { client, connect } = await startDaemon()
  const [one, two] = [rawKey(), rawKey()]
  await makeTable(client)
  await makeTenant(client)
  const other = await connect()
  const [first, second] = await Promise.all([
    client.request('tenant.encrypt', { name: 'x', key: one }),
    other.request('tenant.encrypt', { name: 'x', key: two }),
  ])
  const keys = [first, second].flatMap(({ error }, at) => (error ? [] : [at === 0 ? one : two]))
  expect(keys).toHaveLength(1)
  expect(await client.call('query.run', read(keys[0]))).toMatchObject({ rows: [[canary]] })
})

test('a branch that shares rows keeps them as they were when the other side is encrypted or gets another key', async () => {
  const { client, layout } = await startDaemon()
  const [one, two] = [rawKey(), rawKey()]
  await makeTable(client)
  await makeTenant(client)
  await client.call('branch.create', { name: 'dev' })
  await client.call('tenant.encrypt', { name: 'x', key: one })
  expect(await client.call('query.run', { branch: 'dev', ...read() })).toMatchObject({ rows: [[canary]] })
  expect(filesWith(layout, canary).every((file) => file.startsWith('main-dev/'))).toBe(true)
  await client.call('branch.create', { name: 'later' })
  await client.call('tenant.rekey', { name: 'x', key: one, newKey: two })
  expect(await client.call('query.run', { branch: 'later', ...read(one) })).toMatchObject({ rows: [[canary]] })
  expect(await client.refused('query.run', { branch: 'later', ...read(two) })).toMatchObject({ kind: 'wrongKey' })
  expect(await client.call('query.run', read(two))).toMatchObject({ rows: [[canary]] })
})

test('a fork shares the encrypted file and is unlocked with it; what it writes is encrypted', async () => {
  const { client, layout, daemon } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('branch.create', { name: 'dev' })
  expect(await client.refused('query.run', { branch: 'dev', ...read() })).toMatchObject({ kind: 'tenantLocked' })
  await client.call('tenant.unlock', { name: 'x', key })
  expect(daemon.engine.parts.catalog.files.paths()).toHaveLength(1)
  await client.call('row.insert', { branch: 'dev', tenant: 'x', table: 't', rows: [{ a: 2, b: canary }] })
  expect(await client.call('query.run', { branch: 'dev', ...read() })).toMatchObject({ rows: [[canary], [canary]] })
  expect(await client.call('query.run', read())).toMatchObject({ rows: [[canary]] })
  expect(daemon.engine.parts.catalog.files.paths()).toHaveLength(2)
  expect(filesWith(layout, canary)).toEqual([])
})

test('in a branch without rows an encrypted tenant is encrypted with the same key', async () => {
  const { client, layout } = await startDaemon()
  const [key, other] = [rawKey(), rawKey()]
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('branch.create', { name: 'dev', data: false })
  await client.call('tenant.rekey', { name: 'x', key, newKey: other })
  expect(await client.refused('query.run', { branch: 'dev', ...read() })).toMatchObject({ kind: 'tenantLocked' })
  await client.call('row.insert', { branch: 'dev', tenant: 'x', key, table: 't', rows: [{ a: 2, b: canary }] })
  expect(fs.existsSync(fileOf(layout, 'x', 'dev'))).toBe(true)
  expect(filesWith(layout, canary)).toEqual([])
})

test('a locked tenant is renamed and deleted without its key', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('tenant.rename', { name: 'x', newName: 'y' })
  expect(await client.call('query.run', read(key, 'y'))).toMatchObject({ rows: [[canary]] })
  await client.call('tenant.delete', { name: 'y' })
  expect(fs.existsSync(fileOf(layout, 'y'))).toBe(false)
})

test('what a killed daemon left of a locked tenant goes along with it: to a copy, and to another name', async () => {
  const layout = temporaryProject()
  const killed = await startCinchd(layout)
  const before = await killed.connect()
  const key = rawKey()
  await makeTable(before)
  await makeTenant(before, key)
  await before.call('tenant.unlock', { name: 'x', key })
  await before.call('row.insert', { tenant: 'x', table: 't', rows: [{ a: 2, b: 'in the log' }] })
  await killed.kill('SIGKILL')
  expect(fs.statSync(`${fileOf(layout)}-wal`).size).toBeGreaterThan(0)

  const cinchd = await startCinchd(layout)
  const client = await cinchd.connect()
  const rows = [[canary], ['in the log']]
  await client.call('tenant.rename', { name: 'x', newName: 'y' })
  expect(fs.statSync(`${fileOf(layout, 'y')}-wal`).size).toBeGreaterThan(0)
  await client.call('branch.create', { name: 'dev' })
  await client.call('tenant.rename', { name: 'y', newName: 'z' })
  expect(await client.call('query.run', { branch: 'dev', ...read(key, 'y') })).toMatchObject({ rows })
  expect(await client.call('query.run', read(key, 'z'))).toMatchObject({ rows })
})

test('an edit rolls forward in a locked tenant when that is unlocked, and is counted until then', async () => {
  const { client } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT', default: 'd' } })
  expect(await client.call('branch.status')).toMatchObject({ files: { total: 1, behind: 0, locked: 1 } })
  await client.call('tenant.unlock', { name: 'x', key })
  expect(await client.call('branch.status')).toMatchObject({ files: { total: 1, atHead: 1, locked: 0 } })
  expect(await client.call('query.run', { tenant: 'x', sql: 'select c from t' })).toMatchObject({ rows: [['d']] })
})

test('an edit that has to be proved on a locked tenant is refused and names it; unlocked, it is proved', async () => {
  const { client, connect } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const other = await connect()
  const edit = { table: 't', columns: ['b'], unique: true }
  expect(await client.refused('index.create', edit)).toMatchObject({ kind: 'tenantLocked', tenants: ['x'] })
  await other.call('tenant.unlock', { name: 'x', key })
  await other.call('row.insert', { tenant: 'x', table: 't', rows: [{ a: 2, b: canary }] })
  const refused = await client.refused('index.create', edit)
  expect(refused).toMatchObject({ kind: 'tenantLocked', tenants: ['x'] })
  expect(JSON.stringify(refused)).not.toContain(canary)
  expect(await other.refused('index.create', edit)).toMatchObject({ kind: 'proofFailed' })
  await other.call('query.execute', { tenant: 'x', sql: 'delete from t where a = 2' })
  await other.call('index.create', edit)
})

test.each([
  ['its first page', 200],
  ['its salt', 3],
  ['its last page', -500],
])('an encrypted file of which a bit is flipped in %s is corrupt, and others go on', async (_, at) => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await makeTenant(client, key, 'y')
  const bytes = fs.readFileSync(fileOf(layout))
  const index = at < 0 ? bytes.length + at : at
  bytes.writeUInt8(bytes.readUInt8(index) ^ 1, index)
  fs.writeFileSync(fileOf(layout), bytes)
  const refused = await client.refused('query.run', read(key))
  expect(refused).toMatchObject({ kind: 'corrupt' })
  expect(JSON.stringify(refused)).not.toContain(key.raw)
  expect(await client.refused('query.run', read(rawKey()))).toMatchObject({ kind: 'wrongKey' })
  expect(await client.refused('tenant.unlock', { name: 'x', key: rawKey() })).toMatchObject({ kind: 'wrongKey' })
  const verified = await client.request('tenant.verify', { name: 'x', key })
  expect(verified.error?.data.kind ?? verified.result.sound).toBe(verified.error ? 'corrupt' : false)
  expect(await client.call('query.run', read(key, 'y'))).toMatchObject({ rows: [[canary]] })
})

test.each([0, 3_000, 4_096, 9_000])('an encrypted file that is cut to %i bytes is corrupt', async (length) => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  fs.truncateSync(fileOf(layout), length)
  expect(await client.refused('query.run', read(key))).toMatchObject({ kind: 'corrupt' })
  expect(await client.refused('query.run', read(rawKey()))).toMatchObject({ kind: 'wrongKey' })
})

test('an export stays encrypted with the key unless plain text is asked for; both are taken in again', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const at = (name: string) => path.join(layout.project, name)
  const [encrypted, plain, csv] = [at('out.db'), at('plain.db'), at('out.csv')]
  expect(await client.call('tenant.export', { name: 'x', key, path: encrypted })).toMatchObject({ rows: { t: 1 } })
  expect(fs.readFileSync(encrypted).includes(canary)).toBe(false)
  const rows = { name: 'x', key, path: csv, table: 't' }
  expect(await client.refused('tenant.export', rows)).toMatchObject({ kind: 'plaintextRefused' })
  await client.call('tenant.export', { ...rows, plaintext: true })
  expect(fs.readFileSync(csv, 'utf8')).toContain(canary)
  await client.call('tenant.export', { name: 'x', key, path: plain, plaintext: true })
  expect(fs.readFileSync(plain).includes(canary)).toBe(true)
  expect(fs.readdirSync(layout.project).sort()).toEqual(['.cinchdb', 'out.csv', 'out.db', 'plain.db'])

  await client.call('tenant.create', { name: 'y' })
  const into = (name: string, path: string, key?: object) => client.refused('tenant.import', { name, path, key })
  expect(await into('y', encrypted)).toMatchObject({ kind: 'notADatabase' })
  expect(await into('y', encrypted, rawKey())).toMatchObject({ kind: 'wrongKey' })
  expect(await into('y', plain, key)).toMatchObject({ kind: 'tenantNotEncrypted' })
  await client.call('tenant.import', { name: 'y', path: encrypted, key })
  expect(await client.call('tenant.get', { name: 'y' })).toMatchObject({ encrypted: true })
  expect(await client.refused('query.run', read(undefined, 'y'))).toMatchObject({ kind: 'tenantLocked' })
  expect(await client.call('query.run', read(key, 'y'))).toMatchObject({ rows: [[canary]] })

  const other = rawKey()
  await client.call('tenant.create', { name: 'z', key: other })
  expect(await into('z', plain)).toMatchObject({ kind: 'tenantLocked' })
  await client.call('tenant.import', { name: 'z', path: plain, key: other })
  expect(await client.call('query.run', read(other, 'z'))).toMatchObject({ rows: [[canary]] })
  expect(filesWith(layout, canary)).toEqual([])
})

test('an encrypted tenant without a file is exported encrypted', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await client.call('tenant.create', { name: 'x', key })
  const file = path.join(layout.project, 'out.db')
  await client.call('tenant.export', { name: 'x', key, path: file })
  expect(fs.readFileSync(file).subarray(0, 6).toString()).not.toBe('SQLite')
})

test('rows of a text file go into an encrypted tenant, but make no table there', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const file = path.join(layout.project, 'in.csv')
  fs.writeFileSync(file, `a,b\n2,${canary}\n`)
  await client.call('tenant.import', { name: 'x', key, path: file, table: 't' })
  expect(await client.call('query.run', read(key))).toMatchObject({ rows: [[canary], [canary]] })
  const refused = await client.refused('tenant.import', { name: 'x', key, path: file, table: 'u', create: true })
  expect(refused).toMatchObject({ kind: 'notSupported' })
  expect(filesWith(layout, canary)).toEqual([])
})

test('encrypting a tenant that is cancelled leaves it as it was, and nothing beside it', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client)
  await client.call('query.execute', {
    tenant: 'x',
    sql: `with recursive n(a) as (values (2) union all select a + 1 from n where a < 300000)
      insert into t select a, 'a text of some length, number ' || a from n`,
  })
  const encrypting = client.request('tenant.encrypt', { name: 'x', key }, 'slow')
  await expect.poll(() => fs.existsSync(layout.scratch) && fs.readdirSync(layout.scratch).length).toBeTruthy()
  client.notify('$/cancelRequest', { id: 'slow' })
  expect((await encrypting).error?.data).toMatchObject({ kind: 'requestCancelled' })
  expect(await client.call('tenant.get', { name: 'x' })).toMatchObject({ encrypted: false })
  expect(fs.readdirSync(layout.scratch)).toEqual([])
  expect(await client.call('query.run', { tenant: 'x', sql: 'select b from t where a = 1' })).toMatchObject({
    rows: [[canary]],
  })
})

test('a backup keeps encrypted tenants as they are, locked or not, with a file or without one', async () => {
  const { client, layout, connect } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('tenant.create', { name: 'lazy', key })
  const { backup } = await client.call('backup.create', { backup: 'b' })
  await client.call('backup.create', { backup: 'one', tenant: 'x' })
  await client.call('row.insert', { tenant: 'x', key, table: 't', rows: [{ a: 2, b: 'after' }] })
  expect(filesWith(layout, canary)).toEqual([])

  await client.call('backup.restore', { backup, branch: 'restored' })
  const other = await connect()
  for (const tenant of ['x', 'lazy']) {
    expect(await other.refused('query.run', { branch: 'restored', ...read(undefined, tenant) })).toMatchObject({
      kind: 'tenantLocked',
    })
  }
  expect(await other.call('query.run', { branch: 'restored', ...read(key) })).toMatchObject({ rows: [[canary]] })
  const lazy = { branch: 'restored', tenant: 'lazy', key }
  await other.call('row.insert', { ...lazy, table: 't', rows: [{ a: 1, b: canary }] })
  expect(await other.call('query.run', { branch: 'restored', ...read(key, 'lazy') })).toMatchObject({
    rows: [[canary]],
  })
  expect(filesWith(layout, canary)).toEqual([])
})

test('work on a whole file of an encrypted tenant in a process leaves nothing in plain text', async () => {
  const { client, layout, connect } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  const source = path.join(layout.project, 'rows.csv')
  fs.writeFileSync(source, `a,b\n${Array.from({ length: 5_000 }, (_, at) => `${at + 2},${canary}${at}`).join('\n')}\n`)
  const whole = { name: 'x', key }
  expect(await client.call('tenant.import', { ...whole, path: source, table: 't' })).toMatchObject({
    rows: { t: 5_000 },
  })
  await client.call('index.create', { table: 't', columns: ['b'], name: 'i' })
  expect(await client.call('query.run', { tenant: 'x', key, sql: 'select count(*) from t' })).toMatchObject({
    rows: [[5_001]],
  })
  expect((await client.call('tenant.vacuum', whole)).after.fileBytes).toBeGreaterThan(0)
  expect(await client.call('tenant.verify', whole)).toMatchObject({ sound: true })
  const target = path.join(layout.project, 'out.db')
  expect(await client.call('tenant.export', { ...whole, path: target })).toMatchObject({ rows: { t: 5_001 } })
  expect(fs.readFileSync(target).includes(canary)).toBe(false)
  expect(filesWith(layout, canary)).toEqual([])
  const other = await connect()
  expect(await other.refused('tenant.copy', { source: 'x', name: 'y' })).toMatchObject({ kind: 'tenantLocked' })
  await client.call('tenant.copy', { source: 'x', name: 'y', key })
  await client.call('tenant.copy', { source: 'x', name: 'bare', data: false, key })
  const sql = 'select count(*) from t'
  expect(await other.refused('query.run', { tenant: 'y', sql })).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.call('query.run', { tenant: 'y', sql, key })).toMatchObject({ rows: [[5_001]] })
  expect(await other.refused('query.run', { tenant: 'bare', sql })).toMatchObject({ kind: 'tenantLocked' })
  expect(await other.call('query.run', { tenant: 'bare', sql, key })).toMatchObject({ rows: [[0]] })
  expect(filesWith(layout, canary)).toEqual([])
})

test('what is written after an export of an encrypted tenant was asked for is not in it', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('query.execute', { tenant: 'x', key, sql: manyRows(50_000) })
  const file = path.join(layout.project, 'out.db')
  for (let a = 100_000; a < 100_005; a++) {
    const exporting = client.call('tenant.export', { name: 'x', key, path: file, overwrite: true })
    await client.call('row.insert', { tenant: 'x', key, table: 't', rows: [{ a, b: 'later' }] })
    expect(await exporting).toMatchObject({ rows: { t: 50_001 + a - 100_000 } })
  }
})

test('an export and a copy of an encrypted tenant that are cancelled leave nothing', async () => {
  const { client, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('query.execute', { tenant: 'x', key, sql: manyRows(300_000) })
  const outside = path.join(layout.project, 'outside')
  fs.mkdirSync(outside)
  const cancelled = async (folder: string, method: string, params: object) => {
    const asked = client.request(method, { ...params, key }, method)
    const isWriting = () => fs.readdirSync(folder).some((name) => name.endsWith('.empty'))
    await expect.poll(isWriting, { interval: 1, timeout: 10_000 }).toBe(true)
    client.notify('$/cancelRequest', { id: method })
    expect((await asked).error?.data).toMatchObject({ kind: 'requestCancelled' })
    expect(fs.readdirSync(folder)).toEqual([])
  }
  await cancelled(outside, 'tenant.export', { name: 'x', path: path.join(outside, 'out.db') })
  fs.mkdirSync(layout.scratch, { recursive: true })
  await cancelled(layout.scratch, 'tenant.copy', { source: 'x', name: 'y' })
})

test('an encrypted tenant that stands further than a branch is not restored there', async () => {
  const { client } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('branch.create', { name: 'old' })
  await client.call('row.insert', { tenant: 'x', key, table: 't', rows: [{ a: 2, b: 'main’s own' }] })
  await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } })
  expect(await client.call('query.run', { tenant: 'x', key, sql: 'select c from t where a = 1' })).toMatchObject({
    rows: [[null]],
  })
  await client.call('tenant.vacuum', { name: 'x', key })
  await client.call('backup.create', { backup: 'alone', tenant: 'x' })
  await client.call('backup.create', { backup: 'whole' })
  for (const backup of ['alone', 'whole']) {
    const into = { backup, branch: 'old', tenant: 'x', force: true }
    expect(await client.refused('backup.restore', into), backup).toMatchObject({ kind: 'schemaMismatch' })
  }
  expect(await client.call('query.run', { branch: 'old', ...read(key) })).toMatchObject({ rows: [[canary]] })
})

test('a backup of an encrypted tenant is of one moment, though a branch that shares its file writes meanwhile', async () => {
  const { client, connect, daemon, layout } = await startDaemon()
  const key = rawKey()
  await makeTable(client)
  await makeTenant(client, key)
  await client.call('query.execute', { tenant: 'x', key, sql: manyRows(600_000) })
  await client.call('tenant.vacuum', { name: 'x', key })
  await client.call('branch.create', { name: 'fork' })
  const other = await connect()
  const backingUp = client.request('backup.create', { branch: 'fork', tenant: 'x', backup: 'b' }, 'backup')
  const log = `${fileOf(layout)}-wal`
  // The copy is stopped half-way, as by a slow disk.
  let copying: number[] = []
  const stop = () => {
    const isBegun = fs.readdirSync(layout.backups, { recursive: true, encoding: 'utf8' }).some((name) => {
      return name.endsWith('x.db') && fs.statSync(path.join(layout.backups, name)).size > 0
    })
    if (!isBegun || daemon.engine.parts.chores.busy !== 1) return false
    copying = processesOf(process.pid)
      .map(Number)
      .filter((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('chores/process'))
    for (const pid of copying) process.kill(pid, 'SIGSTOP')
    return true
  }
  await expect.poll(() => fs.existsSync(layout.backups) && stop(), { interval: 1, timeout: 10_000 }).toBe(true)
  try {
    await other.call('query.execute', { tenant: 'x', key, sql: `update t set b = 'other ' || b` })
    await expect.poll(() => fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0).toBe(0)
  } finally {
    for (const pid of copying) process.kill(pid, 'SIGCONT')
  }
  expect((await backingUp).error).toBeUndefined()
  await client.call('backup.restore', { backup: 'b', branch: 'fork', name: 'y' })
  const sql = `select count(*) from t where b like 'other %'`
  expect(await client.call('query.run', { branch: 'fork', tenant: 'y', key, sql })).toMatchObject({ rows: [[0]] })
}, 60_000)

function manyRows(count: number): string {
  return `with recursive n(a) as (values (2) union all select a + 1 from n where a <= ${count})
    insert into t select a, 'a text of some length, number ' || a from n`
}
