import type { Client, ParamsOf, ResultOf } from './client.ts'

export type Rows = ResultOf<'query.fetch'>['rows']

/**
 * The rows of a statement, however many: fetched as they are taken, with one fetch ahead. It closes itself with its last
 * row, and where a loop over it is left.
 */
export class Cursor implements AsyncDisposable {
  readonly columns: ResultOf<'query.open'>['columns']
  readonly #client: Client
  readonly #cursor: string
  readonly #count: number
  #isOpen = true
  #isTruncated = false

  private constructor(client: Client, { cursor, columns }: ResultOf<'query.open'>, count: number) {
    this.#client = client
    this.#cursor = cursor
    this.#count = count
    this.columns = columns
  }

  /** @param count how many rows are fetched at a time */
  static async open(client: Client, params: ParamsOf<'query.open'>, count = 1_000): Promise<Cursor> {
    return new Cursor(client, await client.request('query.open', params), count)
  }

  /** Once all rows were taken: whether there were more than `maxRows`. */
  get isTruncated(): boolean {
    return this.#isTruncated
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Rows[number], void> {
    for await (const rows of this.batches()) yield* rows
  }

  /** The rows as they come: some at a time. */
  async *batches(): AsyncGenerator<Rows, void> {
    try {
      let next = this.#fetch()
      for (;;) {
        const { rows, done, truncated } = await next
        if (done) this.#isOpen = false
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
    this.#isOpen = false
    await this.#client.request('query.close', { cursor: this.#cursor })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #fetch(): Promise<ResultOf<'query.fetch'>> {
    const fetched = this.#client.request('query.fetch', { cursor: this.#cursor, count: this.#count })
    // One that nobody waits for any more fails with the cursor.
    fetched.catch(() => {})
    return fetched
  }
}
