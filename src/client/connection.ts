import type { Readable, Writable } from 'node:stream'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import { ConnectionLost, errorOf, type WireFailure } from './errors.ts'

export type Progress = Record<string, unknown>

export interface RequestOptions {
  /** Cancels the call, which fails with `CancelledError`. */
  readonly signal?: AbortSignal | undefined
  /** Called for each `$/progress` of the call. */
  readonly onProgress?: ((value: Progress) => void) | undefined
  /** Give up after so long without an answer. */
  readonly patienceMs?: number | undefined
}

/** Where calls go. */
export interface Scope {
  readonly database?: string | undefined
  readonly branch?: string | undefined
  readonly tenant?: string | undefined
}

/** What client and daemon agreed on. */
export interface Agreement {
  readonly server: { readonly name: string; readonly version: string }
  readonly protocolVersion: string
  readonly capabilities: readonly string[]
  readonly project: { readonly path: string }
}

interface Pending {
  readonly method: string
  readonly bytes: number
  readonly onProgress: RequestOptions['onProgress']
  settle(outcome: { readonly result: unknown } | { readonly error: Error }): void
}

/** How long a call that is cancelled waits to hear what became of it. */
const cancelPatienceMs = 1_000
const newline = 10

/** Messages both ways, one a line, with values as the wire has them. Answers find their calls whatever their order. */
export class Connection implements AsyncDisposable {
  /** Settles when the connection has ended, from either side. */
  readonly closed: Promise<void>
  /** Set by `initialize`. */
  agreement: Agreement | undefined
  readonly #input: Readable
  readonly #output: Writable
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  /** What has come of a line that is not whole yet. */
  #pieces: Buffer[] = []
  #lostReason: string | undefined
  #isCorked = false
  #resolveClosed!: () => void

  constructor(input: Readable, output: Writable) {
    this.#input = input
    this.#output = output
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    input.on('data', (chunk: Buffer) => this.#read(chunk))
    input.on('end', () => this.#lose('the daemon ended it'))
    input.on('close', () => this.#lose('the daemon ended it'))
    input.on('error', (error) => this.#lose(error.message))
    output.on('error', (error) => this.#lose(error.message))
  }

  get isLost(): boolean {
    return this.#lostReason !== undefined
  }

  /** Agree with the daemon on a protocol version, and say where calls go that name no database, branch or tenant. */
  async initialize(name: string, scope?: Scope, patienceMs?: number): Promise<Agreement> {
    const params = { client: { name, version: productVersion }, protocolVersion, scope }
    this.agreement = (await this.rawRequest('initialize', params, { patienceMs })) as Agreement
    return this.agreement
  }

  /** Call a method. Rejects with `CinchError` where the daemon says no, and with `ConnectionLost`. */
  rawRequest(method: string, params: object, options: RequestOptions = {}): Promise<unknown> {
    const { signal, onProgress, patienceMs } = options
    if (this.#lostReason !== undefined) return Promise.reject(new ConnectionLost(this.#lostReason))
    if (signal?.aborted) return Promise.reject(cancelled('Cancelled', signal))
    const id = ++this.#lastId
    const sent = onProgress ? { ...params, progressToken: id } : params
    const line = Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id, method, params: sent })}\n`)
    return new Promise((resolve, reject) => {
      const timers: NodeJS.Timeout[] = []
      const settle: Pending['settle'] = (outcome) => {
        this.#pending.delete(id)
        for (const timer of timers) clearTimeout(timer)
        signal?.removeEventListener('abort', cancel)
        if ('result' in outcome) resolve(outcome.result)
        else reject(signal?.aborted ? withCause(outcome.error, signal) : outcome.error)
      }
      const cancel = () => {
        this.#send(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id } })}\n`))
        const giveUp = () => settle({ error: cancelled('Cancelled, and not answered: it may have been done', signal) })
        timers.push(setTimeout(giveUp, cancelPatienceMs))
      }
      if (patienceMs !== undefined) {
        const giveUp = () => {
          cancel()
          settle({ error: late(method) })
        }
        timers.push(setTimeout(giveUp, patienceMs))
      }
      signal?.addEventListener('abort', cancel)
      this.#pending.set(id, { method, bytes: line.length - 1, onProgress, settle })
      this.#send(line)
    })
  }

  /** Close the connection, once what was sent is out. Calls under way fail with `ConnectionLost`. */
  async close(): Promise<void> {
    this.#forget('it was closed here')
    await new Promise<void>((resolve) => {
      if (this.#output.destroyed) resolve()
      else this.#output.end(resolve)
    })
    this.#end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What is sent within one tick goes out together. */
  #send(line: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#output.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#output.uncork()
      })
    }
    if (this.#output.writable) this.#output.write(line)
  }

  #read(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#pieces.push(chunk.subarray(start, end))
      const line = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces)
      this.#pieces = []
      start = end + 1
      if (line && line.length > 0) this.#receive(line.toString('utf8'))
    }
    if (start < chunk.length) this.#pieces.push(chunk.subarray(start))
  }

  #receive(line: string): void {
    let message: Message
    try {
      message = JSON.parse(line)
    } catch {
      return this.#lose('the daemon sent what is no message')
    }
    if (message.method !== undefined) return this.#asked(message)
    if (message.error && message.id === null) return this.#faulted(message.error)
    this.#pending.get(message.id as number)?.settle(outcomeOf(message))
  }

  /** The daemon sends a notification, or asks something, which only plugins know to answer. */
  #asked({ id, method, params }: Message): void {
    if (id !== undefined) {
      const error = { code: -32601, message: 'No such method', data: { kind: 'methodNotFound', method } }
      return this.#send(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`))
    }
    if (method !== '$/progress') return
    const pending = this.#pending.get(params?.token as number)
    try {
      pending?.onProgress?.(params?.value as Progress)
    } catch (error) {
      pending?.settle({ error: error as Error })
    }
  }

  /** An error that names no call: of a message that was too large to be read, or of the whole connection. */
  #faulted(failure: WireFailure): void {
    if (failure.data?.kind !== 'messageTooLarge') return this.#lose(failure.message)
    const tooLarge = [...this.#pending.values()].find(({ bytes }) => bytes > Number(failure.data.maxBytes))
    tooLarge?.settle({ error: errorOf(failure) })
  }

  #lose(reason: string): void {
    this.#forget(reason)
    this.#end()
  }

  #forget(reason: string): void {
    this.#lostReason ??= reason
    for (const { method, settle } of [...this.#pending.values()]) {
      settle({ error: new ConnectionLost(this.#lostReason, method) })
    }
  }

  #end(): void {
    this.#input.destroy()
    this.#output.destroy()
    this.#resolveClosed()
  }
}

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: { readonly [name: string]: unknown }
  readonly result?: unknown
  readonly error?: WireFailure
}

function outcomeOf({ result, error }: Message): Parameters<Pending['settle']>[0] {
  if (!error) return { result }
  return { error: errorOf({ ...error, data: error.data ?? { kind: 'unknown' } }) }
}

function cancelled(message: string, signal: AbortSignal | undefined): Error {
  return errorOf({ code: -32800, message, data: { kind: 'requestCancelled' } }, { cause: signal?.reason })
}

function late(method: string): Error {
  const message = `Timed out: the daemon did not answer ${method}, which may have been done`
  return errorOf({ code: 1003, message, data: { kind: 'timeout' } })
}

function withCause(error: Error, signal: AbortSignal): Error {
  error.cause ??= signal.reason
  return error
}
