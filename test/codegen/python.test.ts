import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { output, pythonClient, root, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { pythonWith } from '../support/venv.ts'
import { chinook, expectGolden, makeNasty } from './schemas.ts'

const optionSets = [
  ['', {}],
  ['-pydantic', { models: 'pydantic' }],
  ['-async', { client: 'async' }],
] as const

test.each(optionSets)('Python for a schema that makes generators stumble is as it was%s', async (suffix, options) => {
  const { client } = await startDaemon()
  await makeNasty(client)
  await expectGolden(client, 'python', `nasty${suffix}`, options)
})

test.runIf(chinook)('Python for Chinook is as it was', async () => {
  const { client } = await startDaemon()
  await client.call('tenant.import', { name: 'main', path: chinook })
  await expectGolden(client, 'python', 'chinook')
  await expectGolden(client, 'python', 'chinook-pydantic', { models: 'pydantic' })
})

test('Python for an empty schema has no table', async () => {
  const { client } = await startDaemon()
  await expectGolden(client, 'python', 'empty', { models: 'pydantic' })
})

const python = pythonWith(['mypy==2.4.1', 'pydantic==2.14.4', 'ruff==0.17.6'])

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
