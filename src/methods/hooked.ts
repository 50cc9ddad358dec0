import type * as z from 'zod'
import type { Tenant } from '../engine/tenant.ts'
import type { Query, QueryResult, Scope } from '../plugins/definition.ts'
import type { Hooked, QueryHooks, Statement } from '../plugins/hooks.ts'
import type { Exempt } from '../plugins/question.ts'
import type { Fetched } from '../query/cursor.ts'
import { JsonText, type Method } from '../rpc/contract.ts'
import type { Call } from './method.ts'

/** What a call may be refused with because a plugin that looks at results does not do as it should. */
export const hookFailures = ['pluginFailed', 'pluginTimedOut'] as const

/** What running statements of a client may be refused with for a plugin’s sake. */
const hookRefusals = ['queryVetoed', ...hookFailures] as const

/**
 * Declare a method that runs SQL of a client: one statement, or several in `statements`. Plugins may look at it before and
 * after. While there are none that do, this costs one look at a field.
 */
export function statement<P extends z.ZodType, R extends z.ZodType>(declared: Method<Call, P, R>): Method<Call, P, R> {
  const { handle } = declared
  return {
    ...declared,
    refusals: [...declared.refusals, ...hookRefusals],
    handle: (call, given) => {
      const { hooks } = call.daemon.plugins
      if (hooks === undefined) return handle(call, given)
      // `declared` is of the shape of `Statements`, or it would not be declared so.
      return hooks.around(new HookedCall(hooks, call, given as Given, declared as Statements)) as never
    },
  }
}

interface Given extends Partial<Statement> {
  readonly database?: string
  readonly branch?: string
  readonly tenant?: string
  readonly transaction?: string
  readonly rowFormat?: 'array' | 'object'
  readonly partialResultToken?: string | number
  readonly statements?: readonly Statement[]
}

type Opened = { readonly cursor: string; readonly columns: QueryResult['columns'] }
type Outcome = JsonText | QueryResult | Opened | { readonly results: readonly QueryResult[] }
type Statements = Pick<Method, 'access'> & { handle(call: Call, given: Given): Outcome | Promise<Outcome> }

/** A call with statements. Hooks see these and their results; whatever else the client gave, a key first of all, they do not. */
class HookedCall implements Hooked<Outcome> {
  readonly exempt: Exempt
  readonly #call: Call
  readonly #given: Given
  readonly #declared: Statements

  constructor(hooks: QueryHooks, call: Call, given: Given, declared: Statements) {
    this.#call = call
    this.#declared = declared
    this.exempt = call.daemon.plugins.exemptOf(call.session)
    this.#given = given.partialResultToken === undefined ? given : withoutStream(hooks, given, this.exempt)
  }

  get scope(): Scope {
    const { database, branch, tenant, transaction } = this.#given
    if (transaction !== undefined) return scopeOf(this.#call.transaction(transaction).tenant)
    const { scope } = this.#call.session
    return {
      database: database ?? scope.database,
      branch: branch ?? scope.branch,
      tenant: tenant ?? scope.tenant,
    }
  }

  get access(): 'read' | 'write' {
    return this.#declared.access === 'read' ? 'read' : 'write'
  }

  get rowFormat(): 'array' | 'object' {
    return this.#given.rowFormat ?? 'array'
  }

  get statements(): readonly Statement[] {
    return this.#given.statements ?? [this.#given as Statement]
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  holdLater(): () => void {
    if (this.access === 'write') return this.#call.beforeAll()
    let release!: () => void
    this.#call.beforeWrites(
      new Promise((resolve) => {
        release = resolve
      }),
    )
    return release
  }

  run(rewritten?: readonly Statement[]): Outcome | Promise<Outcome> {
    const [call, given] = [this.#call, this.#given]
    if (rewritten === undefined) return this.#declared.handle(call, given)
    const statements = rewritten.map(({ sql, params }): Statement => ({ sql, params }))
    return this.#declared.handle(call, given.statements ? { ...given, statements } : { ...given, ...statements[0] })
  }

  results(done: Outcome, queries: readonly Query[]): readonly QueryResult[] | undefined {
    if (done instanceof JsonText) return [JSON.parse(done.text)]
    if ('cursor' in done) {
      const cursor = this.#call.engine.cursors.get(this.#call.owner, done.cursor)
      if (cursor) openedBy.set(cursor, { query: queries[0] as Query, columns: done.columns })
      return undefined
    }
    return 'results' in done ? done.results : [done]
  }

  withResults(done: Outcome, results: readonly QueryResult[]): Outcome {
    return 'results' in done ? { ...done, results } : (results[0] as QueryResult)
  }
}

/** What plugins that look at results need to know of cursors, while these are open. */
const openedBy = new WeakMap<object, { readonly query: Query; readonly columns: QueryResult['columns'] }>()

/**
 * Fetch rows of a cursor, as plugins leave them that look at results: they see each fetch as a result of its own. The rows are
 * taken by then, so where a plugin refuses them, or the call ends while it is asked, the cursor is closed.
 */
export async function fetchHooked(call: Call, id: string, fetch: () => Promise<Fetched>): Promise<Fetched> {
  const { hooks } = call.daemon.plugins
  const opened = openedBy.get(call.engine.cursors.get(call.owner, id) ?? call)
  const fetched = await fetch()
  const exempt = call.daemon.plugins.exemptOf(call.session)
  if (hooks === undefined || opened === undefined || hooks.lookingAfter(exempt).length === 0) return fetched
  const { query, columns } = opened
  try {
    const part = { columns, rows: JSON.parse(`[${fetched.rowText}]`) }
    const { rows = [] } = await hooks.lookAt({ exempt, signal: call.signal }, query, part)
    return { ...fetched, rowText: JSON.stringify(rows).slice(1, -1), count: rows.length }
  } catch (error) {
    call.engine.cursors.close(call.owner, id)
    throw error
  }
}

/** What is streamed cannot be looked at as a whole: where a plugin looks at results, it comes in one piece. */
function withoutStream(hooks: QueryHooks, { partialResultToken, ...given }: Given, exempt: Exempt): Given {
  return hooks.lookingAfter(exempt).length === 0 ? { ...given, partialResultToken } : given
}

export function scopeOf({ name, branch }: Tenant): Scope {
  return { database: branch.database.row.name, branch: branch.name, tenant: name }
}
