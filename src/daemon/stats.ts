import type { ErrorKind } from '../../protocol/errors.ts'
import { type LaneName, laneNames } from '../../protocol/lanes.ts'
import { Histogram } from '../base/histogram.ts'

/** What calls were made of the daemon, and how long they took. */
export class Stats {
  readonly #methods = new Map<string, MethodStats>()

  /** Count an answer. One of the few things that every call pays for: no memory, and a few dozen nanoseconds. */
  record(method: string, lane: LaneName, ms: number, failure: ErrorKind | undefined): void {
    let stats = this.#methods.get(method)
    if (stats === undefined) {
      stats = new MethodStats()
      this.#methods.set(method, stats)
    }
    stats.record(lane, ms, failure)
  }

  /** By method, those with most calls first. */
  get methods(): { readonly [method: string]: MethodSummary } {
    const found = [...this.#methods].map(([name, stats]) => [name, stats.summary()] as const)
    return Object.fromEntries(found.sort(([, a], [, b]) => b.calls - a.calls))
  }

  get lanes(): { readonly [lane in LaneName]: Latency } {
    const all = [...this.#methods.values()]
    const of = (lane: LaneName) => {
      const sum = new Histogram()
      for (const stats of all) sum.add(stats.latency[lane])
      return latencyOf(sum)
    }
    return { inline: of('inline'), process: of('process') }
  }
}

/** In milliseconds; a percentile is right to an eighth of itself. */
export interface Latency {
  readonly calls: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface MethodSummary extends Latency {
  /** By kind. */
  readonly errors: { readonly [kind: string]: number }
  /** Those in which it ran, where that is not the daemon's own thread alone. */
  readonly lanes?: { readonly [lane in LaneName]?: Latency }
}

class MethodStats {
  readonly latency: { readonly [lane in LaneName]: Histogram } = { inline: new Histogram(), process: new Histogram() }
  readonly #errors = new Map<ErrorKind, number>()

  record(lane: LaneName, ms: number, failure: ErrorKind | undefined): void {
    this.latency[lane].record(ms)
    if (failure !== undefined) this.#errors.set(failure, (this.#errors.get(failure) ?? 0) + 1)
  }

  summary(): MethodSummary {
    const sum = new Histogram()
    for (const lane of laneNames) sum.add(this.latency[lane])
    const { inline, process } = this.latency
    return {
      ...latencyOf(sum),
      errors: Object.fromEntries(this.#errors),
      ...(process.count > 0 && { lanes: { inline: latencyOf(inline), process: latencyOf(process) } }),
    }
  }
}

function latencyOf(histogram: Histogram): Latency {
  const ms = (share: number) => rounded(histogram.percentile(share))
  return {
    calls: histogram.count,
    p50Ms: ms(0.5),
    p90Ms: ms(0.9),
    p99Ms: ms(0.99),
    maxMs: rounded(histogram.maxMs),
  }
}

/** To the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
