let turn = 0

/** What arrived together begins: the bytes of one connection that were read at once. */
export function nextTurn(): void {
  turn++
}

/** A number that is the same for all that arrived together. */
export function currentTurn(): number {
  return turn
}
