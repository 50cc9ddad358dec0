import fs from 'node:fs'
import net from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from 'pino'
import { type ErrorKind, wireError } from '../../protocol/errors.ts'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import { refuse } from '../base/refusal.ts'
import { Engine } from '../engine/engine.ts'
import { Keyring } from '../engine/keys.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { DaemonControl } from '../methods/method.ts'
import { openrpc } from '../methods/openrpc.ts'
import { answerPlugin } from '../methods/plugin-database.ts'
import { registryWith } from '../methods/plugin-methods.ts'
import { Plugins } from '../plugins/plugins.ts'
import { requestName } from '../rpc/call.ts'
import { Dispatcher, type Observer } from '../rpc/dispatch.ts'
import { leanSocket } from '../rpc/lean-socket.ts'
import { type Scope, Session } from '../rpc/session.ts'
import { DaemonCall } from './call.ts'
import { CallLog } from './call-log.ts'
import { removeDiscovery, writeDiscovery } from './discovery.ts'
import { cutSql, planLines, type SlowStatement, SlowStatements } from './slow-statements.ts'
import { Stats } from './stats.ts'

export interface DaemonOptions {
  readonly project: string
  readonly log: Logger
  /** Stop when no client was connected for so long. */
  readonly idleExitMs?: number
  /** Check results and refusals against what methods declare. */
  readonly checkResults?: boolean
  /** The time in ms since 1970. */
  readonly clock?: () => number
}

const defaultScope: Scope = { database: 'main', branch: 'main', tenant: 'main' }

/** The daemon: an open project, and the clients connected to it. The one place that builds the others. */
export class Daemon implements DaemonControl, Observer, AsyncDisposable {
  readonly engine: Engine
  readonly plugins: Plugins
  /** Settles when the daemon has stopped. */
  readonly stopped: Promise<void>
  readonly #options: DaemonOptions
  readonly #sessions = new Set<Session>()
  readonly #dispatcher: Dispatcher<DaemonCall>
  readonly #stats = new Stats()
  /** What sessions have unlocked. */
  readonly #keyrings = new Map<Session, Keyring>()
  readonly #slow = new SlowStatements()
  readonly #callLog: CallLog
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
    this.engine = Engine.open(options.project, options)
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve
    })
    this.plugins = new Plugins({
      project: this.engine.parts.layout.project,
      log: options.log,
      database: (request, exempt) => answerPlugin(this.engine, this.plugins, request, exempt),
    })
    this.engine.parts.events.listener = (event) => this.plugins.tell(event)
    this.#callLog = new CallLog(options.log, this.engine.parts.config.logParameters)
    this.#dispatcher = new Dispatcher<DaemonCall>({
      registry: registryWith(this.plugins),
      newCall: (session, id, params) => new DaemonCall(this.engine, this, session, id, params),
      log: options.log,
      checkResults: options.checkResults ?? false,
      observer: this,
    })
  }

  /**
   * Load the plugins that the settings name, listen on a Unix socket that only this user can open, and say where in
   * `daemon.json`. Where a plugin cannot be loaded nothing is served, unless its failures are skipped.
   */
  async listen(socketPath: string): Promise<void> {
    const { layout } = this.engine.parts
    await this.#loadPlugins()
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

  keyring(session: Session): Keyring {
    let keyring = this.#keyrings.get(session)
    if (keyring === undefined) {
      keyring = new Keyring(this.engine.parts.keys)
      // One that has ended unlocks nothing any more.
      if (this.#sessions.has(session)) this.#keyrings.set(session, keyring)
    }
    return keyring
  }

  discover(): object {
    return openrpc(this.plugins)
  }

  stats(): ReturnType<DaemonControl['stats']> {
    const { pool, config, transactions } = this.engine.parts
    const { rss, heapUsed, external } = process.memoryUsage()
    let inFlight = 0
    for (const session of this.#sessions) inFlight += session.unanswered
    return {
      uptimeMs: performance.now() - this.#startedAt,
      sessions: this.#sessions.size,
      sessionsStarted: this.#lastSession,
      inFlight,
      transactions: transactions.count,
      cursors: this.engine.cursors.size,
      openFiles: pool.size,
      filesOpened: pool.opened,
      logBytes: pool.logBytes,
      checkpoints: pool.checkpoints,
      residentBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external,
      requests: this.#stats.methods,
      lanes: this.#stats.lanes,
      plugins: Object.fromEntries(this.plugins.all.map(({ name, summary }) => [name, summary])),
      slowStatements: {
        thresholdMs: config.slowStatementMs,
        count: this.#slow.count,
        last: this.#slow.last,
      },
    }
  }

  /** Every answer passes here. */
  answered(
    session: Session,
    request: Readonly<Record<string, unknown>>,
    call: DaemonCall | undefined,
    ms: number,
    failure: ErrorKind | undefined,
  ): void {
    const lane = call?.lane ?? 'inline'
    // clients may make up as many names as they like
    if (failure !== 'methodNotFound') this.#stats.record(request.method as string, lane, ms, failure)
    if (this.#callLog.isOn)
      this.#callLog.write(session, request, { lane, ms, failure, isSecret: call?.isSecret ?? false })
  }

  /** A statement of a client took long: log it, and keep it among the last ones. */
  noteSlow(
    call: DaemonCall,
    tenant: Tenant,
    { sql, ms, rows }: { sql: string; ms: number; rows: number | null },
  ): void {
    const { branch } = tenant
    const statement: SlowStatement = {
      at: this.engine.parts.now(),
      request: requestName(call.session, call.id),
      database: branch.database.row.name,
      branch: branch.name,
      tenant: tenant.name,
      // What an encrypted tenant holds is in its own file alone.
      sql: tenant.row.cipher === null ? cutSql(sql) : '[encrypted tenant]',
      lane: call.lane,
      ms: Math.round(ms * 1_000) / 1_000,
      rows,
      plan: planLines(branch.head, sql),
    }
    this.#slow.add(statement)
    const { at: _, ...fields } = statement
    this.#options.log.warn(fields, 'slow statement')
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
    await this.plugins[Symbol.asyncDispose]()
    await this.engine.close()
    if (this.#socketPath !== undefined) fs.rmSync(this.#socketPath, { force: true })
    this.#options.log.info('stopped')
    this.#resolveStopped()
  }

  async #loadPlugins(): Promise<void> {
    for (const entry of this.engine.parts.config.plugins) {
      try {
        await this.plugins.load(entry)
      } catch (error) {
        this.#options.log.error({ err: error, path: entry.path, package: entry.package }, 'a plugin cannot be loaded')
        if (entry.onFailure === 'skip') continue
        await this.stop()
        throw error
      }
    }
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
    this.#options.log.debug({ session: session.id }, 'connected')
    session.connection.onNotification('exit', () => void session.close())
    void session.ended.then(() => {
      this.#sessions.delete(session)
      this.engine.parts.transactions.endOf(session)
      this.engine.cursors.closeOf(session)
      this.#keyrings.get(session)?.close()
      this.#keyrings.delete(session)
      this.#options.log.debug({ session: session.id, client: session.client?.name }, 'disconnected')
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
}
