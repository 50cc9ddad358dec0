import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { watchChild } from '../support/cleanup.ts'
import { World } from './transfer-support.ts'

const child = fileURLToPath(new URL('transfer-crash-child.mjs', import.meta.url))
const built = fileURLToPath(new URL('../../dist/src/engine/transfer/import.js', import.meta.url))

const rows = `create table t (a); insert into t
  with recursive c (n) as (select 1 union all select n + 1 from c limit 400) select zeroblob(4000) from c`

/** Import in a process of its own, and end it after so many milliseconds. */
async function cutShort(project: string, file: string, afterMs: number): Promise<void> {
  if (!fs.existsSync(built)) throw new Error('the engine is not built: npx tsc -p tsconfig.build.json')
  const importer = fork(child, [project, file], { stdio: 'ignore' })
  watchChild(importer, 'importer')
  await once(importer, 'message')
  importer.send('go')
  const ended = once(importer, 'exit')
  setTimeout(() => importer.kill('SIGKILL'), afterMs)
  await ended
}

test.for([
  1, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300,
])('a process that ends %i ms into an import has imported the file or it has not', async (afterMs) => {
  const world = new World()
  const file = world.sqlite('in.db', rows)
  await world.reopen(() => cutShort(world.folder, file, afterMs))
  expect(world.scratchFiles).toEqual([])
  const isImported = world.branch.head.schema.tables.length > 0
  if (!isImported) expect((await world.import(file)).rows).toEqual({ t: 400 })
  expect(await world.rows('select count(*) from t')).toEqual([[400n]])
  expect(await world.verify()).toEqual([])
})

test.for([
  1, 30, 60, 90, 120, 150, 200,
])('a process that ends %i ms into an import of rows has all of them or none', async (afterMs) => {
  const world = new World()
  await world.schema('create table t (a, b)')
  const lines = Array.from({ length: 20_000 }, (_, at) => `${at},text`)
  const file = world.write('in.csv', `a,b\n${lines.join('\n')}\n`)
  await world.reopen(() => cutShort(world.folder, file, afterMs))
  expect([[[0n]], [[20_000n]]]).toContainEqual(await world.rows('select count(*) from t'))
  expect(await world.verify()).toEqual([])
})
