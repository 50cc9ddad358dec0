import { ConnectionLost } from './errors.ts'
import type { ResultColumn } from './values.ts'

/** Calls methods of cursors. */
export interface CursorCaller {
  rawRequest(method: string, params: object): Promise<unknown>
}

/** What `query.open` takes. */
export interface CursorParams {
  readonly sql: string
  readonly params?: unknown
  readonly [name: string]: unknown
}

interface Opened {
  readonly cursor: string
  readonly columns: readonly ResultColumn[]
}

interface Fetched<Row> {
  readonly rows: readonly Row[]
  readonly done: boolean
  readonly truncated?: boolean
}

/**
 * The rows of a statement, however many: fetched as they are taken, with one fetch ahead. It closes itself with its last
 * row, and where a loop over it is left.
 */
export class Cursor<Row = unknown> implements AsyncDisposable {
  readonly columns: readonly ResultColumn[]
  readonly #caller: CursorCaller
  readonly #cursor: string
  readonly #count: number
  readonly #ended: () => void
  #isOpen = true
  #isTruncated = false

  private constructor(caller: CursorCaller, { cursor, columns }: Opened, count: number, ended: () => void) {
    this.#caller = caller
    this.#cursor = cursor
    this.#count = count
    this.#ended = ended
    this.columns = columns
  }

  /**
   * @param count how many rows are fetched at a time
   * @param ended called once it is closed
   */
  static async open<Row>(
    caller: CursorCaller,
    params: CursorParams,
    count = 1_000,
    ended: () => void = () => {},
  ): Promise<Cursor<Row>> {
    return new Cursor<Row>(caller, (await caller.rawRequest('query.open', params)) as Opened, count, ended)
  }

  /** Once all rows were taken: whether there were more than `maxRows`. */
  get isTruncated(): boolean {
    return this.#isTruncated
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void> {
    for await (const rows of this.batches()) yield* rows
  }

  /** The rows as they come: some at a time. */
  async *batches(): AsyncGenerator<readonly Row[], void> {
    try {
      let next = this.#fetch()
      for (;;) {
        const { rows, done, truncated } = await next
        if (done) this.#end()
        else next = this.#fetch()
        this.#isTruncated = truncated ?? false
        if (rows.length > 0) yield rows
        if (done) return
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#end()
    await this.#caller.rawRequest('query.close', { cursor: this.#cursor }).catch(unlessLost)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(): void {
    this.#isOpen = false
    this.#ended()
  }

  #fetch(): Promise<Fetched<Row>> {
    const fetched = this.#caller.rawRequest('query.fetch', { cursor: this.#cursor, count: this.#count })
    // One that nobody waits for any more fails with the cursor.
    fetched.catch(() => {})
    return fetched as Promise<Fetched<Row>>
  }
}

/** A connection that is gone has taken its cursors with it. */
function unlessLost(error: unknown): void {
  if (!(error instanceof ConnectionLost)) throw error
}
