/**
 * The program of `ProcessLane`: runs one statement after another, each on a connection of its own that can only read, and
 * writes what they return to standard output. Writing waits until the daemon has read, and with it the statement: a
 * result is nowhere in memory as a whole.
 *
 * It is killed where it should stop, and ends by itself with the daemon.
 */
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { encodeRows, type SqlValue } from '../../protocol/values.ts'
import { Refusal } from '../base/refusal.ts'
import { openMemory, openReadOnly } from '../storage/connection.ts'
import { Statements } from '../storage/statements.ts'
import { prepare } from './errors.ts'
import { eachRow } from './execute.ts'
import { encodeFrame, type Frame } from './frames.ts'
import type { RowText, StatementJob } from './process-lane.ts'

const neverChanged = new Int32Array(new SharedArrayBuffer(4))
const chunkRows = 256
const chunkBytes = 64 * 1024

// A statement that runs keeps this thread: another one sees to it that it does not outlive the daemon.
const watch = `
  const { ppid } = process
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGKILL'), 500)
`
new Worker(watch, { eval: true }).unref()

process.on('disconnect', () => process.exit())
process.on('message', (job: StatementJob) => {
  const startedAt = performance.now()
  try {
    const result = run(job)
    write('done', JSON.stringify({ ...result, ms: performance.now() - startedAt }))
  } catch (error) {
    const refusal = error instanceof Refusal ? { kind: error.kind, data: error.data } : undefined
    const message = error instanceof Error ? error.message : String(error)
    write('failed', JSON.stringify({ refusal, message }))
  }
})

function run({ source, sql, params, limits, asObjects }: StatementJob): Pick<RowText, 'count' | 'truncated'> {
  const db = typeof source === 'string' ? openReadOnly(source) : openMemory(Buffer.from(source))
  try {
    db.exec('begin')
    db.prepare('select 1 from sqlite_schema').get()
    write('snapshot', '')
    const prepared = prepare({ statements: new Statements(db) }, sql)
    const { columns } = prepared
    write('columns', JSON.stringify(columns))
    let rows: SqlValue[][] = []
    let bytes = 0
    let count = 0
    const flush = () => {
      if (rows.length === 0) return
      const encoded = encodeRows(rows)
      const shaped = asObjects
        ? encoded.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])))
        : encoded
      write('rows', JSON.stringify(shaped).slice(1, -1))
      count += rows.length
      rows = []
      bytes = 0
    }
    const outcome = eachRow(prepared, params, { ...limits, deadline: Number.POSITIVE_INFINITY }, (row, rowBytes) => {
      rows.push(row)
      bytes += rowBytes
      if (rows.length >= chunkRows || bytes >= chunkBytes) flush()
    })
    flush()
    return { count, truncated: outcome === 'truncated' }
  } finally {
    db.close()
  }
}

/** Waits while the daemon does not read. */
function write(frame: Frame, text: string): void {
  let rest = encodeFrame(frame, text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit()
      Atomics.wait(neverChanged, 0, 0, 1)
    }
  }
}
