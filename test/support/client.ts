import net from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { defer } from './cleanup.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** An answer as it came over the wire. */
export interface Answer {
  readonly jsonrpc: '2.0'
  readonly id: Json
  // biome-ignore lint/suspicious/noExplicitAny: results are looked at by tests, which say what they expect
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string; readonly data: Refused }
}

export interface Refused {
  readonly kind: string
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly [field: string]: any
}

export type Framing = 'lines' | 'headers'

/**
 * A client that knows nothing of the daemon's own code: it writes bytes, reads messages of either framing, and matches
 * answers by their id. Whatever matches no request waits in `next()`.
 */
export class RawClient {
  readonly input: Readable
  readonly output: Writable
  readonly framing: Framing
  /** Notifications, as they come. */
  readonly notifications: { readonly method: string; readonly params: unknown }[] = []
  /** Settles when the other side has said everything. */
  readonly ended: Promise<void>
  /** The ids of answers in the order in which they came. */
  readonly order: Json[] = []
  #lastId = 0
  #isEnded = false
  readonly #pending = new Map<Json, (answer: Answer) => void>()
  readonly #unmatched: unknown[] = []
  #waiting: (() => void)[] = []

  constructor(input: Readable, output: Writable, framing: Framing = 'lines') {
    this.input = input
    this.output = output
    this.framing = framing
    readMessages(input, framing, (message) => this.#take(message))
    output.on('error', () => {})
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#isEnded = true
        this.#wake()
        resolve()
      }
      input.once('end', end)
      input.once('close', end)
      input.once('error', end)
    })
  }

  /** Send a request and wait for its answer. Rejects if the connection ends first. */
  request(method: string, params?: object, id: Json = ++this.#lastId): Promise<Answer> {
    // Through a pipe within the process, the answer may be there before the request is sent off.
    const answer = this.answerTo(id, method)
    this.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    return answer
  }

  /** Wait for the answer to a request that is sent by hand. */
  answerTo(id: Json, name = 'request'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, resolve)
      void this.ended.then(() => reject(new Error(`the connection ended before ${name} was answered`)))
    })
  }

  /** The result of a call that has to succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: the same
  async call(method: string, params?: object): Promise<any> {
    const { result, error } = await this.request(method, params)
    if (error) throw new Error(`${method}: ${error.message} ${JSON.stringify(error.data)}`)
    return result
  }

  /** The data of the refusal of a call that has to be refused. */
  async refused(method: string, params?: object): Promise<Refused> {
    const { error, result } = await this.request(method, params)
    if (!error) throw new Error(`${method} was not refused: ${JSON.stringify(result)?.slice(0, 300)}`)
    return error.data
  }

  notify(method: string, params?: object): void {
    this.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }

  /** Send one message, framed. */
  send(json: string): void {
    this.write(framed(json, this.framing))
  }

  /** Send bytes as they are. */
  write(bytes: string | Uint8Array): void {
    this.output.write(bytes)
  }

  /** The next message that answers no request of this client: a batch, an error without an id. */
  // biome-ignore lint/suspicious/noExplicitAny: the same
  async next(): Promise<any> {
    while (this.#unmatched.length === 0) {
      if (this.#isEnded) throw new Error('the connection ended')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.#unmatched.shift()
  }

  /** Settles when there is such a notification. */
  async notification(test: (notification: { method: string; params: unknown }) => boolean): Promise<unknown> {
    for (;;) {
      const found = this.notifications.find(test)
      if (found) return found
      if (this.#isEnded) throw new Error('the connection ended')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Say that nothing more will be sent, and wait until the other side is through. */
  async close(): Promise<void> {
    this.output.end()
    await this.ended
    this.destroy()
  }

  destroy(): void {
    this.input.destroy()
    this.output.destroy()
  }

  #take(message: unknown): void {
    const { id, method, params } = message as { id?: Json; method?: string; params?: unknown }
    const settle = id === undefined ? undefined : this.#pending.get(id)
    if (settle) {
      this.order.push(id as Json)
      this.#pending.delete(id as Json)
      settle(message as Answer)
    } else if (method !== undefined && id === undefined) this.notifications.push({ method, params })
    else this.#unmatched.push(message)
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}

/** Call `take` with each message that comes in, in their order. */
export function readMessages(input: Readable, framing: Framing, take: (message: unknown) => void): void {
  let pieces: Buffer[] = []
  let missingBytes = 0
  input.on('data', (chunk: Buffer) => {
    pieces.push(chunk)
    missingBytes -= chunk.length
    if (framing === 'lines' ? !chunk.includes(10) : missingBytes > 0) return
    let received = pieces.length === 1 ? chunk : Buffer.concat(pieces)
    for (;;) {
      const cut = framing === 'lines' ? cutLine(received) : cutBody(received)
      if (typeof cut === 'number') {
        missingBytes = cut
        pieces = [received]
        return
      }
      received = cut.rest
      take(JSON.parse(cut.text))
    }
  })
}

/** The bytes of one message. */
export function framed(json: string, framing: Framing): string {
  return framing === 'lines' ? `${json}\n` : `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
}

interface Cut {
  readonly text: string
  readonly rest: Buffer
}

/** The first message, or how many bytes of it are missing at least. */
function cutLine(bytes: Buffer): Cut | number {
  const end = bytes.indexOf(10)
  return end < 0 ? 1 : { text: bytes.toString('utf8', 0, end), rest: bytes.subarray(end + 1) }
}

function cutBody(bytes: Buffer): Cut | number {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return 1
  const start = end + 4
  const stop = start + Number(/Content-Length: (\d+)/.exec(bytes.toString('latin1', 0, end))?.[1])
  if (bytes.length < stop) return stop - bytes.length
  return { text: bytes.toString('utf8', start, stop), rest: bytes.subarray(stop) }
}

/** A client on a Unix socket; it is gone after the test. */
export async function connectRaw(
  socketPath: string,
  framing: Framing = 'lines',
  keep: (work: () => unknown) => void = defer,
): Promise<RawClient> {
  const socket = net.createConnection({ path: socketPath, allowHalfOpen: true })
  keep(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  return new RawClient(socket, socket, framing)
}
