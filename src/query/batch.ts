import type { Writer } from '../storage/tenant-file.ts'
import { prepare } from './errors.ts'
import { type Params, type ReadLimits, readRows, type WriteResult, write } from './execute.ts'
import { watched } from './watch.ts'

/** A statement that passed the gate. */
export interface BatchStatement {
  readonly sql: string
  readonly params: Params
  readonly kind: 'read' | 'write'
}

/** Run statements one after the other, in the transaction that is open. Those that read see what those before them wrote. */
export function runBatch(writer: Writer, statements: readonly BatchStatement[], limits: ReadLimits): WriteResult[] {
  return statements.map(({ sql, params, kind }): WriteResult => {
    const prepared = prepare(writer, sql)
    const run = (): WriteResult => {
      if (kind === 'write') return write(prepared, params, () => writer.changes(), limits)
      return { changes: 0, returned: readRows(prepared, params, limits) }
    }
    return watched(limits.watch, sql, run, ({ changes, returned }) => returned?.rows.length ?? changes)
  })
}
