import type { Logger } from 'pino'
import type { PluginEntry } from '../../protocol/limits.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { PluginLog } from './definition.ts'
import type { FileEvent, PluginEvent } from './events.ts'
import { QueryHooks } from './hooks.ts'
import type { HostPort } from './host.ts'
import { InDaemon } from './in-daemon.ts'
import type { HookName, Manifest, MethodManifest } from './manifest.ts'
import { defaultPolicy, Plugin, type Policy, reasonOf } from './plugin.ts'
import type { Exempt, Question, Runner } from './question.ts'
import { findModules } from './sources.ts'
import { Thread } from './thread.ts'

export interface PluginsOptions {
  /** The project's folder: paths and packages are looked for from there. */
  readonly project: string
  readonly log: Logger
  /** How plugins in the daemon reach tenants. */
  readonly database: HostPort['database']
}

/** The method of a plugin. */
export interface PluginMethodEntry {
  readonly plugin: Plugin
  readonly method: MethodManifest
}

const nobody: Exempt = []

/**
 * The plugins at work, in the order in which they were loaded. Nothing is ever loaded but what settings or a client name.
 *
 * **Invariant:** `hooks` is undefined while no plugin looks at statements. It is all that a statement looks at then.
 */
export class Plugins implements AsyncDisposable {
  hooks: QueryHooks | undefined
  readonly #options: PluginsOptions
  readonly #plugins = new Map<string, Plugin>()
  readonly #methods = new Map<string, PluginMethodEntry>()
  #untold: (PluginEvent | FileEvent)[] = []
  #isClosed = false

  constructor(options: PluginsOptions) {
    this.#options = options
  }

  get all(): Plugin[] {
    return [...this.#plugins.values()]
  }

  /** By their names on the wire. */
  get methods(): ReadonlyMap<string, PluginMethodEntry> {
    return this.#methods
  }

  /** Load what an entry names: all of it, or nothing. */
  async load(entry: PluginEntry): Promise<readonly Plugin[]> {
    const source = entry.package ?? entry.path ?? ''
    const started: Plugin[] = []
    try {
      for (const module of findModules(this.#options.project, entry))
        started.push(await this.#start(module, source, entry))
      if (this.#isClosed) refuse('shuttingDown', {})
      const names = new Set(started.map(({ name }) => name))
      const taken = started.find(({ name }) => this.#plugins.has(name) || !names.delete(name))
      if (taken) refuse('pluginExists', { plugin: taken.name })
    } catch (error) {
      await Promise.all(started.map((plugin) => plugin.end()))
      if (error instanceof Refusal) throw error
      return refuse('pluginLoadFailed', { source, reason: reasonOf(error) }, { cause: error })
    }
    for (const plugin of started) this.#add(plugin)
    return started
  }

  /** Take up a plugin that runs elsewhere. */
  register(manifest: Manifest, source: string, runner: Runner, policy: Policy): Plugin {
    if (this.#plugins.has(manifest.name)) refuse('pluginExists', { plugin: manifest.name })
    const plugin = new Plugin(manifest, source, runner, policy, this.#options.log)
    this.#add(plugin)
    return plugin
  }

  find(name: string): Plugin {
    return this.#plugins.get(name) ?? refuse('pluginNotFound', { plugin: name })
  }

  /** Nobody asks it anything from now on; it cleans up, and is ended. */
  async unload(plugin: Plugin): Promise<void> {
    if (this.#plugins.get(plugin.name) !== plugin) return
    this.#plugins.delete(plugin.name)
    for (const { name } of plugin.manifest.methods) this.#methods.delete(methodName(plugin, name))
    this.#hook()
    this.#options.log.info({ plugin: plugin.name }, 'unloaded a plugin')
    await plugin.end()
  }

  /** The plugins whose hooks the calls of an owner do not run: its own, and those at whose work it is. */
  exemptOf(owner: object): Exempt {
    let exempt: string[] | undefined
    for (const { name, runner } of this.#plugins.values()) {
      if (runner.owner !== owner) continue
      exempt ??= []
      exempt.push(name, ...(runner.exempt ?? nobody))
    }
    return exempt ?? nobody
  }

  /** Tell of what happened, once whoever is at it is through. */
  tell(event: PluginEvent | FileEvent): void {
    if (this.#plugins.size === 0) return
    if (this.#untold.push(event) === 1) setImmediate(() => this.#tellAll())
  }

  #tellAll(): void {
    const events = this.#untold
    this.#untold = []
    for (const event of events) {
      const question = questionOf(event)
      for (const plugin of this.#plugins.values()) if (hooksInto(plugin, question.kind)) plugin.tell(question)
    }
  }

  /** End them all, the last one first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const plugin of this.all.reverse()) await this.unload(plugin)
  }

  async #start(url: string, source: string, entry: PluginEntry): Promise<Plugin> {
    const { hookTimeoutMs, methodTimeoutMs, memoryMb, restart, runIn, settings } = entry
    const { database, log } = this.#options
    const port: HostPort = { database, log: logFor(log.child({ plugin: url })) }
    const loadTimeoutMs = methodTimeoutMs
    const runner =
      runIn === 'daemon'
        ? await InDaemon.start(url, settings, port)
        : await Thread.start({ url, settings, memoryMb, restart, loadTimeoutMs }, port)
    const { manifest } = runner
    const onFailure = entry.onFailure ?? defaultPolicy(manifest)
    return new Plugin(manifest, source, runner, { onFailure, hookTimeoutMs, methodTimeoutMs }, log)
  }

  #add(plugin: Plugin): void {
    const { name, version, methods } = plugin.manifest
    this.#plugins.set(name, plugin)
    for (const method of methods) this.#methods.set(methodName(plugin, method.name), { plugin, method })
    this.#hook()
    this.#options.log.info({ plugin: name, version, runsIn: plugin.runner.runsIn }, 'loaded a plugin')
  }

  #hook(): void {
    const before = this.all.filter((plugin) => hooksInto(plugin, 'beforeQuery'))
    const after = this.all.filter((plugin) => hooksInto(plugin, 'afterQuery')).reverse()
    this.hooks = before.length + after.length === 0 ? undefined : new QueryHooks(before, after)
  }
}

function methodName(plugin: Plugin, method: string): string {
  return `plugin.${plugin.name}.${method}`
}

function hooksInto({ manifest }: Plugin, kind: Question['kind']): boolean {
  return manifest.hooks.includes(kind as HookName)
}

function questionOf(event: PluginEvent | FileEvent): Question {
  if (!isFileEvent(event)) return { kind: 'onEvent', event }
  const { kind, ...tenant } = event
  return { kind: kind === 'fileOpened' ? 'onConnect' : 'onDisconnect', tenant }
}

function isFileEvent(event: PluginEvent | FileEvent): event is FileEvent {
  return event.kind === 'fileOpened' || event.kind === 'fileClosed'
}

function logFor(log: Logger): PluginLog {
  return {
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  }
}
