import type { Writer } from '../storage/tenant-file.ts'
import { prepare } from './errors.ts'
import { type Params, type ReadLimits, readRows, type WriteResult, write } from './execute.ts'

/** A statement that passed the gate. */
export interface BatchStatement {
  readonly sql: string
  readonly params: Params
  readonly kind: 'read' | 'write'
}

/** Run statements one after the other, in the transaction that is open. Those that read see what those before them wrote. */
export function runBatch(writer: Writer, statements: readonly BatchStatement[], limits: ReadLimits): WriteResult[] {
  const { watch } = limits
  const changesOf = () => writer.changes()
  const results: WriteResult[] = []
  let startedAt = watch ? performance.now() : 0
  for (const { sql, params, kind } of statements) {
    let result: WriteResult | undefined
    try {
      const prepared = prepare(writer, sql)
      if (kind === 'write') result = write(prepared, params, changesOf, limits)
      else result = { changes: 0, returned: readRows(prepared, params, limits) }
      results.push(result)
    } finally {
      if (watch) {
        const endedAt = performance.now()
        const ms = endedAt - startedAt
        startedAt = endedAt
        if (ms >= watch.slowMs) watch.slow(sql, ms, result ? (result.returned?.rows.length ?? result.changes) : null)
      }
    }
  }
  return results
}
