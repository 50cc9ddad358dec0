import type { LaneName } from '../../protocol/lanes.ts'
import type { RequestId, Session } from './session.ts'

/** One request under way, as its handler sees it. */
export class RunningCall {
  readonly session: Session
  readonly id: RequestId
  #controller: AbortController | undefined
  readonly #progressToken: string | number | undefined
  /** When the call's time is over, on the clock of `performance.now()`; Infinity where it has no limit. */
  readonly deadline: number
  /** Where its work was done, as the statistics count it. */
  lane: LaneName = 'inline'
  /** Called when it is answered. */
  onEnd: (() => void) | undefined

  constructor(session: Session, id: RequestId, params: CallParams) {
    this.session = session
    this.id = id
    this.#progressToken = params.progressToken
    this.deadline = params.timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + params.timeoutMs
  }

  /** Aborted when the client cancels or vanishes, the time is over, or the daemon stops. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }

  /** Calls of one session take turns with those of others. */
  get owner(): object {
    return this.session
  }

  beforeWrites(snapshot: Promise<void>): void {
    this.session.beforeWrites(snapshot)
  }

  beforeAll(): () => void {
    return this.session.beforeAll()
  }

  /** Report progress to the client, if it asked for it with `progressToken`. */
  progress(value: object): void {
    if (this.#progressToken === undefined) return
    this.session.notify('$/progress', { token: this.#progressToken, value })
  }

  /** Send a part of the result as `$/progress`: see `Session.sendPart`. */
  sendPart(token: string | number, value: readonly Buffer[]): Promise<void> | undefined {
    return this.session.sendPart(token, value)
  }
}

/**
 * Thrown by a handler that has done nothing yet and cannot go on before `until`: it is then called again. The calls that
 * its session sends after it wait for that.
 */
export class Postponed {
  readonly until: Promise<unknown>
  /** To be called when the handler was called again. */
  readonly release: () => void

  constructor(call: RunningCall, until: Promise<unknown>) {
    this.until = until
    this.release = call.beforeAll()
  }
}

/** A request as the log names it: the session's number and the id that the client gave. */
export function requestName(session: Session, id: unknown): string {
  return `${session.id}/${JSON.stringify(id)?.slice(0, maxIdChars)}`
}

const maxIdChars = 64

/** Parameters that every call may have, whatever its method. */
export interface CallParams {
  readonly progressToken?: string | number
  readonly timeoutMs?: number
}
