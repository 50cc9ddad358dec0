import * as z from 'zod'
import { refuse } from '../base/refusal.ts'
import type { PluginMethodEntry, Plugins } from '../plugins/plugins.ts'
import { JsonText, type Method, type Registry } from '../rpc/contract.ts'
import { scopeOf } from './hooked.ts'
import { registry } from './index.ts'
import { type Call, everywhere, tenantRefusals, tenantScope } from './method.ts'

/** The methods of the daemon and those of its plugins, which come and go. */
export function registryWith(plugins: Plugins): Registry<Call> {
  const made = new WeakMap<PluginMethodEntry, Method<Call>>()
  const methodOf = (name: string) => {
    const entry = plugins.methods.get(name)
    if (entry === undefined) return undefined
    let method = made.get(entry)
    if (method === undefined) {
      method = pluginMethod(entry)
      made.set(entry, method)
    }
    return method
  }
  return {
    get: (name) => registry.get(name) ?? methodOf(name),
    names: () => [...registry.names(), ...plugins.methods.keys()],
  }
}

const Params = z.looseObject({ ...tenantScope, ...everywhere })
const refusals = [...tenantRefusals, 'pluginFailed', 'pluginTimedOut'] as const

/** The plugin, or where it is a client’s the daemon, checks what is given besides the scope. */
function pluginMethod({ plugin, method }: PluginMethodEntry): Method<Call> {
  const { runner } = plugin
  const [given, answered] =
    runner.runsIn === 'client'
      ? [z.fromJSONSchema(method.params as never), z.fromJSONSchema(method.result as never)]
      : []
  return {
    summary: method.summary,
    access: method.access,
    params: Params,
    result: z.unknown(),
    refusals,
    handle: async (call, all) => {
      const { database, branch, tenant, timeoutMs: _, progressToken: __, ...own } = all as z.output<typeof Params>
      // It would wait for an answer of the one who waits for it.
      if (runner.owner === call.session) refuse('notSupported', { what: 'a client that calls its own plugin’s method' })
      const checked = given?.safeParse(own)
      if (checked && !checked.success) refuse('invalidParams', { issues: issuesOf(checked.error) })
      const scope = scopeOf(call.tenant({ database, branch, tenant }))
      const exempt = call.daemon.plugins.exemptOf(call.session)
      const result = await plugin.call(method.name, own, scope, { signal: call.signal, exempt }, (result) => {
        const misfit = answered?.safeParse(result).error
        if (misfit) throw new Error(`its result is not as declared: ${misfit.message}`)
        return JSON.stringify(result ?? null)
      })
      return new JsonText(result)
    },
  }
}

function issuesOf({ issues }: z.ZodError) {
  return issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
}
