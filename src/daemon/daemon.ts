import fs from 'node:fs'
import net from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from 'pino'
import { wireError } from '../../protocol/errors.ts'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import { refuse } from '../base/refusal.ts'
import { Engine } from '../engine/engine.ts'
import { registry } from '../methods/index.ts'
import type { DaemonControl } from '../methods/method.ts'
import { openrpc } from '../methods/openrpc.ts'
import { Dispatcher } from '../rpc/dispatch.ts'
import { leanSocket } from '../rpc/lean-socket.ts'
import { type Scope, Session } from '../rpc/session.ts'
import { DaemonCall } from './call.ts'
import { removeDiscovery, writeDiscovery } from './discovery.ts'

export interface DaemonOptions {
  readonly project: string
  readonly log: Logger
  /** Stop when no client was connected for so long. */
  readonly idleExitMs?: number
  /** Check results and refusals against what methods declare. */
  readonly checkResults?: boolean
}

interface MethodStats {
  count: number
  failed: number
  totalMs: number
  maxMs: number
}

const defaultScope: Scope = { database: 'main', branch: 'main', tenant: 'main' }

/** The daemon: an open project, and the clients connected to it. The one place that builds the others. */
export class Daemon implements DaemonControl, AsyncDisposable {
  readonly engine: Engine
  /** Settles when the daemon has stopped. */
  readonly stopped: Promise<void>
  readonly #options: DaemonOptions
  readonly #sessions = new Set<Session>()
  readonly #dispatcher: Dispatcher<DaemonCall>
  readonly #stats = new Map<string, MethodStats>()
  readonly #startedAt = performance.now()
  #server: net.Server | undefined
  #socketPath: string | undefined
  #lastSession = 0
  #idleTimer: NodeJS.Timeout | undefined
  #endsWithLastSession = false
  #stopping: Promise<void> | undefined
  #resolveStopped!: () => void

  /** Open the project; refuses as `Engine.open` does. */
  constructor(options: DaemonOptions) {
    this.#options = options
    this.engine = Engine.open(options.project, { log: options.log })
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve
    })
    this.#dispatcher = new Dispatcher({
      registry,
      newCall: (session, id, params) => new DaemonCall(this.engine, this, session, id, params),
      log: options.log,
      checkResults: options.checkResults ?? false,
      onAnswer: (method, failed, durationMs) => this.#count(method, failed, durationMs),
    })
  }

  /** Listen on a Unix socket that only this user can open, and say where in `daemon.json`. */
  async listen(socketPath: string): Promise<void> {
    const { layout } = this.engine.parts
    // We hold the catalog, so a socket that lies here belonged to a daemon that is dead.
    const found = fs.lstatSync(socketPath, { throwIfNoEntry: false })
    if (found && !found.isSocket()) refuse('pathRefused', { path: socketPath, reason: 'something else lies there' })
    fs.rmSync(socketPath, { force: true })
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
      const socket = leanSocket(accepted)
      this.#accept(socket, socket)
    })
    const umask = process.umask(0o177)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(socketPath, resolve)
      })
    } finally {
      process.umask(umask)
    }
    this.#server = server
    this.#socketPath = socketPath
    writeDiscovery(layout, {
      pid: process.pid,
      socket: socketPath,
      version: productVersion,
      protocolVersion,
      startedAt: new Date().toISOString(),
    })
    this.#options.log.info({ socket: socketPath, project: layout.project }, 'listening')
    this.#watchIdleness()
  }

  /** Serve one client over a pair of streams; the daemon stops when it and every other client is gone. */
  serveStdio(input: Readable, output: Writable): Session {
    this.#endsWithLastSession = true
    return this.#accept(input, output)
  }

  discover(): object {
    return openrpc()
  }

  stats(): object {
    return {
      uptimeMs: performance.now() - this.#startedAt,
      sessions: this.#sessions.size,
      openFiles: this.engine.parts.pool.size,
      residentBytes: process.memoryUsage.rss(),
      requests: Object.fromEntries(this.#stats),
    }
  }

  /**
   * Stop in good order: accept nobody, end every session with what it is owed, close the files, let go of the project.
   * The process ends because nothing is left to do.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idleTimer)
    const { layout } = this.engine.parts
    this.#server?.close()
    removeDiscovery(layout)
    // The call that asked for this is answered first.
    await new Promise(setImmediate)
    await Promise.all([...this.#sessions].map((session) => session.close()))
    await this.engine.close()
    if (this.#socketPath !== undefined) fs.rmSync(this.#socketPath, { force: true })
    this.#options.log.info('stopped')
    this.#resolveStopped()
  }

  #accept(input: Readable, output: Writable): Session {
    const { limits } = this.engine.parts.config
    const session = new Session(input, output, this.#dispatcher, {
      id: `s${++this.#lastSession}`,
      scope: defaultScope,
      maxMessageBytes: limits.maxMessageBytes,
      maxUnsentBytes: limits.maxUnsentBytes,
      maxInFlight: limits.maxInFlight,
      maxBatch: limits.maxBatch,
    })
    if (this.#sessions.size >= limits.maxSessions || this.#stopping) {
      const error = this.#stopping
        ? wireError('shuttingDown', {})
        : wireError('limitExceeded', { limit: 'maxSessions', max: limits.maxSessions })
      session.refuseAll(error)
      return session
    }
    this.#sessions.add(session)
    clearTimeout(this.#idleTimer)
    session.connection.onNotification('exit', () => void session.close())
    void session.ended.then(() => {
      this.#sessions.delete(session)
      if (this.#sessions.size > 0 || this.#stopping) return
      if (this.#endsWithLastSession) void this.stop()
      else this.#watchIdleness()
    })
    return session
  }

  #watchIdleness(): void {
    const { idleExitMs } = this.#options
    if (idleExitMs === undefined || this.#sessions.size > 0) return
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => void this.stop(), idleExitMs)
  }

  #count(method: string, failed: boolean, durationMs: number): void {
    let stats = this.#stats.get(method)
    if (stats === undefined) {
      if (registry.get(method) === undefined) return
      stats = { count: 0, failed: 0, totalMs: 0, maxMs: 0 }
      this.#stats.set(method, stats)
    }
    stats.count++
    if (failed) stats.failed++
    stats.totalMs += durationMs
    if (durationMs > stats.maxMs) stats.maxMs = durationMs
  }
}
