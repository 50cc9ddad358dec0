import { randomUUID } from 'node:crypto'
import type { ErrorData } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import { Lru } from '../base/lru.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { Cursor, Fetched } from '../query/cursor.ts'
import type { Params } from '../query/execute.ts'
import type { Columns } from '../storage/statements.ts'
import { openRows, type ReadOptions } from './sql.ts'
import type { Tenant } from './tenant.ts'

type EndReason = ErrorData<'cursorNotFound'>['reason']

/** So many cursors that are no more are remembered, with the reason. */
const endsRemembered = 1_000

/**
 * The open cursors. Each belongs to who opened it, and ends with its last row, with its owner, when nobody has fetched from
 * it for a while, and when it has lasted as long as any may: while its statement is not through, its file keeps the state
 * that the statement saw, and its process waits.
 */
export class Cursors {
  readonly #limits: Limits
  readonly #open = new Map<string, OpenCursor>()
  readonly #ended = new Lru<string, { readonly owner: object; readonly reason: EndReason }>(endsRemembered)

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#open.size
  }

  /** The cursor of that name, as an object that lasts as long as it does. */
  get(owner: object, id: string): object | undefined {
    const open = this.#open.get(id)
    return open?.owner === owner ? open : undefined
  }

  /** Run a statement that reads, and have its rows fetched. It sees what is committed now, then and later. */
  async open(
    tenant: Tenant,
    sql: string,
    params: Params,
    options: ReadOptions & { readonly idleMs: number },
  ): Promise<{ readonly id: string; readonly columns: Columns }> {
    const { maxCursorMs, maxResultBytes } = this.#limits
    const { signal, owner } = options.caller
    this.#requireRoom(owner)
    const id = randomUUID()
    const ending = new AbortController()
    const open: OpenCursor = { owner, ending, idleMs: options.idleMs, fetches: 0 }
    this.#open.set(id, open)
    open.lifeTimer = setTimeout(() => this.#end(id, 'maxCursorMs'), maxCursorMs)
    const cancel = () => ending.abort(signal.reason)
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const limits = { signal: ending.signal, maxFetchBytes: maxResultBytes }
      open.cursor = await openRows(tenant, sql, params, options, limits)
      ending.signal.throwIfAborted()
      this.#rest(id, open)
      return { id, columns: await open.cursor.opened }
    } catch (error) {
      this.#end(id, 'failed')
      throw error
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** The next rows. An aborted `signal` ends the waiting, and not the cursor. */
  async fetch(owner: object, id: string, count: number, signal: AbortSignal): Promise<Fetched> {
    const open = this.#open.get(id)
    if (open?.owner !== owner || open.cursor === undefined) refuse('cursorNotFound', this.#missing(owner, id))
    clearTimeout(open.idleTimer)
    open.fetches++
    try {
      const fetched = await open.cursor.fetch(Math.min(count, this.#limits.maxResultRows), signal)
      if (fetched.done) this.#end(id, 'done')
      return fetched
    } catch (error) {
      if (!signal.aborted) this.#end(id, 'failed')
      throw error
    } finally {
      if (--open.fetches === 0) this.#rest(id, open)
    }
  }

  /** Close a cursor; tells whether it was open. */
  close(owner: object, id: string): boolean {
    const isOpen = this.#open.get(id)?.owner === owner
    if (isOpen) this.#end(id, 'closed')
    return isOpen
  }

  /** Close them all. */
  closeAll(): void {
    for (const id of [...this.#open.keys()]) this.#end(id, 'closed')
  }

  /** The owner is gone, and so are its cursors. */
  closeOf(owner: object): void {
    for (const [id, open] of this.#open) if (open.owner === owner) this.#end(id, 'closed')
  }

  #requireRoom(owner: object): void {
    const { maxCursors, maxCursorsPerSession } = this.#limits
    let own = 0
    for (const open of this.#open.values()) if (open.owner === owner) own++
    if (own >= maxCursorsPerSession) {
      refuse('limitExceeded', { limit: 'maxCursorsPerSession', max: maxCursorsPerSession })
    }
    if (this.#open.size >= maxCursors) refuse('limitExceeded', { limit: 'maxCursors', max: maxCursors })
  }

  /** Nobody waits for its rows. */
  #rest(id: string, open: OpenCursor): void {
    if (!this.#open.has(id)) return
    clearTimeout(open.idleTimer)
    open.idleTimer = setTimeout(() => this.#end(id, 'idle'), open.idleMs)
  }

  #end(id: string, reason: EndReason): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    clearTimeout(open.lifeTimer)
    clearTimeout(open.idleTimer)
    this.#open.delete(id)
    this.#ended.set(id, { owner: open.owner, reason })
    const isLate = open.cursor === undefined && reason === 'maxCursorMs'
    const why = isLate
      ? new Refusal('timeout', { limit: 'maxCursorMs', timeoutMs: this.#limits.maxCursorMs })
      : new Refusal('cursorNotFound', { cursor: id, reason })
    open.cursor?.fail(why)
    open.ending.abort(why)
  }

  #missing(owner: object, id: string): ErrorData<'cursorNotFound'> {
    const ended = this.#ended.get(id)
    return { cursor: id, reason: ended?.owner === owner ? ended.reason : 'unknown' }
  }
}

interface OpenCursor {
  readonly owner: object
  /** Ends its statement. */
  readonly ending: AbortController
  readonly idleMs: number
  /** There once its statement has begun. */
  cursor?: Cursor
  /** Those that wait for rows. */
  fetches: number
  lifeTimer?: NodeJS.Timeout
  idleTimer?: NodeJS.Timeout
}
