import * as z from 'zod'
import {
  type Context,
  type Database,
  kit,
  type MethodContext,
  type PluginDefinition,
  type PluginLog,
  type PluginMethod,
  type QueryParams,
  type Scope,
} from './definition.ts'
import { hookNames, Manifest, methodFault } from './manifest.ts'
import { type DatabaseRequest, type Exempt, ParamsFault, PluginFault, type Question } from './question.ts'

/** What a plugin's code reaches through us. */
export interface HostPort {
  database(request: DatabaseRequest, exempt: Exempt): Promise<unknown>
  readonly log: PluginLog
}

const mainScope: Scope = { database: 'main', branch: 'main', tenant: 'main' }

/**
 * The code of one plugin, loaded. It runs in the thread that loads it, whichever that is; what it answers at once is given at
 * once.
 */
export class Host {
  readonly manifest: Manifest
  readonly #definition: PluginDefinition
  readonly #methods: ReadonlyMap<string, PluginMethod>
  readonly #settings: unknown
  readonly #port: HostPort

  private constructor(definition: PluginDefinition, settings: unknown, port: HostPort) {
    this.#definition = definition
    this.#settings = parsed(definition.settings ?? noSettings, settings ?? {}, 'settings')
    this.#port = port
    this.#methods = new Map(
      Object.entries(definition.extendDatabase?.(this.#context(mainScope, [definition.name])) ?? {}),
    )
    this.manifest = parsed(Manifest, manifestOf(definition, this.#methods), 'the plugin')
    const fault = methodFault(this.manifest)
    if (fault !== undefined) throw new PluginFault(fault)
  }

  /** Run a module and take up the plugin that it exports. Rejects with a reason for people. */
  static async load(url: string, settings: unknown, port: HostPort): Promise<Host> {
    const exports = (await import(url)) as { readonly cinchPlugin?: unknown; readonly default?: unknown }
    const exported = exports.cinchPlugin ?? exports.default
    const definition = typeof exported === 'function' ? await exported(kit) : exported
    if (typeof definition !== 'object' || definition === null) {
      throw new PluginFault('the module exports no plugin, neither as cinchPlugin nor as its default')
    }
    const misplaced = functionNames.find((name) => !['undefined', 'function'].includes(typeof definition[name]))
    if (misplaced !== undefined) throw new PluginFault(`${misplaced} is not a function`)
    return new Host(definition, settings, port)
  }

  ask(question: Question, exempt: Exempt): unknown {
    const definition = this.#definition
    switch (question.kind) {
      case 'beforeQuery':
        return definition.beforeQuery?.(question.query, this.#context(question.query, exempt))
      case 'afterQuery':
        return definition.afterQuery?.(question.query, question.result, this.#context(question.query, exempt))
      case 'onConnect':
      case 'onDisconnect':
        return definition[question.kind]?.(question.tenant, this.#context(question.tenant, exempt))
      case 'onEvent':
        return definition.onEvent?.(question.event, this.#context({ ...mainScope, ...question.event }, exempt))
      case 'call':
        return this.#call(question, exempt)
      case 'cleanup':
        return definition.cleanup?.(this.#context(mainScope, exempt))
    }
  }

  async #call({ method: name, params, scope }: Extract<Question, { kind: 'call' }>, exempt: Exempt): Promise<unknown> {
    const method = this.#methods.get(name)
    if (method === undefined) throw new PluginFault(`there is no method ${name}`)
    const given = (method.params ?? anyObject).safeParse(params)
    if (!given.success) throw new ParamsFault(issuesOf(given.error))
    const result = await method.handle(given.data, this.#context(scope, exempt))
    return method.result === undefined ? result : parsed(method.result, result, 'its result')
  }

  #context(scope: Scope, exempt: Exempt): MethodContext {
    return new HostContext(this.#settings, this.#port, scope, exempt)
  }
}

const functionNames = ['extendDatabase', ...hookNames, 'cleanup'] as const
const noSettings = z.strictObject({})
const anyObject = z.looseObject({})

/** Made for every question: `db` costs something only where it is used. */
class HostContext implements Context, MethodContext {
  readonly settings: unknown
  readonly log: PluginLog
  readonly #port: HostPort
  readonly #scope: Scope
  readonly #exempt: Exempt

  constructor(settings: unknown, port: HostPort, scope: Scope, exempt: Exempt) {
    this.settings = settings
    this.log = port.log
    this.#port = port
    this.#scope = scope
    this.#exempt = exempt
  }

  get scope(): Scope {
    const { database, branch, tenant } = this.#scope
    return { database, branch, tenant }
  }

  get db(): Database {
    return databaseAt(this.scope, this.#port, this.#exempt)
  }
}

function databaseAt(scope: Scope, port: HostPort, exempt: Exempt): Database {
  const ask = (request: DatabaseRequest) => port.database(request, exempt) as Promise<never>
  const statement = (kind: 'query' | 'execute') => {
    return (sql: string, params: QueryParams = []) => ask({ kind, scope, sql, params })
  }
  return {
    scope,
    at: (other) => databaseAt({ ...scope, ...other }, port, exempt),
    query: statement('query'),
    execute: statement('execute'),
    batch: (statements) => ask({ kind: 'batch', scope, statements }),
    explain: (sql) => ask({ kind: 'explain', scope, sql }),
  }
}

function manifestOf(definition: PluginDefinition, methods: ReadonlyMap<string, PluginMethod>): object {
  const { name, version, description } = definition
  return {
    name,
    version,
    description,
    hooks: hookNames.filter((hook) => definition[hook] !== undefined),
    methods: [...methods].map(([name, { summary, access, params, result, handle }]) => {
      if (typeof handle !== 'function') throw new PluginFault(`the method ${name} has no function handle`)
      return {
        name,
        summary,
        access,
        params: params && jsonSchema(params, 'input'),
        result: result && jsonSchema(result, 'output'),
      }
    }),
  }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return own
}

function parsed<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = issuesOf(result.error).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  throw new PluginFault(`${what}: ${issues.join('; ')}`)
}

function issuesOf({ issues }: z.ZodError) {
  return issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
}
