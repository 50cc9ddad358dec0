import fs from 'node:fs'
import { encodeValue, type SqlValue, type WireValue } from '../../protocol/values.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { Reader } from '../storage/tenant-file.ts'
import { prepare } from './errors.ts'
import { eachRow, requireDistinct } from './execute.ts'
import { type Frame, rowText } from './frames.ts'
import { maskRow } from './mask.ts'
import type { Failure, ReadEnd, ReadJob } from './process-lane.ts'

/** How a process of statements says something to the daemon. */

const chunkRows = 256
const chunkBytes = 64 * 1024
/** A row that comes so long after those before it, and the first one, does not wait for others. */
const chunkMs = 5

/** Run a statement that reads, and send what it returns as JSON, so many rows at a time. */
export function sendRows(
  reader: Reader,
  { sql, params, limits, asObjects, page, masked }: Omit<ReadJob, 'kind' | 'source'>,
  send: (frame: Frame, text: string, rows?: number) => void,
): Omit<ReadEnd, 'ms'> {
  const prepared = prepare(reader, sql)
  const columns = prepared.columns.slice(0, page?.width)
  if (asObjects) requireDistinct(columns)
  send('columns', JSON.stringify(columns))
  let last: readonly SqlValue[] | undefined
  let rows: SqlValue[][] = []
  let bytes = 0
  let count = 0
  let flushedAt = Number.NEGATIVE_INFINITY
  const flush = () => {
    if (rows.length === 0) return
    last = rows.at(-1)
    send('rows', rowText(columns, rows, asObjects), rows.length)
    count += rows.length
    rows = []
    bytes = 0
    flushedAt = performance.now()
  }
  const { maxRowBytes } = limits
  const outcome = eachRow(prepared, params, { ...limits, deadline: Number.POSITIVE_INFINITY }, (row, rowBytes) => {
    if (rowBytes > maxRowBytes) refuse('limitExceeded', { limit: 'maxResultBytes', max: maxRowBytes })
    if (masked) maskRow(row, masked)
    rows.push(row)
    bytes += rowBytes
    const isDue = rows.length >= chunkRows || bytes >= chunkBytes || performance.now() - flushedAt > chunkMs
    if (isDue) flush()
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
    } catch {
      // Nobody is there to be told.
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

/** What the daemon is told of an error. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error)
  return error instanceof Refusal ? { refusal: { kind: error.kind, data: error.data }, message } : { message }
}
