import * as z from 'zod'
import { type ErrorEntry, errors } from '../../protocol/errors.ts'
import { productVersion } from '../../protocol/version.ts'
import type { PluginMethodEntry, Plugins } from '../plugins/plugins.ts'
import { methods } from './index.ts'
import { everywhere, tenantScope } from './method.ts'

/**
 * Describe every method as an OpenRPC document (https://spec.open-rpc.org), those of plugins too. Parameters go by name.
 */
export function openrpc(plugins?: Pick<Plugins, 'methods'>): object {
  const components: Record<string, object> = {}
  const described = [...methods].map(([name, { summary, access, params, result, refusals }]) => {
    const paramsSchema = jsonSchema(params, 'input', components)
    const required = new Set((paramsSchema.required as string[] | undefined) ?? [])
    return {
      name,
      summary,
      'x-access': access,
      paramStructure: 'by-name',
      params: Object.entries((paramsSchema.properties as Record<string, object>) ?? {}).map(([param, schema]) => ({
        name: param,
        required: required.has(param),
        schema,
      })),
      result: { name: 'result', schema: jsonSchema(result, 'output', components) },
      errors: refusals.map((kind) => ({ $ref: `#/components/errors/${kind}` })),
    }
  })
  const errorEntries = Object.entries(errors).map(([kind, entry]: [string, ErrorEntry]) => [
    kind,
    {
      code: entry.code,
      message: entry.message,
      data: {
        kind,
        schema: jsonSchema(entry.data, 'output', components),
        ...(entry.hint === undefined ? {} : { hint: entry.hint }),
      },
    },
  ])
  return {
    openrpc: '1.3.2',
    info: { title: 'cinch', version: productVersion, license: { name: 'MIT' } },
    methods: [...described, ...[...(plugins?.methods ?? [])].map(([name, entry]) => pluginMethod(name, entry))],
    components: {
      schemas: Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))),
      errors: Object.fromEntries(errorEntries),
    },
  }
}

/** A plugin says its schemas itself. */
function pluginMethod(name: string, { method }: PluginMethodEntry): object {
  const { summary, access, params, result } = method
  const required = new Set((params.required as string[] | undefined) ?? [])
  const own = Object.entries((params.properties as Record<string, object> | undefined) ?? {})
  const scope = jsonSchema(z.strictObject({ ...tenantScope, ...everywhere }), 'input', {}).properties
  return {
    name,
    summary,
    'x-access': access,
    paramStructure: 'by-name',
    params: [...own, ...Object.entries(scope as Record<string, object>)].map(([param, schema]) => ({
      name: param,
      required: required.has(param),
      schema,
    })),
    result: { name: 'result', schema: result },
    errors: ['pluginFailed', 'pluginTimedOut'].map((kind) => ({ $ref: `#/components/errors/${kind}` })),
  }
}

/** The JSON Schema of a zod schema; what has an id goes to `components` and is referred to. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Record<string, object>) {
  const { $schema, $defs, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>
  for (const [id, definition] of Object.entries(($defs as Record<string, object>) ?? {})) {
    const { id: _, ...rest } = definition as { id?: string }
    components[id] = referring(rest)
  }
  return referring(own)
}

function referring(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'))
}
