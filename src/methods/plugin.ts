import * as z from 'zod'
import { OnFailure, PluginEntry, pluginEntry, pluginTimes } from '../../protocol/limits.ts'
import { refuse } from '../base/refusal.ts'
import { HookName, Manifest, MethodManifest, methodFault } from '../plugins/manifest.ts'
import { defaultPolicy, type Plugin } from '../plugins/plugin.ts'
import { ClientPlugin } from './client-plugin.ts'
import { method, params } from './method.ts'

const PluginResult = z
  .object({
    name: z.string(),
    version: z.string(),
    description: z.string(),
    runsIn: z.enum(['worker', 'daemon', 'client']),
    source: z.string().describe('the path or package it was loaded from, or the client that registered it'),
    hooks: z.array(HookName),
    methods: z.array(z.object({ name: z.string().describe('on the wire'), summary: z.string() })),
    onFailure: z.enum(['fail', 'skip']),
    hookTimeoutMs: z.int(),
    methodTimeoutMs: z.int(),
    trouble: z.string().nullable().describe('why it answers nothing now; null where it does'),
    calls: z.int(),
    failures: z.int().describe('answers that were errors, nonsense, or too late'),
    skipped: z.int().describe('failures that nobody was refused for'),
    restarts: z.int().describe('how often its thread was started again'),
    lastFailure: z.object({ at: z.string(), hook: z.string(), reason: z.string() }).nullable(),
  })
  .meta({ id: 'Plugin' })

export const list = method({
  summary: 'List the plugins at work, in the order in which they were loaded.',
  access: 'read',
  params: params({}),
  result: z.object({ plugins: z.array(PluginResult) }),
  refusals: [],
  handle: ({ daemon }) => ({ plugins: daemon.plugins.all.map(shown) }),
})

export const load = method({
  summary:
    'Load a plugin into the daemon, whose rights it has, until the daemon stops or it is unloaded. A folder without package.json or index may have several: all are loaded, or none.',
  access: 'edit',
  params: params(pluginEntry),
  result: z.object({ plugins: z.array(PluginResult) }),
  refusals: ['pluginLoadFailed', 'pluginExists', 'pluginsForbidden'],
  handle: async ({ daemon, engine }, { timeoutMs: _, progressToken: __, ...given }) => {
    if (!engine.parts.config.allowPluginLoad) refuse('pluginsForbidden', { setting: 'allowPluginLoad' })
    const entry = PluginEntry.safeParse(given)
    if (!entry.success) refuse('invalidParams', { issues: [{ path: 'path', message: 'either path or package' }] })
    return { plugins: (await daemon.plugins.load(entry.data)).map(shown) }
  },
})

export const unload = method({
  summary: 'Unload a plugin: it finishes what it is at, cleans up, and is ended. Its methods are gone at once.',
  access: 'edit',
  params: params({ name: z.string().max(63) }),
  result: z.object({}),
  refusals: ['pluginNotFound', 'pluginsForbidden'],
  handle: async ({ daemon, engine }, { name }) => {
    if (!engine.parts.config.allowPluginLoad) refuse('pluginsForbidden', { setting: 'allowPluginLoad' })
    await daemon.plugins.unload(daemon.plugins.find(name))
    return {}
  },
})

export const register = method({
  summary:
    'Make the client a plugin: from now on the daemon sends it requests (hook.beforeQuery, hook.afterQuery, hook.call) and notifications (hook.onConnect, hook.onDisconnect, hook.event) on this connection, until it ends.',
  access: 'edit',
  params: params({
    ...Manifest.shape,
    methods: z.array(MethodManifest).max(1_000).default([]),
    onFailure: OnFailure,
    timeoutMs: pluginTimes.hookTimeoutMs,
    methodTimeoutMs: pluginTimes.methodTimeoutMs,
  }),
  result: z.object({ methods: z.array(z.string()).describe('their names on the wire') }),
  refusals: ['pluginExists', 'pluginsForbidden', 'pluginLoadFailed'],
  handle: ({ daemon, engine, session }, given) => {
    if (!engine.parts.config.allowPluginRegister) refuse('pluginsForbidden', { setting: 'allowPluginRegister' })
    const { name, version, description, hooks, methods, onFailure, timeoutMs, methodTimeoutMs } = given
    const manifest: Manifest = { name, version, description, hooks, methods }
    const source = session.client?.name ?? session.id
    const fault = methodFault(manifest) ?? schemaFault(manifest)
    if (fault !== undefined) refuse('pluginLoadFailed', { source, reason: fault })
    const policy = {
      onFailure: onFailure ?? defaultPolicy(manifest),
      hookTimeoutMs: timeoutMs ?? 1_000,
      methodTimeoutMs,
    }
    const plugin = daemon.plugins.register(manifest, source, new ClientPlugin(manifest, session), policy)
    const leave = () => void daemon.plugins.unload(plugin)
    session.connection.onClose(leave)
    session.connection.onDispose(leave)
    session.readThrough()
    return { methods: shown(plugin).methods.map(({ name }) => name) }
  },
})

export const unregister = method({
  summary: 'End a plugin that this client registered.',
  access: 'session',
  params: params({ name: z.string().max(63) }),
  result: z.object({}),
  refusals: ['pluginNotFound'],
  handle: async ({ daemon, session }, { name }) => {
    const plugin = daemon.plugins.find(name)
    if (plugin.runner.owner !== session) refuse('pluginNotFound', { plugin: name })
    await daemon.plugins.unload(plugin)
    return {}
  },
})

/** Why a schema of a method is none that can be checked, if so. */
function schemaFault({ methods }: Manifest): string | undefined {
  for (const { name, params, result } of methods) {
    try {
      z.fromJSONSchema(params as never)
      z.fromJSONSchema(result as never)
    } catch (error) {
      return `the schemas of ${name}: ${error instanceof Error ? error.message : error}`
    }
  }
  return undefined
}

function shown({ manifest, source, runner, policy, summary, lastFailure }: Plugin) {
  const { name, version, description, hooks, methods } = manifest
  return {
    name,
    version,
    description,
    runsIn: runner.runsIn,
    source,
    hooks,
    methods: methods.map(({ name: method, summary }) => ({ name: `plugin.${name}.${method}`, summary })),
    ...policy,
    trouble: runner.trouble ?? null,
    ...summary,
    lastFailure: lastFailure ?? null,
  }
}
