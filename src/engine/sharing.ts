import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../base/assert.ts'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { FileRow } from '../catalog/files.ts'
import type { FileKey } from '../storage/cipher.ts'
import { openFile } from '../storage/connection.ts'
import { guarded, guardedAsync } from '../storage/faults.ts'
import { copyDurably, linkDurably, removeDatabaseFile, sizeOf, writeDurably } from '../storage/files.ts'
import { bytesAt, bytesOf } from '../storage/image.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

/**
 * Copy before write.
 *
 * A file belongs to one branch and may be seen by others that were forked from it. Before the first write of any side
 * after a fork, the file is made private: whoever does not own it takes a copy, and whoever does hands one to the others.
 * The copy is durable before the catalog knows of it, and one catalog transaction repoints everybody: at every point a
 * crash leaves the state before or the state after, and at most a file that nobody knows of.
 *
 * **Invariant:** a file is written in place only by the branch that owns it, knows it through a row of its own, and has
 * been found to be alone with it since the newest fork that could see it.
 */
export class Sharing {
  readonly #parts: () => EngineParts
  /** Files that are being copied, each with the end of it. */
  readonly #copying = new Map<number, Promise<void>>()

  constructor(parts: () => EngineParts) {
    this.#parts = parts
  }

  /** Make sure that `tenant` may write its file in place. It may have another file afterwards. */
  async makePrivate(tenant: Tenant): Promise<void> {
    while (tenant.row.fileId !== null && !tenant.isPrivate) {
      const { branch, row, file } = tenant
      const underWay = this.#copying.get(file.id)
      if (underWay) {
        await underWay
        continue
      }
      const isOurs = file.branchId === branch.row.id && row.branchId === branch.row.id
      const copying = isOurs ? this.#giveAway(tenant, file) : this.#takeCopy(tenant, file)
      this.#copying.set(
        file.id,
        copying.catch(() => {}),
      )
      try {
        await copying
      } finally {
        this.#copying.delete(file.id)
      }
    }
  }

  /** Whether nobody but `tenant` sees its file; if so, it may write it in place from now on. Copies nothing. */
  claim(tenant: Tenant): boolean {
    if (tenant.isPrivate) return true
    const { branch, row, file } = tenant
    if (file.branchId !== branch.row.id || row.branchId !== branch.row.id) return false
    if (this.sharers(branch, file).length > 0) return false
    const { catalog, positions } = this.#parts()
    const seq = catalog.currentSeq
    positions.notePrivate(file.id, seq)
    tenant.knowPrivate(seq)
    return true
  }

  /** The branches, other than `except`, that see a file, and the name under which each does; parents before children. */
  sharers(except: Branch, file: FileRow): { branch: Branch; name: string }[] {
    const { catalog } = this.#parts()
    const names = new Set(catalog.tenants.usersOfFile(file.id).map(({ name }) => name))
    const branches = [...except.database.branches.values()].sort((a, b) => a.row.id - b.row.id)
    return branches.flatMap((branch) => {
      if (branch === except) return []
      return [...names].filter((name) => branch.resolve(name)?.fileId === file.id).map((name) => ({ branch, name }))
    })
  }

  /** Whether any file is being copied. */
  get isBusy(): boolean {
    return this.#copying.size > 0
  }

  /** Settles when none of these files, or of all, is being copied; what follows at once finds them so. */
  async settled(fileIds?: Iterable<number>): Promise<void> {
    const ids = fileIds && [...fileIds]
    for (;;) {
      const underWay = (ids ?? [...this.#copying.keys()]).flatMap((id) => this.#copying.get(id) ?? [])
      if (underWay.length === 0) return
      await Promise.all(underWay)
    }
  }

  /** Settles when `leave` can be called for these files, at once; `tenantBusy` where somebody keeps one in its place for long. */
  async readyToLeave(branch: Branch, fileIds: Iterable<number>): Promise<void> {
    await this.#ready(branch, fileIds, (file) => this.sharers(branch, file).length > 0)
  }

  /** The same for `move`. */
  async readyToMove(branch: Branch, fileIds: Iterable<number>): Promise<void> {
    await this.#ready(branch, fileIds, () => true)
  }

  /** Nobody copies these files, and nobody uses by its path one that is to have another. */
  async #ready(branch: Branch, fileIds: Iterable<number>, isToMove: (file: FileRow) => boolean): Promise<void> {
    const { catalog, pool } = this.#parts()
    const giveUpAt = performance.now() + patienceMs
    for (const id of fileIds) {
      for (;;) {
        await this.settled([id])
        const file = catalog.files.get(id)
        const keepers = file?.branchId === branch.row.id && isToMove(file) ? pool.whenLetGo(id) : undefined
        if (file === undefined || keepers === undefined) break
        const leftMs = giveUpAt - performance.now()
        if (leftMs <= 0) this.#refuseBusy(file)
        await atMost(leftMs, keepers)
      }
    }
  }

  /** What happens to a file when a branch stops seeing it: it goes to those who still see it, or away. */
  leave(branch: Branch, file: FileRow): FileSteps {
    const { catalog } = this.#parts()
    if (file.branchId !== branch.row.id) return keepFile
    const heir = this.sharers(branch, file)[0]
    if (heir) return this.#handOver(file, heir.branch, heir.name)
    return {
      names: [],
      record() {},
      forget() {
        catalog.tenants.letGoOfFile(file.id)
        catalog.files.delete(file.id)
      },
      clean: () => this.#remove(file),
    }
  }

  /** What a tenant that gets another name does with its file: it moves along, or goes to those who still see it. */
  move(tenant: Tenant, newName: string): FileSteps {
    const { branch, file } = tenant
    if (file.branchId !== branch.row.id) return keepFile
    const heir = this.sharers(branch, file)[0]
    return this.#handOver(file, heir?.branch ?? branch, heir?.name ?? newName)
  }

  /** Give a file to a branch, to lie where a tenant of this name would lie. */
  #handOver(file: FileRow, branch: Branch, name: string): FileSteps {
    const { catalog, keys, layout, pool } = this.#parts()
    const path = layout.tenantFile(branch.database.row.name, branch.name, name)
    assert(!catalog.files.hasPath(path), 'a file was to be put where another lies')
    // Whoever uses the file by its path has the index of the log that lies there, and the next one would have another.
    if (pool.isKept(file.id)) this.#refuseBusy(file)
    this.#settle(file)
    pool.close(file.id)
    const [from, to] = [layout.absolute(file.path), layout.absolute(path)]
    const isLocked = file.cipher !== null && keys.find(file.cipher) === undefined
    const hasLog = sizeOf(`${from}-wal`) > 0
    // While another program reads the file a part of its log stays, which would not go along.
    if (hasLog && !isLocked) this.#refuseBusy(file)
    guarded(`file ${file.path}`, () => {
      linkDurably(from, to)
      // What a killed daemon left of a file that is locked: nobody has it open, so it goes along as it lies.
      if (hasLog) linkDurably(`${from}-wal`, `${to}-wal`)
    })
    return {
      names: catalog.tenants.usersOfFile(file.id).map((user) => user.name),
      record() {
        if (branch.row.id === file.branchId) return catalog.files.setPath(file.id, path)
        catalog.files.setOwner(file.id, branch.row.id, path)
        // Whoever owns a file knows it through a row of its own: else it would copy it onto itself.
        const row = branch.resolve(name)
        if (row === undefined || row.branchId === branch.row.id) return
        catalog.tenants.insert({ ...row, branchId: branch.row.id, created: branch.row.forkedAt })
      },
      forget() {},
      clean: () => removeDatabaseFile(layout.absolute(file.path)),
    }
  }

  #remove(file: FileRow): void {
    const { layout, pool } = this.#parts()
    pool.close(file.id)
    removeDatabaseFile(layout.absolute(file.path))
  }

  /** What is kept in memory of a file's tenants no longer holds. */
  refresh(branch: Branch, names: Iterable<string>): void {
    for (const name of names) for (const other of branch.database.branches.values()) other.refresh(name)
  }

  /** The file is another branch's, or known through another's row: leave it as it is, and take a copy. */
  async #takeCopy(tenant: Tenant, file: FileRow): Promise<void> {
    const { catalog, layout } = this.#parts()
    const { branch, name } = tenant
    const path = layout.tenantFile(branch.database.row.name, branch.name, name)
    await this.#copy(file, path)
    crashPoint('takeCopy.copied')
    catalog.writeNow(() => {
      const seq = catalog.nextSeq()
      const { changeSet, cipher } = file
      const copy = catalog.files.insert({ branchId: branch.row.id, path, privateSince: seq, changeSet, cipher })
      catalog.tenants.insert({ ...tenant.row, branchId: branch.row.id, created: seq, fileId: copy.id })
      crashPoint('takeCopy.recording')
    })
    crashPoint('takeCopy.recorded')
    this.refresh(branch, [name])
  }

  /** The file is ours: whoever else sees it gets a copy, and we go on with the file. */
  async #giveAway(tenant: Tenant, file: FileRow): Promise<void> {
    const { catalog, layout } = this.#parts()
    const { branch } = tenant
    const others = this.sharers(branch, file)
    const heir = others[0]
    if (heir === undefined) {
      this.claim(tenant)
      return
    }
    const path = layout.tenantFile(heir.branch.database.row.name, heir.branch.name, heir.name)
    await this.#copy(file, path)
    crashPoint('giveAway.copied')
    catalog.writeNow(() => {
      // It may be shared in turn, among those it is given to: the first write to it looks.
      const { changeSet, cipher } = file
      const theirs = catalog.files.insert({
        branchId: heir.branch.row.id,
        path,
        privateSince: sharedUntilLooked,
        changeSet,
        cipher,
      })
      this.repoint(branch, file, theirs.id)
      catalog.files.setPrivateSince(file.id, catalog.nextSeq())
      crashPoint('giveAway.recording')
    })
    crashPoint('giveAway.recorded')
    this.refresh(branch, [...new Set([tenant.name, ...others.map(({ name }) => name)])])
  }

  /** Within a catalog write: every branch but `owner` that sees `file` sees the file `theirs` instead. */
  repoint(owner: Branch, file: FileRow, theirs: number): void {
    const { catalog } = this.#parts()
    for (const { branch, name } of this.sharers(owner, file)) {
      // Parents come first: a descendant that now sees its parent's new row needs none of its own.
      const row = branch.resolve(name)
      if (row?.fileId !== file.id) continue
      if (row.branchId === owner.row.id) {
        catalog.tenants.insert({ ...row, branchId: branch.row.id, created: branch.row.forkedAt, fileId: theirs })
      } else catalog.tenants.setFile(row, theirs)
    }
  }

  /** Copy a file as it is now, durably. Nobody writes to it meanwhile: it is shared. */
  async #copy(file: FileRow, to: string): Promise<void> {
    const { catalog, layout, pool } = this.#parts()
    await pool.whenBack(file.id)
    const from = layout.absolute(file.path)
    const target = layout.absolute(to)
    assert(!catalog.files.hasPath(to), 'a file was to be copied over another')
    await guardedAsync(`file ${file.path}`, async () => {
      // What an earlier try left behind belongs to nobody.
      removeDatabaseFile(target)
      const bytes = this.#bytesOf(file)
      if (bytes) return writeDurably(target, bytes)
      this.#settle(file)
      // While somebody reads the file (an export), a part of its log may stay where it is. The log is copied first: what
      // is brought into the file meanwhile is in it.
      if (sizeOf(`${from}-wal`) > 0) await copyDurably(`${from}-wal`, `${target}-wal`)
      await copyDurably(from, target)
    })
  }

  /** All that a small file holds; undefined for one that is large, or that hands out something else than what it is. */
  #bytesOf(file: FileRow): Buffer | undefined {
    const { layout, pool } = this.#parts()
    const open = pool.find(file.id)
    if (open) return file.cipher === null ? bytesOf(open.file) : undefined
    this.#settle(file)
    const path = layout.absolute(file.path)
    return sizeOf(`${path}-wal`) > 0 ? undefined : bytesAt(path)
  }

  #refuseBusy(file: FileRow): never {
    const { allBranches, catalog } = this.#parts()
    const owner = [...allBranches()].find(({ row }) => row.id === file.branchId)
    const users = catalog.tenants.usersOfFile(file.id).map(({ name }) => name)
    const [database, branch] = [owner?.database.row.name ?? '', owner?.name ?? '']
    return refuse('tenantBusy', { database, branch, tenants: [...new Set(users)] })
  }

  /** Bring what is committed into the file itself: it is about to be copied or linked. One that is locked stays as it lies. */
  #settle(file: FileRow): void {
    const { keys, layout, pool } = this.#parts()
    const path = layout.absolute(file.path)
    const open = pool.find(file.id)
    const key = file.cipher === null ? undefined : keys.find(file.cipher)
    const isLocked = file.cipher !== null && key === undefined
    if (open) open.file.checkpoint()
    else if (sizeOf(`${path}-wal`) > 0 && !isLocked) guarded(`file ${file.path}`, () => settleLog(path, key))
    crashPoint('share.checkpointed')
  }
}

/** How long a file that goes elsewhere waits for those who use it where it is. */
const patienceMs = 10_000

async function atMost(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const patience = new AbortController()
  const timeout = sleep(milliseconds, undefined, { signal: patience.signal }).catch(() => {})
  await Promise.race([timeout, work])
  patience.abort()
}

/** Less than any fork's number: the first write to the file looks for sharers. */
const sharedUntilLooked = -1

/** Bring what a killed daemon left in a write-ahead log into its file. */
function settleLog(path: string, key: FileKey | undefined): void {
  const db = openFile(path, 'normal', { key })
  try {
    db.pragma('wal_checkpoint(truncate)')
  } finally {
    db.close()
  }
}

/** What is done to a file around a catalog write; the disk is ready for the state after it before it begins. */
export interface FileSteps {
  /** The names under which tenants go on seeing the file: what is kept of it with them no longer holds. */
  readonly names: readonly string[]
  /** Within the write, first. */
  record(): void
  /** Within the write, last. */
  forget(): void
  /** After it: remove what belongs to nobody now. A crash before this leaves it to the next start. */
  clean(): void
}

export const keepFile: FileSteps = { names: [], record() {}, forget() {}, clean() {} }
