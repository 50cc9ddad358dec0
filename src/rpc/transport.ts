import type { Readable, Writable } from 'node:stream'
import { AbstractMessageReader, AbstractMessageWriter, type DataCallback, type Message } from 'vscode-jsonrpc/node'
import { nextTurn } from '../base/turn.ts'
import { Deframer, type FrameFault, type Framing, frame } from './framing.ts'

export interface TransportOptions {
  readonly maxMessageBytes: number
  /** Unread answers at which reading pauses until the other side has read some. */
  readonly maxUnsentBytes: number
  /** Set where this side speaks first; else the other side's first byte decides. */
  readonly framing?: Framing
}

/** What is to be sent goes out before the end of the tick when it is longer than this. */
const flushChars = 1024 * 1024

const msBetweenProbes = 200

/** What comes in over a transport. */
export interface TransportHandler {
  message(value: unknown): void
  refused(fault: FrameFault): void
  broken(reason: string): void
  /** Nothing more will come in. The output may still take answers, unless `gone`; that may be found out later. */
  ended(gone: boolean): void
}

/**
 * One end of a connection: bytes in, messages out, and back.
 *
 * What is sent within one tick goes out in one write. While the other side does not read, nothing is read from it either.
 */
export class Transport {
  readonly #input: Readable
  readonly #output: Writable
  readonly #deframer: Deframer
  readonly #maxUnsentBytes: number
  readonly #handler: TransportHandler
  /** Messages that came in one chunk with those whose answers the other side does not read. */
  #backlog: unknown[] = []
  #outgoing = ''
  #flushScheduled = false
  #paused = false
  #ended = false
  #gone = false

  constructor(input: Readable, output: Writable, handler: TransportHandler, options: TransportOptions) {
    this.#input = input
    this.#output = output
    this.#maxUnsentBytes = options.maxUnsentBytes
    this.#handler = handler
    const frames = {
      message: (value: unknown) => (this.#paused ? void this.#backlog.push(value) : handler.message(value)),
      refused: (fault: FrameFault) => handler.refused(fault),
      broken: (reason: string) => handler.broken(reason),
    }
    this.#deframer = new Deframer(frames, options.maxMessageBytes, options.framing)
    let probe: NodeJS.Timeout | undefined
    const end = (gone: boolean) => {
      if (!this.#ended) {
        this.#ended = true
        this.#deframer.end()
        probe = setInterval(() => output.write(''), msBetweenProbes).unref()
      }
      if (this.#gone) return
      this.#gone = gone
      if (gone) clearInterval(probe)
      handler.ended(gone)
      // One that has only stopped sending does not notice; where nobody is left, this fails.
      if (!gone && output.writable) output.write('')
    }
    input.on('data', (chunk: Buffer) => {
      nextTurn()
      this.#flushScheduled = true
      this.#deframer.push(chunk)
      this.flush()
    })
    input.on('end', () => end(false))
    input.on('close', () => end(true))
    input.on('error', () => end(true))
    output.on('error', () => end(true))
    output.on('close', () => end(true))
    output.on('drain', () => this.#resume())
  }

  /** As the other side speaks, from its first byte on: the first message may be answered while its chunk is still read. */
  get framing(): Framing {
    return this.#deframer.framing ?? 'lines'
  }

  /** Send one message, given as JSON text. It leaves with everything else of this tick. */
  send(json: string): void {
    this.#outgoing += frame(json, this.framing)
    if (this.#outgoing.length > flushChars) return this.flush()
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    process.nextTick(flush, this)
  }

  flush(): void {
    this.#flushScheduled = false
    const text = this.#outgoing
    this.#outgoing = ''
    if (text === '' || !this.#output.writable) return
    this.#output.write(text)
    if (this.#output.writableLength > this.#maxUnsentBytes && !this.#paused) {
      this.#paused = true
      this.#input.pause()
    }
  }

  /** Send what is left, then close. */
  close(): Promise<void> {
    this.flush()
    this.#input.pause()
    return new Promise((resolve) => {
      if (this.#output.destroyed || this.#output.writableFinished) return resolve()
      this.#output.once('close', resolve)
      this.#output.end(resolve)
    })
  }

  /** Close at once, whatever is left. */
  destroy(): void {
    this.#input.destroy()
    this.#output.destroy()
  }

  #resume(): void {
    if (!this.#paused) return
    nextTurn()
    this.#paused = false
    const backlog = this.#backlog
    this.#backlog = []
    let at = 0
    while (at < backlog.length && !this.#paused) this.#handler.message(backlog[at++])
    this.#backlog = [...backlog.slice(at), ...this.#backlog]
    if (!this.#paused) this.#input.resume()
  }
}

function flush(transport: Transport): void {
  transport.flush()
}

/** Hands vscode-jsonrpc the messages that are for it: answers to our requests, and notifications. */
export class HandedReader extends AbstractMessageReader {
  #callback: DataCallback | undefined

  listen(callback: DataCallback): { dispose(): void } {
    this.#callback = callback
    return { dispose: () => (this.#callback = undefined) }
  }

  hand(message: Message): void {
    this.#callback?.(message)
  }

  close(): void {
    this.fireClose()
  }
}

/** Takes what vscode-jsonrpc sends and puts it on the transport. */
export class TransportWriter extends AbstractMessageWriter {
  readonly #transport: Pick<Transport, 'send'>

  constructor(transport: Pick<Transport, 'send'>) {
    super()
    this.#transport = transport
  }

  async write(message: Message): Promise<void> {
    this.#transport.send(JSON.stringify(message))
  }

  end(): void {}
}
