import type { Columns } from '../storage/statements.ts'
import { endOfRows, joinRows } from './frames.ts'
import type { RowTaker } from './process-lane.ts'

/** So much of a result is read before it is asked for. What is no longer takes no process once it is here. */
const lookAheadBytes = 256 * 1024

/** What a cursor gives at a time: rows as JSON, one after the other, with commas between them. */
export interface Fetched {
  readonly rowText: string
  readonly count: number
  /** There are no more. */
  readonly done: boolean
  /** With `done`: there were more than were wanted. */
  readonly truncated: boolean
}

/** Rows of a result that are there, and those who wait for more. What nobody asks for, its process does not make. */
export class Cursor implements RowTaker {
  readonly snapshot: () => void
  /** Settles when the result is about to come, or will not. */
  readonly opened: Promise<Columns>
  readonly #maxFetchBytes: number
  #parts: { readonly text: Buffer; readonly count: number }[] = []
  #bytes = 0
  #count = 0
  #isComplete = false
  #isTruncated = false
  #failure: Error | undefined
  readonly #fetches: Fetch[] = []
  #pause: { readonly ended: Promise<void>; readonly end: () => void } | undefined
  #open!: (columns: Columns) => void
  #failToOpen!: (error: Error) => void

  /** @param maxFetchBytes a fetch that would be longer than this gives fewer rows, and at least one */
  constructor(maxFetchBytes: number, snapshot: () => void = () => {}) {
    this.#maxFetchBytes = maxFetchBytes
    this.snapshot = snapshot
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve
      this.#failToOpen = reject
    })
  }

  columns(columns: Columns): void {
    this.#open(columns)
  }

  rows(text: Buffer, count: number): Promise<void> | undefined {
    this.#parts.push({ text, count })
    this.#bytes += text.length
    this.#count += count
    this.#serve()
    if (this.#wantsMore) return undefined
    this.#pause ??= newPause()
    return this.#pause.ended
  }

  /** Every row has come, or as many as were wanted. */
  complete(truncated: boolean): void {
    this.#isComplete = true
    this.#isTruncated = truncated
    this.#serve()
  }

  /** No more rows come, and those that are here are not given out any more. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#failToOpen(error)
    this.#parts = []
    for (const { fail } of this.#fetches.splice(0)) fail(this.#failure)
  }

  /** The next rows, `count` if there are so many. An aborted `signal` ends the waiting, and the rows stay. */
  fetch(count: number, signal: AbortSignal): Promise<Fetched> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#fetches.splice(this.#fetches.indexOf(fetch), 1)
        reject(signal.reason)
        this.#serve()
      }
      const fetch: Fetch = {
        count,
        give: (fetched) => {
          signal.removeEventListener('abort', leave)
          resolve(fetched)
        },
        fail: (error) => {
          signal.removeEventListener('abort', leave)
          reject(error)
        },
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', leave, { once: true })
      this.#fetches.push(fetch)
      this.#serve()
    })
  }

  get #wantsMore(): boolean {
    return this.#fetches.length > 0 || this.#bytes < lookAheadBytes
  }

  /** Give those who wait what is there for them, in their order. */
  #serve(): void {
    for (;;) {
      const fetch = this.#fetches[0]
      if (fetch === undefined || !this.#hasEnough(fetch)) break
      this.#fetches.shift()
      fetch.give(this.#take(fetch.count))
    }
    if (!this.#wantsMore) return
    this.#pause?.end()
    this.#pause = undefined
  }

  #hasEnough({ count }: Fetch): boolean {
    return this.#isComplete || this.#count >= count || this.#bytes >= this.#maxFetchBytes
  }

  #take(count: number): Fetched {
    const taken: Buffer[] = []
    let missing = count
    let bytes = 0
    for (;;) {
      const part = this.#parts[0]
      if (part === undefined || missing === 0 || bytes >= this.#maxFetchBytes) break
      const isWhole = part.count <= missing
      const text = isWhole ? part.text : part.text.subarray(0, endOfRows(part.text, missing))
      const rows = isWhole ? part.count : missing
      if (isWhole) this.#parts.shift()
      // Behind the comma.
      else this.#parts[0] = { text: part.text.subarray(text.length + 1), count: part.count - rows }
      taken.push(text)
      bytes += text.length
      missing -= rows
    }
    this.#bytes -= bytes
    this.#count -= count - missing
    const done = this.#isComplete && this.#count === 0
    return { rowText: joinRows(taken), count: count - missing, done, truncated: done && this.#isTruncated }
  }
}

interface Fetch {
  readonly count: number
  readonly give: (fetched: Fetched) => void
  readonly fail: (error: Error) => void
}

function newPause() {
  let end!: () => void
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { ended, end }
}
