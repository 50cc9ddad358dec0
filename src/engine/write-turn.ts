import { refuse } from '../base/refusal.ts'

/** Who waits for a turn: for its own sake, if it is given, and until its signal is aborted. */
export interface Waiter {
  readonly session?: object
  readonly signal: AbortSignal
}

interface Waiting {
  readonly takes: boolean
  readonly waiter: Waiter | undefined
  enter(): void
}

/**
 * The right to write to a tenant. One holder at a time; those who come meanwhile are let in in the order in which they
 * came, whether they take the turn or only pass, as a write does that is over at once.
 *
 * Whoever needs a moment without a holder reserves it: those who would take the turn wait, those who pass do not.
 */
export class WriteTurn {
  readonly #maxWaiting: number
  readonly #waiting: Waiting[] = []
  #awaitingEnd: (() => void)[] = []
  #reservations = 0
  isHeld = false

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  /** Take the turn until `end`. `taken` is called in the moment in which it is; undefined where that is now. */
  take(taken: () => void, waiter?: Waiter): Promise<void> | undefined {
    const take = () => {
      this.isHeld = true
      taken()
    }
    return this.isFree ? void take() : this.#wait(true, take, waiter)
  }

  /** Whether it can be taken now. */
  get isFree(): boolean {
    return !this.isHeld && this.#reservations === 0 && this.#waiting.length === 0
  }

  /** Do something when it is free that is over at once. */
  pass<T>(work: () => T | Promise<T>, waiter?: Waiter): Promise<T> {
    let done!: T | Promise<T>
    const entered = this.#wait(false, () => (done = work()), waiter)
    return entered.then(() => done)
  }

  end(): void {
    this.isHeld = false
    for (const ended of this.#awaitingEnd.splice(0)) ended()
    this.#advance()
  }

  /** Let nobody else take the turn until `unreserve`; settles when its holder is through. */
  async reserve(): Promise<void> {
    this.#reservations++
    if (this.isHeld) await new Promise<void>((resolve) => this.#awaitingEnd.push(resolve))
  }

  unreserve(): void {
    this.#reservations--
    this.#advance()
  }

  /** Whether a call of this session waits. */
  isAwaitedBy(session: object): boolean {
    return this.#waiting.some(({ waiter }) => waiter?.session === session)
  }

  #wait(takes: boolean, enter: () => void, waiter: Waiter | undefined): Promise<void> {
    const max = this.#maxWaiting
    if (this.#waiting.length >= max) refuse('limitExceeded', { limit: 'maxWaitingWriters', max })
    waiter?.signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(waiter?.signal.reason)
      }
      const waiting: Waiting = {
        takes,
        waiter,
        enter: () => {
          waiter?.signal.removeEventListener('abort', leave)
          try {
            enter()
            resolve()
          } catch (error) {
            reject(error)
          }
        },
      }
      this.#waiting.push(waiting)
      waiter?.signal.addEventListener('abort', leave, { once: true })
    })
  }

  #advance(): void {
    for (let at = 0; !this.isHeld; ) {
      const next = this.#waiting[at]
      if (next === undefined) return
      if (next.takes && this.#reservations > 0) at++
      else {
        this.#waiting.splice(at, 1)
        next.enter()
      }
    }
  }
}
