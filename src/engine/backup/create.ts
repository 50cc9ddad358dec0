import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { assert } from '../../base/assert.ts'
import { crashPoint } from '../../base/crash-point.ts'
import { refuse } from '../../base/refusal.ts'
import type { ChangeSet } from '../../catalog/change-sets.ts'
import type { FileRow } from '../../catalog/files.ts'
import type { TenantRow } from '../../catalog/tenants.ts'
import { codeOf, guardedAsync } from '../../storage/faults.ts'
import { removeDatabaseFile, sizeOf, syncFolder } from '../../storage/files.ts'
import { unfinishedPrefix } from '../../storage/layout.ts'
import type { Branch } from '../branch.ts'
import { forkHidden } from '../branches.ts'
import { deleteWhole } from '../delete-branch.ts'
import type { Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import { Slices } from '../slices.ts'
import type { Tenant } from '../tenant.ts'
import { listTenants } from '../tenants.ts'
import type { FileToSave, Outcome } from './files.ts'
import { Backup, format, type ListName, type Manifest, type SavedFile, type SavedTenant, savedPath } from './format.ts'
import { placeOf } from './place.ts'

export interface NewBackup {
  /** A name, or an absolute path. */
  readonly backup: string
  readonly description: string | null
  /** Of the program. */
  readonly version: string
}

/** How many files go to a process at a time, and how many bytes. */
const filesAtOnce = 32
const bytesAtOnce = 64 * 1024 * 1024
const pageSize = 256

/**
 * Back up a branch as it is at one moment, while it is written to. A fork is that moment: what somebody writes to from then on is
 * copied before, as for any fork. No client sees this one, and it lets go of each tenant as soon as that is saved.
 */
export async function backUpBranch(
  parts: EngineParts,
  branch: Branch,
  options: NewBackup,
  progress: Progress,
): Promise<Backup> {
  const place = placeOf(parts, options.backup)
  // What is known of where encrypted files stand is all that a restore can go by.
  parts.positions.write()
  const snapshot = await forkHidden(parts, branch)
  crashPoint('backup.forked')
  try {
    return await writeBackup(parts, place, { ...options, kind: 'branch', branch }, async (writer) => {
      await new BranchSaver(parts, snapshot, writer, progress).run()
      return snapshot.head.id
    })
  } finally {
    await deleteWhole(parts, snapshot)
    crashPoint('backup.forkDeleted')
  }
}

/** Back up one tenant as it is at one moment. Its writers do not wait, unless it is encrypted. */
export async function backUpTenant(
  parts: EngineParts,
  tenant: Tenant,
  options: NewBackup,
  progress: Progress,
): Promise<Backup> {
  const { branch } = tenant
  const place = placeOf(parts, options.backup)
  const save = async (writer: BackupWriter) => {
    const head = branch.head.id
    const saved = await saveTenant(parts, tenant, writer.path(tenant.name), progress)
    writer.tenant(tenant.row, saved)
    return saved?.changeSet ?? head
  }
  return writeBackup(parts, place, { ...options, kind: 'tenant', branch }, save)
}

function saveTenant(parts: EngineParts, tenant: Tenant, target: string, progress: Progress): Promise<SavedFile | null> {
  const isPlain = tenant.row.fileId === null || tenant.file.cipher === null
  if (isPlain) {
    return tenant.keepInPlace(async (source) => {
      if (source === null) return null
      const { changeSet } = tenant.file
      return parts.chores.run('saveFile', { source, target, cipher: null, changeSet }, progress)
    })
  }
  return tenant.hold(() => saveEncrypted(parts, tenant, target, progress))
}

/**
 * Save a file as it lies; its write turn is held. Whoever shares it may write to it once this tenant has a copy, and a read may
 * bring it forward: then what was saved is of no one moment, and is saved again.
 */
async function saveEncrypted(
  { catalog, chores, layout, pool, positions }: EngineParts,
  tenant: Tenant,
  target: string,
  progress: Progress,
): Promise<SavedFile> {
  const settledFile = async () => {
    await tenant.back()
    tenant.flush()
    // What is known of where the file stands is all that a restore can go by.
    positions.write()
    const file = catalog.files.get(tenant.file.id)
    assert(file, 'a tenant that is held lost its file')
    return file
  }
  for (;;) {
    progress.signal.throwIfAborted()
    const { id, path, changeSet, cipher } = await settledFile()
    const file = { source: layout.absolute(path), target, cipher, changeSet }
    const [outcome] = await pool.keep(id, () => chores.run('saveFiles', { files: [file] }, progress))
    const now = await settledFile()
    const isSame = now.id === id && now.path === path && now.changeSet === changeSet
    if (isSame) return savedOf(outcome as Outcome)
    removeDatabaseFile(target)
  }
}

/** Throws where it failed. */
function savedOf(outcome: Outcome): SavedFile {
  if (outcome.kind === 'saved') return outcome.file
  const { code, message } = outcome
  throw Object.assign(new Error(message), { code })
}

/** Saves what a fork sees that nobody else does. */
class BranchSaver {
  readonly #parts: EngineParts
  readonly #snapshot: Branch
  readonly #writer: BackupWriter
  readonly #progress: Progress
  readonly #slices: Slices

  constructor(parts: EngineParts, snapshot: Branch, writer: BackupWriter, progress: Progress) {
    this.#parts = parts
    this.#snapshot = snapshot
    this.#writer = writer
    this.#progress = progress
    this.#slices = new Slices(progress)
  }

  async run(): Promise<void> {
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page = await listTenants(this.#parts, this.#snapshot, { prefix: '', cursor, limit: pageSize })
      let next: TenantRow[] = []
      let bytes = 0
      for (const row of page.tenants) {
        next.push(row)
        bytes += row.fileId === null ? 0 : sizeOf(this.#absolute(this.#file(row.fileId)))
        if (next.length < filesAtOnce && bytes < bytesAtOnce) continue
        await this.#save(next)
        next = []
        bytes = 0
      }
      await this.#save(next)
      cursor = page.nextCursor
    }
  }

  /** Save some tenants, in the order in which they are listed. */
  async #save(rows: readonly TenantRow[]): Promise<void> {
    const saved = new Map<string, SavedFile>()
    let left = rows.filter(({ fileId }) => fileId !== null).map(({ name }) => name)
    while (left.length > 0) {
      this.#progress.signal.throwIfAborted()
      const found = left.map((name) => ({ name, file: this.#fileOf(name) }))
      const files = await this.#copy(found)
      // Whose file was made somebody's own meanwhile may have been written to while it was copied: this fork has another now.
      // So may one that lies elsewhere now.
      const isSame = ({ name, file }: (typeof found)[number]) => {
        const { id, path } = this.#fileOf(name)
        return id === file.id && path === file.path
      }
      for (const [at, each] of found.entries()) if (isSame(each)) saved.set(each.name, savedOf(files[at] as Outcome))
      left = found.filter((each) => !saved.has(each.name)).map(({ name }) => name)
      for (const name of left)
        for (const suffix of ['', '-wal']) fs.rmSync(this.#writer.path(name) + suffix, { force: true })
    }
    crashPoint('backup.filesSaved')
    this.#letGo([...saved.keys()])
    for (const row of rows) this.#writer.tenant(row, saved.get(row.name) ?? null)
    await this.#writer.flush()
    await this.#slices.next(() => ({ stage: 'save', tenants: this.#writer.tenants, bytes: this.#writer.bytes }))
  }

  async #copy(found: readonly { readonly name: string; readonly file: FileRow }[]): Promise<Outcome[]> {
    const { chores, pool } = this.#parts
    const files = found.map(({ name, file }): FileToSave => {
      const { cipher, changeSet } = file
      return { source: this.#absolute(file), target: this.#writer.path(name), cipher, changeSet }
    })
    for (const { file } of found) await pool.whenBack(file.id)
    const copy = () => guardedAsync('the backup', () => chores.run('saveFiles', { files }, this.#progress))
    return found.reduceRight<() => Promise<Outcome[]>>(
      (work, { file }) =>
        () =>
          pool.keep(file.id, work),
      copy,
    )()
  }

  /** Nobody has to copy these before writing to them on account of this fork any more. */
  #letGo(names: readonly string[]): void {
    const { catalog, sharing } = this.#parts
    if (names.length === 0) return
    const { row } = this.#snapshot
    catalog.writeNow(() => {
      for (const name of names) {
        const seen = this.#snapshot.resolve(name)
        if (seen === undefined || seen.branchId === row.id) continue
        const created = catalog.nextSeq()
        catalog.tenants.insert({ ...seen, branchId: row.id, created, deleted: 1, fileId: null })
      }
    })
    sharing.refresh(this.#snapshot, names)
  }

  #fileOf(name: string): FileRow {
    this.#snapshot.requireLife()
    const { fileId } = this.#snapshot.tenant(name).row
    assert(fileId !== null, 'a snapshot lost a file')
    return this.#file(fileId)
  }

  #file(id: number): FileRow {
    const file = this.#parts.catalog.files.get(id)
    assert(file, 'a snapshot sees a file that is not in the catalog')
    return file
  }

  #absolute({ path }: FileRow): string {
    return this.#parts.layout.absolute(path)
  }
}

interface BackupOf extends NewBackup {
  readonly kind: Manifest['kind']
  readonly branch: Branch
}

/**
 * Make a backup beside its place, and move it there when it is whole.
 *
 * @param save writes the tenants, and gives the change set to which the history is to lead
 */
async function writeBackup(
  parts: EngineParts,
  place: string,
  of: BackupOf,
  save: (writer: BackupWriter) => Promise<string>,
): Promise<Backup> {
  const folder = path.join(path.dirname(place), `${unfinishedPrefix}${randomBytes(6).toString('hex')}`)
  try {
    fs.mkdirSync(folder, { mode: 0o700 })
    await using writer = new BackupWriter(folder)
    await writer.open()
    await writer.finish(of, await save(writer), parts)
    crashPoint('backup.written')
    // Somebody may have made another one meanwhile.
    placeOf(parts, of.backup)
    fs.renameSync(folder, place)
    crashPoint('backup.placed')
    syncFolder(path.dirname(place))
    return Backup.open(of.backup, place)
  } catch (error) {
    fs.rmSync(folder, { recursive: true, force: true })
    if (codeOf(error) === 'EACCES') refuse('pathRefused', { path: of.backup, reason: 'it cannot be written' })
    return guardedAsync('the backup', () => Promise.reject(error))
  }
}

/** Writes the lists of a backup, and counts what is in them. */
class BackupWriter implements AsyncDisposable {
  readonly #folder: string
  readonly #lists = new Map<ListName, List>()
  tenants = 0
  files = 0
  bytes = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    for (const name of ['history.ndjson', 'tenants.ndjson'] as const) {
      this.#lists.set(name, new List(await open(path.join(this.#folder, name), 'wx', 0o600)))
    }
  }

  /** Where a tenant's file goes to. */
  path(tenant: string): string {
    return path.join(this.#folder, savedPath(tenant))
  }

  tenant({ name, description, createdAt, cipher }: TenantRow, file: SavedFile | null): void {
    const saved: SavedTenant = { name, description, createdAt, cipher, file }
    this.tenants++
    if (file) this.files++
    this.bytes += (file?.bytes ?? 0) + (file?.log?.bytes ?? 0)
    this.#list('tenants.ndjson').add(saved)
  }

  async flush(): Promise<void> {
    for (const list of this.#lists.values()) await list.flush()
  }

  /** All tenants are in: the history, and last the manifest. */
  async finish(of: BackupOf, head: string, { catalog, now }: EngineParts): Promise<void> {
    const history: readonly ChangeSet[] = catalog.changeSets.lineage(head)
    for (const changeSet of history) this.#list('history.ndjson').add(changeSet)
    const lists = {
      'history.ndjson': await this.#list('history.ndjson').end(),
      'tenants.ndjson': await this.#list('tenants.ndjson').end(),
    }
    const manifest: Manifest = {
      format,
      kind: of.kind,
      version: of.version,
      createdAt: now(),
      database: of.branch.database.row.name,
      branch: of.branch.name,
      head,
      description: of.description,
      tenants: this.tenants,
      files: this.files,
      bytes: this.bytes,
      lists,
    }
    const handle = await open(path.join(this.#folder, 'manifest.json'), 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    syncFolder(this.#folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const list of this.#lists.values()) await list.close()
  }

  #list(name: ListName): List {
    return this.#lists.get(name) as List
  }
}

class List {
  readonly #handle: FileHandle
  readonly #hash = createHash('sha256')
  #text = ''

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  add(value: object): void {
    this.#text += `${JSON.stringify(value)}\n`
  }

  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    this.#hash.update(text)
    await this.#handle.writeFile(text)
  }

  /** What is in it is on disk; gives its SHA-256. */
  async end(): Promise<string> {
    await this.flush()
    await this.#handle.sync()
    return this.#hash.digest('hex')
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
