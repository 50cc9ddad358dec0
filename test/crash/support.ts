import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { Daemon } from '../../src/daemon/daemon.ts'
import { createProject } from '../../src/engine/engine.ts'
import { Layout } from '../../src/storage/layout.ts'
import { watchChild } from '../support/cleanup.ts'
import { RawClient } from '../support/client.ts'
import type { Armed, Step, World } from './operations.ts'

const program = fileURLToPath(new URL('daemon.mjs', import.meta.url))
const built = fileURLToPath(new URL('../../dist/src/base/crash-point.js', import.meta.url))

/** Where projects lie. In memory if possible: a process that is killed leaves the same there as on a disk. */
const roomInMemory = '/dev/shm'
export const room = fs.mkdtempSync(path.join(fs.existsSync(roomInMemory) ? roomInMemory : os.tmpdir(), 'cinch-crash-'))
let lastFolder = 0

export function newFolder(): string {
  return path.join(room, String(++lastFolder))
}

export function copyOf(project: string): string {
  const folder = newFolder()
  fs.cpSync(project, folder, { recursive: true })
  return folder
}

/** A project in the test's own process, with a client, and what the daemon warned of. */
export class Opened implements AsyncDisposable {
  readonly project: string
  readonly warnings: string[] = []
  readonly daemon: Daemon
  readonly #client: RawClient

  constructor(project: string) {
    this.project = project
    const sink = new Writable({
      write: (line, _, done) => {
        this.warnings.push(String(line))
        done()
      },
    })
    this.daemon = new Daemon({ project, log: pino({ level: 'warn' }, sink), checkResults: true })
    const [input, output] = [new PassThrough(), new PassThrough()]
    this.daemon.serveStdio(input, output)
    this.#client = new RawClient(output, input)
  }

  get engine() {
    return this.daemon.engine
  }

  async run([method, params]: Step): Promise<void> {
    await this.#client.call(method, filledIn(params, this.project))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.stop()
  }
}

/** Make a project in which the world's steps were done, in `folder`. */
export async function build(world: World, folder: string): Promise<void> {
  createProject(folder)
  fs.writeFileSync(new Layout(folder).config, JSON.stringify({ checkpointBytes: 65_536 }))
  const live = `${folder}-live`
  if (!world.isClosed) fs.cpSync(folder, live, { recursive: true })
  const opened = new Opened(world.isClosed ? folder : live)
  for (const step of world.steps) await opened.run(step)
  await opened.engine.parts.drain.settled()
  const { id } = opened.engine.branch('main', 'main').head
  // Copied while it is open, it is what a daemon leaves that is killed: logs and all.
  if (!world.isClosed) fs.cpSync(live, folder, { recursive: true })
  await opened[Symbol.asyncDispose]()
  fs.rmSync(live, { recursive: true, force: true })
  fs.writeFileSync(path.join(folder, editFile), id)
  world.prepare?.(folder)
}

const editFile = 'edit'

function filledIn(params: object, project: string): object {
  const text = JSON.stringify(params).replaceAll('{project}', project)
  if (!text.includes('{edit}')) return JSON.parse(text)
  return JSON.parse(text.replaceAll('{edit}', fs.readFileSync(path.join(project, editFile), 'utf8')))
}

export interface Run {
  /** Whether it died at its crash point. If not, it ended in good order. */
  readonly isKilled: boolean
  /** How many steps are known to be done: they were answered. */
  readonly done: number
}

/**
 * A daemon of its own does the steps from number `from` on, and dies at a point. After an earlier death, the first of
 * them may have been done already, and is refused then.
 */
export async function run(
  project: string,
  steps: readonly Step[],
  crashAt: Armed,
  options: { from?: number; create?: boolean } = {},
): Promise<Run> {
  if (!fs.existsSync(built)) throw new Error('the daemon is not built: npx tsc -p tsconfig.build.json')
  const args = [program, project, ...(options.create ? ['create'] : [])]
  const child = spawn(process.execPath, ['--no-opt', ...args], {
    env: { ...process.env, CINCH_CRASH_AT: crashAt },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  watchChild(child, `daemon that dies at ${crashAt}`)
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const exited = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (code, signal) => resolve([code, signal]))
  })
  const client = new RawClient(child.stdout, child.stdin)
  let done = options.from ?? 0
  let fault: string | undefined
  for (const [method, params] of steps.slice(done)) {
    const answer = await client.request(method, filledIn(params, project)).catch(() => undefined)
    if (answer === undefined) break
    if (answer.error) {
      const isRepeated = options.from === done
      if (!isRepeated) fault = `${method}: ${answer.error.message} ${JSON.stringify(answer.error.data)}`
    }
    if (fault) break
    done++
  }
  child.stdin.end()
  const [code, signal] = await exited
  if (fault) throw new Error(fault)
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the daemon ended with ${code}: ${stderr}`)
  return { isKilled: signal === 'SIGKILL', done }
}
