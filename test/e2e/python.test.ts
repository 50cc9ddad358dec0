import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import { defer, watchChild } from '../support/cleanup.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import {
  cinchdCommand,
  findProgram,
  findPython,
  output,
  passPythonTests,
  pythonClient,
  root,
  skipWithout,
} from './foreign-support.ts'

const python = findPython()
const chinook = path.join(root, '../shared/data/chinook/chinook.sqlite')
const env = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONPATH: pythonClient,
}

describe.skipIf(skipWithout(python))('the Python client', () => {
  test('its own tests pass, and leave nothing behind', { timeout: 180_000 }, async () => {
    await passPythonTests('test_cinch', env)
  })

  test('a plugin in Python limits every other client, tenant by tenant, as long as it runs', {
    timeout: 60_000,
  }, async () => {
    const layout = temporaryProject()
    const client = await (await startCinchd(layout)).connect()
    await client.call('tenant.create', { name: 'acme' })
    const script = path.join(root, 'protocol/examples/plugins/rate_limit.py')
    const plugin = spawn('python3', ['-W', 'error', script, '2'], { env: { ...env, CINCH_PROJECT: layout.project } })
    watchChild(plugin, 'rate_limit.py')
    defer(() => plugin.kill('SIGKILL'))
    const ended = new Promise((resolve) => plugin.once('exit', resolve))
    await new Promise((resolve) => plugin.stdout.once('data', resolve))

    const read = { sql: 'select 1' }
    for (const _ of [1, 2]) await client.call('query.run', read)
    expect(await client.refused('query.run', read)).toMatchObject({
      kind: 'queryVetoed',
      plugin: 'rate-limit',
      reason: expect.stringContaining('2 statements a minute are allowed'),
    })
    expect((await client.call('query.run', { ...read, tenant: 'acme' })).rows).toEqual([[1]])
    expect(await client.call('plugin.rate-limit.used')).toBe(2)
    expect(await client.call('plugin.rate-limit.used', { tenant: 'acme' })).toBe(1)

    plugin.stdin.end()
    expect(await ended).toBe(0)
    while ((await client.call('plugin.list')).plugins.length > 0) {}
    expect((await client.call('query.run', read)).rows).toEqual([[1]])
  })

  test.skipIf(!fs.existsSync(chinook))(
    'a database of strangers comes in, is read, and goes out as it was',
    { timeout: 120_000 },
    async () => {
      const layout = temporaryProject()
      await startCinchd(layout)
      const exported = path.join(temporaryFolder(), 'exported.sqlite')

      const script = path.join(root, 'test/e2e/python-chinook.py')
      const printed = await output('python3', ['-W', 'error', script, layout.project, chinook, exported], { env })

      // Counted by a third party, so that comparing nothing with nothing does not pass.
      expect(JSON.parse(printed)).toEqual({ rows: countsOf(chinook), sqlite3: findProgram('sqlite3') !== undefined })
      expect(countsOf(exported)).toEqual(countsOf(chinook))
    },
  )
})

/** How many rows each table has. */
function countsOf(file: string): Record<string, number> {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    const tables = db.prepare<[], string>("select name from sqlite_schema where type = 'table' order by name").pluck()
    const count = (table: string) => db.prepare<[], number>(`select count(*) from "${table}"`).pluck().get() as number
    return Object.fromEntries(tables.all().map((table) => [table, count(table)]))
  } finally {
    db.close()
  }
}
