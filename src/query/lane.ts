import type { Verdict } from './gate.ts'

/** Where a statement runs. */
export interface Lane {
  readonly name: 'inline'
  readonly reason: string
}

/** The one place that decides where a statement runs. For now everything runs on the daemon's own thread. */
export function chooseLane(_verdict: Verdict): Lane {
  return { name: 'inline', reason: 'every statement runs on the daemon’s own thread' }
}
