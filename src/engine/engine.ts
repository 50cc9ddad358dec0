import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import { Config } from '../../protocol/limits.ts'
import { crashPoint } from '../base/crash-point.ts'
import { IdSource } from '../base/ids.ts'
import { refuse } from '../base/refusal.ts'
import { Catalog } from '../catalog/catalog.ts'
import type { DatabaseRow } from '../catalog/databases.ts'
import { Events } from '../plugins/events.ts'
import { ProcessLane } from '../query/process-lane.ts'
import { checkName } from '../schema/define.ts'
import { Checkpointer } from '../storage/checkpointer.ts'
import { codeOf } from '../storage/faults.ts'
import { FilePool } from '../storage/file-pool.ts'
import { moveDurably, removeDatabaseFile, replaceDurably } from '../storage/files.ts'
import { branchFolder, Layout, unfinishedPrefix } from '../storage/layout.ts'
import { Branch, DatabaseState } from './branch.ts'
import { Chores } from './chores/chores.ts'
import { Cursors } from './cursors.ts'
import { deleteWhole } from './delete-branch.ts'
import { Drain } from './drain.ts'
import { Expiry } from './expiry.ts'
import { Heads, rootChangeSet } from './heads.ts'
import { Keys } from './keys.ts'
import { freeFiles, setAside } from './leftovers.ts'
import { settlePlans } from './plans.ts'
import { Positions } from './positions.ts'
import { Sharing } from './sharing.ts'
import type { Tenant } from './tenant.ts'
import { Transactions } from './transactions.ts'
import { settleWriters } from './writers.ts'

/** What the parts of the engine share. */
export interface EngineParts {
  readonly layout: Layout
  readonly config: Config
  readonly catalog: Catalog
  readonly heads: Heads
  readonly pool: FilePool
  readonly keys: Keys
  readonly checkpointer: Checkpointer
  readonly processLane: ProcessLane
  /** For what clients ask for. */
  readonly chores: Chores
  /** For what has to be done that files follow their branch. */
  readonly upkeep: Chores
  readonly positions: Positions
  readonly drain: Drain
  readonly sharing: Sharing
  readonly expiry: Expiry
  readonly transactions: Transactions
  readonly ids: IdSource
  /** Where it is told what was made, changed and dropped. */
  readonly events: Events
  /** The time in ms since 1970. */
  clock(): number
  /** The same as the product writes it: ISO 8601, UTC, milliseconds. */
  now(): string
  allBranches(): Iterable<Branch>
}

/** Large files that follow their branch at a time, and proofs of large files. */
const upkeepProcesses = 3

export interface EngineOptions {
  readonly log: Logger
  /** The time in ms since 1970. */
  readonly clock?: () => number
}

/** Make a project: its folder, its catalog with database `main` and branch `main`, and its settings. */
export function createProject(project: string): void {
  const layout = new Layout(project)
  if (fs.existsSync(layout.catalog)) refuse('projectExists', { path: layout.project })
  fs.mkdirSync(layout.root, { recursive: true, mode: 0o700 })
  if (!fs.existsSync(layout.config)) replaceDurably(layout.config, `${JSON.stringify({}, null, 2)}\n`)
  crashPoint('project.settings')
  // The catalog comes last and at once: a project whose making was cut short is simply not there yet.
  const beside = `${layout.catalog}.new`
  removeDatabaseFile(beside)
  fs.closeSync(fs.openSync(beside, 'wx', 0o600))
  const catalog = Catalog.open(beside, { create: true })
  const now = new Date().toISOString()
  catalog.writeNow(() => {
    catalog.changeSets.insert({
      id: rootChangeSet,
      parent: null,
      merged: null,
      depth: 0,
      seq: catalog.nextSeq(),
      message: null,
      client: null,
      createdAt: now,
      changes: '[]',
      steps: '{"steps":[],"rebuilt":[]}',
      model: null,
      sameAs: null,
    })
    insertDatabase(catalog, { name: 'main', description: null, createdAt: now })
  })
  catalog.checkpoint()
  catalog.close()
  crashPoint('project.catalogMade')
  moveDurably(beside, layout.catalog)
  crashPoint('project.placed')
}

/** The project's settings. Refuses what it does not know, by name. */
export function readConfig(layout: Layout): Config {
  let text = '{}'
  try {
    text = fs.readFileSync(layout.config, 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  try {
    return Config.parse(JSON.parse(text))
  } catch (error) {
    return refuse('invalidConfig', { reason: error instanceof Error ? error.message : String(error) })
  }
}

/**
 * A project, open. Plain values in and out: nothing from here down knows of the wire, so it can be used as a library.
 * At most one process has a project open.
 */
export class Engine implements AsyncDisposable {
  readonly parts: EngineParts
  readonly cursors: Cursors
  readonly #databases = new Map<string, DatabaseState>()
  #tidying: Promise<void> | undefined

  private constructor(layout: Layout, config: Config, catalog: Catalog, { log, clock = Date.now }: EngineOptions) {
    const heads = new Heads(catalog)
    const maxWaiting = config.limits.maxWaitingStatements
    const pool = new FilePool(config.limits.maxOpenFiles)
    const parts: EngineParts = {
      layout,
      config,
      catalog,
      heads,
      pool,
      keys: new Keys((cipher) => pool.closeEncrypted(cipher)),
      checkpointer: new Checkpointer(),
      processLane: new ProcessLane({
        ...config.limits,
        maxProcessesPerOwner: config.limits.maxProcessesPerSession,
        maxWaiting,
      }),
      chores: new Chores({ ...config.limits, maxProcesses: config.limits.maxChores, maxWaiting }),
      upkeep: new Chores({ ...config.limits, maxProcesses: upkeepProcesses, maxWaiting: Number.POSITIVE_INFINITY }),
      positions: new Positions(catalog),
      drain: new Drain(() => parts, log),
      sharing: new Sharing(() => parts),
      expiry: new Expiry(() => parts, log),
      transactions: new Transactions(() => parts, config.limits.maxTransactions),
      ids: new IdSource(),
      events: new Events(),
      clock,
      now: () => new Date(clock()).toISOString(),
      allBranches: () => this.#allBranches(),
    }
    this.parts = parts
    this.cursors = new Cursors(config.limits)
    const byId = new Map<number, DatabaseState>()
    for (const row of catalog.databases.all()) {
      const database = new DatabaseState(row)
      this.#databases.set(row.name, database)
      byId.set(row.id, database)
    }
    for (const row of catalog.branches.all()) {
      const database = byId.get(row.databaseId)
      database?.add(new Branch(parts, database, row))
    }
  }

  /** Open a project and hold it. Refuses with `projectNotFound`, `projectBusy`, `formatTooNew`, `invalidConfig`. */
  static open(project: string, options: EngineOptions): Engine {
    const layout = new Layout(project)
    if (!fs.existsSync(layout.catalog)) refuse('projectNotFound', { path: layout.project })
    const config = readConfig(layout)
    const catalog = Catalog.open(layout.catalog)
    try {
      const engine = new Engine(layout, config, catalog, options)
      settlePlans(engine.parts)
      crashPoint('open.plansSettled')
      sweep(engine.parts, options.log)
      crashPoint('open.swept')
      engine.parts.drain.wake()
      engine.#tidying = engine.#dropHidden(options.log)
      return engine
    } catch (error) {
      catalog.close()
      throw error
    }
  }

  get databases(): DatabaseRow[] {
    return [...this.#databases.values()].map(({ row }) => row)
  }

  /** The version of the SQLite that is built in. */
  get sqliteVersion(): string {
    return this.parts.catalog.sqliteVersion
  }

  database(name: string): DatabaseState {
    return this.#databases.get(name) ?? refuse('databaseNotFound', { database: name })
  }

  branch(database: string, branch: string): Branch {
    const found = this.database(database).branches.get(branch)
    return found && !found.isHidden ? found : refuse('branchNotFound', { database, branch })
  }

  tenant(database: string, branch: string, tenant: string): Tenant {
    return this.branch(database, branch).tenant(tenant)
  }

  async createDatabase(name: string, description: string | null): Promise<DatabaseRow> {
    checkName('database', name)
    if (this.#databases.has(name)) refuse('databaseExists', { database: name })
    this.requireFreeFolder(name, 'main')
    const { catalog } = this.parts
    const made = catalog.writeNow(() => {
      const rows = insertDatabase(catalog, { name, description, createdAt: this.parts.now() })
      crashPoint('databaseCreate.recording')
      return rows
    })
    crashPoint('databaseCreate.recorded')
    const database = new DatabaseState(made.database)
    database.add(new Branch(this.parts, database, made.branch))
    this.#databases.set(name, database)
    this.parts.events.tell({ kind: 'databaseCreated', database: name })
    return made.database
  }

  /** Delete a database with all its branches, tenants and rows. Its name is free before its files are removed. */
  async deleteDatabase(name: string): Promise<void> {
    const { fileIds, folders } = await this.parts.drain.pausedWhile(() => this.#deleteDatabase(name))
    await freeFiles(this.parts, fileIds, folders)
    crashPoint('databaseDelete.freed')
  }

  async #deleteDatabase(name: string): Promise<{ fileIds: readonly number[]; folders: readonly string[] }> {
    const database = this.database(name)
    if (name === 'main') refuse('protected', { noun: 'database', name })
    const { catalog, layout, sharing } = this.parts
    for (const branch of database.branches.values()) branch.requireWritable()
    for (const branch of database.branches.values()) await settleWriters(branch)
    await sharing.settled()
    // From here to the commit nothing gives up the thread.
    if (this.database(name) !== database) refuse('databaseNotFound', { database: name })
    const branches = [...database.branches.values()]
    for (const branch of branches) branch.requireWritable()
    const fileIds = branches.flatMap(({ row }) => catalog.files.ownedBy(row.id).map(({ id }) => id))
    catalog.writeNow(() => {
      catalog.nextSeq()
      for (const { row } of branches) catalog.tenants.deleteOfBranch(row.id)
      for (const { row } of branches) catalog.files.deleteOfBranch(row.id)
      // Children before parents.
      const ids = branches.map(({ row }) => row.id).sort((a, b) => b - a)
      for (const id of ids) catalog.branches.delete(id)
      catalog.databases.delete(database.row.id)
      crashPoint('databaseDelete.recording')
    })
    crashPoint('databaseDelete.recorded')
    this.#databases.delete(name)
    for (const branch of branches) branch.retire()
    this.parts.events.tell({ kind: 'databaseDeleted', database: name })
    const folders = branches.map(({ row }) => setAside(this.parts, layout.absolute(branchFolder(name, row.name))))
    crashPoint('databaseDelete.setAside')
    return { fileIds, folders }
  }

  setDatabaseMaintenance(name: string, maintenance: string | null): void {
    const database = this.database(name)
    this.parts.catalog.writeNow(() => {
      this.parts.catalog.databases.setMaintenance(database.row.id, maintenance)
      crashPoint('maintenance.recording')
    })
    crashPoint('maintenance.recorded')
    database.row = { ...database.row, maintenance }
  }

  setBranchMaintenance(database: string, name: string, maintenance: string | null): void {
    const branch = this.branch(database, name)
    this.parts.catalog.writeNow(() => {
      this.parts.catalog.branches.setMaintenance(branch.row.id, maintenance)
      crashPoint('maintenance.recording')
    })
    crashPoint('maintenance.recorded')
    branch.row = { ...branch.row, maintenance }
  }

  /** Delete what backups left behind that were cut short. */
  async #dropHidden(log: Logger): Promise<void> {
    for (const branch of [...this.#allBranches()].filter(({ isHidden }) => isHidden)) {
      try {
        await deleteWhole(this.parts, branch)
      } catch (error) {
        log.error({ branch: branch.name, err: error }, 'the rest of a backup cannot be deleted')
      }
    }
  }

  /** Finish what is under way, bring everything to disk, and let go of the project. */
  async close(): Promise<void> {
    const { catalog, checkpointer, chores, drain, expiry, pool, positions, processLane } = this.parts
    const { sharing, transactions, upkeep } = this.parts
    await this.#tidying
    this.cursors.closeAll()
    await transactions.close()
    await expiry.stop()
    await Promise.all([drain.stop(), upkeep.close()])
    await sharing.settled()
    await Promise.all([chores.close(), processLane.close()])
    await checkpointer.close()
    pool.closeAll()
    positions.write()
    catalog.checkpoint()
    catalog.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  *#allBranches(): Iterable<Branch> {
    for (const { branches } of this.#databases.values()) yield* branches.values()
  }

  /** Two pairs of a database and a branch can share a folder's name (`a-b` + `c`, `a` + `b-c`): the second is refused. */
  requireFreeFolder(database: string, branch: string): void {
    const folder = branchFolder(database, branch)
    for (const other of this.#allBranches()) {
      const taken = branchFolder(other.database.row.name, other.name)
      if (taken === folder) refuse('folderClash', { folder, database: other.database.row.name, branch: other.name })
    }
  }
}

function insertDatabase(catalog: Catalog, row: Pick<DatabaseRow, 'name' | 'description' | 'createdAt'>) {
  const seq = catalog.nextSeq()
  const database = catalog.databases.insert(row)
  const branch = catalog.branches.insert({
    databaseId: database.id,
    name: 'main',
    parentId: null,
    forkedAt: seq,
    lastFork: 0,
    head: rootChangeSet,
    readOnly: 0,
    withData: 1,
    description: null,
    createdAt: row.createdAt,
  })
  catalog.tenants.insert({
    branchId: branch.id,
    name: 'main',
    created: seq,
    deleted: 0,
    fileId: null,
    cipher: null,
    description: null,
    createdAt: row.createdAt,
  })
  return { database, branch }
}

/** Remove what a crash left: files that no row of the catalog knows, empty folders, and the scratch folder. */
function sweep({ layout, catalog }: EngineParts, log: Logger): void {
  fs.rmSync(layout.scratch, { recursive: true, force: true })
  const known = new Set(catalog.files.paths())
  for (const folder of fs.readdirSync(layout.root, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue
    if (path.join(layout.root, folder.name) === layout.backups) {
      sweepBackups(layout)
      continue
    }
    for (const shard of fs.readdirSync(path.join(layout.root, folder.name), { withFileTypes: true })) {
      if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue
      for (const file of fs.readdirSync(path.join(layout.root, folder.name, shard.name))) {
        const relative = `${folder.name}/${shard.name}/${file.replace(/-(wal|shm|journal)$/, '')}`
        if (known.has(relative)) continue
        log.warn({ file: relative }, 'removed a file that belongs to no tenant')
        crashPoint('open.sweeping')
        fs.rmSync(layout.absolute(`${folder.name}/${shard.name}/${file}`), { force: true })
      }
      removeIfEmpty(layout.absolute(`${folder.name}/${shard.name}`))
    }
    // A branch that is renamed to this name moves its folder here, where nothing may lie.
    removeIfEmpty(layout.absolute(folder.name))
  }
}

/** Backups that were cut short while they were made. */
function sweepBackups({ backups }: Layout): void {
  for (const name of fs.readdirSync(backups)) {
    if (name.startsWith(unfinishedPrefix)) fs.rmSync(path.join(backups, name), { recursive: true, force: true })
  }
}

function removeIfEmpty(folder: string): void {
  if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder)
}
