import type { Readable, Writable } from 'node:stream'
import { createMessageConnection, type MessageConnection, ResponseError } from 'vscode-jsonrpc/node'
import type * as z from 'zod'
import type { WireError } from '../../protocol/errors.ts'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import type { Methods } from '../methods/index.ts'
import { HandedReader, Transport, TransportWriter } from '../rpc/transport.ts'

export type MethodName = keyof Methods
export type ParamsOf<M extends MethodName> = z.input<Methods[M]['params']>
export type ResultOf<M extends MethodName> = z.output<Methods[M]['result']>

/** The daemon said no, or failed. `kind` is stable; `data` has what belongs to it. */
export class CinchError extends Error {
  override name = 'CinchError'
  readonly code: number
  readonly kind: string
  readonly hint: string | undefined
  readonly data: Readonly<Record<string, unknown>>

  constructor({ code, message, data }: WireError) {
    super(message)
    this.code = code
    const { kind, hint, ...rest } = data
    this.kind = kind
    this.hint = hint
    this.data = rest
  }
}

export interface RequestOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal
  /** Called for each `$/progress` of the call. */
  readonly onProgress?: (value: Record<string, unknown>) => void
}

/** A connection to a daemon. Calls are typed by the daemon's own method registry, of which nothing is loaded here. */
export class Client implements AsyncDisposable {
  readonly #connection: MessageConnection
  readonly #transport: Transport
  readonly #closed: Promise<void>
  #lastToken = 0
  readonly #progress = new Map<string, (value: Record<string, unknown>) => void>()

  constructor(input: Readable, output: Writable) {
    const reader = new HandedReader()
    let resolveClosed!: () => void
    this.#closed = new Promise((resolve) => {
      resolveClosed = resolve
    })
    const handler = {
      message: (value: unknown) => reader.hand(value as never),
      refused: () => this.#transport.destroy(),
      broken: () => this.#transport.destroy(),
      ended: () => {
        reader.close()
        this.#connection.dispose()
        this.#transport.destroy()
        resolveClosed()
      },
    }
    this.#transport = new Transport(input, output, handler, {
      framing: 'headers',
      maxMessageBytes: Number.MAX_SAFE_INTEGER,
      maxUnsentBytes: Number.MAX_SAFE_INTEGER,
    })
    this.#connection = createMessageConnection(reader, new TransportWriter(this.#transport))
    this.#connection.onNotification('$/progress', ({ token, value }) => this.#progress.get(token)?.(value))
    this.#connection.listen()
  }

  /** Agree with the daemon on a protocol version, and say where calls go that name no database, branch or tenant. */
  initialize(name: string, scope?: ParamsOf<'session.setScope'>): Promise<ResultOf<'initialize'>> {
    return this.request('initialize', { client: { name, version: productVersion }, protocolVersion, scope })
  }

  /** Call a method. Rejects with `CinchError` where the daemon says no. */
  request<M extends MethodName>(method: M, params: ParamsOf<M>, options?: RequestOptions): Promise<ResultOf<M>> {
    return this.rawRequest(method, params as object, options) as Promise<ResultOf<M>>
  }

  /** The same for a method whose name is only known at run time. */
  async rawRequest(method: string, params: object, options: RequestOptions = {}): Promise<unknown> {
    const { signal, onProgress } = options
    const progressToken = onProgress && `p${++this.#lastToken}`
    if (progressToken !== undefined) this.#progress.set(progressToken, onProgress as never)
    const cancellation = signal && tokenOf(signal)
    try {
      const sent = progressToken === undefined ? params : { ...params, progressToken }
      return await this.#connection.sendRequest(method, sent, ...(cancellation ? [cancellation] : []))
    } catch (error) {
      if (error instanceof ResponseError && isWireData(error.data)) {
        throw new CinchError({ code: error.code, message: error.message, data: error.data })
      }
      throw error
    } finally {
      if (progressToken !== undefined) this.#progress.delete(progressToken)
    }
  }

  /** Settles when the connection has ended, from either side. */
  get closed(): Promise<void> {
    return this.#closed
  }

  async close(): Promise<void> {
    await this.#transport.close()
    this.#transport.destroy()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function isWireData(data: unknown): data is WireError['data'] {
  return typeof data === 'object' && data !== null && 'kind' in data
}

/** An AbortSignal as vscode-jsonrpc wants its cancellation. */
function tokenOf(signal: AbortSignal) {
  return {
    get isCancellationRequested() {
      return signal.aborted
    },
    onCancellationRequested(listener: () => void) {
      signal.addEventListener('abort', listener)
      return { dispose: () => signal.removeEventListener('abort', listener) }
    },
  }
}
