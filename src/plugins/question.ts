import type { Query, QueryResult, Scope } from './definition.ts'
import type { PluginEvent } from './events.ts'

/** What a plugin is asked, or told, whatever it runs in. Plain values that can go anywhere. */
export type Question =
  | { readonly kind: 'beforeQuery'; readonly query: Query }
  | { readonly kind: 'afterQuery'; readonly query: Query; readonly result: QueryResult }
  | { readonly kind: 'onConnect' | 'onDisconnect'; readonly tenant: Scope }
  | { readonly kind: 'onEvent'; readonly event: PluginEvent }
  | { readonly kind: 'call'; readonly method: string; readonly params: object; readonly scope: Scope }
  | { readonly kind: 'cleanup' }

/** What a plugin asks of a tenant. */
export type DatabaseRequest = { readonly scope: Scope } & (
  | { readonly kind: 'query' | 'execute'; readonly sql: string; readonly params: unknown }
  | { readonly kind: 'batch'; readonly statements: readonly { readonly sql: string; readonly params?: unknown }[] }
  | { readonly kind: 'explain'; readonly sql: string }
)

/** The names of plugins whose hooks are left out: the statement comes of what they are at. */
export type Exempt = readonly string[]

/** What a plugin runs in. */
export interface Runner {
  readonly runsIn: 'daemon' | 'worker' | 'client'
  /** Undefined where it runs as it should. */
  readonly trouble?: string
  /** How often it was started again. */
  readonly restarts?: number
  /** Whose calls run none of the hooks of this plugin. */
  readonly owner?: object
  /** The plugins at whose work its owner is. */
  readonly exempt?: Exempt
  /** Answers at once, or later. Throws or rejects what is no `PluginFault`, too. */
  ask(question: Question, exempt: Exempt): unknown
  /** Nobody waits for this answer any more: it comes too late, or its call was cancelled. */
  forget?(answer: Promise<unknown>, isLate: boolean): void
  /** Nothing is asked after this. */
  end(): void | Promise<void>
}

/** Why a plugin did not answer as it should. */
export class PluginFault extends Error {
  override name = 'PluginFault'
}

/** A plugin refused the parameters of one of its methods. */
export class ParamsFault extends Error {
  override name = 'ParamsFault'
  readonly issues: readonly { readonly path: string; readonly message: string }[]

  constructor(issues: readonly { readonly path: string; readonly message: string }[]) {
    super('parameters refused')
    this.issues = issues
  }
}
