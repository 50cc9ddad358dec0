import * as z from 'zod'

/** What a plugin can be asked besides its own methods. */
export const hookNames = ['beforeQuery', 'afterQuery', 'onConnect', 'onDisconnect', 'onEvent'] as const
export const HookName = z.enum(hookNames)
export type HookName = z.output<typeof HookName>

export const PluginName = z
  .string()
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'a plugin’s name has letters a-z, digits and single -, and starts with a letter',
  )
  .max(63)

const JsonSchema = z.record(z.string(), z.unknown())

/** A method of a plugin, as others see it. */
export const MethodManifest = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-zA-Z0-9]*$/, 'a method’s name has letters and digits, and starts with a lower-case letter')
    .max(63),
  summary: z.string().min(1).max(1_000),
  access: z
    .enum(['read', 'edit'])
    .default('edit')
    .describe('read: it changes nothing, and later calls do not wait for it'),
  params: JsonSchema.default({ type: 'object' }).describe('the JSON Schema of an object'),
  result: JsonSchema.default({}).describe('a JSON Schema'),
})
export type MethodManifest = z.output<typeof MethodManifest>

/** What a plugin says of itself. */
export const Manifest = z.strictObject({
  name: PluginName,
  version: z.string().min(1).max(100),
  description: z.string().max(10_000).default(''),
  hooks: z.array(HookName).max(hookNames.length).default([]),
  methods: z.array(MethodManifest).max(1_000).default([]),
})
export type Manifest = z.output<typeof Manifest>

/** Parameters that every method of a plugin takes: where it works, and what every call takes. */
const reserved = new Set(['database', 'branch', 'tenant', 'timeoutMs', 'progressToken', 'key', 'transaction'])

/** Why the methods of a plugin cannot be had as they are, if so. */
export function methodFault({ methods }: Manifest): string | undefined {
  const names = new Set<string>()
  for (const { name, params } of methods) {
    if (names.has(name)) return `two methods are called ${name}`
    names.add(name)
    if (params.type !== 'object') return `the parameters of ${name} are not an object`
    const taken = Object.keys((params.properties as object | undefined) ?? {}).find((param) => reserved.has(param))
    if (taken !== undefined) return `${name} has a parameter ${taken}, which every method has already`
  }
  return undefined
}
