/** A map that keeps at most `limit` entries: those used last. */
export class Lru<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #limit: number
  readonly #onDrop: ((value: V) => void) | undefined

  constructor(limit: number, onDrop?: (value: V) => void) {
    this.#limit = limit
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#limit) return
    for (const [oldest, dropped] of this.#entries) {
      this.#entries.delete(oldest)
      this.#onDrop?.(dropped)
      return
    }
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  clear(): void {
    for (const value of this.#entries.values()) this.#onDrop?.(value)
    this.#entries.clear()
  }
}
