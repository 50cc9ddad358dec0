import type { Client, MethodName, ParamsOf, ResultOf } from '../../client/client.ts'
import type { RequestOptions } from '../../client/connection.ts'
import type { Context, Scope } from '../context.ts'
import { CliError } from '../errors.ts'

export type Schema = ResultOf<'schema.get'>

/** So often a transaction is touched while its owner types: the daemon rolls back one that nobody calls in for ten seconds. */
const msBetweenTouches = 3_000

/** What a shell has at the daemon: a connection, a scope, and at most one open transaction. */
export class Session implements Disposable {
  readonly #context: Context
  #scope: Scope
  #client: Client | undefined
  #transaction: string | undefined
  #touchTimer: NodeJS.Timeout | undefined
  #schema: { readonly scope: Scope; readonly value: Schema } | undefined

  private constructor(context: Context, scope: Scope) {
    this.#context = context
    this.#scope = scope
  }

  static async open(context: Context): Promise<Session> {
    const session = new Session(context, await context.scope())
    await session.#connection()
    return session
  }

  get scope(): Scope {
    return this.#scope
  }

  get hasTransaction(): boolean {
    return this.#transaction !== undefined
  }

  async client(): Promise<Client> {
    return this.#connection()
  }

  async call<M extends MethodName>(method: M, params: ParamsOf<M>, options?: RequestOptions): Promise<ResultOf<M>> {
    const client = await this.#connection()
    return client.request(method, params, options)
  }

  /** The same in the open transaction, if there is one. */
  async callInside<M extends StatementMethod>(
    method: M,
    params: ParamsOf<M>,
    options?: RequestOptions,
  ): Promise<ResultOf<M>> {
    const client = await this.#connection()
    return client.request(method, { ...params, transaction: this.#transaction } as ParamsOf<M>, options)
  }

  /** Go to another database, branch or tenant; the daemon refuses one that is not there. */
  async move(to: Partial<Scope>): Promise<void> {
    if (this.hasTransaction) {
      throw new CliError('transactionOpen', 'A transaction is open', { hint: '\\commit or \\rollback first' })
    }
    this.#scope = await this.call('session.setScope', { ...this.#scope, ...to })
  }

  async begin(mode: 'read' | 'write', options: RequestOptions): Promise<void> {
    if (this.hasTransaction) throw new CliError('transactionOpen', 'A transaction is open already')
    const { transaction } = await this.call('transaction.begin', { mode }, options)
    this.#transaction = transaction
    this.#touchLater()
  }

  async end(method: 'transaction.commit' | 'transaction.rollback', options?: RequestOptions): Promise<void> {
    if (this.#transaction === undefined) {
      throw new CliError('noTransaction', 'No transaction is open', { hint: '\\begin begins one' })
    }
    await this.call(method, { transaction: this.#transaction }, options)
    this.#forgetTransaction()
  }

  /** After an error: whether the transaction that was open is over, as one is in which a statement was cancelled. */
  async hasLostTransaction(): Promise<boolean> {
    if (!this.hasTransaction || (await this.#touch())) return false
    this.#forgetTransaction()
    return true
  }

  /** The branch's schema as it is now: fetched anew when the branch's head has moved. */
  async schema(): Promise<Schema> {
    const { head } = await this.call('branch.get', { name: this.#scope.branch })
    const known = this.#schema
    if (known?.scope === this.#scope && known.value.head === head) return known.value
    const value = await this.call('schema.get', {})
    this.#schema = { scope: this.#scope, value }
    return value
  }

  [Symbol.dispose](): void {
    this.#forgetTransaction()
  }

  /** If the transaction turns out to be over, the next statement in it is refused, and tells why. */
  #touchLater(): void {
    this.#touchTimer = setTimeout(async () => {
      if (await this.#touch()) this.#touchLater()
    }, msBetweenTouches).unref()
  }

  /** Whether the transaction is still open. While a statement runs in it, this waits for that. */
  async #touch(): Promise<boolean> {
    try {
      await this.callInside('query.explain', { sql: 'select 1' })
      return this.hasTransaction
    } catch {
      return false
    }
  }

  #forgetTransaction(): void {
    clearTimeout(this.#touchTimer)
    this.#transaction = undefined
  }

  /** The connection, made anew where the daemon ended the last one. */
  async #connection(): Promise<Client> {
    const client = await this.#context.client()
    if (client === this.#client) return client
    await client.request('session.setScope', this.#scope)
    this.#client = client
    if (!this.hasTransaction) return client
    this.#forgetTransaction()
    // A statement that was meant for it must not be done without it.
    throw new CliError('transactionEnded', 'The transaction is over', { data: { reason: 'the connection ended' } })
  }
}

/** The methods that can be called in a transaction. */
type StatementMethod = 'query.run' | 'query.execute' | 'query.explain'
