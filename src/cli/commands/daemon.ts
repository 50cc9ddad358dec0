import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { productVersion } from '../../../protocol/version.ts'
import { command, type Globals } from '../command.ts'
import type { Context } from '../context.ts'
import { showCalls } from '../daemon-stats.ts'
import { CliError, UsageError } from '../errors.ts'
import { wholeNumber } from '../limit.ts'
import { entriesOf, entryText } from '../log.ts'

const patienceMs = 20_000
const pollMs = 15
const defaultLines = 100

export const daemon = [
  command(
    'start',
    'Start the daemon, if none runs; it stays until it is stopped',
    (parser) =>
      parser.option('idle-exit', {
        ...wholeNumber('idle-exit', 1),
        describe: 'stop after so many seconds without a client',
      }),
    (context, { idleExit }) => start(context, idleExit),
  ),
  command(
    'stop',
    'Stop the daemon in good order, and wait until it is gone',
    (parser) => parser,
    async (context) => {
      const pid = await stop(context)
      const stopped = pid !== undefined
      context.output.result({ stopped, pid }, () =>
        context.output.note(stopped ? `Stopped the daemon (pid ${pid}).` : 'No daemon runs.'),
      )
    },
  ),
  command(
    'restart',
    'Stop the daemon, and start the version that is installed',
    (parser) => parser.option('idle-exit', { ...wholeNumber('idle-exit', 1), describe: 'as for start' }),
    async (context, { idleExit }) => {
      await stop(context)
      await start(context, idleExit)
    },
  ),
  command(
    'status',
    'Tell about the daemon that runs: versions, sessions, files, memory, calls and their times, slow statements',
    (parser) => parser,
    status,
  ),
  command(
    'logs',
    'Print the daemon’s log',
    (parser) =>
      parser
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on with what comes' })
        .option('lines', {
          ...wholeNumber('lines', 0),
          alias: 'n',
          describe: `how many lines of the end; default: ${defaultLines}`,
        }),
    (context, args) => logs(context, args),
  ),
  command(
    'socket-path',
    'Print the path of the daemon’s socket; a daemon is started where none runs',
    (parser) => parser,
    async (context) => {
      await context.client()
      const { socket } = await requireDiscovery(context)
      context.output.result({ socket }, () => context.output.line(socket))
    },
  ),
]

async function start(context: Context, idleExitSeconds: number | undefined): Promise<void> {
  const { connect, runningSocket } = await import('../../client/connect.ts')
  const project = await context.project()
  const running = await runningSocket(project)
  running?.destroy()
  const client = await connect({ project, idleExitSeconds: idleExitSeconds ?? null })
  await client.close()
  const { pid, socket, version } = await requireDiscovery(context)
  const started = running === undefined
  context.output.result({ started, pid, socket, version }, () =>
    context.output.note(started ? `Started the daemon (pid ${pid}).` : `The daemon runs already (pid ${pid}).`),
  )
}

/** Stop the daemon that runs, whatever its version; undefined where none does, else the pid it had. */
async function stop(context: Context): Promise<number | undefined> {
  const { runningSocket, readDiscovery } = await import('../../client/connect.ts')
  const { Client } = await import('../../client/client.ts')
  const project = await context.project()
  const socket = await runningSocket(project)
  const discovery = readDiscovery(project)
  if (!socket || !discovery) {
    socket?.destroy()
    return undefined
  }
  // Without `initialize`, which a daemon of another protocol version would refuse.
  await using client = new Client(socket, socket)
  await client.request('daemon.stop', {}).catch(unlessLost)
  await client.closed
  const giveUpAt = performance.now() + patienceMs
  while (isAlive(discovery.pid) || readDiscovery(project)?.pid === discovery.pid) {
    if (performance.now() > giveUpAt) {
      throw new CliError('timeout', 'The daemon has not stopped yet', { data: { pid: discovery.pid } })
    }
    await sleep(pollMs)
  }
  return discovery.pid
}

/** A daemon that goes may end the connection before its answer is out. */
function unlessLost(error: Error): void {
  if (error.name === 'CinchError') throw error
}

async function status(context: Context): Promise<void> {
  const { output } = context
  const { connect, runningSocket } = await import('../../client/connect.ts')
  const project = await context.project()
  const running = await runningSocket(project)
  running?.destroy()
  if (!running) return output.result({ running: false }, () => output.line('No daemon runs.'))
  await using client = await connect({ project, start: false })
  const [info, stats] = await Promise.all([client.request('project.info', {}), client.request('project.stats', {})])
  const { socket } = await requireDiscovery(context)
  output.result({ running: true, socket, ...info, ...stats }, () => {
    output.record({
      pid: info.pid,
      socket,
      version: info.version === productVersion ? info.version : `${info.version} (this is ${productVersion})`,
      protocol: info.protocolVersion,
      sqlite: info.sqliteVersion,
      uptime: durationText(stats.uptimeMs),
      sessions: `${stats.sessions}, ${stats.sessionsStarted} since the start`,
      inFlight: stats.inFlight,
      transactions: stats.transactions,
      cursors: stats.cursors,
      openFiles: `${stats.openFiles}, opened ${stats.filesOpened} times`,
      logs: `${mebibytes(stats.logBytes)} written ahead, ${stats.checkpoints} checkpoints`,
      memory: `${mebibytes(stats.residentBytes)}, heap ${mebibytes(stats.heapBytes)}`,
    })
    showCalls(stats, output)
  })
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

interface LogOptions extends Globals {
  readonly follow: boolean
  readonly lines?: number
}

async function logs(context: Context, { follow, lines = defaultLines, json }: LogOptions): Promise<void> {
  if (follow && json) throw new UsageError('one of --follow and --json: a log that goes on is no one value')
  const { output } = context
  const file = path.join(await context.project(), '.cinchdb', 'daemon.log')
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  const all = entriesOf(text)
  const last = lines === 0 ? [] : all.slice(-lines)
  output.result(last, () => {
    for (const entry of last) output.line(entryText(entry))
  })
  if (follow) await followFile(file, Buffer.byteLength(text), (entry) => output.line(entryText(entry)))
}

/** Hand over what is written to a file from `offset` on, a line at a time, for as long as this process runs. */
async function followFile(file: string, offset: number, show: (entry: unknown) => void): Promise<never> {
  let rest = ''
  let position = offset
  for (;;) {
    const size = fs.existsSync(file) ? fs.statSync(file).size : 0
    if (size < position) position = 0
    if (size > position) {
      const bytes = fs.readFileSync(file).subarray(position)
      position += bytes.length
      const lines = `${rest}${bytes.toString('utf8')}`.split('\n')
      rest = lines.pop() ?? ''
      for (const entry of entriesOf(lines.join('\n'))) show(entry)
    }
    await sleep(200)
  }
}

async function requireDiscovery(context: Context) {
  const { readDiscovery } = await import('../../client/connect.ts')
  const discovery = readDiscovery(await context.project())
  if (!discovery) throw new CliError('failed', 'The daemon has stopped meanwhile')
  return discovery
}

/** Whether a process runs. One that has ended and that nobody has asked after yet does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return process.platform !== 'linux'
  }
}

function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  const units = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const first = units.findIndex(([count]) => count > 0)
  const shown = first < 0 ? units.slice(-1) : units.slice(first, first + 2)
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ')
}
