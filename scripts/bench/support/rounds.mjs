import { shuffled } from './shuffled.mjs'

/**
 * Run every contender once a round, each time in another order, so that what the machine does meanwhile, and what the one
 * before has left it in, meets all of them alike. Gives the figure of each round under each name.
 *
 * @param {number} count
 * @param {{ [name: string]: (round: number) => Promise<number> }} contenders
 * @param {{ slices?: number }} [options] in how many short turns a round is cut, where that can be: a machine that is
 *   fast this second and slow the next is then so for everybody; the figure of a round is the mean of its slices
 * @returns {Promise<{ [name: string]: number[] }>}
 */
export async function interleaved(count, contenders, { slices = 1 } = {}) {
  const names = Object.keys(contenders)
  const figures = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < count; round++) {
    const sums = Object.fromEntries(names.map((name) => [name, 0]))
    for (let slice = 0; slice < slices; slice++) {
      for (const name of shuffled(names)) sums[name] += await contenders[name](round)
    }
    for (const name of names) figures[name].push(sums[name] / slices)
  }
  return figures
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
}
