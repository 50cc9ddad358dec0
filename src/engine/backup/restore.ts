import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { ChangeSet } from '../../catalog/change-sets.ts'
import type { TenantRow } from '../../catalog/tenants.ts'
import { checkName } from '../../schema/define.ts'
import { guardedAsync } from '../../storage/faults.ts'
import { removeDatabaseFile } from '../../storage/files.ts'
import { Branch } from '../branch.ts'
import { hiddenName, moveBranch } from '../branches.ts'
import { BranchDeletion, deleteWhole } from '../delete-branch.ts'
import type { Progress } from '../edit.ts'
import type { Engine, EngineParts } from '../engine.ts'
import { Slices } from '../slices.ts'
import { createTenant, requireFree } from '../tenants.ts'
import type { FileToRestore } from './files.ts'
import type { Backup, SavedTenant } from './format.ts'

/** How many files go to a process at a time, and how many bytes. */
const filesAtOnce = 32
const bytesAtOnce = 64 * 1024 * 1024

export interface BranchToRestore {
  readonly backup: Backup
  readonly database: string
  /** The name of the branch. */
  readonly name: string
  /** Replace a branch of this name. */
  readonly force: boolean
}

/**
 * Restore a backup as a branch of its own. It is made under a name that no client sees, and gets its own when it is whole; cut
 * short before that, it is deleted after the next start. It sees nothing of the branch on which it hangs.
 */
export async function restoreBranch(engine: Engine, options: BranchToRestore, progress: Progress): Promise<Branch> {
  const { parts } = engine
  const { backup, database, name } = options
  checkName('branch', name)
  requirePlace(engine, options)
  const tenants = backup.tenants()
  const hidden = makeHidden(engine, options)
  crashPoint('restore.branchMade')
  try {
    await fill(parts, hidden, backup, tenants, progress)
    crashPoint('restore.filled')
    progress.signal.throwIfAborted()
    const [restored, replaced] = await parts.drain.pausedWhile(() => giveName(engine, options, hidden))
    await replaced?.free()
    return restored
  } catch (error) {
    if (engine.database(database).branches.get(hidden.name) === hidden) await deleteWhole(parts, hidden)
    throw error
  }
}

async function giveName(
  engine: Engine,
  options: BranchToRestore,
  branch: Branch,
): Promise<readonly [Branch, BranchDeletion | undefined]> {
  const { database, name, force } = options
  requirePlace(engine, options)
  const old = force ? engine.database(database).branches.get(name) : undefined
  const replaced = old && new BranchDeletion(engine.parts, old)
  try {
    return [await moveBranch(engine, branch, name, replaced), replaced]
  } catch (error) {
    replaced?.abandon()
    throw error
  }
}

function requirePlace(engine: Engine, { database, name, force }: BranchToRestore): void {
  const found = engine.database(database).branches.get(name)
  if (!found) return engine.requireFreeFolder(database, name)
  if (!force) refuse('branchExists', { database, branch: name })
  if (engine.parts.config.protectedBranches.includes(name) || found.parent === undefined) {
    refuse('protected', { noun: 'branch', name })
  }
  found.requireNoMaintenance()
}

/** A branch at the backup's head, without tenants. */
function makeHidden(engine: Engine, { backup, database: name }: BranchToRestore): Branch {
  const { parts } = engine
  const { catalog } = parts
  const database = engine.database(name)
  const [root] = database.branches.values()
  const row = catalog.writeNow(() => {
    addHistory(parts, backup)
    requireSchema(parts, backup)
    catalog.nextSeq()
    const row = catalog.branches.insert({
      databaseId: database.row.id,
      name: hiddenName(parts),
      parentId: root?.row.id ?? null,
      // Before anything was there to be seen.
      forkedAt: 0,
      lastFork: 0,
      head: backup.manifest.head,
      readOnly: 0,
      withData: 1,
      description: backup.manifest.description,
      createdAt: parts.now(),
    })
    crashPoint('restore.branchMaking')
    return row
  })
  const branch = new Branch(parts, database, row)
  database.add(branch)
  return branch
}

/** Within a catalog write: the change sets of a backup that are not known here. Refuses where one is known as another one. */
function addHistory({ catalog }: EngineParts, backup: Backup): void {
  const history = backup.history()
  if (!history.some(({ id }) => id === backup.manifest.head)) backup.broken('its head is not in its history')
  for (const changeSet of history) {
    const known = catalog.changeSets.get(changeSet.id)
    if (known === undefined) addChangeSet(catalog, changeSet, backup)
    else if (known.parent !== changeSet.parent || known.changes !== changeSet.changes) {
      backup.broken(`change set ${changeSet.id} is another one here`)
    }
  }
}

/** Refuse a history that does not lead to a schema: a branch that stands there could not be opened. */
function requireSchema({ catalog, heads }: EngineParts, backup: Backup): void {
  try {
    for (const { id } of backup.history()) {
      const { steps, sameAs } = catalog.changeSets.get(id) as ChangeSet
      for (const text of [steps, sameAs ?? '[]']) JSON.parse(text)
    }
    heads.get(backup.manifest.head)
  } catch (error) {
    backup.broken(`its history leads to no schema: ${error instanceof Error ? error.message : error}`)
  }
}

function addChangeSet(catalog: Catalog, changeSet: ChangeSet, backup: Backup): void {
  const isRooted = [changeSet.parent, changeSet.merged].every((id) => id === null || catalog.changeSets.get(id))
  if (!isRooted || changeSet.parent === null) backup.broken(`what leads to change set ${changeSet.id} is missing`)
  catalog.changeSets.insert({ ...changeSet, seq: catalog.nextSeq() })
}

/** Copy tenants' files out of the backup, some at a time, and then say whose they are. */
async function fill(
  parts: EngineParts,
  branch: Branch,
  backup: Backup,
  tenants: readonly SavedTenant[],
  progress: Progress,
): Promise<void> {
  const slices = new Slices(progress)
  let next: SavedTenant[] = []
  let bytes = 0
  let done = 0
  for (const [at, tenant] of tenants.entries()) {
    next.push(tenant)
    bytes += tenant.file?.bytes ?? 0
    const isLast = at === tenants.length - 1
    if (!isLast && next.length < filesAtOnce && bytes < bytesAtOnce) continue
    await fillSome(parts, branch, backup, next, progress)
    done += next.length
    await slices.next(() => ({ stage: 'restore', done, total: tenants.length }))
    next = []
    bytes = 0
  }
}

async function fillSome(
  parts: EngineParts,
  branch: Branch,
  backup: Backup,
  tenants: readonly SavedTenant[],
  progress: Progress,
): Promise<void> {
  const { catalog, chores, layout } = parts
  const pathOf = (name: string) => layout.tenantFile(branch.database.row.name, branch.name, name)
  const files = tenants.flatMap((tenant) => fileOf(backup, tenant, layout.absolute(pathOf(tenant.name))))
  await guardedAsync('the backup', () => chores.run('restoreFiles', { backup: backup.name, files }, progress))
  branch.requireLife()
  catalog.writeNow(() => {
    for (const { name, description, createdAt, cipher, file } of tenants) {
      const created = catalog.nextSeq()
      const place = { branchId: branch.row.id, path: pathOf(name), privateSince: created }
      const fileId = file && catalog.files.insert({ ...place, changeSet: file.changeSet, cipher: file.cipher }).id
      const row = {
        branchId: branch.row.id,
        name,
        created,
        deleted: 0,
        fileId,
        cipher,
        description,
        createdAt,
      } as const
      catalog.tenants.insert(row)
    }
  })
}

function fileOf(backup: Backup, { name, file }: SavedTenant, target: string): FileToRestore[] {
  return file ? [{ tenant: name, source: backup.file(name), target, saved: file }] : []
}

export interface TenantToRestore {
  readonly backup: Backup
  /** Its name in the backup. */
  readonly tenant: string
  /** Its name from now on. */
  readonly name: string
  /** Replace a tenant of this name. */
  readonly force: boolean
}

/**
 * Restore a tenant of a backup in a branch whose schema comes from that of the backup. It is there when its file is
 * whole, and not before; one that is replaced goes in the same moment.
 */
export async function restoreTenant(
  parts: EngineParts,
  branch: Branch,
  { backup, tenant: from, name, force }: TenantToRestore,
  progress: Progress,
): Promise<TenantRow> {
  checkName('tenant', name)
  branch.requireWritable()
  if (!force) requireFree(branch, name)
  const saved = backup.tenants().find((tenant) => tenant.name === from)
  if (saved === undefined) refuse('tenantNotFound', { database: '', branch: backup.name, tenant: from })
  const { catalog, chores, ids, layout } = parts
  const scratch = layout.scratchFile(`${ids.next()}.db`)
  try {
    if (saved.file === null) return await restoreEmpty(parts, branch, saved, name, force)
    requireWay(parts, branch, backup, saved.file.changeSet)
    if (saved.file.log) refuse('notSupported', { what: 'to restore an encrypted tenant alone that had a log' })
    const files = fileOf(backup, saved, scratch)
    await guardedAsync('the backup', () => chores.run('restoreFiles', { backup: backup.name, files }, progress))
    crashPoint('restore.copied')
    progress.signal.throwIfAborted()
    const { changeSet, cipher } = saved.file
    requireWay(parts, branch, backup, changeSet)
    if (force && branch.resolve(name)) {
      await branch.tenant(name).replaceFile(scratch, { changeSet, cipher })
      return branch.tenant(name).row
    }
    catalog.writeNow(() => {
      branch.requireWritable()
      requireFree(branch, name)
      const { description, createdAt } = saved
      const row = { branchId: branch.row.id, name, created: catalog.nextSeq(), deleted: 0, fileId: null } as const
      catalog.tenants.insert({ ...row, cipher, description, createdAt })
      branch.refresh(name)
      branch.tenant(name).placeFile(scratch, changeSet, cipher)
      crashPoint('restore.recording')
    })
    crashPoint('restore.recorded')
    return branch.tenant(name).row
  } catch (error) {
    branch.refresh(name)
    throw error
  } finally {
    removeDatabaseFile(scratch)
  }
}

/** One that had no file: it has no rows, and so nothing replaces a tenant that has some. */
function restoreEmpty(
  parts: EngineParts,
  branch: Branch,
  saved: SavedTenant,
  name: string,
  force: boolean,
): Promise<TenantRow> {
  const found = branch.resolve(name)
  if (!found) return createTenant(parts, branch, name, saved.description, saved.cipher)
  if (!force || found.fileId === null) return Promise.resolve(found)
  return refuse('notSupported', { what: 'to replace a tenant by one without rows; delete it instead' })
}

/** Refuse where no change sets lead from a file's schema to the branch's. */
function requireWay({ catalog }: EngineParts, branch: Branch, backup: Backup, changeSet: string): void {
  if (catalog.changeSets.isOnLine(changeSet, branch.head.id)) return
  refuse('schemaMismatch', { differences: [`backup ${backup.name} stands at change set ${changeSet}`] })
}
