import fs from 'node:fs'
import { assert } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { runSteps } from '../schema/apply.ts'
import { codeOf, guarded } from '../storage/faults.ts'
import type { PooledFile } from '../storage/file-pool.ts'
import { createDurably, moveDurably, removeDatabaseFile } from '../storage/files.ts'
import { type Reader, TenantFile, type Writer, writeChangeSet } from '../storage/tenant-file.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'

/**
 * One tenant of one branch. Whoever reads or writes rows goes through here, and finds the file at the branch's head:
 * it is opened, made, or brought forward first, if that is due.
 */
export class Tenant {
  readonly branch: Branch
  row: TenantRow
  readonly #parts: EngineParts
  #pooled: PooledFile | undefined
  #isRetired = false
  /** Settles when the holder of the write turn is through. */
  #turn: Promise<void> | undefined

  constructor(parts: EngineParts, branch: Branch, row: TenantRow) {
    this.#parts = parts
    this.branch = branch
    this.row = row
  }

  get name(): string {
    return this.row.name
  }

  /** Read. A tenant without a file is read from the template. */
  read<T>(work: (reader: Reader) => T): T | Promise<T> {
    if (this.row.fileId === null) return work(this.branch.head)
    return this.#ready().read(work)
  }

  /** Write, all or nothing. Settles when committed. */
  write<T>(work: (writer: Writer) => T): Promise<T> {
    if (this.#turn) return this.#turn.then(() => this.write(work))
    try {
      return this.#writable().write(work)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Write in a transaction of its own: for statements whose failure ends the transaction they are in. */
  async writeAlone<T>(work: (writer: Writer) => T): Promise<T> {
    while (this.#turn) await this.#turn
    return this.#writable().writeAlone(work)
  }

  /**
   * Hold the tenant's write turn: other writes wait until `work` is through, reads go on. The file is there, at the
   * branch's head, and everything written before is committed.
   */
  exclusively<T>(work: (file: TenantFile) => Promise<T>): Promise<T> {
    return this.hold(async () => {
      const file = this.#writable()
      file.flush()
      const pooled = this.#pooled as PooledFile
      pooled.held++
      try {
        return await work(file)
      } finally {
        pooled.held--
      }
    })
  }

  /** Hold the tenant's write turn, whether it has a file or not. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    while (this.#turn) await this.#turn
    let end!: () => void
    this.#turn = new Promise((resolve) => {
      end = resolve
    })
    try {
      return await work()
    } finally {
      this.#turn = undefined
      end()
    }
  }

  /** Wait until nobody holds the write turn. */
  async idle(): Promise<void> {
    while (this.#turn) await this.#turn
  }

  /** Whether somebody holds the write turn. */
  get isTaken(): boolean {
    return this.#turn !== undefined
  }

  /** Commit what waits for its commit. */
  flush(): void {
    if (this.#pooled && !this.#pooled.isClosed) this.#pooled.file.flush()
  }

  /** Make sure that the file, if there is one, stands at the branch's head. */
  bringForward(): void {
    if (this.row.fileId !== null) this.#ready()
  }

  /** The tenant is no more, or has another name: whoever still holds this finds nothing. */
  retire(): void {
    this.close()
    this.#isRetired = true
  }

  /** Close the file, if it is open. */
  close(): void {
    if (this.row.fileId !== null) this.#parts.pool.close(this.row.fileId)
    this.#pooled = undefined
  }

  /** The file's absolute path; null while there is none. */
  path(): string | null {
    if (this.row.fileId === null) return null
    const file = this.#parts.catalog.files.get(this.row.fileId)
    return file ? this.#parts.layout.absolute(file.path) : null
  }

  #writable(): TenantFile {
    this.branch.requireWritable()
    this.branch.watch?.add(this.name)
    if (this.row.fileId === null) this.#makeFile()
    return this.#ready()
  }

  /** The open file, at the branch's head. */
  #ready(): TenantFile {
    let pooled = this.#pooled
    if (pooled === undefined || pooled.isClosed) pooled = this.#open()
    this.#parts.pool.touch(pooled)
    if (pooled.file.changeSet !== this.branch.head.id) this.#migrate(pooled.file)
    return pooled.file
  }

  #open(): PooledFile {
    this.#requireLife()
    const { pool } = this.#parts
    const id = this.row.fileId as number
    const path = this.path()
    if (path === null) throw new Error(`file ${id} is not in the catalog`)
    this.#pooled = pool.find(id) ?? pool.add(id, this.#openFile(path))
    return this.#pooled
  }

  #requireLife(): void {
    if (!this.#isRetired) return
    refuse('tenantNotFound', { database: this.branch.database.row.name, branch: this.branch.name, tenant: this.name })
  }

  #openFile(path: string): TenantFile {
    const { config } = this.#parts
    return guarded(`tenant ${this.name}`, () => {
      return new TenantFile(path, {
        name: this.name,
        durability: config.durability,
        checkpointBytes: config.checkpointBytes,
      })
    })
  }

  #migrate(file: TenantFile): void {
    const { heads, positions } = this.#parts
    const head = this.branch.head.id
    file.flush()
    file.statements.clear()
    guarded(`tenant ${this.name}`, () => {
      for (const { id, steps, rebuilt } of heads.migrations(file.changeSet, head)) {
        runSteps(file.db, steps, { rebuilt, beforeCommit: () => writeChangeSet(file.db, id) })
        file.changeSet = id
      }
    })
    positions.note(this.row.fileId as number, head)
  }

  /** The first write: make the file from the template, durable before the catalog knows of it. */
  #makeFile(): void {
    this.#requireLife()
    const { catalog, layout } = this.#parts
    const { head } = this.branch
    const relative = this.#newPath()
    const absolute = layout.absolute(relative)
    guarded(`tenant ${this.name}`, () => {
      try {
        createDurably(absolute, head.newFile())
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') {
          fs.rmSync(absolute, { force: true })
          throw error
        }
        // What an earlier try left behind: the catalog would know it by its path if it were anybody's.
        removeDatabaseFile(absolute)
        createDurably(absolute, head.newFile())
      }
    })
    this.row = catalog.writeNow(() => this.#recordFile(relative, head.id))
  }

  /** Let go of a file without rows: the tenant is as before its first write. For the holder of its write turn. */
  dropFile(): void {
    if (this.row.fileId === null) return
    const { path } = this.#writable()
    const { fileId } = this.row
    const { catalog } = this.#parts
    this.close()
    this.row = catalog.writeNow(() => {
      catalog.nextSeq()
      catalog.tenants.setFile(this.row, null)
      catalog.files.delete(fileId)
      return { ...this.row, fileId: null }
    })
    removeDatabaseFile(path)
  }

  /**
   * Make `finished`, a synced file at `changeSet`, the tenant's file. The tenant has none, its write turn is held, and
   * this runs within a catalog write: only with that one's commit does the file belong to anybody.
   */
  placeFile(finished: string, changeSet: string): void {
    this.#requireLife()
    assert(this.row.fileId === null, 'a file was to be placed over another')
    const relative = this.#newPath()
    const absolute = this.#parts.layout.absolute(relative)
    guarded(`tenant ${this.name}`, () => {
      removeDatabaseFile(absolute)
      moveDurably(finished, absolute)
    })
    this.row = this.#recordFile(relative, changeSet)
  }

  #newPath(): string {
    return this.#parts.layout.tenantFile(this.branch.database.row.name, this.branch.name, this.name)
  }

  /** Within a catalog write: the tenant has this file from now on. */
  #recordFile(path: string, changeSet: string): TenantRow {
    const { catalog } = this.#parts
    const { row: branch } = this.branch
    const seq = catalog.nextSeq()
    const file = catalog.files.insert({ branchId: branch.id, path, privateSince: seq, changeSet })
    const isVisibleToForks = this.row.branchId !== branch.id || this.row.created <= branch.lastFork
    if (isVisibleToForks) {
      const row = { ...this.row, branchId: branch.id, created: seq, fileId: file.id }
      catalog.tenants.insert(row)
      return row
    }
    catalog.tenants.setFile(this.row, file.id)
    return { ...this.row, fileId: file.id }
  }
}
