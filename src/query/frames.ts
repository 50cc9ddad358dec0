/**
 * What the process of a statement says, in this order. `snapshot`: what is written from now on is not seen; then
 * `columns`, `rows` again and again, and `done`. Or `failed`, at any time.
 *
 * The process of a transaction says the same, but for `snapshot`; where no statement that reads was asked for, only how it
 * ended.
 *
 * A frame: its kind (1 byte), its length (4, little-endian), its text or bytes.
 */
export type Frame = 'snapshot' | 'columns' | 'rows' | 'done' | 'failed'

const headBytes = 5
const frameKinds: readonly Frame[] = ['snapshot', 'columns', 'rows', 'done', 'failed']

export function encodeFrame(frame: Frame, body: string | Uint8Array): Buffer {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const encoded = Buffer.allocUnsafe(headBytes + bytes)
  encoded.writeUInt8(frameKinds.indexOf(frame), 0)
  encoded.writeUInt32LE(bytes, 1)
  if (typeof body === 'string') encoded.write(body, headBytes)
  else encoded.set(body, headBytes)
  return encoded
}

/** Cuts what a process writes into its frames. */
export class FrameReader {
  readonly #take: (frame: Frame, body: Buffer) => void
  #rest: Buffer[] = []
  #bytes = 0
  #needed = headBytes

  constructor(take: (frame: Frame, body: Buffer) => void) {
    this.#take = take
  }

  push(chunk: Buffer): void {
    this.#rest.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    let all = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest)
    for (;;) {
      this.#needed = headBytes + (all.length < headBytes ? 0 : all.readUInt32LE(1))
      if (all.length < this.#needed) break
      const frame = frameKinds[all.readUInt8(0)]
      const body = all.subarray(headBytes, this.#needed)
      all = all.subarray(this.#needed)
      if (frame !== undefined) this.#take(frame, body)
    }
    this.#rest = all.length === 0 ? [] : [all]
    this.#bytes = all.length
  }
}
