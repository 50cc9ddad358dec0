/**
 * The program of `Chores`: does one chore after another. It is killed where it should stop, and ends by itself with the
 * daemon.
 */
import { dieTogetherWith } from '../../base/crash-point.ts'
import { Refusal } from '../../base/refusal.ts'
import { codeOf } from '../../storage/faults.ts'
import { endWithDaemon } from '../../storage/lifeline.ts'
import { unwatched } from '../slices.ts'
import type { Failure, Link, Order, Report } from './link.ts'
import { works } from './works.ts'

endWithDaemon()
dieTogetherWith(process.ppid)

let onCommit: (() => void) | undefined

const link: Link = {
  signal: unwatched.signal,
  report: (value) => tell({ kind: 'progress', value }),
  snapshot: () => tell({ kind: 'snapshot' }),
  committed: () => tell({ kind: 'committed' }),
  mayCommit(told) {
    tell({ kind: 'ready', told })
    return new Promise((resolve) => {
      onCommit = resolve
    })
  },
}

process.on('message', (order: Order) => {
  if (order.kind === 'commit') onCommit?.()
  else void work(order.name, order.input)
})

async function work(name: string, input: unknown): Promise<void> {
  try {
    // The daemon's side is typed by the same object.
    const run = works[name as keyof typeof works] as (input: unknown, link: Link) => unknown
    tell({ kind: 'done', result: await run(input, link) })
  } catch (error) {
    tell({ kind: 'failed', ...failureOf(error) })
  }
}

function tell(report: Report): void {
  process.send?.(report)
}

function failureOf(error: unknown): Failure {
  const failure = { code: codeOf(error), message: error instanceof Error ? error.message : String(error) }
  return error instanceof Refusal ? { ...failure, refusal: { kind: error.kind, data: error.data } } : failure
}
