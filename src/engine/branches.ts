import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import { checkName } from '../schema/define.ts'
import { branchFolder } from '../storage/layout.ts'
import { Branch, hiddenPrefix } from './branch.ts'
import type { BranchDeletion } from './delete-branch.ts'
import type { Engine, EngineParts } from './engine.ts'
import { settlePlan } from './plans.ts'
import { settleWriters } from './writers.ts'

export interface NewBranch {
  readonly database: string
  readonly name: string
  /** The branch it is forked from. */
  readonly from: string
  /** False: it has the tenants of `from`, but none of their rows. */
  readonly data: boolean
  /** An older change set of `from`'s history to stand at. Rows have no history, so it goes without them. */
  readonly at?: string
  /** Frozen: a snapshot of the whole fleet. */
  readonly readOnly: boolean
  readonly description: string | null
}

/**
 * Fork a branch: one catalog transaction, whatever the number and size of its tenants. It sees the schema, tenants and
 * rows of `from` as they are now, and nothing that happens there later.
 */
export async function createBranch(engine: Engine, options: NewBranch): Promise<Branch> {
  const { parts } = engine
  checkName('branch', options.name)
  const database = engine.database(options.database)
  const from = engine.branch(options.database, options.from)
  from.requireNoMaintenance()
  await settleWriters(from)

  from.requireNoMaintenance()
  if (database.branches.has(options.name)) {
    refuse('branchExists', { database: options.database, branch: options.name })
  }
  engine.requireFreeFolder(options.database, options.name)
  const head = options.at === undefined ? from.head.id : requireInHistory(parts, from, options.at)
  const branch = fork(parts, from, {
    name: options.name,
    head,
    readOnly: options.readOnly,
    data: options.data && options.at === undefined,
    description: options.description,
  })
  parts.events.tell({ kind: 'branchCreated', database: options.database, branch: options.name })
  return branch
}

/**
 * A fork that clients do not see, of what is there now: nothing that happens to `from` later shows in it. For the time of a
 * backup; one that a killed daemon leaves is deleted after the next start.
 */
export async function forkHidden(parts: EngineParts, from: Branch): Promise<Branch> {
  await settleWriters(from)
  from.requireLife()
  return fork(parts, from, {
    name: hiddenName(parts),
    head: from.head.id,
    readOnly: true,
    data: true,
    description: null,
  })
}

/** A name that no client can give, or ask for. */
export function hiddenName({ ids }: EngineParts): string {
  return `${hiddenPrefix}${ids.next()}`
}

interface Fork {
  readonly name: string
  readonly head: string
  readonly readOnly: boolean
  readonly data: boolean
  readonly description: string | null
}

function fork(parts: EngineParts, from: Branch, { name, head, readOnly, data, description }: Fork): Branch {
  const { catalog, pool } = parts
  const { database } = from
  pool.flushAll()
  const line = [...from.line()].map(({ branch }) => branch)
  const row = catalog.writeNow(() => {
    const seq = catalog.nextSeq()
    // What any of these owns may be seen through the new branch.
    for (const { row } of line) catalog.branches.setLastFork(row.id, seq)
    const row = catalog.branches.insert({
      databaseId: database.row.id,
      name,
      parentId: from.row.id,
      forkedAt: seq,
      lastFork: 0,
      head,
      readOnly: readOnly ? 1 : 0,
      withData: data ? 1 : 0,
      description,
      createdAt: parts.now(),
    })
    crashPoint('branchCreate.recording')
    return row
  })
  crashPoint('branchCreate.recorded')
  for (const branch of line) branch.row = { ...branch.row, lastFork: row.forkedAt }
  const branch = new Branch(parts, database, row)
  database.add(branch)
  return branch
}

/** Rename a branch, and its folder with it. */
export function renameBranch(engine: Engine, database: string, name: string, newName: string): Promise<Branch> {
  return engine.parts.drain.pausedWhile(() => renameSettled(engine, database, name, newName))
}

async function renameSettled(engine: Engine, database: string, name: string, newName: string): Promise<Branch> {
  checkName('branch', newName)
  const branch = engine.branch(database, name)
  if (engine.parts.config.protectedBranches.includes(name)) refuse('protected', { noun: 'branch', name })
  return moveBranch(engine, branch, newName)
}

/**
 * Give a branch another name, while nothing is drained.
 *
 * @param replaced whoever has that name, and goes in the same moment
 */
export async function moveBranch(
  engine: Engine,
  branch: Branch,
  newName: string,
  replaced?: BranchDeletion,
): Promise<Branch> {
  const { parts } = engine
  const { catalog, pool, sharing } = parts
  const { name, isHidden } = branch
  const database = branch.database.row.name
  branch.requireNoMaintenance()
  do {
    await replaced?.prepare()
    await settleWriters(branch)
    await sharing.settled()
  } while (replaced?.isReady() === false)

  branch.requireNoMaintenance()
  if (!replaced) {
    if (branch.database.branches.has(newName)) refuse('branchExists', { database, branch: newName })
    engine.requireFreeFolder(database, newName)
  }
  for (const { id } of catalog.files.ownedBy(branch.row.id)) pool.close(id)
  const from = branchFolder(database, name)
  const to = branchFolder(database, newName)
  const plan = catalog.writeNow(() => {
    catalog.nextSeq()
    replaced?.record()
    catalog.branches.rename(branch.row.id, newName)
    catalog.files.moveFolder(branch.row.id, from, to)
    const plan = catalog.plans.insert({ kind: 'moveFolder', from, to })
    crashPoint('branchRename.recording')
    return plan
  })
  crashPoint('branchRename.recorded')
  replaced?.done()
  branch.database.remove(branch)
  branch.row = { ...branch.row, name: newName }
  branch.database.add(branch)
  if (isHidden) parts.events.tell({ kind: 'branchCreated', database, branch: newName })
  else parts.events.tell({ kind: 'branchRenamed', database, branch: name, newName })
  settlePlan(parts, plan)
  for (const other of branch.database.branches.values()) other.refreshAll()
  return branch
}

function requireInHistory({ catalog }: EngineParts, branch: Branch, changeSet: string): string {
  const isThere = catalog.changeSets.history(branch.head.id, Number.MAX_SAFE_INTEGER).some(({ id }) => id === changeSet)
  if (!isThere) refuse('changeSetNotFound', { branch: branch.name, changeSet })
  return changeSet
}
