import type { Readable, Writable } from 'node:stream'
import { AbstractMessageReader, AbstractMessageWriter, type DataCallback, type Message } from 'vscode-jsonrpc/node'
import { endTurn, latestTime, nextTurn, turnStartedAt } from '../base/turn.ts'
import { Deframer, type FrameFault, type Framing, frame, framePieces } from './framing.ts'

export interface TransportOptions {
  readonly maxMessageBytes: number
  /** Unread answers at which reading pauses until the other side has read some. */
  readonly maxUnsentBytes: number
}

/** What is to be sent goes out before the end of the tick when it is longer than this. */
const flushChars = 1024 * 1024

/** Bytes of a streamed result that may wait to be read before no more of it is made. */
const maxLagBytes = 256 * 1024

/** Bytes of messages that wait while too much is under way. */
const maxPostponedBytes = 256 * 1024

const msBetweenProbes = 200
const empty = Buffer.alloc(0)

/** What comes in over a transport. */
export interface TransportHandler {
  message(value: unknown): void
  /** A message that would have to wait: true where it was taken up before those that do. */
  overtake?(value: unknown): boolean
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
 * without end does not keep the others waiting. While the other side does not read, nothing is read from it either. While
 * too much of what it asked is under way, a little more is read, which waits, so that what may overtake is seen.
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
  /** Messages that came while too much was under way, and the bytes they came in. */
  readonly #postponed: { readonly value: unknown; readonly bytes: number }[] = []
  #postponedBytes = 0
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
  /** The last message is here, too. */
  #hasLast = false
  #isFinished = false
  #isGone = false
  #isClosed = false
  #drained: Promise<void> | undefined
  #probe: NodeJS.Timeout | undefined

  constructor(input: Readable, output: Writable, handler: TransportHandler, options: TransportOptions) {
    this.#input = input
    this.#output = output
    this.#maxUnsentBytes = options.maxUnsentBytes
    this.#handler = handler
    const frames = {
      message: (value: unknown, bytes: number) => {
        if (this.#isHeld || this.#postponed.length > 0) this.#postpone(value, bytes)
        else handler.message(value)
        return this.#mayGoOn()
      },
      refused: (fault: FrameFault) => {
        handler.refused(fault)
        return this.#mayGoOn()
      },
      broken: (reason: string) => handler.broken(reason),
    }
    this.#deframer = new Deframer(frames, options.maxMessageBytes)
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

  /** Take up nothing more until `release`, but for what may overtake. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#goOn()
  }

  /** Take back the first message that is postponed and passes a test; undefined where there is none. */
  takeBack(test: (value: unknown) => boolean): unknown {
    const at = this.#postponed.findIndex(({ value }) => test(value))
    return at < 0 ? undefined : this.#nextPostponed(at)
  }

  /** Send one message, given as JSON text. It leaves with everything else of this tick. */
  send(json: string): void {
    this.#outgoing += frame(json, this.framing)
    if (this.#outgoing.length > flushChars) return this.flush()
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    process.nextTick(flush, this)
  }

  /** Send one message at once, given as pieces of JSON text in bytes, behind what was sent before. They are not copied. */
  sendPieces(pieces: readonly Buffer[]): void {
    this.flush()
    if (!this.#output.writable) return
    this.#output.cork()
    for (const piece of framePieces(pieces, this.framing)) this.#output.write(piece)
    this.#output.uncork()
    this.#lookWhetherRead()
  }

  /** Where the other side does not keep up with what it is sent: settles when it does again. */
  get lag(): Promise<void> | undefined {
    if (this.#output.writableLength <= maxLagBytes) return undefined
    this.#drained ??= new Promise((resolve) => {
      this.#output.once('drain', () => {
        this.#drained = undefined
        resolve()
      })
    })
    return this.#drained
  }

  flush(): void {
    this.#flushScheduled = false
    const text = this.#outgoing
    this.#outgoing = ''
    if (text === '' || !this.#output.writable) return
    this.#output.write(text)
    this.#lookWhetherRead()
  }

  #lookWhetherRead(): void {
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

  #postpone(value: unknown, bytes: number): void {
    if (this.#handler.overtake?.(value)) return
    this.#postponed.push({ value, bytes })
    this.#postponedBytes += bytes
  }

  #nextPostponed(at = 0): unknown {
    const [next] = this.#postponed.splice(at, 1)
    this.#postponedBytes -= next?.bytes ?? 0
    return next?.value
  }

  /** Take up what was postponed, as far as one slice goes. */
  #takePostponed(): void {
    nextTurn(this)
    this.#taken = 0
    this.#isTaking = true
    this.#flushScheduled = true
    do this.#handler.message(this.#nextPostponed())
    while (this.#postponed.length > 0 && !this.#isHeld && this.#mayGoOn())
    this.flush()
    endTurn()
    this.#isTaking = false
    this.#goOn()
  }

  /** Whether not even what may overtake is to be seen. */
  get #isBlocked(): boolean {
    return this.#isUnread || (this.#isHeld && this.#postponedBytes >= maxPostponedBytes)
  }

  /** After a message: whether this slice takes another one. */
  #mayGoOn(): boolean {
    if (++this.#taken >= sliceMessages || this.#isBlocked) return false
    return latestTime() - turnStartedAt() < sliceMs
  }

  /** Read, take up what is left, or wait, as things stand. */
  #goOn(): void {
    if (this.#isTaking || this.#isClosed) return
    const isLeft = this.#rest.length > 0
    if (this.#inputEnded && !isLeft && this.#takesAll()) return this.#finish(false)
    const isDue = this.#yields || isLeft || (this.#postponed.length > 0 && !this.#isHeld)
    if (!this.#isBlocked && isDue) this.#nextSlice ??= setImmediate(nextSlice, this)
    const flows = !this.#isBlocked && !isDue
    if (flows === this.#isFlowing) return
    this.#isFlowing = flows
    if (flows) this.#input.resume()
    else this.#input.pause()
  }

  /** With nothing more to come: whether everything that came is taken up. */
  #takesAll(): boolean {
    const isFirst = !this.#hasLast
    this.#hasLast = true
    if (isFirst) this.#deframer.end()
    return this.#postponed.length === 0
  }

  takeNextSlice(): void {
    this.#nextSlice = undefined
    this.#yields = false
    if (this.#isBlocked) return
    if (this.#postponed.length > 0 && !this.#isHeld) this.#takePostponed()
    else if (this.#rest.length > 0) this.#take(this.#rest)
    else this.#goOn()
  }

  /** Nothing more comes in, and nothing is left of what came, or the other side is gone. */
  #finish(gone: boolean): void {
    if (this.#isGone || (this.#isFinished && !gone)) return
    this.#isFinished = true
    this.#isGone = gone
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
