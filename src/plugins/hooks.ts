import * as z from 'zod'
import { refuse } from '../base/refusal.ts'
import type { Query, QueryParams, QueryResult, Rewrite, Scope, Veto } from './definition.ts'
import type { Asker, Plugin } from './plugin.ts'
import { PluginFault } from './question.ts'

export interface Statement {
  readonly sql: string
  readonly params: QueryParams
}

/** Statements that are to run, and how. */
export interface Hooked<R> extends Asker {
  readonly scope: Scope
  readonly access: Query['access']
  readonly rowFormat: Query['rowFormat']
  readonly statements: readonly Statement[]
  /** What is asked later and would not see the same if it ran first waits until the function is called that this gives. */
  holdLater(): () => void
  /** Run them: as they were given, or these in their place. */
  run(rewritten?: readonly Statement[]): R | Promise<R>
  /** What came of each, as it was run; undefined where that comes later, and is given to `lookAt` then. */
  results(done: R, queries: readonly Query[]): readonly QueryResult[] | undefined
  /** The same with other results. */
  withResults(done: R, results: readonly QueryResult[]): R
}

/**
 * The plugins that look at clients' statements: those before in the order in which they were loaded, those after the other
 * way round.
 */
export class QueryHooks {
  readonly #before: readonly Plugin[]
  readonly #after: readonly Plugin[]

  constructor(before: readonly Plugin[], after: readonly Plugin[]) {
    this.#before = before
    this.#after = after
  }

  /** Those that look at results, and are heard in this case. */
  lookingAfter(exempt: Asker['exempt']): readonly Plugin[] {
    return this.#after.filter(({ name }) => !exempt.includes(name))
  }

  /** Run statements with the hooks around them. Where every hook answers at once, so does this. */
  around<R>(hooked: Hooked<R>): R | Promise<R> {
    return through(this.#around(hooked))
  }

  /** What plugins make of rows that come after their statement was run: a part of its result. */
  async lookAt(asker: Asker, query: Query, part: QueryResult): Promise<QueryResult> {
    const replaced = await through(this.#lookAfter(asker, [query], [part]))
    return replaced?.[0] ?? part
  }

  /** Gives up what is not there yet, and gets it when it is. */
  *#around<R>(hooked: Hooked<R>): Generator<Promise<unknown>, R, unknown> {
    const queries = hooked.statements.map((statement) => queryOf(hooked, statement))
    let isRewritten = false
    let release: (() => void) | undefined
    let running: R | Promise<R>
    try {
      for (let at = 0; at < queries.length; at++) {
        for (const plugin of this.#before) {
          if (hooked.exempt.includes(plugin.name)) continue
          const query = queries[at] as Query
          let said = plugin.askHook({ kind: 'beforeQuery', query }, hooked, checkBefore)
          if (said instanceof Promise) {
            // A call sees what those before it did: what is asked after this one waits until it runs.
            release ??= hooked.holdLater()
            said = (yield said) as Awaited<typeof said>
          }
          if (said === undefined) continue
          if ('veto' in said) refuse('queryVetoed', { plugin: plugin.name, reason: said.veto })
          queries[at] = { ...query, ...said }
          isRewritten = true
        }
      }
      running = isRewritten ? hooked.run(queries) : hooked.run()
    } finally {
      release?.()
    }
    const done = running instanceof Promise ? ((yield running) as R) : running
    if (this.#after.length === 0) return done

    const results = hooked.results(done, queries)
    if (results === undefined) return done
    const replaced = yield* this.#lookAfter(hooked, queries, results)
    return replaced === undefined ? done : hooked.withResults(done, replaced)
  }

  /** The results that plugins give in the place of these; undefined where they leave all as they are. */
  *#lookAfter(
    asker: Asker,
    queries: readonly Query[],
    results: readonly QueryResult[],
  ): Generator<Promise<unknown>, readonly QueryResult[] | undefined, unknown> {
    let replaced: QueryResult[] | undefined
    for (const plugin of this.#after) {
      if (asker.exempt.includes(plugin.name)) continue
      for (let at = 0; at < queries.length; at++) {
        const query = queries[at] as Query
        const result = (replaced ?? results)[at] as QueryResult
        const check = result.changes === undefined ? checkAfterRead : checkAfterWrite
        let said = plugin.askHook({ kind: 'afterQuery', query, result }, asker, check)
        if (said instanceof Promise) said = (yield said) as Awaited<typeof said>
        if (said === undefined) continue
        replaced ??= [...results]
        replaced[at] = said
      }
    }
    return replaced
  }
}

/** Field by field: spreading an object costs more than all the rest of a hook. */
function queryOf({ scope, access, rowFormat }: Hooked<unknown>, { sql, params }: Statement): Query {
  const { database, branch, tenant } = scope
  return { database, branch, tenant, sql, params, access, rowFormat }
}

function through<R>(steps: Generator<Promise<unknown>, R, unknown>): R | Promise<R> {
  const step = steps.next()
  return step.done ? step.value : finish(steps, step.value)
}

/** Go on with steps that wait for something. */
async function finish<R>(steps: Generator<Promise<unknown>, R, unknown>, first: Promise<unknown>): Promise<R> {
  let waitedFor = first
  for (;;) {
    const step = await waitedFor.then(
      (value) => steps.next(value),
      (error) => steps.throw(error),
    )
    if (step.done) return step.value
    waitedFor = step.value
  }
}

const maxSqlChars = 1024 * 1024

/** What `beforeQuery` may say. */
function checkBefore(answer: unknown): Rewrite | Veto | undefined {
  if (answer === undefined || answer === null) return undefined
  if (!isRecord(answer)) throw new PluginFault('beforeQuery answers nothing, {sql, params} or {veto}')
  const { sql, params, veto } = answer
  if (typeof veto === 'string') return { veto: veto.slice(0, maxReasonChars) }
  const isText = typeof sql === 'string' && sql.length > 0 && sql.length <= maxSqlChars
  const areParams = params === undefined || params === null || typeof params === 'object'
  if (veto !== undefined || !isText || !areParams) {
    throw new PluginFault('beforeQuery answers nothing, {sql, params} or {veto}')
  }
  return params === undefined || params === null ? { sql } : { sql, params: params as QueryParams }
}

const maxReasonChars = 2_000

const columns = z.array(z.object({ name: z.string(), type: z.string().nullable() }))
const rows = z.array(z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]))
const truncated = z.literal(true).optional()
const ReadResult = z.looseObject({ columns, rows, truncated })
const WriteResult = z.looseObject({ changes: z.int(), columns: columns.optional(), rows: rows.optional() })

const checkAfterRead = (answer: unknown) => checkAfter(answer, ReadResult)
const checkAfterWrite = (answer: unknown) => checkAfter(answer, WriteResult)

/** What `afterQuery` may say. */
function checkAfter(answer: unknown, schema: z.ZodType): QueryResult | undefined {
  if (answer === undefined || answer === null) return undefined
  const parsed = schema.safeParse(isRecord(answer) ? answer.result : undefined)
  if (!parsed.success)
    throw new PluginFault('afterQuery answers nothing, or {result} of the shape of the one it was given')
  const result = parsed.data as QueryResult
  const width = result.columns?.length
  const isSquare = result.rows?.every((row) => !Array.isArray(row) || row.length === width) ?? true
  if (!isSquare) throw new PluginFault('a row of afterQuery’s result has not as many values as there are columns')
  return result
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
