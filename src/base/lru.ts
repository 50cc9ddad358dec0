/**
 * A map that keeps the entries used last: at least `limit` of them, at most twice as many.
 *
 * Entries live in two generations. What is used moves to the young one; when that is full, it becomes the old one and
 * what is left of the old one goes. So a hit costs one look-up, and nothing is reordered.
 */
export class Lru<K, V> {
  readonly #limit: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const older = this.#old.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  set(key: K, value: V): void {
    this.#old.delete(key)
    this.#young.set(key, value)
    if (this.#young.size < this.#limit) return
    this.#old = this.#young
    this.#young = new Map()
  }

  *keys(): Iterable<K> {
    yield* [...this.#young.keys()]
    yield* [...this.#old.keys()]
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }
}
