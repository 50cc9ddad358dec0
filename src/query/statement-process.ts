/**
 * The program of `ProcessLane`: runs one job after another, each on a connection of its own.
 *
 * One that reads can only read. What it returns goes to standard output. That waits until the daemon has read, and with it
 * the statement: a result is nowhere in memory as a whole.
 *
 * One that writes says what it did, and commits when it is told to.
 *
 * It is killed where it should stop, and ends by itself with the daemon.
 */
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { encodeObjects, encodeRows, type SqlValue } from '../../protocol/values.ts'
import { crashPoint } from '../base/crash-point.ts'
import { Refusal } from '../base/refusal.ts'
import { type Database, openFile, openMemory, openReadOnly } from '../storage/connection.ts'
import { lifelineDescriptor } from '../storage/processes.ts'
import { Statements } from '../storage/statements.ts'
import { runBatch } from './batch.ts'
import { prepare, refuseSqlError } from './errors.ts'
import { eachRow } from './execute.ts'
import { encodeFrame, type Frame } from './frames.ts'
import type { Commit, Failure, ReadJob, RowText, WriteJob, WriteMessage } from './process-lane.ts'

const neverChanged = new Int32Array(new SharedArrayBuffer(4))
const cacheBytes = 16 * 1024 * 1024
const chunkRows = 256
const chunkBytes = 64 * 1024

// A statement that runs keeps this thread: another one waits for the end of a pipe that the daemon holds, and so for its own.
const watch = `
  try {
    require('node:fs').readSync(${lifelineDescriptor}, Buffer.alloc(1))
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
`
new Worker(watch, { eval: true }).unref()

/** What was written and is not committed yet. */
let open: Database.Database | undefined

process.on('message', (message: ReadJob | WriteJob | Commit) => {
  if (message.kind === 'read') read(message)
  else if (message.kind === 'write') attempt(() => writeAll(message))
  else attempt(commit)
})

function read(job: ReadJob): void {
  const startedAt = performance.now()
  try {
    const result = run(job)
    write('done', JSON.stringify({ ...result, ms: performance.now() - startedAt }))
  } catch (error) {
    write('failed', JSON.stringify(failureOf(error)))
  }
}

/** As the daemon's own connection writes, and for that a transaction that waits for `commit`. */
function writeAll({ path, durability, statements, limits }: WriteJob): void {
  const startedAt = performance.now()
  open = openFile(path, durability, cacheBytes)
  open.exec('begin immediate')
  const changes = open.prepare<[], number>('select changes()').pluck()
  const writer = { statements: new Statements(open), changes: () => changes.get() as number }
  const results = runBatch(writer, statements, { ...limits, deadline: Number.POSITIVE_INFINITY })
  tell({ kind: 'written', written: { results, ms: performance.now() - startedAt } })
}

function commit(): void {
  if (open === undefined) throw new Error('there is nothing to commit')
  try {
    crashPoint('statement.committing')
    open.exec('commit')
    crashPoint('statement.committed')
  } catch (error) {
    refuseSqlError(error)
  }
  open.close()
  open = undefined
  tell({ kind: 'committed' })
}

function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    open?.close()
    open = undefined
    tell({ kind: 'failed', ...failureOf(error) })
  }
}

function tell(message: WriteMessage): void {
  process.send?.(message)
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error)
  return error instanceof Refusal ? { refusal: { kind: error.kind, data: error.data }, message } : { message }
}

function run({ source, sql, params, limits, asObjects }: ReadJob): Pick<RowText, 'count' | 'truncated'> {
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
      const shaped = asObjects ? encodeObjects(columns, rows) : encodeRows(rows)
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
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.kill(process.pid, 'SIGKILL')
      Atomics.wait(neverChanged, 0, 0, 1)
    }
  }
}
