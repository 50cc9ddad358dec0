#!/usr/bin/env node
import { Console } from 'node:console'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { type LogLevel, logLevels } from '../protocol/limits.ts'
import { isCompatible, productVersion, protocolVersion } from '../protocol/version.ts'
import { Refusal, refuse } from './base/refusal.ts'
import { Daemon } from './daemon/daemon.ts'
import { chooseSocketPath, readDiscovery } from './daemon/discovery.ts'
import { connectSocket, forward } from './daemon/forward.ts'
import { codeOf } from './storage/faults.ts'
import { Layout } from './storage/layout.ts'

/** How long to wait for a daemon that holds the project but does not answer yet. */
const patienceMs = 15_000
const parentCheckMs = 1_000

interface Options {
  readonly project: string
  readonly stdio: boolean
  readonly socket: string | undefined
  readonly idleExit: number | undefined
  /** Undefined: as the project's settings say. */
  readonly logLevel: LogLevel | undefined
}

const options = parseOptions()
const log = pino(
  { level: options.logLevel ?? 'info', base: { pid: process.pid } },
  pino.destination({ dest: 2, sync: true }),
)
// Standard output may be the wire: what a plugin in this thread writes to the console goes where the log goes.
globalThis.console = new Console(process.stderr)

try {
  const daemon = await startOrForward(options)
  if (daemon) {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void daemon.stop())
    if (options.stdio) {
      daemon.serveStdio(process.stdin, process.stdout)
      whenParentDies(() => void daemon.stop())
    }
    await daemon.stopped
  }
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  log.fatal({ kind: error.kind, ...error.data }, 'cannot start')
  process.exitCode = 1
}

function parseOptions(): Options {
  const parsed = yargs(hideBin(process.argv))
    .scriptName('cinchd')
    .usage(
      '$0 [--project DIR] (--stdio | --socket [PATH])\n\nThe daemon of a cinch project, or a way to the one that runs.',
    )
    .options({
      project: {
        type: 'string',
        default: process.env.CINCH_PROJECT ?? process.cwd(),
        describe: 'the project’s folder',
      },
      stdio: { type: 'boolean', default: false, describe: 'serve one client on standard input and output' },
      socket: { type: 'string', describe: 'listen on a Unix socket; without a path, on the project’s own' },
      'idle-exit': { type: 'number', describe: 'stop after so many seconds without a client' },
      'log-level': {
        choices: logLevels,
        default: process.env.CINCH_LOG as LogLevel | undefined,
        defaultDescription: 'CINCH_LOG, else logLevel of config.json',
        describe: 'what goes to standard error',
      },
    })
    .check(({ stdio, socket }) => stdio || socket !== undefined || 'one of --stdio and --socket is needed')
    .strict()
    .version(productVersion)
    .parseSync()
  return { ...parsed, idleExit: parsed['idle-exit'], logLevel: parsed['log-level'] }
}

/** Become the project's daemon, or pass bytes to the one that is; undefined when there is nothing left to do. */
async function startOrForward({ project, stdio, socket, idleExit, logLevel }: Options): Promise<Daemon | undefined> {
  const layout = new Layout(project)
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const daemon = tryDaemon(project, idleExit)
    if (daemon) {
      log.level = logLevel ?? daemon.engine.parts.config.logLevel
      await daemon.listen(chooseSocketPath(layout, socket === '' ? undefined : socket))
      return daemon
    }
    const running = readDiscovery(layout)
    const connection = running && (await tryConnect(running.socket))
    if (running && connection) {
      if (!isCompatible(running.protocolVersion)) {
        connection.destroy()
        refuse('versionMismatch', { client: protocolVersion, daemon: running.protocolVersion })
      }
      if (stdio) {
        whenParentDies(() => connection.destroy())
        await forward(process.stdin, process.stdout, connection)
      } else {
        connection.destroy()
        log.info({ pid: running.pid }, 'another daemon serves this project')
      }
      return undefined
    }
    // Somebody holds the project: a daemon on its way up or down, or one that cannot be reached.
    if (performance.now() > giveUpAt) refuse('projectBusy', { path: layout.project, pid: running?.pid })
    await sleep(20)
  }
}

/** The daemon, if this process can hold the project. */
function tryDaemon(project: string, idleExit: number | undefined): Daemon | undefined {
  try {
    return new Daemon({
      project,
      log,
      idleExitMs: idleExit === undefined ? undefined : idleExit * 1_000,
      checkResults: process.env.CINCH_CHECK_RESULTS === '1',
    })
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'projectBusy') return undefined
    throw error
  }
}

async function tryConnect(socketPath: string) {
  try {
    return await connectSocket(socketPath)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ECONNREFUSED') return undefined
    throw error
  }
}

/** A parent that dies may leave our standard input open in another process: look whether it is still there. */
function whenParentDies(work: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid !== parent) work()
  }, parentCheckMs)
  timer.unref()
}
