import path from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { LogLevel } from '../../protocol/limits.ts'
import { Daemon } from '../../src/daemon/daemon.ts'
import type { Layout } from '../../src/storage/layout.ts'
import { defer } from './cleanup.ts'
import { connectRaw, type RawClient } from './client.ts'
import { type ProjectOptions, temporaryProject } from './project.ts'

/** A daemon inside the test's own process, on a real socket, with a client. It checks its answers against the contract. */
export interface TestDaemon {
  readonly daemon: Daemon
  readonly layout: Layout
  readonly client: RawClient
  /** What it logged. */
  readonly logged: { readonly msg: string; readonly [field: string]: unknown }[]
  connect(framing?: 'lines' | 'headers'): Promise<RawClient>
}

export interface DaemonOptions extends ProjectOptions {
  readonly layout?: Layout
  readonly logLevel?: LogLevel
  readonly clock?: () => number
}

export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const keep = options.keep ?? defer
  const layout = options.layout ?? temporaryProject(options)
  const logged: TestDaemon['logged'] = []
  const sink = new Writable({
    write(line, _, done) {
      logged.push(JSON.parse(String(line)))
      done()
    },
  })
  const daemon = new Daemon({
    project: layout.project,
    log: pino({ level: options.logLevel ?? 'info' }, sink),
    checkResults: true,
    ...(options.clock && { clock: options.clock }),
  })
  keep(() => daemon.stop())
  const socket = path.join(layout.root, 'daemon.sock')
  await daemon.listen(socket)
  const connect = (framing: 'lines' | 'headers' = 'lines') => connectRaw(socket, framing, keep)
  return { daemon, layout, logged, client: await connect(), connect }
}
