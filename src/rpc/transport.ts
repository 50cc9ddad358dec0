import type { Readable, Writable } from 'node:stream'
import { AbstractMessageReader, AbstractMessageWriter, type DataCallback, type Message } from 'vscode-jsonrpc/node'
import { endTurn, latestTime, nextTurn, turnStartedAt } from '../base/turn.ts'
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
const empty = Buffer.alloc(0)

/** What comes in over a transport. */
export interface TransportHandler {
  message(value: unknown): void
  refused(fault: FrameFault): void
  broken(reason: string): void
  /** Nothing more will come in. The output may still take answers, unless `gone`; that may be found out later. */
  ended(gone: boolean): void
}

/**
 * How many messages of a connection are taken up before others have their turn, and for how long. A chunk of so many
 * bytes ends a slice, too: the system hands over the next one at once.
 */
const sliceMessages = 128
const sliceMs = 0.5
const sliceBytes = 64 * 1024

/**
 * One end of a connection: bytes in, messages out, and back.
 *
 * What is sent within one tick goes out in one write. Messages are taken up in slices, so that one connection that sends
 * without end does not keep the others waiting. While the other side does not read, or too much of what it asked is under
 * way, nothing is read from it either.
 */
export class Transport {
  readonly #input: Readable
  readonly #output: Writable
  readonly #deframer: Deframer
  readonly #maxUnsentBytes: number
  readonly #handler: TransportHandler
  #outgoing = ''
  #flushScheduled = false
  /** Bytes that came in and are not taken up yet. */
  #rest = empty
  #isTaking = false
  /** Messages of the slice at hand. */
  #taken = 0
  /** Others have their turn first. */
  #yields = false
  #nextSlice: NodeJS.Immediate | undefined
  /** The other side does not read what it is sent. */
  #isUnread = false
  #isHeld = false
  #isFlowing = true
  #inputEnded = false
  #isFinished = false
  #isGone = false
  #isClosed = false
  #probe: NodeJS.Timeout | undefined

  constructor(input: Readable, output: Writable, handler: TransportHandler, options: TransportOptions) {
    this.#input = input
    this.#output = output
    this.#maxUnsentBytes = options.maxUnsentBytes
    this.#handler = handler
    const frames = {
      message: (value: unknown) => {
        handler.message(value)
        return this.#mayGoOn()
      },
      refused: (fault: FrameFault) => {
        handler.refused(fault)
        return this.#mayGoOn()
      },
      broken: (reason: string) => handler.broken(reason),
    }
    this.#deframer = new Deframer(frames, options.maxMessageBytes, options.framing)
    input.on('data', (chunk: Buffer) => this.#take(chunk))
    input.on('end', () => {
      this.#inputEnded = true
      // One that has only stopped sending does not notice; where nobody is left, this fails.
      this.#probe = setInterval(() => output.writable && output.write(''), msBetweenProbes).unref()
      this.#goOn()
    })
    input.on('close', () => {
      if (!this.#inputEnded) this.#finish(true)
    })
    input.on('error', () => this.#finish(true))
    output.on('error', () => this.#finish(true))
    output.on('close', () => this.#finish(true))
    output.on('drain', () => {
      this.#isUnread = false
      this.#goOn()
    })
  }

  /** As the other side speaks, from its first byte on: the first message may be answered while its chunk is still read. */
  get framing(): Framing {
    return this.#deframer.framing ?? 'lines'
  }

  /** Take up nothing more until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#goOn()
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
    if (this.#output.writableLength <= this.#maxUnsentBytes) return
    this.#isUnread = true
    this.#goOn()
  }

  /** Send what is left, then close. */
  close(): Promise<void> {
    this.flush()
    this.#stop()
    return new Promise((resolve) => {
      if (this.#output.destroyed || this.#output.writableFinished) return resolve()
      this.#output.once('close', resolve)
      this.#output.end(resolve)
    })
  }

  /** Close at once, whatever is left. */
  destroy(): void {
    this.#stop()
    this.#input.destroy()
    this.#output.destroy()
  }

  /** Take up what has come in, as far as one slice goes. */
  #take(bytes: Buffer): void {
    nextTurn(this)
    this.#rest = empty
    this.#taken = 0
    this.#isTaking = true
    this.#flushScheduled = true
    const rest = this.#deframer.push(bytes)
    this.flush()
    endTurn()
    this.#isTaking = false
    // The bytes are ours only until we return.
    if (rest.length > 0) this.#rest = Buffer.from(rest)
    this.#yields = rest.length > 0 || bytes.length >= sliceBytes
    this.#goOn()
  }

  /** After a message: whether this slice takes another one. */
  #mayGoOn(): boolean {
    if (++this.#taken >= sliceMessages || this.#isHeld || this.#isUnread) return false
    return latestTime() - turnStartedAt() < sliceMs
  }

  /** Read, take up what is left, or wait, as things stand. */
  #goOn(): void {
    if (this.#isTaking || this.#isClosed) return
    if (this.#inputEnded && this.#rest.length === 0) return this.#finish(false)
    const isBlocked = this.#isHeld || this.#isUnread
    const isDue = this.#yields || this.#rest.length > 0
    if (!isBlocked && isDue) this.#nextSlice ??= setImmediate(nextSlice, this)
    const flows = !isBlocked && !isDue
    if (flows === this.#isFlowing) return
    this.#isFlowing = flows
    if (flows) this.#input.resume()
    else this.#input.pause()
  }

  takeNextSlice(): void {
    this.#nextSlice = undefined
    this.#yields = false
    const isBlocked = this.#isHeld || this.#isUnread
    if (this.#rest.length > 0 && !isBlocked) this.#take(this.#rest)
    else this.#goOn()
  }

  /** Nothing more comes in, and nothing is left of what came, or the other side is gone. */
  #finish(gone: boolean): void {
    if (this.#isGone || (this.#isFinished && !gone)) return
    const isFirst = !this.#isFinished
    this.#isFinished = true
    this.#isGone = gone
    if (isFirst && !gone) this.#deframer.end()
    this.#handler.ended(gone)
    if (!gone && this.#output.writable) this.#output.write('')
  }

  #stop(): void {
    this.#isClosed = true
    clearInterval(this.#probe)
    clearImmediate(this.#nextSlice)
    this.#input.pause()
  }
}

function nextSlice(transport: Transport): void {
  transport.takeNextSlice()
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
