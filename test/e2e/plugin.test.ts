import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Place } from './cinch-support.ts'

const cinch = path.resolve(import.meta.dirname, '../../dist/src/cinch.js')

test('a plugin that is begun with `cinch plugin new` works, and its test passes', { timeout: 120_000 }, async () => {
  await using place = new Place()
  await place.run(['init'])
  const folder = path.join(place.folder, 'guard')
  expect((await place.json('plugin', 'new', 'guard')).files).toEqual(['plugin.mjs', 'plugin.test.mjs', 'README.md'])

  const { NODE_OPTIONS: _, ...env } = process.env
  const options = { cwd: folder, env: { ...env, CINCH: `${process.execPath} ${cinch}` } }
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap'], options)
  expect(stdout).toMatch(/# pass 2\n# fail 0/)

  await place.json('plugin', 'load', 'guard/plugin.mjs', '--settings', '{"protect":["t"]}')
  await place.json('table', 'create', 't', 'a:integer')
  const refused = await place.run(['execute', 'insert into t (a) values (1)'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('the table t is protected')])
  expect(await place.json('rpc', 'plugin.guard.count')).toEqual({ statements: 0 })

  const listed = await place.run(['plugin', 'list'])
  expect(listed.stdout).toMatch(/guard +0\.1\.0 +worker +beforeQuery afterQuery +fail/)
  expect((await place.run(['plugin', 'unload', 'guard'])).stderr).toContain('Unloaded plugin guard.')
  expect((await place.json('plugin', 'list')).plugins).toEqual([])
})

test('`cinch plugin new` writes over nothing, and takes no name that is none', async () => {
  await using place = new Place()
  fs.mkdirSync(path.join(place.folder, 'a'))
  fs.writeFileSync(path.join(place.folder, 'a/README.md'), 'mine')

  expect((await place.run(['plugin', 'new', 'a'])).code).toBe(1)
  expect(fs.readdirSync(path.join(place.folder, 'a'))).toEqual(['README.md'])
  expect((await place.run(['plugin', 'new', '../b'])).code).toBe(2)
  expect((await place.run(['plugin', 'load', 'x.mjs', '--settings', '{'])).code).toBe(2)
})
