import type { Readable, Writable } from 'node:stream'
import { createMessageConnection, type Logger, type Message, type MessageConnection } from 'vscode-jsonrpc/node'
import { type ErrorData, type ErrorKind, type WireError, wireError } from '../../protocol/errors.ts'
import { Refusal } from '../base/refusal.ts'
import type { RunningCall } from './call.ts'
import { HandedReader, Transport, type TransportOptions, TransportWriter } from './transport.ts'

export type RequestId = string | number | null

/** Where calls of a session go that name no database, branch or tenant. */
export interface Scope {
  readonly database: string
  readonly branch: string
  readonly tenant: string
}

/** How long a client that does not read, or a call that does not stop, keeps a session from ending. */
const closeGraceMs = 1_000

/** Takes the requests of sessions. `reply` is called once, with the text of the answer, now or later. */
export interface Dispatch {
  /** Whether there is a method of this name. */
  has(method: string): boolean
  request(session: Session, request: Record<string, unknown>, reply: (json: string) => void): void
}

/** What a call may change; see `Method`. */
export type Access = 'read' | 'write' | 'edit' | 'session'

/** A request that may have to wait for its turn. */
export interface WaitingCall {
  readonly id: unknown
  readonly access: Access
  run(): void
  refuse(reason: Refusal): void
}

export interface SessionOptions extends TransportOptions {
  readonly id: string
  readonly scope: Scope
  readonly maxInFlight: number
  readonly maxBatch: number
}

/**
 * One client's connection: its scope, its requests under way, and the requests and notifications it is sent.
 *
 * Requests go straight from the reader to dispatch, in the order they came. vscode-jsonrpc sees the rest: it keeps the
 * requests that we send to the client, their answers and cancellation, and notifications both ways.
 */
export class Session {
  readonly id: string
  scope: Scope
  /** As the client named itself in `initialize`. */
  client: { readonly name: string; readonly version?: string } | undefined
  /** Requests to this client and notifications both ways. */
  readonly connection: MessageConnection
  readonly ended: Promise<void>
  readonly #transport: Transport
  readonly #reader = new HandedReader()
  readonly #dispatch: Dispatch
  readonly #options: SessionOptions
  readonly #running = new Map<RequestId, RunningCall>()
  #unanswered = 0
  #underWay = 0
  #holds = 0
  #readsThrough = false
  #snapshotsAwaited = 0
  #waiting: WaitingCall[] = []
  #inputEnded = false
  #isGone = false
  #closing: Promise<void> | undefined
  #allFinished: (() => void) | undefined
  #resolveEnded!: () => void

  constructor(input: Readable, output: Writable, dispatch: Dispatch, options: SessionOptions) {
    this.id = options.id
    this.scope = options.scope
    this.#dispatch = dispatch
    this.#options = options
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#transport = new Transport(
      input,
      output,
      {
        message: (value) => this.#receive(value),
        overtake: (value) => this.#overtake(value),
        refused: (fault) =>
          fault.kind === 'notJson'
            ? this.#fault('parseError', { reason: fault.reason })
            : this.#fault('messageTooLarge', {
                limit: 'maxMessageBytes',
                maxBytes: options.maxMessageBytes,
                sizeBytes: fault.sizeBytes,
              }),
        broken: (reason) => {
          this.#fault('parseError', { reason })
          void this.close()
        },
        ended: (gone) => this.#inputEnd(gone),
      },
      options,
    )
    this.connection = createMessageConnection(this.#reader, new TransportWriter(this.#transport), silent)
    this.connection.listen()
  }

  /** Send a notification. */
  notify(method: string, params: object): void {
    this.#transport.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }

  /**
   * Send a part of a result as `$/progress`, whose value is given as pieces of JSON: bytes that go out as they are. Where
   * the client does not keep up, it gives what to wait for before there is more.
   */
  sendPart(token: string | number, value: readonly Buffer[]): Promise<void> | undefined {
    const head = `{"jsonrpc":"2.0","method":"$/progress","params":{"token":${JSON.stringify(token)},"value":`
    this.#transport.sendPieces([Buffer.from(head), ...value, partEnd])
    return this.#transport.lag
  }

  /**
   * Run a call now, or in its turn: a call sees everything that earlier calls of its session changed, and nothing that
   * later ones do. So an edit waits for what is under way, and what follows waits for the edit. While a call waits it
   * can be cancelled.
   */
  inOrder(call: WaitingCall): void {
    if (this.#waiting.length === 0 && this.#canRun(call)) return call.run()
    this.#waiting.push(call)
  }

  /** Later calls wait until the function is called that this gives. */
  beforeAll(): () => void {
    this.#holds++
    return () => {
      if (--this.#holds === 0) this.#runWaiting()
    }
  }

  #runWaiting(): void {
    for (;;) {
      const next = this.#waiting[0]
      if (next === undefined || !this.#canRun(next)) return
      this.#waiting.shift()
      next.run()
    }
  }

  #canRun({ access }: WaitingCall): boolean {
    if (this.#holds > 0) return false
    if (access === 'write') return this.#snapshotsAwaited === 0
    return !(access === 'edit' && this.#underWay > 0)
  }

  /** Later calls that write wait for this: a call that reads has not begun to. */
  beforeWrites(snapshot: Promise<void>): void {
    this.#snapshotsAwaited++
    void snapshot.then(() => {
      if (--this.#snapshotsAwaited === 0) this.#runWaiting()
    })
  }

  /** A call that did not answer at once: from now on it can be cancelled. */
  started(call: RunningCall): void {
    this.#underWay++
    this.#running.set(call.id, call)
  }

  finished(call: RunningCall): void {
    if (this.#running.get(call.id) === call) this.#running.delete(call.id)
    if (--this.#underWay > 0) return
    this.#runWaiting()
    this.#allFinished?.()
  }

  /** Requests that have no answer yet. */
  get unanswered(): number {
    return this.#unanswered
  }

  /**
   * From now on this client is asked things, too: so its answers are read whatever it has in flight, and what it asks beyond
   * that is refused instead of waiting unread.
   */
  readThrough(): void {
    this.#readsThrough = true
    this.#transport.release()
  }

  /** Say why nothing is served here, and end the connection. */
  refuseAll(error: WireError): void {
    this.#transport.send(JSON.stringify({ jsonrpc: '2.0', id: null, error }))
    void this.close()
  }

  /** Take up nothing more, stop every call under way, send what is owed, and end the connection. */
  close(reason: Refusal = new Refusal('shuttingDown', {})): Promise<void> {
    this.#closing ??= this.#close(reason)
    return this.#closing
  }

  async #close(reason: Refusal): Promise<void> {
    for (const call of this.#running.values()) call.abort(reason)
    for (const call of this.#waiting.splice(0)) call.refuse(reason)
    this.connection.dispose()
    const allFinished = new Promise<void>((resolve) => {
      this.#allFinished = resolve
    })
    const grace = setTimeout(() => {
      this.#transport.destroy()
      this.#allFinished?.()
    }, closeGraceMs)
    // What has been done is told, unless nobody is there to hear it.
    if (this.#underWay > 0 && !this.#isGone) await allFinished
    await this.#transport.close()
    clearTimeout(grace)
    this.#transport.destroy()
    this.#resolveEnded()
  }

  #receive(value: unknown): void {
    if (this.#closing) return
    if (Array.isArray(value)) return this.#batch(value)
    this.#receiveOne(value, this.#send)
  }

  readonly #send = (json: string): void => {
    this.#transport.send(json)
    this.#countAnswer()
    if (this.#inputEnded) this.#endWhenAnswered()
  }

  #receiveOne(value: unknown, reply: (json: string) => void): void {
    if (!isRecord(value)) {
      this.#unanswered++
      return reply(faultText('invalidRequest', { reason: 'a message is an object' }))
    }
    const isRequest = value.method !== undefined && value.id !== undefined
    if (isRequest) {
      const { maxInFlight } = this.#options
      if (++this.#unanswered > maxInFlight && this.#readsThrough) {
        return reply(faultText('limitExceeded', { limit: 'maxInFlight', max: maxInFlight }, value.id))
      }
      this.#dispatch.request(this, value, reply)
      if (this.#unanswered >= maxInFlight && !this.#readsThrough) this.#transport.hold()
      return
    }
    const isNotification = typeof value.method === 'string'
    if (isNotification && this.#dispatch.has(value.method as string)) {
      // A request whose answer nobody wants is carried out like any other.
      return this.#dispatch.request(this, { ...value, id: null }, () => {})
    }
    if (value.method === '$/cancelRequest') return void this.#cancel(value.params)
    if (isNotification || 'result' in value || 'error' in value) return this.#reader.hand(value as unknown as Message)
    this.#unanswered++
    reply(faultText('invalidRequest', { reason: 'a message has a method, a result or an error' }, value.id))
  }

  /** With half of what may be in flight answered, more is taken up. */
  #countAnswer(): void {
    this.#unanswered--
    if (this.#unanswered <= this.#options.maxInFlight >> 1) this.#transport.release()
  }

  /** Answers to a batch are one array, in any order; a batch of notifications has none. */
  #batch(values: readonly unknown[]): void {
    if (values.length === 0) return this.#fault('invalidRequest', { reason: 'a batch is not empty' })
    if (values.length > this.#options.maxBatch) {
      return this.#fault('limitExceeded', { limit: 'maxBatch', max: this.#options.maxBatch })
    }
    const answers: string[] = []
    let missing = values.filter(isAnswered).length
    for (const value of values) {
      this.#receiveOne(value, (json) => {
        answers.push(json)
        if (--missing > 0) return this.#countAnswer()
        this.#send(`[${answers.join(',')}]`)
      })
    }
  }

  /** Whether there was such a call, running or waiting. */
  #cancel(params: unknown): boolean {
    const id = isRecord(params) ? (params.id as RequestId) : null
    const reason = new Refusal('requestCancelled', {})
    const running = this.#running.get(id)
    running?.abort(reason)
    const waiting = this.#waiting.find((call) => call.id === id)
    if (waiting === undefined) return running !== undefined
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    waiting.refuse(reason)
    return true
  }

  /** A cancellation does not wait with what may not be taken up yet, and cancels that, too. */
  #overtake(value: unknown): boolean {
    if (!isRecord(value) || value.method !== '$/cancelRequest' || value.id !== undefined) return false
    if (this.#closing || this.#cancel(value.params)) return true
    const id = isRecord(value.params) ? value.params.id : null
    const isMeant = (each: unknown) => isRecord(each) && each.id === id && typeof each.method === 'string'
    if (this.#transport.takeBack(isMeant) === undefined) return false
    this.#transport.send(faultText('requestCancelled', {}, id))
    return true
  }

  /** The client sends nothing more. What it asked is still answered, unless it is gone. */
  #inputEnd(gone: boolean): void {
    this.#inputEnded = true
    this.#isGone = gone
    this.#reader.close()
    if (gone) void this.close(new Refusal('requestCancelled', {}))
    else this.#endWhenAnswered()
  }

  #endWhenAnswered(): void {
    if (this.#unanswered === 0) void this.close()
  }

  #fault<K extends ErrorKind>(kind: K, data: ErrorData<K>): void {
    this.#transport.send(faultText(kind, data))
  }
}

const partEnd = Buffer.from('}}')

/** The answer to a message that never became a request. */
function faultText<K extends ErrorKind>(kind: K, data: ErrorData<K>, id: unknown = null): string {
  const isId = typeof id === 'string' || typeof id === 'number'
  return JSON.stringify({ jsonrpc: '2.0', id: isId ? id : null, error: wireError(kind, data) })
}

/** Whether a message of a batch gets an answer: every one does but notifications and answers. */
function isAnswered(value: unknown): boolean {
  if (!isRecord(value)) return true
  if (value.method !== undefined && value.id !== undefined) return true
  return typeof value.method !== 'string' && !('result' in value) && !('error' in value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** vscode-jsonrpc reports what we handle ourselves: ended streams, answers nobody waits for. */
const silent: Logger = { error() {}, warn() {}, info() {}, log() {} }
