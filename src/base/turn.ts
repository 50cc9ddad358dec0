let startedAt = 0

/** What arrived together begins: the bytes of one connection that were read at once. */
export function nextTurn(): void {
  startedAt = performance.now()
}

/** When what arrived last began to be read, on the clock of `performance.now()`: a clock that costs nothing to read. */
export function turnStartedAt(): number {
  return startedAt
}
