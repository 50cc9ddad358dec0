import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { nextExpiry, purge } from '../kv/operations.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

/** How long those wait who are due, so that what expires meanwhile goes along. */
const gatherMs = 10_000
/** How many keys go in one transaction, and how long the thread is then left to others. */
const sliceKeys = 200
const pauseMs = 1
/** Timers can wait no longer. */
const maxDelayMs = 2 ** 31 - 1

/**
 * Removes the keys of the key-value store that have expired, in the background. Nobody sees them any more; it is there so
 * that files do not grow by them.
 *
 * It knows of a tenant from when its file is opened, and from who gives a key a time to live; the file then tells when the
 * next of its keys expires. A file that was closed meanwhile, or that is not to be written as it lies (maintenance, a
 * fork that shares it), is forgotten until then: nothing is opened, copied or brought forward to tidy it up.
 */
export class Expiry {
  readonly #parts: () => EngineParts
  readonly #log: Logger
  /** When a key of the tenant expires, at the earliest. */
  readonly #due = new Map<Tenant, number>()
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(parts: () => EngineParts, log: Logger) {
    this.#parts = parts
    this.#log = log
  }

  /** A key of the tenant may expire at this time, in ms since 1970. */
  note(tenant: Tenant, due: number): void {
    const known = this.#due.get(tenant)
    if (known !== undefined && known <= due) return
    this.#due.set(tenant, due)
    this.#wakeAt(due)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #wakeAt(due: number): void {
    if (this.#isStopped || this.#running || due >= this.#wakesAt) return
    clearTimeout(this.#timer)
    const now = this.#parts().clock()
    this.#wakesAt = Math.max(due, now + gatherMs)
    this.#timer = setTimeout(() => this.#wake(), Math.min(this.#wakesAt - now, maxDelayMs)).unref()
  }

  #wake(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY
    this.#running = this.#run()
      // A file cannot be written (a full disk): its keys stay until it is opened anew.
      .catch((error: unknown) => this.#log.error({ err: error }, 'removing expired keys was cut short'))
      .finally(() => {
        this.#running = undefined
        if (this.#due.size > 0) this.#wakeAt(Math.min(...this.#due.values()))
      })
  }

  async #run(): Promise<void> {
    const now = this.#parts().clock()
    const due = [...this.#due].filter(([, due]) => due <= now)
    for (const [tenant] of due) {
      this.#due.delete(tenant)
      const next = await this.#tidy(tenant)
      if (next !== undefined) this.note(tenant, next)
    }
  }

  /** Gives when to come back to the tenant, if at all. */
  async #tidy(tenant: Tenant): Promise<number | undefined> {
    const { clock } = this.#parts()
    for (;;) {
      const { upkeep } = tenant
      if (upkeep === 'never' || this.#isStopped) return undefined
      if (upkeep === 'later') return clock()
      const next = await tenant.read(nextExpiry)
      if (next === undefined || next > clock()) return next
      // After the wait for the answer.
      if (tenant.upkeep !== 'now') continue
      await tenant.write((writer) => purge(writer, { now: clock(), limit: sliceKeys }))
      await sleep(pauseMs)
    }
  }
}
