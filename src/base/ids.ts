import { randomBytes } from 'node:crypto'

/**
 * Makes UUIDs of version 7 (RFC 9562): their order is the order in which they were made, within one millisecond too.
 * Random bits come from a pool, since asking the system for each id costs more than the rest.
 */
export class IdSource {
  readonly #now: () => number
  #lastMs = 0
  #counter = 0
  #pool = Buffer.alloc(0)
  #at = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  next(): string {
    const now = this.#now()
    if (now > this.#lastMs) {
      this.#lastMs = now
      this.#counter = this.#random(2).readUInt16BE() & 0x7ff
    } else if (++this.#counter > 0xfff) {
      this.#lastMs++
      this.#counter = 0
    }
    const tail = this.#random(8)
    tail[0] = ((tail[0] ?? 0) & 0x3f) | 0x80
    const time = this.#lastMs.toString(16).padStart(12, '0')
    const counter = this.#counter.toString(16).padStart(3, '0')
    const hex = tail.toString('hex')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${hex.slice(0, 4)}-${hex.slice(4)}`
  }

  #random(bytes: number): Buffer {
    if (this.#at + bytes > this.#pool.length) {
      this.#pool = randomBytes(4096)
      this.#at = 0
    }
    this.#at += bytes
    return this.#pool.subarray(this.#at - bytes, this.#at)
  }
}
