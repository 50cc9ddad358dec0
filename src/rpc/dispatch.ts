import type { Logger } from 'pino'
import { type ErrorKind, type WireError, wireError } from '../../protocol/errors.ts'
import { nearMiss } from '../base/near-miss.ts'
import { Refusal } from '../base/refusal.ts'
import { latestTime, lookAtClock } from '../base/turn.ts'
import { type CallParams, Postponed, type RunningCall, requestName } from './call.ts'
import { JsonText, type Method, type Registry } from './contract.ts'
import type { Dispatch, RequestId, Session } from './session.ts'

export interface DispatcherOptions<C extends RunningCall> {
  readonly registry: Registry<C>
  readonly newCall: (session: Session, id: RequestId, params: CallParams) => C
  readonly log: Logger
  /** Check results and refusals against what the method declares, too. On in tests. */
  readonly checkResults: boolean
  readonly observer: Observer
}

/** Told of every answer to a request that names a method. Costs every call what it costs. */
export interface Observer {
  /** @param ms since the daemon turned to the request: what it waited for its turn counts */
  answered(
    session: Session,
    request: Readonly<Record<string, unknown>>,
    call: RunningCall | undefined,
    ms: number,
    failure: ErrorKind | undefined,
  ): void
}

/** Given once a call: the text of the answer, and the kind of error where it is one. */
type Answer = (json: string, failure?: ErrorKind) => void

/** Refusals that any method may answer with; a method declares the others. */
const commonRefusals: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'invalidParams',
  'requestCancelled',
  'timeout',
  'shuttingDown',
  'limitExceeded',
  'processEnded',
  'internalError',
  'storageFull',
  'storageReadOnly',
  'storageError',
  'corrupt',
  'notADatabase',
  'notSupported',
])

/**
 * From a request to its answer: find the method, check the parameters, run the handler, and turn whatever comes of it
 * into one JSON-RPC answer. The only catch-all of the daemon: an unexpected error is logged in full and answered with
 * an `internalError` that gives away nothing.
 */
export class Dispatcher<C extends RunningCall> implements Dispatch {
  readonly #options: DispatcherOptions<C>
  #lastFault = 0

  constructor(options: DispatcherOptions<C>) {
    this.#options = options
  }

  has(method: string): boolean {
    return this.#options.registry.get(method) !== undefined
  }

  request(session: Session, request: Record<string, unknown>, reply: (json: string) => void): void {
    // The clock is looked at once a call: what came together is taken up one after the other.
    const startedAt = latestTime()
    // Calls in a transaction keep their order there; what their session waits for may be its end.
    if (isInTransaction(request.params)) return this.#run(session, request, startedAt, reply)
    session.inOrder({
      id: request.id,
      access: this.#options.registry.get(String(request.method))?.access ?? 'session',
      run: () => this.#run(session, request, startedAt, reply),
      refuse: ({ kind, data }) => reply(failureText(request.id as RequestId, wireError(kind, data as never))),
    })
  }

  #run(session: Session, request: Record<string, unknown>, startedAt: number, reply: (json: string) => void): void {
    const { id, method: name, params = {} } = request
    const isId = typeof id === 'string' || typeof id === 'number' || id === null
    if (request.jsonrpc !== '2.0' || !isId || typeof name !== 'string') {
      const reason = isId ? 'jsonrpc is "2.0" and method a string' : 'an id is a string, a number or null'
      return reply(failureText(isId ? id : null, wireError('invalidRequest', { reason })))
    }
    let call: C | undefined
    const answer: Answer = (json, failure) => {
      const ms = lookAtClock() - startedAt
      this.#options.observer.answered(session, request, call, ms, failure)
      reply(json)
      call?.onEnd?.()
    }
    let data: unknown
    let method: Method<C> | undefined
    try {
      method = this.#options.registry.get(name) ?? this.#refuseMethod(name)
      const checked = method.params.safeParse(params)
      if (!checked.success) throw new Refusal('invalidParams', { issues: issuesOf(checked.error) })
      data = checked.data
      call = this.#options.newCall(session, id, data as CallParams)
      const outcome = method.handle(call, data)
      if (!(outcome instanceof Promise)) return answer(this.#resultText(name, method, id, outcome))
      this.#later(call, name, method, outcome, data as CallParams, answer)
    } catch (error) {
      if (!(error instanceof Postponed) || !call || !method) return this.#fail(session, id, name, error, answer)
      this.#later(call, name, method, resume(call, method, data, error), data as CallParams, answer)
    }
  }

  /** Answer when the outcome is there, or when the call is cancelled or late, whichever comes first. */
  #later(
    call: C,
    name: string,
    method: Method<C>,
    outcome: Promise<unknown>,
    params: CallParams,
    answer: Answer,
  ): void {
    const { session, id } = call
    session.started(call)
    const timer =
      params.timeoutMs === undefined
        ? undefined
        : setTimeout(() => call.abort(new Refusal('timeout', { timeoutMs: params.timeoutMs })), params.timeoutMs)
    // An edit is answered before what waits for it.
    const release = method.access === 'edit' ? session.beforeAll() : undefined
    const done = () => {
      clearTimeout(timer)
      session.finished(call)
      release?.()
    }
    const answerWith = (result: unknown) => {
      try {
        answer(this.#resultText(name, method, id, result))
      } catch (error) {
        this.#fail(session, id, name, error, answer)
      }
      done()
    }
    const fail = (error: unknown) => {
      if (error instanceof Postponed) return void resume(call, method, params, error).then(answerWith, fail)
      this.#fail(session, id, name, error, answer)
      done()
    }
    outcome.then(answerWith, fail)
  }

  #resultText(name: string, method: Method<C>, id: RequestId, result: unknown): string {
    const text = result instanceof JsonText ? result.text : JSON.stringify(result)
    if (this.#options.checkResults) {
      const checked = method.result.safeParse(result instanceof JsonText ? JSON.parse(text) : result)
      if (!checked.success) throw new Error(`${name} answered against its declaration: ${checked.error.message}`)
    }
    return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`
  }

  #refuseMethod(name: string): never {
    const suggestion = nearMiss(name, this.#options.registry.names())
    throw new Refusal('methodNotFound', suggestion === undefined ? { method: name } : { method: name, suggestion })
  }

  #fail(session: Session, id: RequestId, name: string, error: unknown, answer: Answer): void {
    const failure = this.#failure(session, id, name, error)
    answer(failureText(id, failure), failure.data.kind)
  }

  #failure(session: Session, id: RequestId, name: string, error: unknown): WireError<ErrorKind> {
    if (error instanceof Refusal) {
      const declared = commonRefusals.has(error.kind) || this.#declares(name, error.kind)
      if (declared || !this.#options.checkResults) return wireError(error.kind, error.data as never)
    }
    const requestId = `${process.pid}-${++this.#lastFault}`
    const request = requestName(session, id)
    this.#options.log.error({ requestId, request, method: name, err: error }, 'request failed')
    return wireError('internalError', { requestId })
  }

  #declares(name: string, kind: ErrorKind): boolean {
    return kind === 'methodNotFound' || (this.#options.registry.get(name)?.refusals.includes(kind) ?? false)
  }
}

function isInTransaction(params: unknown): boolean {
  return (params as { readonly transaction?: unknown } | null | undefined)?.transaction !== undefined
}

/** Call a handler again when what it waits for is there. */
async function resume<C extends RunningCall>(
  call: C,
  method: Method<C>,
  params: unknown,
  { until, release }: Postponed,
): Promise<unknown> {
  let outcome: unknown
  try {
    await until
    outcome = method.handle(call, params as never)
  } finally {
    release()
  }
  return outcome
}

function failureText(id: RequestId, error: WireError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error })
}

function issuesOf(error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] }) {
  return error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
}
