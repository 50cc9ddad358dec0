/**
 * What the author of a plugin works with: `cinch/plugin`.
 *
 *     import { definePlugin } from 'cinch/plugin'
 *
 *     export const cinchPlugin = definePlugin({
 *       name: 'archive',
 *       version: '1.0.0',
 *       beforeQuery({ tenant, access }) {
 *         if (tenant === 'archive' && access === 'write') return { veto: 'the archive is only read' }
 *       },
 *     })
 *
 * A module that cannot import from here exports a function instead, which is given the same things.
 */
import * as z from 'zod'
import type { WireValue } from '../../protocol/values.ts'
import type { PluginEvent } from './events.ts'

export type { WireValue as Value } from '../../protocol/values.ts'
export { decodeValue, encodeValue } from '../../protocol/values.ts'
export type { PluginEvent } from './events.ts'
export { z }

/** Declare a plugin: gives back what it is given, with its types checked. */
export function definePlugin<S extends z.ZodType = z.ZodType>(definition: PluginDefinition<S>): PluginDefinition<S> {
  return definition
}

/** Declare a method of a plugin, with the types of its schemas. */
export function defineMethod<P extends z.ZodType, R extends z.ZodType>(method: PluginMethod<P, R>): PluginMethod<P, R> {
  return method
}

/** What a module's export is given that is a function. */
export const kit = { definePlugin, defineMethod, z }
export type Kit = typeof kit

/** What a module exports as `cinchPlugin`, or else as its default. */
export type PluginModule<S extends z.ZodType = z.ZodType> = PluginDefinition<S> | ((kit: Kit) => PluginDefinition<S>)

type Now<T> = T | undefined | null
type MaybeLater<T> = Now<T> | Promise<Now<T>>

/**
 * A plugin: a name, a version, and any of the rest. Functions may answer at once or later; at once costs less. An error
 * that one throws fails the statement at hand, or is skipped, as the plugin's `onFailure` says.
 */
export interface PluginDefinition<S extends z.ZodType = z.ZodType> {
  /** Lower case, digits and `-`; no two plugins have the same. */
  readonly name: string
  readonly version: string
  readonly description?: string
  /** What its `settings` in config.json, or of `plugin.load`, have to be. */
  readonly settings?: S
  /** Its methods. Each is `plugin.<name>.<method>` on the wire. Called once. */
  extendDatabase?(context: Context<S>): { readonly [name: string]: PluginMethod }
  /** Before a client's statement: have another one run, or none. Nothing: it goes on as it is. */
  beforeQuery?(query: Query, context: Context<S>): MaybeLater<Rewrite | Veto>
  /** After it: have the client see another result. Nothing: it sees this one. */
  afterQuery?(query: Query, result: QueryResult, context: Context<S>): MaybeLater<{ readonly result: QueryResult }>
  /** A tenant's file was opened. */
  onConnect?(tenant: Scope, context: Context<S>): unknown
  /** It was closed: nobody used it for long, or it is moved or removed. */
  onDisconnect?(tenant: Scope, context: Context<S>): unknown
  /** Something was made, changed or dropped. */
  onEvent?(event: PluginEvent, context: Context<S>): unknown
  /** The plugin is unloaded, or the daemon stops. */
  cleanup?(context: Context<S>): unknown
}

export interface PluginMethod<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  /** A sentence. */
  readonly summary: string
  /**
   * `edit`, the default: what the client asks for later waits for it, and sees what it did. `read`: it changes nothing, and
   * later calls do not wait.
   */
  readonly access?: 'read' | 'edit'
  /** An object; `database`, `branch` and `tenant` are the method's scope and not among its names. */
  readonly params?: P
  readonly result?: R
  handle(params: z.output<P>, context: MethodContext): z.input<R> | Promise<z.input<R>>
}

export interface Scope {
  readonly database: string
  readonly branch: string
  readonly tenant: string
}

/** A statement of a client. Values are as on the wire: see `Value` of the reference. */
export interface Query extends Scope {
  readonly sql: string
  readonly params: QueryParams
  /** Whether it was given to a method that reads, or to one that writes. */
  readonly access: 'read' | 'write'
  /** How the client wants rows. */
  readonly rowFormat: 'array' | 'object'
}

export type QueryParams = readonly WireValue[] | { readonly [name: string]: WireValue }

export interface Rewrite {
  readonly sql: string
  /** Without: those that were given. */
  readonly params?: QueryParams
}

export interface Veto {
  /** Why; the client is told. */
  readonly veto: string
}

/** As on the wire: what reads has columns and rows, what writes has changes, and rows where it returns some. */
export interface QueryResult {
  readonly changes?: number
  readonly columns?: readonly { readonly name: string; readonly type: string | null }[]
  readonly rows?: readonly (readonly WireValue[] | { readonly [column: string]: WireValue })[]
  readonly truncated?: boolean
}

export interface Context<S extends z.ZodType = z.ZodType> {
  readonly settings: z.output<S>
  /** The tenant at hand; in `extendDatabase`, `onEvent` and `cleanup` `main`, or the nearest there is to what happened. */
  readonly db: Database
  readonly log: PluginLog
}

export interface MethodContext extends Context {
  readonly scope: Scope
}

/**
 * One tenant, as a plugin reaches it. What it asks here passes the gate and the hooks of other plugins, and never its own.
 */
export interface Database {
  readonly scope: Scope
  /** The same for another one. */
  at(scope: Partial<Scope>): Database
  query(sql: string, params?: QueryParams): Promise<Required<Pick<QueryResult, 'columns' | 'rows'>> & QueryResult>
  execute(sql: string, params?: QueryParams): Promise<QueryResult & { readonly changes: number }>
  /** Several statements in one transaction: all of them or none. */
  batch(statements: readonly { readonly sql: string; readonly params?: QueryParams }[]): Promise<readonly QueryResult[]>
  /** What a statement may do, and its query plan. Runs nothing. */
  explain(sql: string): Promise<Explanation>
}

/** As `query.explain` answers. */
export interface Explanation {
  readonly kind: 'read' | 'write'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly lane: { readonly name: string; readonly reason: string }
  readonly plan: readonly { readonly id: number; readonly parent: number; readonly detail: string }[]
}

/** The daemon's log. */
export interface PluginLog {
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}
