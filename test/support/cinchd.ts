import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Layout } from '../../src/storage/layout.ts'
import { defer, watchChild } from './cleanup.ts'
import { connectRaw, RawClient } from './client.ts'

/** The built daemon. */
export const program = fileURLToPath(new URL('../../dist/src/cinchd.js', import.meta.url))

export interface CinchdOptions {
  readonly project: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly keep?: (work: () => unknown) => void
}

/** A `cinchd` of its own process. Killed after the test, if it has not ended by then. */
export class Cinchd {
  readonly child: ChildProcess
  readonly pid: number
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  #stderr = ''
  #lookers: (() => void)[] = []

  constructor({ project, args, env, keep = defer }: CinchdOptions) {
    if (!fs.existsSync(program)) throw new Error('the daemon is not built: npx tsc -p tsconfig.build.json')
    const all = [program, '--project', project, ...args]
    this.child = spawn(process.execPath, all, { env: { ...process.env, CINCH_CHECK_RESULTS: '1', ...env } })
    this.pid = this.child.pid as number
    watchChild(this.child, `cinchd ${args.join(' ')}`)
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk
      this.#look()
    })
    this.stdin.on('error', () => {})
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        resolve(code ?? (signal as NodeJS.Signals))
        this.#look()
      })
    })
    keep(async () => {
      this.child.kill('SIGKILL')
      await this.exited
    })
  }

  get stdin(): Writable {
    return this.child.stdin as Writable
  }

  get stdout(): Readable {
    return this.child.stdout as Readable
  }

  /** What it logged so far. */
  get stderr(): string {
    return this.#stderr
  }

  /** Settles when it has logged something that matches; rejects if it ends before. */
  async logs(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#stderr)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`cinchd ended without logging ${pattern}: ${this.#stderr}`)
      }
      await new Promise<void>((resolve) => this.#lookers.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.child.kill(signal)
    return this.exited
  }

  #look(): void {
    const lookers = this.#lookers
    this.#lookers = []
    for (const look of lookers) look()
  }
}

/** A daemon on its project's socket, ready to be connected to. */
export async function startCinchd(
  layout: Layout,
  options: Partial<CinchdOptions> = {},
): Promise<Cinchd & { connect(framing?: 'lines' | 'headers'): Promise<RawClient> }> {
  const cinchd = new Cinchd({ project: layout.project, args: ['--socket'], ...options })
  await cinchd.logs(/"listening"/)
  const { socket } = JSON.parse(fs.readFileSync(layout.discovery, 'utf8')) as { socket: string }
  const connect = (framing: 'lines' | 'headers' = 'lines') => connectRaw(socket, framing, options.keep)
  return Object.assign(cinchd, { connect })
}

/** A `cinchd --stdio`, as an editor starts it, with its client. */
export function startStdio(
  layout: Layout,
  framing: 'lines' | 'headers' = 'lines',
): { cinchd: Cinchd; client: RawClient } {
  const cinchd = new Cinchd({ project: layout.project, args: ['--stdio'] })
  return { cinchd, client: new RawClient(cinchd.stdout, cinchd.stdin, framing) }
}

/** How many descriptors a process has open. */
export function descriptorsOf(pid: number): number {
  return fs.readdirSync(path.join('/proc', String(pid), 'fd')).length
}

/** The processes that a process has started and that have not ended. */
export function processesOf(pid: number): number[] {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** Megabytes of memory that a process holds. */
export function residentMegabytes(pid: number): number {
  const status = fs.readFileSync(path.join('/proc', String(pid), 'status'), 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
