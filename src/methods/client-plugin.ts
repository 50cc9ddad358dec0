import { CancellationTokenSource } from 'vscode-jsonrpc/node'
import type { Manifest } from '../plugins/manifest.ts'
import { type Exempt, PluginFault, type Question, type Runner } from '../plugins/question.ts'
import type { Session } from '../rpc/session.ts'

/** Questions a client may leave unanswered, late ones too, before it is asked no more until it has answered some. */
const maxUnanswered = 1_000

/** A plugin that a client registered: it is asked over the client's own connection, and gone with it. */
export class ClientPlugin implements Runner {
  readonly runsIn = 'client'
  readonly #name: string
  readonly #session: Session
  /** Rejects when the client is one no more. */
  readonly #gone: Promise<never>
  #leave!: (reason: PluginFault) => void
  readonly #unanswered = new Set<Pending>()
  readonly #pending = new WeakMap<Promise<unknown>, Pending>()

  constructor({ name }: Manifest, session: Session) {
    this.#name = name
    this.#session = session
    this.#gone = new Promise((_, reject) => {
      this.#leave = reject
    })
    this.#gone.catch(() => {})
  }

  get owner(): object {
    return this.#session
  }

  /** What it asks while it is asked itself may come of that. */
  get exempt(): Exempt {
    return [...this.#unanswered].flatMap(({ exempt }) => exempt)
  }

  ask(question: Question, exempt: Exempt): unknown {
    const { method, params } = this.#message(question)
    if (question.kind === 'onEvent' || question.kind === 'onConnect' || question.kind === 'onDisconnect') {
      return this.#session.notify(method, params)
    }
    if (this.#unanswered.size >= maxUnanswered) throw new PluginFault(`${maxUnanswered} questions have no answer yet`)
    const pending: Pending = { exempt, cancellation: new CancellationTokenSource() }
    this.#unanswered.add(pending)
    const answered = this.#session.connection.sendRequest<unknown>(method, params, pending.cancellation.token)
    const done = () => this.#unanswered.delete(pending)
    answered.then(done, done)
    const answer = Promise.race([answered, this.#gone])
    this.#pending.set(answer, pending)
    return answer
  }

  forget(answer: Promise<unknown>): void {
    this.#pending.get(answer)?.cancellation.cancel()
  }

  end(): void {
    this.#leave(new PluginFault('its client is gone'))
  }

  #message(question: Question): { method: string; params: object } {
    const plugin = this.#name
    switch (question.kind) {
      case 'beforeQuery':
        return { method: 'hook.beforeQuery', params: { plugin, ...question.query } }
      case 'afterQuery':
        return { method: 'hook.afterQuery', params: { plugin, ...question.query, result: question.result } }
      case 'onConnect':
      case 'onDisconnect':
        return { method: `hook.${question.kind}`, params: { plugin, ...question.tenant } }
      case 'onEvent':
        return { method: 'hook.event', params: { plugin, event: question.event } }
      case 'call': {
        const { method, params, scope } = question
        return { method: 'hook.call', params: { plugin, method, params, scope } }
      }
      case 'cleanup':
        throw new PluginFault('a client cleans up by itself')
    }
  }
}

interface Pending {
  readonly exempt: Exempt
  readonly cancellation: CancellationTokenSource
}
