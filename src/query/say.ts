import fs from 'node:fs'
import { encodeObjects, encodeRows, encodeValue, type SqlValue, type WireValue } from '../../protocol/values.ts'
import { Refusal } from '../base/refusal.ts'
import type { Reader } from '../storage/tenant-file.ts'
import { prepare } from './errors.ts'
import { eachRow } from './execute.ts'
import type { Frame } from './frames.ts'
import { maskRow } from './mask.ts'
import type { Failure, ReadJob, RowText } from './process-lane.ts'

/** How a process of statements says something to the daemon. */

const chunkRows = 256
const chunkBytes = 64 * 1024

/** Run a statement that reads, and send what it returns as JSON, so many rows at a time. */
export function sendRows(
  reader: Reader,
  { sql, params, limits, asObjects, page, masked }: Omit<ReadJob, 'kind' | 'source'>,
  send: (frame: Frame, text: string) => void,
): Pick<RowText, 'count' | 'truncated' | 'last'> {
  const prepared = prepare(reader, sql)
  const columns = prepared.columns.slice(0, page?.width)
  send('columns', JSON.stringify(columns))
  let last: readonly SqlValue[] | undefined
  let rows: SqlValue[][] = []
  let bytes = 0
  let count = 0
  const flush = () => {
    if (rows.length === 0) return
    last = rows.at(-1)
    const shaped = asObjects ? encodeObjects(columns, rows) : encodeRows(rows)
    send('rows', JSON.stringify(shaped).slice(1, -1))
    count += rows.length
    rows = []
    bytes = 0
  }
  const outcome = eachRow(prepared, params, { ...limits, deadline: Number.POSITIVE_INFINITY }, (row, rowBytes) => {
    if (masked) maskRow(row, masked)
    rows.push(row)
    bytes += rowBytes
    if (rows.length >= chunkRows || bytes >= chunkBytes) flush()
  })
  flush()
  return {
    count,
    truncated: outcome === 'truncated',
    last: last && page?.at?.map((at): WireValue => encodeValue(last?.[at] as SqlValue)),
  }
}

/** Waits while the daemon does not read. */
export function writeOut(descriptor: number, bytes: Uint8Array): void {
  let rest = bytes
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.kill(process.pid, 'SIGKILL')
      Atomics.wait(neverChanged, 0, 0, 1)
    }
  }
}

const neverChanged = new Int32Array(new SharedArrayBuffer(4))

/** What the daemon is told of an error. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error)
  return error instanceof Refusal ? { refusal: { kind: error.kind, data: error.data }, message } : { message }
}
