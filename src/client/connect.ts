import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from './client.ts'

export interface ConnectOptions {
  /** The project's folder; by default looked for from the working directory upward, or in `CINCH_PROJECT`. */
  readonly project?: string
  /** Start a daemon where none runs. On by default. */
  readonly start?: boolean
  /** How a daemon that is started stops by itself, in seconds without a client. */
  readonly idleExitSeconds?: number
  /** How this client names itself. */
  readonly name?: string
  readonly scope?: { readonly database?: string; readonly branch?: string; readonly tenant?: string }
}

const patienceMs = 20_000
const defaultIdleExitSeconds = 600

/** Connect to a project's daemon, starting one where none runs. */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const project = options.project ?? findProject()
  if (project === undefined) throw new NoProjectError()
  const socket = await openSocket(project, options)
  const client = new Client(socket, socket)
  try {
    await client.initialize(options.name ?? 'cinch', options.scope)
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}

/** There is no project in the working directory or above it. */
export class NoProjectError extends Error {
  override name = 'NoProjectError'
  constructor() {
    super('no cinch project here or in a folder above; `cinch init` makes one')
  }
}

/** The nearest folder with a `.cinchdb/metadata.db`, from `start` upward. */
export function findProject(start = process.env.CINCH_PROJECT ?? process.cwd()): string | undefined {
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    if (fs.existsSync(path.join(folder, '.cinchdb', 'metadata.db'))) return folder
    if (folder === path.dirname(folder)) return undefined
  }
}

/** The socket of the daemon that runs, as `daemon.json` says; undefined where nobody answers there. */
export async function runningSocket(project: string): Promise<net.Socket | undefined> {
  const file = path.join(project, '.cinchdb', 'daemon.json')
  let socketPath: unknown
  try {
    socketPath = JSON.parse(fs.readFileSync(file, 'utf8')).socket
  } catch {
    return undefined
  }
  if (typeof socketPath !== 'string') return undefined
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
export function startDaemon(project: string, idleExitSeconds?: number): void {
  const program = fileURLToPath(new URL('../cinchd.js', import.meta.url))
  const log = fs.openSync(path.join(project, '.cinchdb', 'daemon.log'), 'a', 0o600)
  const args = ['--project', project, '--socket', '--log-level', 'info']
  if (idleExitSeconds !== undefined) args.push('--idle-exit', String(idleExitSeconds))
  const child = spawn(process.execPath, [program, ...args], { detached: true, stdio: ['ignore', 'ignore', log] })
  child.unref()
  fs.closeSync(log)
}

async function openSocket(project: string, options: ConnectOptions): Promise<net.Socket> {
  const running = await runningSocket(project)
  if (running) return running
  if (options.start === false) throw new Error('no daemon runs for this project; `cinch daemon start` starts one')
  startDaemon(project, options.idleExitSeconds ?? defaultIdleExitSeconds)
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    await sleep(15)
    const socket = await runningSocket(project)
    if (socket) return socket
    if (performance.now() > giveUpAt) {
      throw new Error('the daemon did not start; its log is .cinchdb/daemon.log')
    }
  }
}
