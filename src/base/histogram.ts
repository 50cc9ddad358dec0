/** Each power of two is cut into so many steps: a value is known to an eighth of itself. */
const steps = 8
const stepBits = 3
const maxMicroseconds = 2 ** 31 - 1
const bucketCount = (31 - stepBits) * steps + steps

/**
 * How long things took, from a microsecond to half an hour. To record one costs a few nanoseconds and no memory: it is
 * counted in one of 232 buckets, whose widths grow with what they hold.
 */
export class Histogram {
  /** Doubles count exactly up to 2^53; 32 bits would be full after a day. */
  readonly #buckets = new Float64Array(bucketCount)
  #count = 0
  #maxMs = 0

  record(ms: number): void {
    const value = ms < 0 ? 0 : Math.min(ms * 1_000, maxMicroseconds) | 0
    ;(this.#buckets[bucketOf(value)] as number)++
    this.#count++
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  get count(): number {
    return this.#count
  }

  /** Count what another one has counted, too. */
  add(other: Histogram): void {
    for (let at = 0; at < bucketCount; at++) (this.#buckets[at] as number) += other.#buckets[at] as number
    this.#count += other.#count
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
  }

  /** The time within which `share` (0 to 1) of them were done, in milliseconds; never too low, and by an eighth too high at most. */
  percentile(share: number): number {
    const wanted = Math.ceil(share * this.#count)
    let seen = 0
    for (let at = 0; at < bucketCount; at++) {
      seen += this.#buckets[at] as number
      if (seen >= wanted && seen > 0) return Math.min(endOf(at) / 1_000, this.#maxMs)
    }
    return 0
  }

  get maxMs(): number {
    return this.#maxMs
  }
}

/** Up to 8 a bucket a value, then 8 buckets a power of two. */
function bucketOf(value: number): number {
  if (value < steps) return value
  const power = 31 - Math.clz32(value)
  return ((power - stepBits) << stepBits) + steps + ((value >>> (power - stepBits)) & (steps - 1))
}

/** The least value beyond a bucket. */
function endOf(bucket: number): number {
  if (bucket < steps) return bucket + 1
  const power = ((bucket - steps) >> stepBits) + stepBits
  const step = (bucket & (steps - 1)) + 1
  return 2 ** power + step * 2 ** (power - stepBits)
}
