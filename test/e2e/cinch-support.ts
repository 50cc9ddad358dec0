import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export const program = path.resolve(import.meta.dirname, '../../dist/src/cinch.js')

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export function requireBuild(): void {
  if (!fs.existsSync(program)) throw new Error(`${program} is not there: run scripts/setup first`)
}

/** A folder of its own, and `cinch` run in it; at the end its daemon is stopped and the folder removed. */
export class Place implements AsyncDisposable {
  readonly folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'cinch-e2e-'))

  run(args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Outcome> {
    const child = this.start(args, options.env)
    child.stdin?.end(options.input ?? '')
    return outcomeOf(child)
  }

  /** The JSON that a command prints, which must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of it is what it tests
  async json(...args: string[]): Promise<any> {
    const { code, stdout, stderr } = await this.run(['--json', ...args])
    if (code !== 0) throw new Error(`cinch ${args.join(' ')}: ${stderr}`)
    return JSON.parse(stdout)
  }

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const { CINCH_PROJECT: _, NO_COLOR: __, ...inherited } = process.env
    return spawn(process.execPath, [program, ...args], { cwd: this.folder, env: { ...inherited, ...env } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (fs.existsSync(path.join(this.folder, '.cinchdb'))) await this.run(['daemon', 'stop'])
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}
