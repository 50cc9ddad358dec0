import type { Logger } from 'pino'
import { type ErrorKind, type WireError, wireError } from '../../protocol/errors.ts'
import { nearMiss } from '../base/near-miss.ts'
import { Refusal } from '../base/refusal.ts'
import type { CallParams, RunningCall } from './call.ts'
import { JsonText, type Method, type Registry } from './contract.ts'
import type { Dispatch, RequestId, Session } from './session.ts'

export interface DispatcherOptions<C extends RunningCall> {
  readonly registry: Registry<C>
  readonly newCall: (session: Session, id: RequestId, params: CallParams) => C
  readonly log: Logger
  /** Check results and refusals against what the method declares, too. On in tests. */
  readonly checkResults: boolean
  /** Told of every answer. */
  readonly onAnswer?: (method: string, failed: boolean, durationMs: number) => void
}

/** Refusals that any method may answer with; a method declares the others. */
const commonRefusals: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'invalidParams',
  'requestCancelled',
  'timeout',
  'shuttingDown',
  'limitExceeded',
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
  #lastRequest = 0

  constructor(options: DispatcherOptions<C>) {
    this.#options = options
  }

  has(method: string): boolean {
    return this.#options.registry.get(method) !== undefined
  }

  request(session: Session, request: Record<string, unknown>, reply: (json: string) => void): void {
    session.inOrder({
      id: request.id,
      access: this.#options.registry.get(String(request.method))?.access ?? 'session',
      run: () => this.#run(session, request, reply),
      refuse: ({ kind, data }) => reply(failureText(request.id as RequestId, wireError(kind, data as never))),
    })
  }

  #run(session: Session, request: Record<string, unknown>, reply: (json: string) => void): void {
    const { id, method: name, params = {} } = request
    const startedAt = performance.now()
    const isId = typeof id === 'string' || typeof id === 'number' || id === null
    if (request.jsonrpc !== '2.0' || !isId || typeof name !== 'string') {
      const reason = isId ? 'jsonrpc is "2.0" and method a string' : 'an id is a string, a number or null'
      return reply(failureText(isId ? id : null, wireError('invalidRequest', { reason })))
    }
    const answer = (json: string, failed: boolean) => {
      this.#options.onAnswer?.(name, failed, performance.now() - startedAt)
      reply(json)
    }
    let call: C | undefined
    try {
      const method = this.#options.registry.get(name) ?? this.#refuseMethod(name)
      const checked = method.params.safeParse(params)
      if (!checked.success) throw new Refusal('invalidParams', { issues: issuesOf(checked.error) })
      call = this.#options.newCall(session, id, checked.data as CallParams)
      const outcome = method.handle(call, checked.data)
      if (!(outcome instanceof Promise)) return answer(this.#resultText(name, method, id, outcome), false)
      this.#later(session, call, name, method, outcome, checked.data as CallParams, answer)
    } catch (error) {
      answer(failureText(id, this.#failure(name, error)), true)
    }
  }

  /** Answer when the outcome is there, or when the call is cancelled or late, whichever comes first. */
  #later(
    session: Session,
    call: C,
    name: string,
    method: Method<C>,
    outcome: Promise<unknown>,
    params: CallParams,
    answer: (json: string, failed: boolean) => void,
  ): void {
    session.started(call)
    const timer =
      params.timeoutMs === undefined
        ? undefined
        : setTimeout(() => call.abort(new Refusal('timeout', { timeoutMs: params.timeoutMs })), params.timeoutMs)
    const done = () => {
      clearTimeout(timer)
      session.finished(call)
    }
    outcome.then(
      (result) => {
        try {
          answer(this.#resultText(name, method, call.id, result), false)
        } catch (error) {
          answer(failureText(call.id, this.#failure(name, error)), true)
        }
        done()
      },
      (error: unknown) => {
        answer(failureText(call.id, this.#failure(name, error)), true)
        done()
      },
    )
    // After the lines above, so that the edit is answered before what waits for it.
    if (method.access === 'edit') session.hold(outcome)
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

  #failure(name: string, error: unknown): WireError {
    if (error instanceof Refusal) {
      const declared = commonRefusals.has(error.kind) || this.#declares(name, error.kind)
      if (declared || !this.#options.checkResults) return wireError(error.kind, error.data as never)
    }
    const requestId = `${process.pid}-${++this.#lastRequest}`
    this.#options.log.error({ requestId, method: name, err: error }, 'request failed')
    return wireError('internalError', { requestId })
  }

  #declares(name: string, kind: ErrorKind): boolean {
    return kind === 'methodNotFound' || (this.#options.registry.get(name)?.refusals.includes(kind) ?? false)
  }
}

function failureText(id: RequestId, error: WireError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error })
}

function issuesOf(error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] }) {
  return error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
}
