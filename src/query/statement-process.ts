/**
 * The program of `ProcessLane`: runs one job after another, each on a connection of its own.
 *
 * One that reads can only read. What it returns goes through a pipe. That waits until the daemon has read, and with it
 * the statement: a result is nowhere in memory as a whole.
 *
 * One that writes says what it did, and commits when it is told to.
 *
 * It is killed where it should stop, and ends by itself with the daemon.
 */
import { crashPoint } from '../base/crash-point.ts'
import { type Database, openFile, openMemory, openReadOnly } from '../storage/connection.ts'
import { codeOf } from '../storage/faults.ts'
import { endWithDaemon } from '../storage/lifeline.ts'
import { pipeDescriptor } from '../storage/processes.ts'
import { rewrite } from '../storage/rewrite.ts'
import { Statements } from '../storage/statements.ts'
import { runBatch } from './batch.ts'
import { refuseSqlError } from './errors.ts'
import { encodeFrame, type Frame } from './frames.ts'
import type { Commit, ReadEnd, ReadJob, RewriteJob, RewriteMessage, WriteJob, WriteMessage } from './process-lane.ts'
import { failureOf, sendRows, writeOut } from './say.ts'

const cacheBytes = 16 * 1024 * 1024

endWithDaemon()

/** What was written and is not committed yet. */
let open: Database.Database | undefined

process.on('message', (message: ReadJob | WriteJob | RewriteJob | Commit) => {
  if (message.kind === 'read') read(message)
  else if (message.kind === 'rewrite') rewriteFile(message)
  else if (message.kind === 'write') attempt(() => writeAll(message))
  else attempt(commit)
})

function read(job: ReadJob): void {
  const startedAt = performance.now()
  try {
    waitedMs = 0
    const result = run(job)
    const end: ReadEnd = { ...result, ms: performance.now() - startedAt - waitedMs }
    write('done', JSON.stringify(end))
  } catch (error) {
    write('failed', JSON.stringify(failureOf(error)))
  }
}

/** As the daemon's own connection writes, and for that a transaction that waits for `commit`. */
function writeAll({ path, key, durability, statements, limits }: WriteJob): void {
  const startedAt = performance.now()
  open = openFile(path, durability, { cacheBytes, key })
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

function rewriteFile({ source, target }: RewriteJob): void {
  try {
    rewrite(source, target)
    tell({ kind: 'rewritten' })
  } catch (error) {
    tell({ kind: 'failed', code: codeOf(error), message: error instanceof Error ? error.message : String(error) })
  }
}

function tell(message: WriteMessage | RewriteMessage): void {
  process.send?.(message)
}

function run({ source, key, ...statement }: ReadJob): Omit<ReadEnd, 'ms'> {
  const db = typeof source === 'string' ? openReadOnly(source, key) : openMemory(Buffer.from(source))
  try {
    db.exec('begin')
    db.prepare('select 1 from sqlite_schema').get()
    write('snapshot', '')
    return sendRows({ statements: new Statements(db) }, statement, write)
  } finally {
    db.close()
  }
}

/** How long the statement at hand has waited for its reader. */
let waitedMs = 0

/** Waits while the daemon does not read. */
function write(frame: Frame, text: string, rows = 0): void {
  const startedAt = performance.now()
  writeOut(pipeDescriptor, encodeFrame(frame, text, rows))
  waitedMs += performance.now() - startedAt
}
