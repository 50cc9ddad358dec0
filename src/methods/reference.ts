import * as z from 'zod'
import { type ErrorEntry, errors } from '../../protocol/errors.ts'
import { Config } from '../../protocol/limits.ts'
import { protocolVersion } from '../../protocol/version.ts'
import { openrpc } from './openrpc.ts'

interface Described {
  readonly name: string
  readonly summary: string
  readonly 'x-access': string
  readonly params: readonly { readonly name: string; readonly required: boolean; readonly schema: Schema }[]
  readonly result: { readonly schema: Schema }
  readonly errors: readonly { readonly $ref: string }[]
}

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: { readonly [name: string]: Schema }
  readonly required?: readonly string[]
  readonly description?: string
  readonly default?: unknown
}

/** The reference page, made from the same declarations as everything else. */
export function reference(): string {
  const document = openrpc() as { methods: Described[]; components: { schemas: Record<string, Schema> } }
  const nouns = new Map<string, Described[]>()
  for (const method of document.methods) {
    const noun = method.name.includes('.') ? (method.name.split('.')[0] as string) : 'connection'
    nouns.set(noun, [...(nouns.get(noun) ?? []), method])
  }
  return [
    '# Reference',
    '',
    `Protocol ${protocolVersion}. Generated from the method registry by \`scripts/protocol\`; do not edit.`,
    '',
    'Parameters go by name, and a name that is not listed is refused. Results may gain fields: read them loosely.',
    'Every method also takes `timeoutMs` and `progressToken`. `database`, `branch` and `tenant` default to the',
    'session’s scope, then to `main`.',
    '',
    'A call sees everything that earlier calls of its connection changed, and nothing that later ones do, whether or not',
    'answers were awaited. Otherwise calls run at the same time, and answers come in any order.',
    '',
    'With `transaction`, the id that `transaction.begin` gave to this connection, a call is done in that transaction. Such',
    'calls run one after the other in their order, and do not wait for other calls of the connection. One that fails leaves',
    'nothing of itself, and the transaction goes on; where it does not, because SQLite rolled it back or because the call was',
    'cancelled or late while it ran, the error has `"transactionEnded": true` in its data.',
    '',
    ...[...nouns].flatMap(([noun, methods]) => [`## ${noun}`, '', ...methods.flatMap(methodLines)]),
    ...hookLines,
    '## Types',
    '',
    ...Object.entries(document.components.schemas).flatMap(([id, schema]) => typeLines(id, schema)),
    '## Errors',
    '',
    'An error is `{"code", "message", "data": {"kind", …, "hint"?}}`. Go by `kind`.',
    '',
    '| kind | code | message | data | hint |',
    '|---|---|---|---|---|',
    ...Object.entries(errors).map(([kind, entry]) => errorLine(kind, entry)),
    '',
    '## Settings',
    '',
    '`.cinchdb/config.json`. Read when the daemon starts; a name that is not listed is refused.',
    '',
    '| setting | default | meaning |',
    '|---|---|---|',
    ...settingLines('', z.toJSONSchema(Config, { io: 'output' }) as Schema),
    '',
  ].join('\n')
}

/** What goes the other way: messages that a client gets once it has called `plugin.register`. */
const hookLines = [
  '## hook',
  '',
  'What the daemon sends a client that called `plugin.register`, on that connection. Requests are answered with a result, or',
  'with an error, which counts as a failure of the plugin; one that comes too late is cancelled with `$/cancelRequest`.',
  '`query` stands for `plugin, database, branch, tenant, sql, params, access ("read" or "write"), rowFormat`.',
  '',
  '| message | parameters | answer |',
  '|---|---|---|',
  '| `hook.beforeQuery` | query | `null`; `{sql, params?}`: this instead, which passes the gate; `{veto: reason}` |',
  '| `hook.afterQuery` | query, `result` | `null`; `{result}`: this instead |',
  '| `hook.call` | `plugin, method, params, scope {database, branch, tenant}` | the method’s result |',
  '| `hook.onConnect`, `hook.onDisconnect` | `plugin, database, branch, tenant`: its file was opened, closed | a notification |',
  '| `hook.event` | `plugin, event {kind, database, …}` | a notification |',
  '',
  'Hooks see the statements of `query.run`, `query.execute`, `query.batch`, one by one, and `query.open` (before); not those of the client itself, nor',
  '`row.*` and `kv.*`. Plugins are asked before a statement in the order in which they were loaded, after it the other way round.',
  '',
  'Kinds of events: `databaseCreated`, `databaseDeleted`; `branchCreated`, `branchRenamed` (`newName`), `branchDeleted`,',
  '`branchMerged` (`source`, `changeSet`); `tenantCreated`, `tenantRenamed` (`newName`), `tenantDeleted`; `tableCreated`,',
  '`tableRenamed` (`newName`), `tableAltered`, `tableDropped` (`table`, `changeSet`). They are told after it has happened.',
  '',
]

function methodLines({ name, summary, params, result, errors, ...rest }: Described): string[] {
  const own = params.filter((param) => param.name !== 'timeoutMs' && param.name !== 'progressToken')
  const kinds = errors.map(({ $ref }) => `\`${$ref.split('/').at(-1)}\``)
  return [
    `### ${name}`,
    '',
    `${summary} *(${rest['x-access']})*`,
    '',
    ...own.map(({ name, required, schema }) => {
      const note = [
        schema.description,
        schema.default === undefined ? '' : `default \`${JSON.stringify(schema.default)}\``,
      ]
      const text = note.filter((part) => part).join('; ')
      return `- \`${name}${required ? '' : '?'}\` ${shape(schema)}${text ? `: ${text}` : ''}`
    }),
    `- → ${shape(result.schema)}`,
    ...(kinds.length > 0 ? [`- refusals: ${kinds.join(', ')}`] : []),
    '',
  ]
}

function typeLines(id: string, schema: Schema): string[] {
  const text = schema.description ? `${schema.description}. ` : ''
  return [
    `### ${id}`,
    '',
    `${text}${schema.properties || schema.oneOf || schema.anyOf || schema.items ? shape(schema) : ''}`.trim(),
    '',
  ]
}

function errorLine(kind: string, { code, message, data, hint }: ErrorEntry): string {
  const fields = Object.entries(data.shape).map(
    ([name, field]) => `${name}${field.safeParse(undefined).success ? '?' : ''}`,
  )
  return `| \`${kind}\` | ${code} | ${message} | ${fields.map((name) => `\`${name}\``).join(', ')} | ${hint ?? ''} |`
}

function settingLines(prefix: string, schema: Schema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, setting]) => {
    if (setting.properties) return settingLines(`${prefix}${name}.`, setting)
    const choices = setting.enum ? ` (${setting.enum.join(', ')})` : ''
    return [
      `| \`${prefix}${name}\` | \`${JSON.stringify(setting.default)}\` | ${setting.description ?? ''}${choices} |`,
    ]
  })
}

/** A JSON Schema in a line, as people write types. */
function shape(schema: Schema): string {
  if (schema.$ref) {
    const id = schema.$ref.split('/').at(-1) as string
    return `[${id}](#${id.toLowerCase()})`
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' or ')
  const union = schema.anyOf ?? schema.oneOf
  if (union) return union.map(shape).join(' or ')
  if (schema.items) return `[${shape(schema.items)}]`
  if (schema.properties) {
    const required = new Set(schema.required ?? [])
    const fields = Object.entries(schema.properties).map(
      ([name, field]) => `${name}${required.has(name) ? '' : '?'}: ${shape(field)}`,
    )
    return `{${fields.join(', ')}}`
  }
  return Array.isArray(schema.type) ? schema.type.join(' or ') : ((schema.type as string | undefined) ?? 'any')
}
