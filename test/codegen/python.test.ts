import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { output, pythonClient, root, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { pythonCheckers, pythonWith } from '../support/venv.ts'
import { expectGolden, makeNasty, testGolden } from './schemas.ts'

testGolden('python', {
  nasty: {},
  'nasty-pydantic': { models: 'pydantic' },
  'nasty-async': { client: 'async' },
  chinook: {},
  'chinook-pydantic': { models: 'pydantic' },
})

test('Python for an empty schema has no table', async () => {
  const { client } = await startDaemon()
  await expectGolden(client, 'python', 'empty', { models: 'pydantic' })
})

const python = pythonWith(pythonCheckers)

describe.skipIf(skipWithout(python))('generated Python', () => {
  const program = python as string
  const env = { ...process.env, PYTHONPATH: pythonClient, MYPYPATH: pythonClient, PYTHONDONTWRITEBYTECODE: '1' }

  test('is as ruff formats it', async () => {
    await output(program, [
      '-m',
      'ruff',
      'format',
      '--isolated',
      '--no-cache',
      '--check',
      path.resolve('test/codegen/golden/python'),
    ])
    await output(program, [
      '-m',
      'ruff',
      'check',
      '--isolated',
      '--no-cache',
      '--select',
      'E4,E7,F,I,W',
      path.resolve('test/codegen/golden/python'),
    ])
  })

  test.each([
    ['dataclasses', 'sync'],
    ['pydantic', 'sync'],
    ['dataclasses', 'async'],
    ['pydantic', 'async'],
  ])('with %s and the client %s passes mypy --strict, and works', { timeout: 180_000 }, async (models, kind) => {
    const layout = temporaryProject()
    const client = await (await startCinchd(layout)).connect()
    await makeNasty(client)
    const folder = temporaryFolder()
    const { files } = await client.call('codegen.generate', { language: 'python', options: { models, client: kind } })
    for (const { path: file, text } of files) fs.writeFileSync(path.join(folder, file), text)
    const use = `use_${kind}.py`
    fs.copyFileSync(path.join(root, 'test/codegen/python', use), path.join(folder, use))

    await output(
      program,
      ['-m', 'mypy', '--strict', '--cache-dir', path.join(folder, 'cache'), use, 'cinch_schema.py'],
      { cwd: folder, env },
    )
    const printed = await output(program, ['-W', 'error', use, layout.project], { cwd: folder, env })

    expect(printed.split('\n')).toEqual([
      'column "func" of "class" is of kind real, and a row has a value of type str',
      'schema differs: expected A, the branch has B; run cinch codegen generate python',
      'schema differs: expected A, the branch has not all of its tables and views; run cinch codegen generate python',
      '',
    ])
  })
})
