import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { cinchdProgram } from './cinchd-program.ts'
import type { Agreement, Connection, Scope } from './connection.ts'
import { CinchError, ConnectionLost } from './errors.ts'

export interface OpenOptions {
  /** The project's folder; by default looked for from the working directory upward, or in `CINCH_PROJECT`. */
  readonly project?: string | undefined
  /** Start a daemon where none runs. On by default. */
  readonly start?: boolean | undefined
  /** How a daemon that is started stops by itself, in seconds without a client; null: it does not. */
  readonly idleExitSeconds?: number | null | undefined
  /** How `cinchd` is run: a program and its arguments. By default the one of this package; clients look into `CINCHD` first. */
  readonly command?: string | readonly string[] | undefined
  /** How this client names itself; the history of schema edits has it. */
  readonly name?: string | undefined
  readonly scope?: Scope | undefined
  /** Told what client and daemon agreed on. */
  readonly agreed?: (agreement: Agreement) => void
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
export async function openConnection<C extends Connection>(
  Kind: new (input: Readable, output: Writable) => C,
  options: OpenOptions,
): Promise<C> {
  const project = options.project ?? findProject()
  if (project === undefined) throw new NoProjectError()
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const socket = await openSocket(project, options, giveUpAt)
    const connection = new Kind(socket, socket)
    try {
      // A daemon that does not answer at all would keep its clients for ever.
      const agreement = await connection.initialize(options.name ?? 'cinch', options.scope, patienceMs)
      options.agreed?.(agreement)
      return connection
    } catch (error) {
      await connection.close()
      if (options.start === false || !wasStopping(error) || performance.now() > giveUpAt) throw error
      await sleep(15)
    }
  }
}

/** Whether the daemon was on its way down: there can be another one. */
function wasStopping(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof CinchError && error.kind === 'shuttingDown')
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
function startDaemon(
  project: string,
  { idleExitSeconds = defaultIdleExitSeconds, command }: OpenOptions,
): ChildProcess {
  const [program, ...given] = commandWords(command)
  const args = [...given, '--project', project, '--socket']
  if (idleExitSeconds !== null) args.push('--idle-exit', String(idleExitSeconds))
  const log = fs.openSync(path.join(project, '.cinchdb', 'daemon.log'), 'a', 0o600)
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', log], env: daemonEnvironment() })
  // What there is to say of a program that cannot be run is said where its exit is looked at.
  child.on('error', () => {})
  child.unref()
  fs.closeSync(log)
  return child
}

/** Start a `cinchd --stdio`, which ends with its input. */
export function startStdio(project: string, command: OpenOptions['command']) {
  const [program, ...given] = commandWords(command)
  const args = [...given, '--stdio', '--project', path.resolve(project)]
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: daemonEnvironment() })
}

/** Without the key that `cinch` takes from there: a daemon is given keys by its clients alone. */
function daemonEnvironment(): NodeJS.ProcessEnv {
  const { CINCH_TENANT_KEY: _, ...environment } = process.env
  return environment
}

/** The words of a command line, some of which may be in quotes. */
function commandWords(command: OpenOptions['command']): [string, ...string[]] {
  const [program, ...args] = typeof command === 'string' ? splitWords(command) : (command ?? [])
  return program === undefined ? [process.execPath, cinchdProgram] : [program, ...args]
}

function splitWords(line: string): string[] {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []
  return words.map((word) => word.replace(/^(["'])(.*)\1$/s, '$2'))
}

async function openSocket(project: string, options: OpenOptions, giveUpAt: number): Promise<net.Socket> {
  if (!isProject(project)) throw new NoProjectError(project)
  const running = await runningSocket(project)
  if (running) return running
  if (options.start === false) throw new Error('no daemon runs for this project; `cinch daemon start` starts one')
  const child = startDaemon(project, options)
  for (;;) {
    await sleep(15)
    const socket = await runningSocket(project)
    if (socket) return socket
    // One that leaves the project to another ends with 0; that other may not listen yet.
    const hasFailed = child.pid === undefined || (child.exitCode ?? 0) !== 0 || child.signalCode !== null
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
