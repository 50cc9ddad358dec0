import os from 'node:os'

let startedAt = 0
let latest = 0
let isOpen = false
let heard: object | undefined
let aloneSince = 0
let afterwards: (() => void) | undefined
let isAwake = false

/** Who was the only one heard for so long is taken to be the only one who has something to say. */
const aloneMs = 100

/**
 * Who asks again so soon after an answer is likely to go on like that. To wake a thread that sleeps takes longer than most
 * calls, so the daemon looks for the next call for so long before it goes to sleep. Where there is one processor, its
 * client needs that.
 */
const awakeMs = os.availableParallelism() > 1 ? 0.2 : 0

/** What a connection has sent begins to be taken up. */
export function nextTurn(connection: object): void {
  const answeredAt = latest
  startedAt = lookAtClock()
  isOpen = true
  if (!isAwake && startedAt - answeredAt < awakeMs) {
    isAwake = true
    setImmediate(stayAwake)
  }
  if (connection === heard) return
  heard = connection
  aloneSince = startedAt
}

/** It is taken up, as far as this turn goes. */
export function endTurn(): void {
  isOpen = false
  const work = afterwards
  afterwards = undefined
  work?.()
}

/** While something is to be done at once, Node looks for what has arrived and does not wait for it. */
function stayAwake(): void {
  if (performance.now() - latest < awakeMs) setImmediate(stayAwake)
  else isAwake = false
}

/** Whether what is taken up is all that there is to do: nobody else was heard for a while. */
export function isAlone(): boolean {
  return startedAt - aloneSince > aloneMs
}

/** Do `work` when everybody who had something to say was heard: at once after this turn, if that is one alone. */
export function afterTurn(work: () => void): void {
  if (isOpen && afterwards === undefined && isAlone()) afterwards = work
  else setImmediate(work)
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
