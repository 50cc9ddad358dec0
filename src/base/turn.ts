let startedAt = 0
let latest = 0

/** What arrived together begins to be taken up. */
export function nextTurn(): void {
  startedAt = lookAtClock()
}

/** When what arrived last began to be taken up, on the clock of `performance.now()`: a clock that costs nothing to read. */
export function turnStartedAt(): number {
  return startedAt
}

/** The time when somebody last looked at the clock: in a turn, when the latest answer was given. Costs nothing either. */
export function latestTime(): number {
  return latest
}

export function lookAtClock(): number {
  latest = performance.now()
  return latest
}
