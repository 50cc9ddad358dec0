/**
 * The program of `TransactionLane`: one transaction after another, each on a connection of its own.
 *
 * It is asked, and answers, on a pipe of its own, one thing at a time. It waits for what it is asked within a read, not in an
 * event loop: that is what makes a call in a transaction quick.
 *
 * To kill it is to roll back, and it ends by itself with the daemon.
 */
import fs from 'node:fs'
import v8 from 'node:v8'
import { assert } from '../base/assert.ts'
import { crashPoint } from '../base/crash-point.ts'
import { IdSource } from '../base/ids.ts'
import { refuseSqlError } from '../query/errors.ts'
import { encodeFrame, type Frame } from '../query/frames.ts'
import type { Clock } from '../query/rows.ts'
import { failureOf, sendRows, writeOut } from '../query/say.ts'
import type { TableShape } from '../query/table-shape.ts'
import { type Database, openFile, openMemory, openReadOnly } from '../storage/connection.ts'
import { endWithDaemon } from '../storage/lifeline.ts'
import { pipeDescriptor } from '../storage/processes.ts'
import { Statements } from '../storage/statements.ts'
import { readChangeSet, type Writer } from '../storage/tenant-file.ts'
import { type Operation, operations } from './operations.ts'
import type {
  Beginning,
  Begun,
  Performed,
  Reading,
  TransactionFailure,
  TransactionMessage,
} from './transaction-lane.ts'

const cacheBytes = 16 * 1024 * 1024
const heldBytes = 64 * 1024

const clock: Clock = { ids: new IdSource(), now: () => new Date().toISOString() }

interface Open extends Writer {
  readonly db: Database.Database
  /** Tables that were used, by their numbers. */
  readonly shapes: Map<number, TableShape>
  readonly savepoint: Database.Statement
  readonly release: Database.Statement
}

let open: Open | undefined

/** Said, and not sent yet. */
let held: Buffer[] = []
let bytesHeld = 0

const lengthBytes = 4
/** For messages that are not large. */
const room = Buffer.allocUnsafeSlow(heldBytes)
/** Read, and not taken up yet. */
let arrived = room.subarray(0, 0)

endWithDaemon()
for (let message = receive(); message !== undefined; message = receive()) answer(message)

function answer(message: TransactionMessage): void {
  try {
    say('done', v8.serialize(done(message)))
  } catch (error) {
    const isOver = open !== undefined && !open.db.inTransaction
    if (isOver) close()
    say('failed', JSON.stringify({ ...failureOf(error), isOver } satisfies TransactionFailure))
  }
  flush()
}

function done(message: TransactionMessage): unknown {
  switch (message.kind) {
    case 'begin':
      return begin(message)
    case 'read':
      return read(message)
    case 'perform':
      return perform(message)
    case 'commit':
      return commit()
    case 'rollback':
      return rollback()
  }
}

function begin(beginning: Beginning): Begun {
  close()
  const db = connect(beginning)
  try {
    db.exec(beginning.mode === 'write' ? 'begin immediate' : 'begin')
    // To read is also what takes the snapshot.
    const changeSet = readChangeSet(db)
    const changes = db.prepare<[], number>('select changes()').pluck()
    open = {
      db,
      statements: new Statements(db),
      changes: () => changes.get() as number,
      shapes: new Map(),
      savepoint: db.prepare('savepoint call'),
      release: db.prepare('release call'),
    }
    return { changeSet }
  } catch (error) {
    db.close()
    throw error
  }
}

/** The one place where the file of a transaction is opened. */
function connect({ mode, source, key, durability }: Beginning): Database.Database {
  if (typeof source !== 'string') return openMemory(Buffer.from(source))
  return mode === 'write' ? openFile(source, durability, { cacheBytes, key }) : openReadOnly(source, key)
}

function read(reading: Reading) {
  const startedAt = performance.now()
  const outcome = sendRows(opened(), reading, say)
  return { ...outcome, ms: performance.now() - startedAt }
}

function perform(message: TransactionMessage & { readonly kind: 'perform' }): Performed<unknown> {
  const startedAt = performance.now()
  const on = opened()
  if (message.shape && message.shapeId !== undefined) on.shapes.set(message.shapeId, message.shape)
  const shape = message.shapeId === undefined ? undefined : on.shapes.get(message.shapeId)
  const args = shape === undefined ? message.args : { ...(message.args as object), shape }
  const operation = operations[message.operation as keyof typeof operations] as Operation<Writer, unknown, unknown>
  const result = message.writes ? whole(on, () => operation(on, args, clock)) : operation(on, args, clock)
  return { result, ms: performance.now() - startedAt }
}

/** What fails leaves nothing of itself; the transaction goes on. */
function whole<T>({ db, savepoint, release }: Open, work: () => T): T {
  savepoint.run()
  try {
    const result = work()
    release.run()
    return result
  } catch (error) {
    if (db.inTransaction) {
      db.exec('rollback to call')
      release.run()
    }
    throw error
  }
}

function commit(): object {
  try {
    crashPoint('statement.committing')
    opened().db.exec('commit')
    crashPoint('statement.committed')
  } catch (error) {
    refuseSqlError(error)
  }
  close()
  return {}
}

function rollback(): object {
  close()
  return {}
}

function opened(): Open {
  assert(open, 'no transaction is open')
  return open
}

function close(): void {
  open?.db.close()
  open = undefined
}

/** What is said at once leaves at once. */
function say(frame: Frame, body: string | Uint8Array): void {
  const encoded = encodeFrame(frame, body)
  held.push(encoded)
  bytesHeld += encoded.length
  if (bytesHeld >= heldBytes) flush()
}

function flush(): void {
  writeOut(pipeDescriptor, held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held))
  held = []
  bytesHeld = 0
}

/** Wait for a message; undefined when the daemon is gone. */
function receive(): TransactionMessage | undefined {
  if (!fill(lengthBytes)) return undefined
  const size = lengthBytes + arrived.readUInt32LE(0)
  if (!fill(size)) return undefined
  const message = v8.deserialize(arrived.subarray(lengthBytes, size))
  arrived = arrived.subarray(size)
  return message
}

/** Read until so many bytes have arrived; false where no more come. */
function fill(size: number): boolean {
  while (arrived.length < size) {
    const isRoomy = arrived.byteOffset + size <= arrived.buffer.byteLength
    if (!isRoomy || arrived.length === 0) {
      const next =
        arrived.length === 0 && size <= room.length ? room : Buffer.allocUnsafeSlow(Math.max(size, heldBytes))
      arrived.copy(next)
      arrived = next.subarray(0, arrived.length)
    }
    const free = Buffer.from(arrived.buffer, arrived.byteOffset + arrived.length)
    const count = fs.readSync(pipeDescriptor, free)
    if (count === 0) return false
    arrived = Buffer.from(arrived.buffer, arrived.byteOffset, arrived.length + count)
  }
  return true
}
