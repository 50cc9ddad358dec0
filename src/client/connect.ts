import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client, type ResultOf } from './client.ts'

export interface ConnectOptions {
  /** The project's folder; by default looked for from the working directory upward, or in `CINCH_PROJECT`. */
  readonly project?: string
  /** Start a daemon where none runs. On by default. */
  readonly start?: boolean
  /** How a daemon that is started stops by itself, in seconds without a client; null: it does not. */
  readonly idleExitSeconds?: number | null
  /** How this client names itself. */
  readonly name?: string
  readonly scope?: { readonly database?: string; readonly branch?: string; readonly tenant?: string }
  /** Told what client and daemon agreed on. */
  readonly agreed?: (agreement: ResultOf<'initialize'>) => void
}

/** What a running daemon says of itself in `.cinchdb/daemon.json`. */
export interface RunningDaemon {
  readonly pid: number
  readonly socket: string
  readonly version: string
}

const patienceMs = 20_000
const defaultIdleExitSeconds = 600

/** Connect to a project's daemon, starting one where none runs. */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const project = options.project ?? findProject()
  if (project === undefined) throw new NoProjectError()
  const socket = await openSocket(project, options)
  const client = new Client(socket, socket)
  // A daemon that does not answer at all would keep its clients for ever.
  const impatience = setTimeout(() => socket.destroy(), patienceMs)
  try {
    const agreement = await client.initialize(options.name ?? 'cinch', options.scope)
    options.agreed?.(agreement)
    return client
  } catch (error) {
    await client.close()
    throw error
  } finally {
    clearTimeout(impatience)
  }
}

/** There is no project in the given folder, or in the working directory or above it. */
export class NoProjectError extends Error {
  override name = 'NoProjectError'
  readonly path: string

  constructor(path = process.cwd()) {
    super(`no cinch project in ${path}; \`cinch init\` makes one`)
    this.path = path
  }
}

/** The nearest folder that is a project, from `start` upward. */
export function findProject(start = process.env.CINCH_PROJECT ?? process.cwd()): string | undefined {
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    if (isProject(folder)) return folder
    if (folder === path.dirname(folder)) return undefined
  }
}

export function isProject(folder: string): boolean {
  return fs.existsSync(path.join(folder, '.cinchdb', 'metadata.db'))
}

/** What the project's daemon says of itself; undefined where none does, or what is there makes no sense. */
export function readDiscovery(project: string): RunningDaemon | undefined {
  try {
    const said = JSON.parse(fs.readFileSync(path.join(project, '.cinchdb', 'daemon.json'), 'utf8'))
    return typeof said.socket === 'string' && typeof said.pid === 'number' ? said : undefined
  } catch {
    return undefined
  }
}

/** The socket of the daemon that runs, as `daemon.json` says; undefined where nobody answers there. */
export async function runningSocket(project: string): Promise<net.Socket | undefined> {
  const socketPath = readDiscovery(project)?.socket
  if (socketPath === undefined) return undefined
  return new Promise((resolve) => {
    const socket = net.createConnection(socketPath)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', () => resolve(undefined))
  })
}

/** Start a daemon that outlives this process. Its log goes to `.cinchdb/daemon.log`. */
export function startDaemon(project: string, idleExitSeconds?: number): ChildProcess {
  const program = fileURLToPath(new URL('../cinchd.js', import.meta.url))
  const log = fs.openSync(path.join(project, '.cinchdb', 'daemon.log'), 'a', 0o600)
  const args = ['--project', project, '--socket']
  if (idleExitSeconds !== undefined) args.push('--idle-exit', String(idleExitSeconds))
  const child = spawn(process.execPath, [program, ...args], { detached: true, stdio: ['ignore', 'ignore', log] })
  child.unref()
  fs.closeSync(log)
  return child
}

async function openSocket(project: string, options: ConnectOptions): Promise<net.Socket> {
  if (!isProject(project)) throw new NoProjectError(project)
  const running = await runningSocket(project)
  if (running) return running
  if (options.start === false) throw new Error('no daemon runs for this project; `cinch daemon start` starts one')
  const { idleExitSeconds = defaultIdleExitSeconds } = options
  const child = startDaemon(project, idleExitSeconds ?? undefined)
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    await sleep(15)
    const socket = await runningSocket(project)
    if (socket) return socket
    // One that leaves the project to another ends with 0; that other may not listen yet.
    const hasFailed = (child.exitCode ?? 0) !== 0 || child.signalCode !== null
    if (hasFailed || performance.now() > giveUpAt) throw new Error(`the daemon did not start: ${lastWords(project)}`)
  }
}

/** Why a daemon ended, as far as its log tells: a refusal, or what Node says of an error that nobody caught. */
function lastWords(project: string): string {
  const file = path.join(project, '.cinchdb', 'daemon.log')
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n')
  const thrown = lines.slice(-50).findLast((line) => /^\w*Error\b.*: /.test(line))
  try {
    const { kind, reason, msg } = JSON.parse(lines.at(-1) ?? '')
    return [kind ?? msg, reason].filter(Boolean).join(': ')
  } catch {
    return thrown ?? `its log is ${file}`
  }
}
