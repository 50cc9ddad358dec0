/** Lets one at a time in, in the order they came. */
export class Lock {
  #tail: Promise<void> = Promise.resolve()

  /** Run `work` when everybody before is through. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#tail
    let leave!: () => void
    this.#tail = new Promise((resolve) => {
      leave = resolve
    })
    await before
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
