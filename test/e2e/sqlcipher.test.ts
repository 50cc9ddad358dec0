import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import { startDaemon } from '../support/daemon.ts'
import { canary, fileOf, filesWith, type Key, makeTable, makeTenant, rawKey } from '../support/encryption.ts'
import { temporaryFolder } from '../support/project.ts'
import { findProgram, output, run, skipWithout } from './foreign-support.ts'

const wheel = 'sqlcipher3-wheels==0.5.7'

/** A Python with SQLCipher in it, made for these tests; undefined where there is no Python, or no way to the package. */
const python = await makePython()

async function makePython(): Promise<string | undefined> {
  if (findProgram('python3', ['-m', 'venv', '--help']) === undefined) return undefined
  const folder = temporaryFolder(deferToEnd)
  await output('python3', ['-m', 'venv', folder])
  const python = path.join(folder, 'bin/python')
  const { code } = await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wheel])
  return code === 0 ? python : undefined
}

/** Run statements on an encrypted file by SQLCipher itself; gives the rows of the last one. */
async function sqlcipher(file: string, key: Key, ...statements: string[]): Promise<unknown[][]> {
  const script = `
import json, sqlcipher3, sys
file, key, statements = json.load(sys.stdin)
db = sqlcipher3.connect(file, isolation_level=None)
assert db.execute("pragma cipher_version").fetchone()[0].startswith("4."), "SQLCipher 4 is wanted"
db.execute("pragma key = \\"x'%s'\\"" % key["raw"] if isinstance(key, dict) else "pragma key = '%s'" % key)
for statement in statements:
    rows = db.execute(statement).fetchall()
print(json.dumps(rows))
`
  return JSON.parse(await output(python as string, ['-c', script], { input: JSON.stringify([file, key, statements]) }))
}

describe.skipIf(skipWithout(python))('SQLCipher itself', { timeout: 60_000 }, () => {
  test.each<[string, Key]>([
    ['a passphrase', 'correct horse'],
    ['a raw key', rawKey()],
  ])('opens a tenant’s file, and an export of it, with %s', async (_, key) => {
    const { client, layout } = await startDaemon()
    await makeTable(client)
    await makeTenant(client, key)
    const exported = path.join(layout.project, 'out.db')
    await client.call('tenant.export', { name: 'x', key, path: exported })
    for (const file of [fileOf(layout), exported]) {
      expect(await sqlcipher(file, key, 'pragma cipher_integrity_check')).toEqual([])
      expect(await sqlcipher(file, key, 'select a, b from t')).toEqual([[1, canary]])
      await expect(sqlcipher(file, rawKey(), 'select a, b from t')).rejects.toThrow(/not a database/)
    }
  })

  test('opens what was encrypted later, and what got another key', async () => {
    const { client, layout } = await startDaemon()
    const [one, two] = [rawKey(), 'battery staple']
    await makeTable(client)
    await makeTenant(client)
    await client.call('tenant.encrypt', { name: 'x', key: one })
    expect(await sqlcipher(fileOf(layout), one, 'select a, b from t')).toEqual([[1, canary]])
    await client.call('tenant.rekey', { name: 'x', key: one, newKey: two })
    expect(await sqlcipher(fileOf(layout), two, 'select a, b from t')).toEqual([[1, canary]])
  })

  test.each<[string, Key]>([
    ['a passphrase', 'correct horse'],
    ['a raw key', rawKey()],
  ])('makes a file that becomes a tenant, schema and all, with %s', async (_, key) => {
    const { client, layout } = await startDaemon()
    const file = path.join(layout.project, 'in.db')
    const insert = `insert into w (rowid, b) values (5, '${canary}')`
    await sqlcipher(file, key, 'create table w (b text)', 'create index w_by_b on w (b)', insert)
    await client.call('tenant.create', { name: 'x' })
    const wrong = await client.refused('tenant.import', { name: 'x', path: file, key: rawKey() })
    expect(wrong).toMatchObject({ kind: 'wrongKey', what: file })
    expect(await client.call('tenant.import', { name: 'x', path: file, key })).toMatchObject({ rows: { w: 1 } })
    const rows = { tenant: 'x', key, sql: 'select rowid, b from w' }
    expect(await client.call('query.run', rows)).toMatchObject({ rows: [[5, canary]] })
    expect(await client.refused('query.run', { ...rows, key: undefined })).toMatchObject({ kind: 'tenantLocked' })
    expect(filesWith(layout, canary)).toEqual([])
    expect(fs.existsSync(`${file}-wal`)).toBe(false)
  })
})
