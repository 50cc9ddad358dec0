import type { Agreement, Connection, Progress, Scope } from './connection.ts'
import { Cursor } from './cursor.ts'
import { CinchError, ConnectionLost, TransactionEndedError } from './errors.ts'
import { Link } from './link.ts'
import { type MethodName, Nouns, type ParamsOf, type ResultOf, type Takes, type TenantKey, takes } from './methods.ts'
import type { OpenOptions } from './project.ts'
import { decode, encode, isPlain, type ResultColumn, type Row, type StatementParams, type Value } from './values.ts'

export interface ConnectOptions extends Scope, Omit<OpenOptions, 'scope' | 'agreed'> {
  /** Start a daemon for this client alone, and speak over its pipes; it ends with the client. */
  readonly stdio?: boolean | undefined
  /** Unlocks the encrypted tenant in scope for this connection. */
  readonly key?: TenantKey | undefined
  /** For every call that has no limit of its own. */
  readonly timeoutMs?: number | undefined
}

export interface CallOptions {
  /** Cancels the call, which fails with `CancelledError`. */
  readonly signal?: AbortSignal | undefined
  /** The call fails with `TimeoutError` after so long. */
  readonly timeoutMs?: number | undefined
  /** Called for each piece of news of a call that takes long. */
  readonly onProgress?: ((value: Progress) => void) | undefined
}

export interface ExecuteOptions extends CallOptions {
  /** Rows as objects, which is the default, or as arrays, in which columns of one name survive. */
  readonly rowFormat?: 'object' | 'array' | undefined
  /** Of an encrypted tenant that the connection has not unlocked. */
  readonly key?: TenantKey | undefined
}

export interface QueryOptions extends ExecuteOptions {
  /** Cut the result here. */
  readonly maxRows?: number | undefined
  /** Columns whose values are shown as `***`. */
  readonly mask?: readonly string[] | undefined
}

export interface CursorOptions extends QueryOptions {
  /** How many rows are fetched at a time. */
  readonly count?: number | undefined
  /** The daemon closes the cursor when nothing was fetched for so long. */
  readonly idleMs?: number | undefined
}

export interface TransactionOptions extends CallOptions {
  /** `read` sees the rows as they are when it begins, and keeps nobody waiting. `write`, the default, has its turn. */
  readonly mode?: 'write' | 'read' | undefined
  /** Roll back if no call comes for so long. */
  readonly idleMs?: number | undefined
  /** Roll back after so long. */
  readonly maxMs?: number | undefined
}

export interface QueryResult<R = Row> {
  readonly columns: readonly ResultColumn[]
  readonly rows: R[]
  /** There were more rows than `maxRows`, or the daemon's limit, lets through. */
  readonly truncated?: true
}

export interface ExecuteResult<R = Row> {
  /** Rows inserted, updated or deleted. */
  readonly changes: number
  /** Those of RETURNING. */
  readonly columns?: readonly ResultColumn[]
  readonly rows?: R[]
}

export interface Statement {
  readonly sql: string
  readonly params?: StatementParams
}

type ArrayRows = { readonly rowFormat: 'array' }

/** Methods whose answers have a `nextCursor`. */
export type PagedMethod = {
  [M in MethodName]: 'nextCursor' extends keyof ResultOf<M> ? M : never
}[MethodName]

/** Connect to a project's daemon, starting one where none runs. */
export async function connect(options: ConnectOptions = {}): Promise<Cinch> {
  const { key, timeoutMs, stdio, database, branch, tenant, command = process.env.CINCHD, ...rest } = options
  const scope = given({ database, branch, tenant })
  const unlock = async (connection: Connection) => {
    if (key !== undefined) await connection.rawRequest('tenant.unlock', scoped(takes['tenant.unlock'], scope, { key }))
  }
  const link = await (stdio ? Link.overStdio : Link.overSocket)({ ...rest, command }, unlock)
  return new Cinch(link, { scope, timeoutMs, isOwner: true })
}

/** What a client can ask of one place: every method by its noun, as `row.insert`, and statements of SQL. */
export abstract class Handle extends Nouns {
  /** What goes with each call that takes it. */
  protected abstract readonly transactionId: string | undefined
  protected readonly place: Scope
  protected readonly timeoutMs: number | undefined

  constructor(place: Scope, timeoutMs: number | undefined) {
    super()
    this.place = place
    this.timeoutMs = timeoutMs
  }

  protected abstract connection(): Promise<Connection>

  /** Call a method by its name on the wire. */
  call<M extends MethodName>(method: M, params: ParamsOf<M>, options?: CallOptions): Promise<ResultOf<M>>
  /** Call a method of a plugin. */
  call(method: `plugin.${string}.${string}`, params?: object, options?: CallOptions): Promise<unknown>
  async call(method: string, params: object = {}, options: CallOptions = {}): Promise<unknown> {
    const taken = takes[method as MethodName] ?? ofPlugins
    const { transactionId, timeoutMs: always } = this
    if (transactionId !== undefined && !taken.transaction) {
      throw new TypeError(`${method} takes no part in a transaction`)
    }
    const { timeoutMs = always, ...rest } = options
    const sent = {
      ...scoped(taken, this.place, params),
      ...(transactionId !== undefined && { transaction: transactionId }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    }
    // A daemon that keeps the time itself has the first word.
    const patienceMs = timeoutMs === undefined ? undefined : timeoutMs + answerMs
    const encoded = encode(sent, !isPlain(method)) as object
    return exactRequest(await this.connection(), method, encoded, { ...rest, patienceMs })
  }

  /** Run one statement that reads. */
  query<R extends readonly unknown[] = Value[]>(
    sql: string,
    params: StatementParams | undefined,
    options: QueryOptions & ArrayRows,
  ): Promise<QueryResult<R>>
  query<R extends object = Row>(sql: string, params?: StatementParams, options?: QueryOptions): Promise<QueryResult<R>>
  query(sql: string, params?: StatementParams, options: QueryOptions = {}): Promise<QueryResult<never>> {
    const [given, callOptions] = statement(sql, params, options)
    return this.call('query.run', given, callOptions) as Promise<QueryResult<never>>
  }

  /** Run one statement that inserts, updates or deletes. */
  execute<R extends readonly unknown[] = Value[]>(
    sql: string,
    params: StatementParams | undefined,
    options: ExecuteOptions & ArrayRows,
  ): Promise<ExecuteResult<R>>
  execute<R extends object = Row>(
    sql: string,
    params?: StatementParams,
    options?: ExecuteOptions,
  ): Promise<ExecuteResult<R>>
  execute(sql: string, params?: StatementParams, options: ExecuteOptions = {}): Promise<ExecuteResult<never>> {
    const [given, callOptions] = statement(sql, params, options)
    return this.call('query.execute', given, callOptions) as Promise<ExecuteResult<never>>
  }

  /** Run statements in one transaction: all of them or none. */
  async batch(statements: readonly Statement[], options: ExecuteOptions = {}): Promise<ExecuteResult[]> {
    const { rowFormat = 'object', key, ...callOptions } = options
    const { results } = await this.call('query.batch', { statements, rowFormat, key }, callOptions)
    return results as ExecuteResult[]
  }

  /** Tell what a statement does, how, and where it runs, without running it. */
  explain(sql: string, options?: CallOptions): Promise<ResultOf<'query.explain'>> {
    return this.call('query.explain', { sql }, options)
  }

  /** Every page of a list, one after the other. */
  async *pages<M extends PagedMethod>(
    method: M,
    params: ParamsOf<M>,
    options?: CallOptions,
  ): AsyncGenerator<ResultOf<M>, void> {
    let cursor: string | undefined
    do {
      const page = await this.call(method, { ...params, ...given({ cursor }) }, options)
      yield page
      // Told by the type of the method, as far as TypeScript can follow.
      cursor = (page as { readonly nextCursor?: string }).nextCursor
    } while (cursor !== undefined)
  }
}

/** A project's databases, as seen from one database, branch and tenant. */
export class Cinch extends Handle implements AsyncDisposable {
  protected readonly transactionId = undefined
  readonly #link: Link
  readonly #isOwner: boolean

  constructor(
    link: Link,
    { scope, timeoutMs, isOwner }: { scope: Scope; timeoutMs: number | undefined; isOwner: boolean },
  ) {
    super(scope, timeoutMs)
    this.#link = link
    this.#isOwner = isOwner
  }

  /** What the daemon said of itself. */
  get server(): Agreement {
    return this.#link.agreement
  }

  /** The same connection, from which calls go to another database, branch or tenant. */
  scope(scope: Scope): Cinch {
    const options = { scope: { ...this.place, ...given(scope) }, timeoutMs: this.timeoutMs, isOwner: false }
    return new Cinch(this.#link, options)
  }

  /** Run one statement that reads, and take its rows as they come, however many there are. */
  cursor<R extends readonly unknown[] = Value[]>(
    sql: string,
    params: StatementParams | undefined,
    options: CursorOptions & ArrayRows,
  ): Promise<Cursor<R>>
  cursor<R extends object = Row>(sql: string, params?: StatementParams, options?: CursorOptions): Promise<Cursor<R>>
  async cursor(sql: string, params?: StatementParams, options: CursorOptions = {}): Promise<Cursor<never>> {
    const { count, ...rest } = options
    const [asked, callOptions] = statement(sql, params, rest)
    const encoded = encode(scoped(takes['query.open'], this.place, asked), true) as { sql: string }
    const connection = await this.connection()
    const rawRequest = (method: string, params: object) => exactRequest(connection, method, params, callOptions)
    return this.#whileOpen((ended) => Cursor.open<never>({ rawRequest }, encoded, count, ended))
  }

  /** Do work in a transaction: it is committed at the end, and rolled back where the work fails. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    await using tx = await this.begin(options)
    const result = await work(tx)
    await tx.commit()
    return result
  }

  /** Begin a transaction, in its turn, that is ended by `commit` or `rollback`. */
  async begin(options: TransactionOptions = {}): Promise<Transaction> {
    const { signal, timeoutMs = this.timeoutMs, onProgress, ...asked } = options
    const connection = await this.connection()
    const params = scoped(takes['transaction.begin'], this.place, given({ ...asked, timeoutMs }))
    return this.#whileOpen(async (ended) => {
      const begun = await connection.rawRequest('transaction.begin', params, { signal, onProgress })
      const { transaction: id } = begun as ResultOf<'transaction.begin'>
      return new Transaction({ connection, id, timeoutMs: this.timeoutMs, ended })
    })
  }

  /** Close the connection; calls under way fail with `ConnectionLost`. What `scope` gave closes nothing. */
  async close(): Promise<void> {
    if (this.#isOwner) await this.#link.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected connection(): Promise<Connection> {
    return this.#link.connection()
  }

  /** Open something that the connection may not be made anew under. */
  async #whileOpen<T>(open: (ended: () => void) => Promise<T>): Promise<T> {
    const link = this.#link
    const ended = () => {
      link.open--
    }
    link.open++
    try {
      return await open(ended)
    } catch (error) {
      ended()
      throw error
    }
  }
}

/** An open transaction of a tenant. Methods that take no part in one throw a `TypeError`. */
export class Transaction extends Handle implements AsyncDisposable {
  protected readonly transactionId: string
  readonly #connection: Connection
  readonly #ended: () => void
  #isOpen = true

  constructor(options: {
    connection: Connection
    id: string
    timeoutMs: number | undefined
    ended: () => void
  }) {
    super({}, options.timeoutMs)
    this.transactionId = options.id
    this.#connection = options.connection
    this.#ended = options.ended
  }

  async commit(): Promise<void> {
    this.#end()
    await this.#connection.rawRequest('transaction.commit', { transaction: this.transactionId })
  }

  /** Nothing is left of it. Where it is over already, there is nothing to do. */
  async rollback(): Promise<void> {
    if (!this.#isOpen) return
    this.#end()
    try {
      await this.#connection.rawRequest('transaction.rollback', { transaction: this.transactionId })
    } catch (error) {
      if (!(error instanceof ConnectionLost || error instanceof TransactionEndedError)) throw error
    }
  }

  /** Rolls back what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback()
  }

  protected async connection(): Promise<Connection> {
    return this.#connection
  }

  #end(): void {
    if (this.#isOpen) this.#ended()
    this.#isOpen = false
  }
}

/** How much later than the daemon's own word on a call's time a client gives up. */
const answerMs = 1_000

/** Methods of plugins, which may have come since: each takes all three. */
const ofPlugins: Takes = { database: 'database', branch: 'branch', tenant: 'tenant' }

/** Parameters with a scope, as far as the method takes it and they do not say otherwise. */
function scoped(taken: Takes, scope: Scope, params: object): object {
  const places = (['database', 'branch', 'tenant'] as const).flatMap((noun) => {
    const [name, place] = [taken[noun], scope[noun]]
    return name === undefined || place === undefined ? [] : [[name, place]]
  })
  return { ...Object.fromEntries(places), ...given(params) }
}

function statement(sql: string, params: StatementParams | undefined, options: CursorOptions) {
  const { signal, timeoutMs, onProgress, rowFormat = 'object', ...more } = options
  return [given({ sql, params, rowFormat, ...more }) as { sql: string }, { signal, timeoutMs, onProgress }] as const
}

/** Those that have a value. */
function given<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
}

/** A request whose answer, or refusal, has its values as they are in JavaScript. */
async function exactRequest(
  connection: Connection,
  method: string,
  params: object,
  options: Parameters<Connection['rawRequest']>[2],
): Promise<unknown> {
  try {
    const result = await connection.rawRequest(method, params, options)
    return isPlain(method) ? result : decode(result)
  } catch (error) {
    if (error instanceof CinchError) decode(error.data)
    throw error
  }
}
