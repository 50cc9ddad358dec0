import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** What Python code is checked with, ours and what is generated. */
export const pythonCheckers = ['mypy==2.4.1', 'pydantic==2.14.4', 'ruff==0.17.6']

/** The Python of a virtual environment with these packages, made once for all tests; undefined where it cannot be made. */
export function pythonWith(requirements: readonly string[]): string | undefined {
  const { stdout, status } = spawnSync('python3', ['-VV'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  const key = createHash('sha256')
    .update([stdout, ...requirements].join('\n'))
    .digest('hex')
    .slice(0, 16)
  const folder = path.join(os.tmpdir(), `cinch-venv-${key}`)
  if (!fs.existsSync(folder)) make(folder, requirements)
  return fs.existsSync(folder) ? path.join(folder, 'bin/python') : undefined
}

/** Beside, and then renamed: whoever sees it sees it whole. */
function make(folder: string, requirements: readonly string[]): void {
  const beside = `${folder}.${process.pid}`
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements]
  const isMade =
    spawnSync('python3', ['-m', 'venv', beside], { stdio: 'ignore' }).status === 0 &&
    spawnSync(path.join(beside, 'bin/python'), pip, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  if (isMade && !fs.existsSync(folder)) fs.renameSync(beside, folder)
  fs.rmSync(beside, { recursive: true, force: true })
}
