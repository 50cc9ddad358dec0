import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  cinchdCommand,
  findPython,
  output,
  passPythonTests,
  pythonClient,
  skipWithout,
} from '../e2e/foreign-support.ts'
import { temporaryFolder } from '../support/project.ts'
import { pythonCheckers, pythonWith } from '../support/venv.ts'

const python = findPython()
const checkers = pythonWith(pythonCheckers)
const env = { ...process.env, CINCHD: cinchdCommand, CINCH_CHECK_RESULTS: '1', PYTHONDONTWRITEBYTECODE: '1' }

describe.skipIf(skipWithout(python))('the asyncio client for Python', () => {
  test('its own tests pass, and leave nothing behind', { timeout: 600_000 }, async () => {
    await passPythonTests('test_aio', env)
  })
})

describe.skipIf(skipWithout(checkers))('the Python client', () => {
  const program = checkers as string

  test('passes mypy --strict and ruff', { timeout: 300_000 }, async () => {
    const options = { cwd: pythonClient, env }
    await output(program, ['-m', 'mypy', '--cache-dir', temporaryFolder()], options)
    await output(program, ['-m', 'ruff', 'check', '--no-cache'], options)
    await output(program, ['-m', 'ruff', 'format', '--no-cache', '--check'], options)
  })

  test('becomes a wheel that installs and has its types', { timeout: 600_000 }, async () => {
    const folder = temporaryFolder()
    const [source, built, fresh] = ['source', 'built', 'fresh'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ]
    fs.cpSync(pythonClient, source, { recursive: true })
    const pip = ['-m', 'pip', '--disable-pip-version-check', '--quiet']
    await output(program, [...pip, 'wheel', source, '--no-deps', '--wheel-dir', built], { env })
    const wheels = fs.readdirSync(built)
    expect(wheels).toEqual([expect.stringMatching(/^cinch_client-.+-py3-none-any\.whl$/)])

    await output(program, ['-m', 'venv', fresh], { env })
    const installed = path.join(fresh, 'bin/python')
    await output(installed, [...pip, 'install', '--no-index', ...wheels.map((name) => path.join(built, name))], { env })
    const script = `
import importlib.metadata, pathlib, cinch, cinch.aio, cinch.api, cinch.typed
assert cinch.__version__ == importlib.metadata.version("cinch-client")
folder = pathlib.Path(cinch.__file__).parent
print(folder, (folder / "py.typed").exists())`
    const [at, isTyped] = (await output(installed, ['-I', '-W', 'error', '-c', script], { env })).trim().split(' ')
    expect(at?.startsWith(fresh)).toBe(true)
    expect(isTyped).toBe('True')
  })
})
