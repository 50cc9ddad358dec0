import { isUtf8 } from 'node:buffer'

/**
 * How messages are told apart in a stream of bytes:
 *
 * - `headers`: `Content-Length: N`, an empty line, N bytes of JSON (as in LSP);
 * - `lines`: one JSON value a line.
 *
 * The first byte of a stream decides: `{` or `[` starts a line, anything else a header.
 */
export type Framing = 'headers' | 'lines'

/** What a `Deframer` finds. Called in the order of the stream. The first two tell whether to go on with the next message. */
export interface FrameHandler {
  /** One parsed JSON value, which was given in so many bytes. */
  message(value: unknown, bytes: number): boolean
  /** A message that could not be read; the stream goes on with the next one. */
  refused(fault: FrameFault): boolean
  /** The stream cannot be read any further: where the next message starts is not known. */
  broken(reason: string): void
}

export type FrameFault =
  | { readonly kind: 'notJson'; readonly reason: string }
  | { readonly kind: 'tooLarge'; readonly sizeBytes?: number }

const maxHeaderBytes = 8 * 1024
const headerEnd = Buffer.from('\r\n\r\n')
const newline = 10
const lineEnd = Buffer.from('\n')
const empty = Buffer.alloc(0)

/** Cuts a stream of bytes into messages: one parse a message, nothing copied for those that arrive whole. */
export class Deframer {
  /** Set with the first byte. */
  framing: Framing | undefined
  readonly #handler: FrameHandler
  readonly #maxBytes: number
  #pieces: Buffer[] = []
  #pendingBytes = 0
  /** Headers: how many bytes the body at hand needs; -1 while its header is awaited. */
  #bodyBytes = -1
  /** Bytes of a message over the limit that are still to be passed over; Infinity: to the end of the line. */
  #skipBytes = 0
  #broken = false

  constructor(handler: FrameHandler, maxBytes: number) {
    this.#handler = handler
    this.#maxBytes = maxBytes
  }

  /** Take bytes of the stream; gives back those that are to come again, because the handler does not want more messages now. */
  push(chunk: Buffer): Buffer {
    if (this.#broken) return empty
    let rest = this.#skip(chunk)
    if (rest.length === 0) return empty
    if (this.framing === undefined) {
      const start = firstByte(rest)
      if (start < 0) return empty
      rest = rest.subarray(start)
      this.framing = rest[0] === 0x7b || rest[0] === 0x5b ? 'lines' : 'headers'
    }
    return this.framing === 'lines' ? this.#readLines(rest) : this.#readBodies(rest)
  }

  /** The stream has ended: a last line needs no newline. */
  end(): void {
    if (this.framing !== 'lines' || this.#broken || this.#pendingBytes === 0) return
    const line = this.#take(empty)
    if (firstByte(line) >= 0) this.#parse(line)
  }

  #readLines(chunk: Buffer): Buffer {
    let start = 0
    let goesOn = true
    for (;;) {
      if (!goesOn) return chunk.subarray(start)
      const end = chunk.indexOf(newline, start)
      if (end < 0) break
      const tail = chunk.subarray(start, end)
      const line = this.#pendingBytes === 0 ? tail : this.#take(tail)
      start = end + 1
      if (line.length > this.#maxBytes) goesOn = this.#handler.refused({ kind: 'tooLarge', sizeBytes: line.length })
      else if (firstByte(line) >= 0) goesOn = this.#parse(line)
    }
    this.#keep(start === 0 ? chunk : chunk.subarray(start))
    if (this.#pendingBytes > this.#maxBytes) {
      this.#forget()
      this.#skipBytes = Number.POSITIVE_INFINITY
      this.#handler.refused({ kind: 'tooLarge' })
    }
    return empty
  }

  #readBodies(chunk: Buffer): Buffer {
    let rest = chunk
    let goesOn = true
    for (;;) {
      if (!goesOn || rest.length === 0) return rest
      if (this.#bodyBytes < 0) {
        if (this.#pendingBytes > 0) rest = this.#take(rest)
        if (!isLetter(rest[0])) return this.#break('neither JSON nor a header')
        const end = rest.indexOf(headerEnd)
        if (end < 0) {
          if (rest.length > maxHeaderBytes) return this.#break('a header has no end')
          return this.#keep(rest)
        }
        const length = contentLength(rest.toString('latin1', 0, end))
        if (typeof length === 'string') return this.#break(length)
        rest = rest.subarray(end + headerEnd.length)
        if (length > this.#maxBytes) {
          goesOn = this.#handler.refused({ kind: 'tooLarge', sizeBytes: length })
          this.#skipBytes = length
          rest = this.#skip(rest)
          continue
        }
        this.#bodyBytes = length
      }
      if (this.#pendingBytes + rest.length < this.#bodyBytes) return this.#keep(rest)
      const missing = this.#bodyBytes - this.#pendingBytes
      const tail = rest.subarray(0, missing)
      const body = this.#pendingBytes === 0 ? tail : this.#take(tail)
      rest = rest.subarray(missing)
      this.#bodyBytes = -1
      goesOn = this.#parse(body)
    }
  }

  #parse(bytes: Buffer): boolean {
    if (!isUtf8(bytes)) return this.#handler.refused({ kind: 'notJson', reason: 'the text is not UTF-8' })
    let value: unknown
    try {
      value = JSON.parse(bytes.toString('utf8'))
    } catch (error) {
      return this.#handler.refused({ kind: 'notJson', reason: (error as SyntaxError).message })
    }
    return this.#handler.message(value, bytes.length)
  }

  /** What is left of `chunk` behind the bytes that are to be passed over. */
  #skip(chunk: Buffer): Buffer {
    if (this.#skipBytes === 0) return chunk
    if (this.#skipBytes === Number.POSITIVE_INFINITY) {
      const end = chunk.indexOf(newline)
      if (end < 0) return empty
      this.#skipBytes = 0
      return chunk.subarray(end + 1)
    }
    const skipped = Math.min(this.#skipBytes, chunk.length)
    this.#skipBytes -= skipped
    return chunk.subarray(skipped)
  }

  /** Copied: whoever gave the bytes may use their place again. */
  /** Nothing is left of the bytes: they wait for the rest of their message. */
  #keep(bytes: Buffer): Buffer {
    if (bytes.length > 0) this.#pieces.push(Buffer.from(bytes))
    this.#pendingBytes += bytes.length
    return empty
  }

  #take(tail: Buffer): Buffer {
    const whole = Buffer.concat([...this.#pieces, tail])
    this.#forget()
    return whole
  }

  #forget(): void {
    this.#pieces = []
    this.#pendingBytes = 0
  }

  #break(reason: string): Buffer {
    this.#broken = true
    this.#forget()
    this.#handler.broken(reason)
    return empty
  }
}

/** The bytes of one message that is already JSON text. */
export function frame(json: string, framing: Framing): string {
  return framing === 'lines' ? `${json}\n` : `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
}

/** The same for a message that is given in pieces. */
export function framePieces(pieces: readonly Buffer[], framing: Framing): readonly Buffer[] {
  if (framing === 'lines') return [...pieces, lineEnd]
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
  return [Buffer.from(`Content-Length: ${bytes}\r\n\r\n`), ...pieces]
}

/** Where the first byte stands that is no white space; -1 where there is none. */
function firstByte(bytes: Buffer): number {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at
  }
  return -1
}

/** A header begins with its name. */
function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a))
}

/** The length that a header gives, or what is wrong with it. */
function contentLength(header: string): number | string {
  let length: number | undefined
  for (const line of header.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) return 'a header line has no name'
    if (line.slice(0, colon).trim().toLowerCase() !== 'content-length') continue
    const digits = line.slice(colon + 1).trim()
    if (!/^\d{1,15}$/.test(digits)) return 'Content-Length is not a number'
    if (length !== undefined) return 'Content-Length stands twice'
    length = Number(digits)
  }
  return length ?? 'Content-Length is missing'
}
