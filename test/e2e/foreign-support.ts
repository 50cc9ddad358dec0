import { type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { program } from '../support/cinchd.ts'
import { defer, watchChild } from '../support/cleanup.ts'
import { temporaryFolder } from '../support/project.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const pythonClient = path.join(root, 'protocol/clients/python')

/** How other programs run the built daemon, as one text for a shell. */
export const cinchdCommand = `"${process.execPath}" "${program}"`

/** In a check that counts nothing may be left out because a tool is missing. */
const isStrict = Boolean(process.env.CI)

/** Whether to skip what needs a tool that is not here. Under `CI` it is run, and fails. */
export function skipWithout(tool: unknown): boolean {
  return !tool && !isStrict
}

/** A program of that name that runs at all. */
export function findProgram(name: string, args: readonly string[] = ['--version']): string | undefined {
  const { error, status } = spawnSync(name, args, { stdio: 'ignore' })
  return error === undefined && status === 0 ? name : undefined
}

/** A Python that the client supports. */
export function findPython(): string | undefined {
  return findProgram('python3', ['-c', 'import sys, sqlite3; sys.exit(sys.version_info < (3, 9))'])
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  readonly input?: string
}

/** Run a program to its end. It is killed if the test ends before. */
export function run(
  command: string,
  args: readonly string[],
  { input, ...options }: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, options)
    watchChild(child, command)
    defer(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** What a program prints, which has to end well. */
export async function output(command: string, args: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code !== 0) throw new Error(`${path.basename(command)} ended with ${code}:\n${stderr}${stdout}`)
  return stdout
}

/** Run a module of tests that lies with the Python client: none may be skipped, and nothing may be left behind. */
export async function passPythonTests(module: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = temporaryFolder()
  const { code, stderr } = await run('python3', ['-W', 'error', '-m', 'unittest', '-v', module], {
    cwd: pythonClient,
    env: { ...env, CI: 'true', TMPDIR: folder },
  })
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/Ran [1-9]\d+ tests/)
  expect(stderr).not.toMatch(/skipped/)
  expect(fs.readdirSync(folder)).toEqual([])
}
