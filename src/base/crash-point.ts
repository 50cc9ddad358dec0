import process from 'node:process'
import { assert } from './assert.ts'

/**
 * Where a process can be told to die: the steps of every operation that has more than one. Each name says what has just
 * been done. A name that ends in `ing` lies before the commit of a transaction in which everything is written.
 */
export const crashPoints = [
  // A new project: its settings are written; its catalog is whole, and lies beside its place; it is in its place.
  'project.settings',
  'project.catalogMade',
  'project.placed',
  // A project is opened: plans are settled; about to remove what belongs to nobody; everything like it is gone.
  'open.plansSettled',
  'open.sweeping',
  'open.swept',
  // Files: each step leaves something that is not yet durable, or not yet whole.
  'createFile.opened',
  'copyFile.copied',
  'linkFile.linked',
  'moveFile.moved',
  'removeFile.removed',
  // Writes of one turn of the event loop, to a tenant's file or to the catalog, before they are answered.
  'group.committing',
  'group.committed',
  // The same in the process of a statement, or of a transaction: it dies, and the daemon goes on.
  'statement.committing',
  'statement.committed',
  // The write-ahead log goes into its file.
  'checkpoint.begun',
  'checkpoint.done',
  'logRestart.begun',
  'logRestart.done',
  'catalogCheckpoint.begun',
  'catalogCheckpoint.done',
  'databaseCreate.recording',
  'databaseCreate.recorded',
  'databaseDelete.recording',
  'databaseDelete.recorded',
  'databaseDelete.setAside',
  'databaseDelete.freed',
  'maintenance.recording',
  'maintenance.recorded',
  // A fork; the end of one, with its files handed to those who still see them; another name for one.
  'branchCreate.recording',
  'branchCreate.recorded',
  'branchDelete.handedOver',
  'branchDelete.recording',
  'branchDelete.recorded',
  'branchDelete.setAside',
  'branchDelete.freed',
  'branchRename.recording',
  'branchRename.recorded',
  'plan.moved',
  'plan.deleted',
  'tenantDelete.handedOver',
  'tenantDelete.recording',
  'tenantDelete.recorded',
  'tenantDelete.cleaned',
  'tenantRename.linked',
  'tenantRename.recording',
  'tenantRename.recorded',
  'tenantRename.cleaned',
  'tenantCopy.copied',
  'tenantCopy.recording',
  'tenantCopy.recorded',
  'vacuum.begun',
  'vacuum.done',
  // The first write to a tenant that has no file.
  'firstWrite.fileMade',
  'firstWrite.recording',
  'firstWrite.recorded',
  // A tenant is encrypted, decrypted, or encrypted with another key.
  'reencrypt.written',
  'reencrypt.planning',
  'reencrypt.planned',
  'reencrypt.replaced',
  'reencrypt.recording',
  'reencrypt.recorded',
  // The first write after a fork, by who does not own the file and by who does.
  'share.checkpointed',
  'takeCopy.copied',
  'takeCopy.recording',
  'takeCopy.recorded',
  'giveAway.copied',
  'giveAway.recording',
  'giveAway.recorded',
  // A schema edit or a merge, and the files that follow it; each change set is a transaction of its own.
  'edit.tried',
  'edit.proved',
  'edit.flipping',
  'edit.flipped',
  'migrate.committing',
  'migrate.committed',
  'drain.writtenBeside',
  'drain.renamed',
  'positions.writing',
  'positions.written',
  // A file is taken in: an SQLite file as a tenant, or rows.
  'import.copied',
  'import.emptied',
  'import.finished',
  'import.placed',
  'import.committed',
  'dropFile.recording',
  'dropFile.recorded',
  // A table that is made for rows: what is to come is written down first.
  'importRows.planning',
  'importRows.planned',
  'importRows.committing',
  'importRows.committed',
  // A backup is made of a fork that nobody sees; it is restored under a name that nobody sees, or as a tenant.
  'backup.forked',
  'backup.filesSaved',
  'backup.written',
  'backup.placed',
  'backup.forkDeleted',
  'restore.branchMaking',
  'restore.branchMade',
  'restore.filled',
  'restore.copied',
  'restore.recording',
  'restore.recorded',
  'restore.replacing',
  'restore.replaced',
] as const

export type CrashPoint = (typeof crashPoints)[number]

const [armed, countdown] = readArmed(process.env.CINCH_CRASH_AT)
let left = countdown
const others: number[] = []

/**
 * Die here, as if by a power cut, if the environment variable `CINCH_CRASH_AT` names this point: `name`, or `name:3` for
 * the third time that it is passed. Tests set it; for everybody else this compares with `undefined`.
 */
export function crashPoint(name: CrashPoint): void {
  if (name === armed && --left === 0) die()
}

/** For a process that does a part of another one's work: to die in it is to die with the other one. */
export function dieTogetherWith(pid: number): void {
  others.push(pid)
}

function readArmed(text: string | undefined): [CrashPoint | undefined, number] {
  if (text === undefined || text === '') return [undefined, 0]
  const [name, count = '1'] = text.split(':')
  const armed = crashPoints.find((point) => point === name)
  assert(armed !== undefined && Number(count) > 0, `CINCH_CRASH_AT names no crash point: ${text}`)
  return [armed, Number(count)]
}

function die(): never {
  for (const pid of others) process.kill(pid, 'SIGKILL')
  process.kill(process.pid, 'SIGKILL')
  // The signal may take a moment to arrive, and nothing may happen in it.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
