import fs from 'node:fs'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { BranchRow } from '../catalog/branches.ts'
import type { Plan } from '../catalog/plans.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { checkName } from '../schema/define.ts'
import { syncFolder } from '../storage/files.ts'
import { branchFolder } from '../storage/layout.ts'
import { Branch } from './branch.ts'
import type { Engine, EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

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

/** How long an operation waits for long writes that are under way in a branch. */
const patienceMs = 10_000

/**
 * Fork a branch: one catalog transaction, whatever the number and size of its tenants. It sees the schema, tenants and
 * rows of `from` as they are now, and nothing that happens there later.
 */
export async function createBranch(engine: Engine, options: NewBranch): Promise<Branch> {
  const { parts } = engine
  const { catalog, pool } = parts
  checkName('branch', options.name)
  const database = engine.database(options.database)
  const from = engine.branch(options.database, options.from)
  from.requireNoMaintenance()
  await settleWriters(from)

  if (database.branches.has(options.name)) {
    refuse('branchExists', { database: options.database, branch: options.name })
  }
  engine.requireFreeFolder(options.database, options.name)
  const head = options.at === undefined ? from.head.id : requireInHistory(parts, from, options.at)
  pool.flushAll()

  const line = [...from.line()].map(({ branch }) => branch)
  const row = catalog.writeNow(() => {
    const seq = catalog.nextSeq()
    // What any of these owns may be seen through the new branch.
    for (const { row } of line) catalog.branches.setLastFork(row.id, seq)
    const row = catalog.branches.insert({
      databaseId: database.row.id,
      name: options.name,
      parentId: from.row.id,
      forkedAt: seq,
      lastFork: 0,
      head,
      readOnly: options.readOnly ? 1 : 0,
      withData: options.data && options.at === undefined ? 1 : 0,
      description: options.description,
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

/**
 * Delete a branch. Branches that were forked from it keep what they saw through it, and hang on its parent from now on;
 * files that they see go to them, the others are removed.
 */
export function deleteBranch(engine: Engine, database: string, name: string): Promise<void> {
  return engine.parts.drain.pausedWhile(() => deleteSettled(engine, database, name))
}

async function deleteSettled(engine: Engine, database: string, name: string): Promise<void> {
  const { parts } = engine
  const { catalog, layout, pool, sharing } = parts
  const branch = engine.branch(database, name)
  requireDeletable(parts, branch)
  await settleWriters(branch)
  await sharing.settled()

  const files = catalog.files.ownedBy(branch.row.id)
  for (const { id } of files) pool.close(id)
  const steps = files.map((file) => sharing.leave(branch, file))
  crashPoint('branchDelete.handedOver')
  const others = [...branch.database.branches.values()].filter((other) => other !== branch)
  const children = others.filter(({ row }) => row.parentId === branch.row.id)
  const rows = catalog.tenants.ofBranch(branch.row.id)
  const seq = catalog.writeNow(() => {
    for (const child of children) bequeath(parts, branch.row, child.row, rows)
    for (const step of steps) step.record()
    catalog.tenants.deleteOfBranch(branch.row.id)
    for (const step of steps) step.forget()
    for (const { row } of children) catalog.branches.setParent(orphaned(row, branch.row))
    // A file that was this branch's may be seen by several others: their first write looks.
    const seq = catalog.nextSeq()
    for (const { row } of others) catalog.branches.setLastFork(row.id, seq)
    catalog.branches.delete(branch.row.id)
    crashPoint('branchDelete.recording')
    return seq
  })
  crashPoint('branchDelete.recorded')
  for (const child of children) child.row = orphaned(child.row, branch.row)
  for (const other of others) other.row = { ...other.row, lastFork: seq }
  branch.database.remove(branch)
  branch.retire()
  for (const other of others) other.refreshAll()
  for (const step of steps) step.clean()
  crashPoint('branchDelete.cleaned')
  fs.rmSync(layout.absolute(branchFolder(database, name)), { recursive: true, force: true })
  crashPoint('branchDelete.folderGone')
}

/** Refuses for a branch that is protected, the first one of its database, or under maintenance. */
export function requireDeletable({ config }: EngineParts, branch: Branch): void {
  const { name } = branch
  if (config.protectedBranches.includes(name) || branch.parent === undefined) {
    refuse('protected', { noun: 'branch', name })
  }
  branch.requireNoMaintenance()
}

/** Rename a branch, and its folder with it. */
export function renameBranch(engine: Engine, database: string, name: string, newName: string): Promise<Branch> {
  return engine.parts.drain.pausedWhile(() => renameSettled(engine, database, name, newName))
}

async function renameSettled(engine: Engine, database: string, name: string, newName: string): Promise<Branch> {
  const { parts } = engine
  const { catalog, config, pool, sharing } = parts
  checkName('branch', newName)
  const branch = engine.branch(database, name)
  if (config.protectedBranches.includes(name)) refuse('protected', { noun: 'branch', name })
  branch.requireNoMaintenance()
  await settleWriters(branch)
  await sharing.settled()

  if (branch.database.branches.has(newName)) refuse('branchExists', { database, branch: newName })
  engine.requireFreeFolder(database, newName)
  for (const { id } of catalog.files.ownedBy(branch.row.id)) pool.close(id)
  const from = branchFolder(database, name)
  const to = branchFolder(database, newName)
  const plan = catalog.writeNow(() => {
    catalog.nextSeq()
    catalog.branches.rename(branch.row.id, newName)
    catalog.files.moveFolder(branch.row.id, from, to)
    const plan = catalog.plans.insert({ kind: 'moveFolder', from, to })
    crashPoint('branchRename.recording')
    return plan
  })
  crashPoint('branchRename.recorded')
  branch.database.remove(branch)
  branch.row = { ...branch.row, name: newName }
  branch.database.add(branch)
  finishPlan(parts, plan)
  for (const other of branch.database.branches.values()) other.refreshAll()
  return branch
}

/** Do what a crash left undone. */
export function finishPlans(parts: EngineParts): void {
  for (const plan of parts.catalog.plans.all()) finishPlan(parts, plan)
}

/** Wait until nobody but `except` holds a tenant's write turn in a branch; give up after a while, and say who it is. */
export async function settleWriters(branch: Branch, except?: Tenant): Promise<void> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const holders = [...branch.taken.values()].filter((tenant) => tenant !== except)
    if (holders.length === 0) return
    const tenants = holders.map(({ name }) => name)
    const leftMs = giveUpAt - performance.now()
    if (leftMs <= 0) refuse('tenantBusy', { database: branch.database.row.name, branch: branch.name, tenants })
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leftMs)
    })
    await Promise.race([patience, ...holders.map((tenant) => tenant.idle())])
    clearTimeout(timer)
  }
}

function finishPlan({ catalog, layout }: EngineParts, plan: Plan): void {
  const from = layout.absolute(plan.from)
  if (fs.existsSync(from)) {
    fs.renameSync(from, layout.absolute(plan.to))
    syncFolder(layout.root)
  }
  crashPoint('plan.moved')
  catalog.writeNow(() => catalog.plans.delete(plan.id))
  crashPoint('plan.deleted')
}

/** A child of a branch that goes: it hangs on the branch's parent, and sees of it what the branch saw. */
function orphaned(child: BranchRow, gone: BranchRow): BranchRow {
  const withData = child.withData === 1 && gone.withData === 1 ? 1 : 0
  return { ...child, parentId: gone.parentId, forkedAt: gone.forkedAt, withData }
}

/** Within a catalog write: the child gets rows of its own for what it saw by rows of the branch that goes. */
function bequeath({ catalog }: EngineParts, gone: BranchRow, child: BranchRow, rows: readonly TenantRow[]): void {
  const seen = new Map<string, TenantRow>()
  // In the order of their numbers: the newest that the child could see decides.
  for (const row of rows) if (row.created <= child.forkedAt) seen.set(row.name, row)
  for (const row of seen.values()) {
    const fileId = child.withData === 1 ? row.fileId : null
    catalog.tenants.insert({ ...row, branchId: child.id, created: gone.forkedAt, fileId })
  }
}

function requireInHistory({ catalog }: EngineParts, branch: Branch, changeSet: string): string {
  const isThere = catalog.changeSets.history(branch.head.id, Number.MAX_SAFE_INTEGER).some(({ id }) => id === changeSet)
  if (!isThere) refuse('changeSetNotFound', { branch: branch.name, changeSet })
  return changeSet
}
