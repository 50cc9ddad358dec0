import fs from 'node:fs'
import type Database from 'better-sqlite3'
import { assert } from '../base/assert.ts'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { FileRow } from '../catalog/files.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import type { ProcessLane, WriteJob, Written } from '../query/process-lane.ts'
import type { FileKey } from '../storage/cipher.ts'
import { codeOf, guarded, guardedAsync } from '../storage/faults.ts'
import type { PooledFile } from '../storage/file-pool.ts'
import { createDurably, databaseBytes, moveDurably, removeDatabaseFile, sizeOf } from '../storage/files.ts'
import { imageOf, openImage } from '../storage/image.ts'
import { createEncrypted } from '../storage/rewrite.ts'
import { Statements } from '../storage/statements.ts'
import { type Reader, requireChangeSet, TenantFile, type WritePause, type Writer } from '../storage/tenant-file.ts'
import type { Branch } from './branch.ts'
import type { Caller } from './caller.ts'
import type { EngineParts } from './engine.ts'
import type { Head } from './heads.ts'
import { migrate } from './migrate.ts'
import type { Operation } from './operations.ts'
import { unwatched } from './slices.ts'
import { type Waiter, WriteTurn } from './write-turn.ts'

/** A larger file is brought forward, or looked at as a whole, in a process if that takes long. */
const maxBytesHere = 2 * 1024 * 1024

/**
 * One tenant of one branch. Whoever reads or writes rows goes through here, and finds the file at the branch's head:
 * it is opened, made, or brought forward first, if that is due.
 */
export class Tenant {
  readonly branch: Branch
  row: TenantRow
  readonly #parts: EngineParts
  #pooled: PooledFile | undefined
  #file: FileRow | undefined
  #isRetired = false
  /** Settles when the file is this branch's alone. */
  #privacy: Promise<void> | undefined
  /** From the first on who holds it. */
  #turn: WriteTurn | undefined

  constructor(parts: EngineParts, branch: Branch, row: TenantRow) {
    this.#parts = parts
    this.branch = branch
    this.row = row
  }

  get name(): string {
    return this.row.name
  }

  get head(): Head {
    return this.branch.head
  }

  /** Run an operation that reads. */
  ask<A, R>(operation: Operation<Reader, A, R>, args: A, caller: Caller): R | Promise<R> {
    return this.read((reader) => operation(reader, args, this.#parts), caller)
  }

  /** Run an operation that writes, all or nothing. Settles when committed. */
  change<A, R>(operation: Operation<Writer, A, R>, args: A, caller: Caller): Promise<R> {
    return this.write((writer) => operation(writer, args, this.#parts), caller)
  }

  /**
   * Read. A tenant without a file is read from the template. A file that others share and that is not at this branch's
   * head is copied first: to bring it forward is to write it. A write of the same session that waits for its turn comes
   * first.
   */
  read<T>(work: (reader: Reader) => T, caller?: Caller): T | Promise<T> {
    if (this.#turn?.isHeld && caller && this.#turn.isAwaitedBy(caller.owner)) {
      return this.#turn.pass(() => this.read(work, caller), caller)
    }
    if (this.row.fileId === null) return work(this.branch.head)
    const absence = this.#privacy ?? this.#absence
    if (absence) return absence.then(() => this.read(work))
    const file = this.#opened()
    if (file.pause?.isAwaited) return file.pause.ended.then(() => this.read(work))
    if (file.changeSet === this.branch.head.id) return file.read(work)
    if (!this.isPrivate) return this.#makePrivate().then(() => this.read(work))
    const following = this.#follow(file)
    return following ? following.then(() => this.read(work)) : file.read(work)
  }

  /**
   * Read once, as one of many: a small file that is not open, or not at the head, is read as an image in memory, and brought
   * forward there. So a look at a fleet opens, copies and migrates no file of it but large ones.
   */
  look<T>(work: (reader: Reader) => T): T | Promise<T> {
    const image = this.#image()
    if (image === undefined) return this.read(work)
    try {
      return work({ statements: new Statements(image) })
    } finally {
      image.close()
    }
  }

  /**
   * Read in a process, right after something was read here: the file is open, and stays so meanwhile. `source` is its
   * path, or the bytes of an empty one where there is none.
   */
  async readAside<T>(
    work: (lane: ProcessLane, source: string | Uint8Array, key: FileKey | undefined) => Promise<T>,
  ): Promise<T> {
    const { processLane } = this.#parts
    await this.back()
    if (this.row.fileId === null) return work(processLane, this.branch.head.image, undefined)
    const { path, key } = this.#opened()
    return this.#keep(() => work(processLane, path, key))
  }

  /**
   * Have the file stay where it is, at the branch's head and with everything committed, while `work` begins to read it by
   * its path, with its key if it is encrypted, and until that is through. Null: there is none.
   */
  async keepInPlace<T>(work: (path: string | null, key: FileKey | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      await this.read(() => undefined)
      if (this.row.fileId === null) return work(null, undefined)
      if (this.#absence) continue
      const file = this.#opened()
      if (file.changeSet !== this.branch.head.id) continue
      file.flush()
      return this.#keep(() => work(file.path, file.key))
    }
  }

  /** Write in a process, with the write turn held meanwhile. */
  writeAside(job: Pick<WriteJob, 'statements' | 'limits'>, caller: Caller): Promise<Written> {
    const { config, processLane } = this.#parts
    return this.exclusively(async (file) => {
      const { path, key } = file
      let version: number | undefined
      const mayCommit = () => {
        this.branch.requireWritable()
        version = file.dataVersion()
      }
      const hasCommitted = () => file.hasCommittedAside(version as number)
      const whole: WriteJob = { kind: 'write', path, key, durability: config.durability, ...job }
      const written = await processLane.write(whole, caller, { mayCommit, hasCommitted })
      file.wroteAside()
      return written
    }, caller)
  }

  /** Write, all or nothing. Settles when committed. */
  write<T>(work: (writer: Writer) => T, caller?: Caller): Promise<T> {
    try {
      if (this.#turn?.isHeld) return this.#turn.pass(() => this.write(work, caller), caller)
      if (this.#isShared) return this.#makeWritable().then(() => this.write(work, caller))
      const file = this.#writable()
      return file.pause === undefined ? file.write(work) : awaited(file.pause).then(() => this.write(work, caller))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Write in a transaction of its own: for statements whose failure ends the transaction they are in. */
  async writeAlone<T>(work: (writer: Writer) => T, caller?: Caller): Promise<T> {
    for (;;) {
      if (this.#turn?.isHeld) return this.#turn.pass(() => this.writeAlone(work, caller), caller)
      if (this.#isShared) await this.#makeWritable()
      else {
        const file = this.#writable()
        if (file.pause === undefined) return file.writeAlone(work)
        await awaited(file.pause)
      }
    }
  }

  /**
   * Hold the tenant's write turn: other writes wait until `work` is through, reads go on. The file is there, at the
   * branch's head, and everything written before is committed.
   */
  exclusively<T>(work: (file: TenantFile) => Promise<T>, waiter?: Waiter): Promise<T> {
    const workOnFile = async () => {
      for (;;) {
        while (this.#isShared) await this.#makeWritable()
        const file = this.#writable()
        if (file.changeSet !== this.branch.head.id) {
          await file.pause?.ended
          continue
        }
        file.flush()
        return this.#keep(() => work(file))
      }
    }
    return this.hold(workOnFile, { waiter })
  }

  /**
   * Hold the tenant's write turn, whether it has a file or not. Forks and edits wait for those who hold one; not for who
   * does so in the background, and looks again afterwards whether what it did still holds.
   */
  async hold<T>(work: () => Promise<T>, { waiter, inBackground = false }: HoldOptions = {}): Promise<T> {
    this.#turn ??= new WriteTurn(this.#parts.config.limits.maxWaitingWriters)
    const holders = inBackground ? this.branch.takenInBackground : this.branch.taken
    const waiting = this.#turn.take(() => holders.set(this.name, this), waiter)
    if (waiting) await waiting
    const letGo = this.#keepKey()
    try {
      return await work()
    } finally {
      holders.delete(this.name)
      letGo?.()
      this.#turn.end()
    }
  }

  /** Let nobody else take the write turn until `unreserveTurn`; settles when its holder is through. */
  async reserveTurn(): Promise<void> {
    await this.#turn?.reserve()
  }

  unreserveTurn(): void {
    this.#turn?.unreserve()
  }

  /** Have the file stay open, and where it is, until `work` is through. */
  async #keep<T>(work: () => Promise<T>): Promise<T> {
    const letGo = this.#keepKey()
    try {
      return await this.#parts.pool.keep(this.row.fileId as number, work)
    } finally {
      letGo?.()
    }
  }

  /** Whoever has the file in use has its key stay, even if the session that has it unlocked ends. */
  #keepKey(): (() => void) | undefined {
    const { cipher } = this.row
    const { keys } = this.#parts
    return cipher !== null && keys.find(cipher) ? keys.keep(cipher) : undefined
  }

  /** Leave the file, which is closed, to another thread until `work` is through: reads wait for that, too. */
  lend<T>(work: Promise<T>): Promise<T> {
    return this.hold(() => this.#parts.pool.lend(this.file.id, work), { inBackground: true })
  }

  /** Wait until the file is not lent. */
  async back(): Promise<void> {
    while (this.#absence) await this.#absence
  }

  /** Whether somebody holds the write turn, or waits for it. */
  get isTaken(): boolean {
    return this.#turn !== undefined && !this.#turn.isFree
  }

  /**
   * When the file may be written for the sake of order, for which nobody waits: `now`, or once what is under way is
   * through; `never`, unless somebody opens it, or it changes hands.
   */
  get upkeep(): 'now' | 'later' | 'never' {
    const file = this.#pooled?.isClosed === false ? this.#pooled.file : undefined
    if (file === undefined || this.#isShared || !this.branch.isWritable) return 'never'
    const isAtRest = !this.isTaken && file.pause === undefined && this.branch.watch === undefined
    return isAtRest && file.changeSet === this.branch.head.id ? 'now' : 'later'
  }

  /** Commit what waits for its commit. */
  flush(): void {
    if (this.#pooled && !this.#pooled.isClosed) this.#pooled.file.flush()
  }

  /** Make sure that the file, which is private, comes to the branch's head; gives where it stands then. */
  bringForward(): string | Promise<string> {
    assert(this.isPrivate, 'a shared file was to be migrated')
    const file = this.#opened()
    const following = file.changeSet === this.branch.head.id ? undefined : this.#follow(file)
    return following ? following.then(() => file.changeSet) : file.changeSet
  }

  /** Whether the file is too large to be brought to the branch's head, or read as a whole, on the daemon's thread. */
  get isLarge(): boolean {
    const path = this.path()
    if (path === null) return false
    const { fileBytes, walBytes } = databaseBytes(path)
    return fileBytes + walBytes > maxBytesHere
  }

  /** Whether to bring the file to the branch's head takes long. */
  get isFarBehind(): boolean {
    if (this.row.fileId === null) return false
    const { pool } = this.#parts
    return this.#isFar(pool.find(this.row.fileId)?.file.changeSet ?? this.file.changeSet)
  }

  /** The tenant's file as the catalog knows it. */
  get file(): FileRow {
    if (this.#file === undefined) {
      const file = this.row.fileId === null ? undefined : this.#parts.catalog.files.get(this.row.fileId)
      assert(file, `file ${this.row.fileId} of tenant ${this.name} is not in the catalog`)
      this.#file = file
    }
    return this.#file
  }

  /** The id of the tenant's file, if it has one. */
  get fileIds(): readonly number[] {
    return this.row.fileId === null ? [] : [this.row.fileId]
  }

  /** Whether the file is known to be this branch's alone, so that it may be written in place. */
  get isPrivate(): boolean {
    const { branch, row, file } = this
    const isOurs = file.branchId === branch.row.id && row.branchId === branch.row.id
    return isOurs && file.privateSince >= branch.row.lastFork
  }

  /** The file has been found to be this branch's alone. */
  knowPrivate(since: number): void {
    this.#file = { ...this.file, privateSince: since }
  }

  /** Another row decides about this tenant from now on, or its file has changed hands. */
  follow(row: TenantRow): void {
    if (row.fileId !== this.row.fileId) this.#pooled = undefined
    this.row = row
    this.#file = undefined
  }

  /** The tenant is no more, or has another name: whoever still holds this finds nothing. */
  retire(): void {
    this.#pooled = undefined
    this.#isRetired = true
  }

  /** Close the file, if it is open. */
  close(): void {
    if (this.row.fileId !== null) this.#parts.pool.close(this.row.fileId)
    this.#pooled = undefined
  }

  /** The key that is in memory for this tenant; undefined where it is not encrypted. Refuses where it is locked. */
  get key(): FileKey | undefined {
    const { cipher } = this.row
    if (cipher === null) return undefined
    return this.#parts.keys.find(cipher) ?? this.refuseLocked()
  }

  refuseLocked(): never {
    return refuse('tenantLocked', {
      database: this.branch.database.row.name,
      branch: this.branch.name,
      tenants: [this.name],
    })
  }

  /** The file's absolute path; null while there is none. */
  path(): string | null {
    return this.row.fileId === null ? null : this.#parts.layout.absolute(this.file.path)
  }

  /** What the file holds, at the branch's head; undefined where it stands there and is open, or is too large. */
  #image(): Database.Database | undefined {
    if (this.row.fileId === null) return undefined
    this.#requireLife()
    const { heads, layout, pool } = this.#parts
    const head = this.branch.head.id
    const open = pool.find(this.row.fileId)?.file
    if (open?.changeSet === head || this.#absence) return undefined
    return guarded(`tenant ${this.name}`, () => {
      const image = open ? imageOf(open) : openImage(layout.absolute(this.file.path))
      try {
        if (image) heads.bringForward(image, requireChangeSet(image, this.name), head)
        return image
      } catch (error) {
        image?.close()
        throw error
      }
    })
  }

  /** While the file is lent, by this branch or by another one that it is shared with: the end of that. */
  get #absence(): Promise<void> | undefined {
    const isOpen = this.#pooled !== undefined && !this.#pooled.isClosed
    return isOpen || this.row.fileId === null ? undefined : this.#parts.pool.whenBack(this.row.fileId)
  }

  get #isShared(): boolean {
    return this.row.fileId !== null && !this.isPrivate
  }

  #makeWritable(): Promise<void> {
    this.branch.requireWritable()
    return this.#makePrivate()
  }

  /** Calls that come while the file is made private go on in the order in which they came. */
  #makePrivate(): Promise<void> {
    this.#requireLife()
    this.#privacy ??= this.#parts.sharing.makePrivate(this).finally(() => {
      this.#privacy = undefined
    })
    return this.#privacy
  }

  /** The file, open, private, and at the branch's head, or paused on its way there; made if there is none. */
  #writable(): TenantFile {
    this.branch.requireWritable()
    this.branch.watch?.add(this.name)
    if (this.row.fileId === null) this.#makeFile()
    return this.#ready()
  }

  /** The file, open and at the branch's head, or on its way there. */
  #ready(): TenantFile {
    const file = this.#opened()
    // One that waits for its end is found paused.
    if (file.changeSet !== this.branch.head.id) this.#follow(file)?.catch(() => {})
    return file
  }

  #opened(): TenantFile {
    let pooled = this.#pooled
    if (pooled === undefined || pooled.isClosed) pooled = this.#open()
    this.#parts.pool.touch(pooled)
    return pooled.file
  }

  #open(): PooledFile {
    this.#requireLife()
    const { pool } = this.#parts
    const { id, path } = this.file
    this.#pooled = pool.find(id)
    if (this.#pooled === undefined) {
      this.#pooled = pool.add(id, this.#openFile(this.#parts.layout.absolute(path)))
      this.#tellOpened(this.#pooled)
    }
    this.#parts.expiry.note(this, this.#parts.clock())
    return this.#pooled
  }

  #tellOpened(pooled: PooledFile): void {
    const { events } = this.#parts
    if (events.listener === undefined) return
    const scope = { database: this.branch.database.row.name, branch: this.branch.name, tenant: this.name }
    events.tell({ kind: 'fileOpened', ...scope })
    pooled.onClose = () => events.tell({ kind: 'fileClosed', ...scope })
  }

  #requireLife(): void {
    if (!this.#isRetired) return
    refuse('tenantNotFound', { database: this.branch.database.row.name, branch: this.branch.name, tenant: this.name })
  }

  #openFile(path: string): TenantFile {
    const { checkpointer, config, pool } = this.#parts
    const key = this.key
    return guarded(`tenant ${this.name}`, () => {
      return new TenantFile(path, {
        cacheBytes: pool.cacheBytes,
        key,
        name: this.name,
        durability: config.durability,
        checkpointBytes: config.checkpointBytes,
        checkpointer,
      })
    })
  }

  /**
   * Bring the file to the branch's head, now or, where that takes long, in a process.
   *
   * @returns the end of the latter; nobody reads or writes the file until then
   */
  #follow(file: TenantFile): Promise<void> | undefined {
    if (file.pause?.isAwaited) return file.pause.ended.then(() => {})
    if (!this.#isFar(file.changeSet)) {
      this.#migrate(file)
      return undefined
    }
    file.flush()
    const letGo = this.#keepKey()
    const migrated = this.#parts.pool.lendInPlace(this.row.fileId as number, () => this.#migrateAside(file))
    return migrated.finally(() => letGo?.())
  }

  #isFar(changeSet: string): boolean {
    const { head } = this.branch
    return changeSet !== head.id && this.isLarge && this.#parts.heads.isLong(changeSet, head)
  }

  async #migrateAside(file: TenantFile): Promise<void> {
    const { config, heads, positions, upkeep } = this.#parts
    const fileId = this.row.fileId as number
    const migrations = heads.migrations(file.changeSet, this.branch.head.id)
    const migration = { path: file.path, key: file.key, durability: config.durability, migrations }
    const changeSet = await guardedAsync(`tenant ${this.name}`, () => upkeep.run('migrateFile', migration, unwatched))
    positions.note(fileId, changeSet)
    file.statements.clear()
    file.changeSet = changeSet
  }

  #migrate(file: TenantFile): void {
    const { heads, positions } = this.#parts
    const head = this.branch.head.id
    file.flush()
    file.statements.clear()
    guarded(`tenant ${this.name}`, () => {
      migrate(file.db, heads.migrations(file.changeSet, head), (changeSet) => {
        file.changeSet = changeSet
      })
    })
    positions.note(this.row.fileId as number, head)
  }

  /** The first write: make the file from the template, durable before the catalog knows of it. */
  #makeFile(): void {
    this.#requireLife()
    const { catalog, ids, layout } = this.#parts
    const { head } = this.branch
    const relative = this.#newPath()
    const absolute = layout.absolute(relative)
    const key = this.key
    guarded(`tenant ${this.name}`, () => {
      if (key === undefined) return createPlain(absolute, head.newFile())
      removeDatabaseFile(absolute)
      createEncrypted(absolute, head.image, key, layout.scratchFile(ids.next()))
    })
    crashPoint('firstWrite.fileMade')
    const row = catalog.writeNow(() => {
      const row = this.#recordFile(relative, head.id, this.row.cipher)
      crashPoint('firstWrite.recording')
      return row
    })
    crashPoint('firstWrite.recorded')
    this.follow(row)
  }

  /** Let go of a file without rows: the tenant is as before its first write. For the holder of its write turn. */
  dropFile(): void {
    if (this.row.fileId === null) return
    const { path } = this.#writable()
    const { fileId } = this.row
    const { catalog } = this.#parts
    this.close()
    this.follow(
      catalog.writeNow(() => {
        catalog.nextSeq()
        catalog.tenants.setFile(this.row, null)
        catalog.files.delete(fileId)
        crashPoint('dropFile.recording')
        return { ...this.row, fileId: null }
      }),
    )
    crashPoint('dropFile.recorded')
    removeDatabaseFile(path)
  }

  /**
   * Make `finished`, a synced file at `changeSet`, the tenant's file. The tenant has none, its write turn is held, and
   * this runs within a catalog write: only with that one's commit does the file belong to anybody. `cipher` is that of
   * the file, and so the tenant's.
   */
  placeFile(finished: string, changeSet: string, cipher: string | null): void {
    this.#requireLife()
    assert(this.row.fileId === null, 'a file was to be placed over another')
    const relative = this.#newPath()
    const absolute = this.#parts.layout.absolute(relative)
    guarded(`tenant ${this.name}`, () => {
      removeDatabaseFile(absolute)
      moveDurably(finished, absolute)
    })
    this.follow(this.#recordFile(relative, changeSet, cipher))
  }

  /**
   * Have `finished`, a synced file without a log, in place of the tenant's. The one moment is that in which it gets the other
   * one's name; it knows itself where it stands.
   */
  replaceFile(finished: string, { changeSet, cipher }: { changeSet: string; cipher: string | null }): Promise<void> {
    const { catalog, positions, sharing } = this.#parts
    return this.hold(async () => {
      this.branch.requireWritable()
      if (this.row.fileId === null) {
        catalog.writeNow(() => this.placeFile(finished, changeSet, cipher))
        return
      }
      do {
        while (this.#isShared) await this.#makeWritable()
        await sharing.readyToMove(this.branch, this.fileIds)
        await this.back()
      } while (this.#isShared)
      this.branch.requireWritable()
      const path = this.path() as string
      if (this.file.cipher !== cipher)
        refuse('notSupported', { what: 'to replace a file by one that is encrypted otherwise' })
      this.#opened().checkpoint()
      this.close()
      if (sizeOf(`${path}-wal`) > 0) {
        refuse('tenantBusy', {
          database: this.branch.database.row.name,
          branch: this.branch.name,
          tenants: [this.name],
        })
      }
      crashPoint('restore.replacing')
      guarded(`tenant ${this.name}`, () => {
        for (const suffix of ['-wal', '-shm']) fs.rmSync(path + suffix, { force: true })
        moveDurably(finished, path)
      })
      crashPoint('restore.replaced')
      positions.note(this.file.id, changeSet)
    })
  }

  #newPath(): string {
    return this.#parts.layout.tenantFile(this.branch.database.row.name, this.branch.name, this.name)
  }

  /** Within a catalog write: the tenant has this file from now on. */
  #recordFile(path: string, changeSet: string, cipher: string | null): TenantRow {
    const { catalog } = this.#parts
    const branchId = this.branch.row.id
    const seq = catalog.nextSeq()
    const file = catalog.files.insert({ branchId, path, privateSince: seq, changeSet, cipher })
    return this.#recordRow(seq, file.id, cipher)
  }

  /** Within a catalog write: the tenant, and the file that it has, are encrypted so from now on. */
  recordCipher(cipher: string | null): TenantRow {
    this.#requireLife()
    const { catalog } = this.#parts
    const { fileId } = this.row
    if (fileId !== null) catalog.files.setCipher(fileId, cipher)
    return this.#recordRow(catalog.nextSeq(), fileId, cipher)
  }

  /** Within a catalog write: the tenant's row from now on; forks go on seeing the one before. */
  #recordRow(seq: number, fileId: number | null, cipher: string | null): TenantRow {
    const { tenants } = this.#parts.catalog
    const { row: branch } = this.branch
    const isVisibleToForks = this.row.branchId !== branch.id || this.row.created <= branch.lastFork
    if (isVisibleToForks) {
      const row = { ...this.row, branchId: branch.id, created: seq, fileId, cipher }
      tenants.insert(row)
      return row
    }
    tenants.setFile(this.row, fileId)
    tenants.setCipher(this.row, cipher)
    return { ...this.row, fileId, cipher }
  }
}

function createPlain(file: string, content: Buffer): void {
  try {
    createDurably(file, content)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') {
      fs.rmSync(file, { force: true })
      throw error
    }
    // What an earlier try left behind: the catalog would know it by its path if it were anybody's.
    removeDatabaseFile(file)
    createDurably(file, content)
  }
}

interface HoldOptions {
  /** Who waits for the turn. */
  readonly waiter?: Waiter | undefined
  readonly inBackground?: boolean
}

function awaited(pause: WritePause): Promise<unknown> {
  pause.isAwaited = true
  return pause.ended
}
