import { encodeObjects, encodeRows, type SqlValue } from '../../protocol/values.ts'
import type { Columns } from '../storage/statements.ts'

/**
 * What the process of a statement says, in this order. `snapshot`: what is written from now on is not seen; then
 * `columns`, `rows` again and again, and `done`. Or `failed`, at any time.
 *
 * The process of a transaction says the same, but for `snapshot`; where no statement that reads was asked for, only how it
 * ended.
 *
 * A frame: its kind (1 byte), how many rows it has (4, little-endian), its length (4), its text or bytes. Rows are JSON values
 * with commas in between.
 */
export type Frame = 'snapshot' | 'columns' | 'rows' | 'done' | 'failed'

const headBytes = 9
const frameKinds: readonly Frame[] = ['snapshot', 'columns', 'rows', 'done', 'failed']

export function encodeFrame(frame: Frame, body: string | Uint8Array, rows = 0): Buffer {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const encoded = Buffer.allocUnsafe(headBytes + bytes)
  encoded.writeUInt8(frameKinds.indexOf(frame), 0)
  encoded.writeUInt32LE(rows, 1)
  encoded.writeUInt32LE(bytes, 5)
  if (typeof body === 'string') encoded.write(body, headBytes)
  else encoded.set(body, headBytes)
  return encoded
}

/** Cuts what a process writes into its frames. */
export class FrameReader {
  readonly #take: (frame: Frame, body: Buffer, rows: number) => void
  #rest: Buffer[] = []
  #bytes = 0
  #needed = headBytes

  constructor(take: (frame: Frame, body: Buffer, rows: number) => void) {
    this.#take = take
  }

  push(chunk: Buffer): void {
    this.#rest.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    let all = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest)
    for (;;) {
      this.#needed = headBytes + (all.length < headBytes ? 0 : all.readUInt32LE(5))
      if (all.length < this.#needed) break
      const frame = frameKinds[all.readUInt8(0)]
      const rows = all.readUInt32LE(1)
      const body = all.subarray(headBytes, this.#needed)
      all = all.subarray(this.#needed)
      if (frame !== undefined) this.#take(frame, body, rows)
    }
    this.#rest = all.length === 0 ? [] : [all]
    this.#bytes = all.length
  }
}

/** Rows as a frame has them. */
export function rowText(columns: Columns, rows: readonly SqlValue[][], asObjects: boolean): string {
  return JSON.stringify(asObjects ? encodeObjects(columns, rows) : encodeRows(rows)).slice(1, -1)
}

const comma = Buffer.from(',')
const quote = 0x22
const backslash = 0x5c

/** The rows of several parts as one text. */
export function joinRows(parts: readonly Buffer[]): string {
  return Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [comma, part]))).toString()
}

/** Where the first `count` rows of a part end that has more of them: looked for without reading any value. */
export function endOfRows(part: Buffer, count: number): number {
  let missing = count
  let depth = 0
  for (let at = 0; at < part.length; at++) {
    const byte = part[at]
    if (byte === quote) at = endOfText(part, at)
    else if (byte === 0x5b || byte === 0x7b) depth++
    else if ((byte === 0x5d || byte === 0x7d) && --depth === 0 && --missing === 0) return at + 1
  }
  throw new Error('a part has fewer rows than it says')
}

/** Where the quote stands that ends the text which begins at `start`. */
function endOfText(part: Buffer, start: number): number {
  for (let at = start + 1; at < part.length; at++) {
    if (part[at] === quote) return at
    if (part[at] === backslash) at++
  }
  return part.length
}
