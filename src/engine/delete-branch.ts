import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { BranchRow } from '../catalog/branches.ts'
import type { FileRow } from '../catalog/files.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { removeDatabaseFile, sizeOf } from '../storage/files.ts'
import { branchFolder } from '../storage/layout.ts'
import type { Branch } from './branch.ts'
import type { Alongside } from './edit.ts'
import type { Engine, EngineParts } from './engine.ts'
import type { Head } from './heads.ts'
import { freeFiles, setAside } from './leftovers.ts'
import type { FileSteps } from './sharing.ts'
import { Slices, unwatched } from './slices.ts'
import { settleWriters } from './writers.ts'

/**
 * Delete a branch. Branches that were forked from it keep what they saw through it, and hang on its parent from now on;
 * files that they see go to them, the others are removed. Its name is free as soon as it is gone, which is before its
 * files are.
 */
export async function deleteBranch(engine: Engine, database: string, name: string): Promise<void> {
  await deleteWhole(engine.parts, engine.branch(database, name))
}

/** The same for a branch that is at hand. */
export async function deleteWhole(parts: EngineParts, branch: Branch): Promise<void> {
  const deletion = new BranchDeletion(parts, branch)
  await parts.drain.pausedWhile(() => deletion.run())
  await deletion.free()
}

/** Refuses for a branch that is protected, the first one of its database, or under maintenance. */
export function requireDeletable({ config }: EngineParts, branch: Branch): void {
  const { name } = branch
  if (config.protectedBranches.includes(name) || branch.parent === undefined) {
    refuse('protected', { noun: 'branch', name })
  }
  // What no client sees is nobody's to keep.
  if (branch.isHidden) branch.requireLife()
  else branch.requireNoMaintenance()
}

/**
 * The steps of a deletion, while nothing is drained. From `isReady` to `done` nothing gives up the thread:
 *
 *     prepare ─▶ isReady ─▶ record (within a catalog write) ─▶ done ─▶ free
 *        ▲          │
 *        └──────────┘ somebody changed what was prepared
 */
export class BranchDeletion implements Alongside {
  readonly #parts: EngineParts
  readonly #branch: Branch
  readonly #head: Head | undefined
  /** Files that others see, by their ids. */
  readonly #handedOver = new Map<number, HandedOver>()
  /** Places where files were put that are not handed over there after all. */
  readonly #stale = new Set<string>()
  /** The number of the newest change of the catalog that `prepare` knew of. */
  #preparedAt = -1
  #recordedAt = -1
  /** Names under which other branches may know what was this one's. */
  #names: ReadonlySet<string> = new Set()
  #removed: readonly number[] = []
  #folders: readonly string[] = []

  /**
   * Refuses as `requireDeletable`.
   *
   * @param head where it has to stand still at its end, or is not deleted: `headMoved`
   */
  constructor(parts: EngineParts, branch: Branch, head?: Head) {
    requireDeletable(parts, branch)
    this.#parts = parts
    this.#branch = branch
    this.#head = head
  }

  /** All of it but the removal of files. */
  async run(): Promise<void> {
    try {
      do await this.prepare()
      while (!this.isReady())
      this.#parts.catalog.writeNow(() => this.record())
    } catch (error) {
      this.abandon()
      throw error
    }
    this.done()
  }

  /** Put the files that others see where they will lie, a slice at a time. */
  async prepare(): Promise<void> {
    const { catalog, sharing } = this.#parts
    const slices = new Slices(unwatched)
    await settleWriters(this.#branch)
    this.#preparedAt = catalog.currentSeq
    for (const id of new Set([...this.#handedOver.keys(), ...this.#perhapsShared().map((file) => file.id)])) {
      await sharing.readyToLeave(this.#branch, [id])
      this.#handOver(id)
      if (slices.isOver) await slices.next()
    }
    await settleWriters(this.#branch)
    await sharing.settled()
    crashPoint('branchDelete.handedOver')
  }

  /** Whether it can be recorded now. Refuses as the constructor. */
  isReady(): boolean {
    const { catalog, layout, pool, sharing } = this.#parts
    requireDeletable(this.#parts, this.#branch)
    const { database, head, name } = this.#branch
    if (this.#head && head !== this.#head) refuse('headMoved', { database: database.row.name, branch: name })
    if (this.#branch.taken.size > 0 || sharing.isBusy) return false
    if ([...this.#handedOver.keys()].some((id) => pool.isKept(id))) return false
    for (const id of this.#handedOver.keys()) pool.close(id)
    const isUnchanged = catalog.currentSeq === this.#preparedAt || this.#isAsPrepared()
    return isUnchanged && [...this.#handedOver.values()].every(({ from }) => !hasLog(layout.absolute(from)))
  }

  /** Within a catalog write: the branch is gone. */
  record(): void {
    const { catalog } = this.#parts
    const { row } = this.#branch
    const children = this.#children()
    const bequest = children.length === 0 ? [] : catalog.tenants.ofBranch(row.id)
    for (const child of children) bequeath(this.#parts, row, child.row, bequest)
    for (const { steps } of this.#handedOver.values()) steps.record()
    catalog.tenants.deleteOfBranch(row.id)
    const removed = catalog.files.ownedBy(row.id)
    catalog.tenants.letGoOfFilesOf(row.id)
    catalog.files.deleteOfBranch(row.id)
    for (const child of children) catalog.branches.setParent(orphaned(child.row, row))
    this.#recordedAt = catalog.nextSeq()
    // A file that was this branch's may be seen by several others: their first write looks.
    if (this.#handedOver.size > 0) catalog.branches.setLastForks(row.databaseId, this.#recordedAt)
    catalog.branches.delete(row.id)
    crashPoint('branchDelete.recording')

    this.#removed = removed.map(({ id }) => id)
    const users = [...this.#handedOver.keys()].flatMap((id) => catalog.tenants.usersOfFile(id))
    this.#names = new Set([...bequest, ...users].map(({ name }) => name))
  }

  /** Right after that write: whoever looks finds it gone, and its name free. */
  done(): void {
    crashPoint('branchDelete.recorded')
    const { layout, sharing } = this.#parts
    const { database, row } = this.#branch
    for (const child of this.#children()) child.row = orphaned(child.row, row)
    database.remove(this.#branch)
    if (this.#handedOver.size > 0) {
      for (const other of database.branches.values()) other.row = { ...other.row, lastFork: this.#recordedAt }
    }
    this.#branch.retire()
    if (!this.#branch.isHidden) {
      this.#parts.events.tell({ kind: 'branchDeleted', database: database.row.name, branch: row.name })
    }
    sharing.refresh(this.#branch, this.#names)
    this.#removeStale()
    this.#folders = [setAside(this.#parts, layout.absolute(branchFolder(database.row.name, row.name)))]
    crashPoint('branchDelete.setAside')
  }

  /** Last of all, and with everybody else at work: remove the files that nobody sees. */
  async free(): Promise<void> {
    await freeFiles(this.#parts, this.#removed, this.#folders)
    crashPoint('branchDelete.freed')
  }

  /** It is not to be, after all. */
  abandon(): void {
    for (const id of [...this.#handedOver.keys()]) this.#takeBack(id)
    this.#removeStale()
  }

  /** All of its files that others see, and perhaps more. */
  #perhapsShared(): readonly FileRow[] {
    const { files } = this.#parts.catalog
    const { id } = this.#branch.row
    return this.#children().length > 0 ? files.ownedBy(id) : files.namedElsewhere(id)
  }

  #children(): Branch[] {
    const { id } = this.#branch.row
    return [...this.#branch.database.branches.values()].filter(({ row }) => row.parentId === id)
  }

  #handOver(id: number): void {
    const { catalog, sharing } = this.#parts
    const file = catalog.files.get(id)
    const isOurs = file?.branchId === this.#branch.row.id
    const to = isOurs ? this.#newPathOf(file) : undefined
    if (isOurs && to !== undefined && this.#isInPlace(file, to)) return
    this.#takeBack(id)
    if (!isOurs || to === undefined) return
    this.#handedOver.set(id, { from: file.path, to, steps: sharing.leave(this.#branch, file) })
  }

  /** Where a file will lie: with the first of those who see it. Undefined where nobody does. */
  #newPathOf(file: FileRow): string | undefined {
    const heir = this.#parts.sharing.sharers(this.#branch, file)[0]
    return heir && this.#parts.layout.tenantFile(heir.branch.database.row.name, heir.branch.name, heir.name)
  }

  #isInPlace({ id, path }: FileRow, to: string): boolean {
    const known = this.#handedOver.get(id)
    return known?.from === path && known.to === to && !hasLog(this.#parts.layout.absolute(path))
  }

  #isAsPrepared(): boolean {
    const shared = this.#perhapsShared().flatMap((file) => {
      const to = this.#newPathOf(file)
      return to === undefined ? [] : [{ file, to }]
    })
    return shared.length === this.#handedOver.size && shared.every(({ file, to }) => this.#isInPlace(file, to))
  }

  #takeBack(id: number): void {
    const known = this.#handedOver.get(id)
    if (!known) return
    this.#handedOver.delete(id)
    this.#stale.add(known.to)
  }

  /** While somebody copies, it may be to one of these places: it is written over then, or swept at the next start. */
  #removeStale(): void {
    const { catalog, layout, sharing } = this.#parts
    if (sharing.isBusy) return
    for (const path of this.#stale) if (!catalog.files.hasPath(path)) removeDatabaseFile(layout.absolute(path))
  }
}

/** A file under the name that it will have, too. */
interface HandedOver {
  readonly from: string
  readonly to: string
  readonly steps: FileSteps
}

function hasLog(file: string): boolean {
  return sizeOf(`${file}-wal`) > 0
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
