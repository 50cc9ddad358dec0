import type { ResultOf } from '../client/client.ts'
import type { Output } from './output.ts'

type Stats = ResultOf<'project.stats'>
type Latency = Stats['lanes']['inline']

const shownStatements = 5

/** What a daemon did: calls by method and by lane, and the statements that took long. */
export function showCalls({ requests, lanes, slowStatements }: Stats, output: Output): void {
  const methods = Object.entries(requests)
  if (methods.length > 0) {
    output.line('')
    output.table(
      ['method', 'calls', 'failed', ...times, 'errors'],
      methods.map(([name, { errors, ...latency }]) => {
        const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
        const kinds = Object.entries(errors).map(([kind, count]) => `${kind} ${count}`)
        return [name, latency.calls, failed, ...timesOf(latency), kinds.join(', ')]
      }),
    )
    output.line('')
    output.table(
      ['lane', 'calls', ...times],
      Object.entries(lanes).map(([lane, latency]) => [lane, latency.calls, ...timesOf(latency)]),
    )
  }
  const { count, thresholdMs, last } = slowStatements
  if (count === 0) return
  output.line('')
  output.line(`slow statements (${thresholdMs} ms or more): ${count}; the last of them:`)
  output.table(
    ['at', 'ms', 'rows', 'lane', 'tenant', 'request', 'sql'],
    last.slice(0, shownStatements).map(({ at, ms, rows, lane, database, branch, tenant, request, sql }) => {
      return [at, ms, rows, lane, `${database}/${branch}/${tenant}`, request, sql]
    }),
  )
}

const times = ['p50 ms', 'p90 ms', 'p99 ms', 'max ms']

function timesOf({ p50Ms, p90Ms, p99Ms, maxMs }: Latency): number[] {
  return [p50Ms, p90Ms, p99Ms, maxMs]
}
