import fs from 'node:fs'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { checkName } from '../schema/define.ts'
import { guardedAsync } from '../storage/faults.ts'
import { databaseBytes } from '../storage/files.ts'
import { removeRewritten } from '../storage/rewrite.ts'
import type { Branch } from './branch.ts'
import type { Progress } from './edit.ts'
import type { EngineParts } from './engine.ts'
import { keepFile } from './sharing.ts'
import type { Tenant } from './tenant.ts'
import { holdPatiently } from './writers.ts'

/** The tenant every branch has: it cannot be deleted or renamed. */
const mainTenant = 'main'

/** Register a tenant. It costs a row of the catalog; its file comes with its first write, encrypted as `cipher` says. */
export function createTenant(
  { catalog, events, now }: EngineParts,
  branch: Branch,
  name: string,
  description: string | null,
  cipher: string | null = null,
): Promise<TenantRow> {
  checkName('tenant', name)
  branch.requireWritable()
  const created = catalog.write(() => {
    requireFree(branch, name)
    const created = catalog.nextSeq()
    const createdAt = now()
    const file = { fileId: null, cipher }
    const row: TenantRow = { branchId: branch.row.id, name, created, deleted: 0, ...file, description, createdAt }
    catalog.tenants.insert(row)
    return row
  })
  const scope = { database: branch.database.row.name, branch: branch.name, tenant: name }
  created.then(
    () => events.tell({ kind: 'tenantCreated', ...scope }),
    // Whoever came to use it before its row was on disk finds nothing if that failed.
    () => branch.refresh(name),
  )
  return created
}

export interface TenantCopy {
  /** The tenant that is copied. */
  readonly source: string
  readonly name: string
  readonly data: boolean
  readonly description: string | null
}

/**
 * Make a tenant with what another one holds at one moment. It is there when its file is whole, and not before. A copy of an
 * encrypted one, which has to be unlocked, is encrypted with the same key.
 */
export async function copyTenant(
  parts: EngineParts,
  branch: Branch,
  { source: from, name, data, description }: TenantCopy,
  progress: Progress,
): Promise<TenantRow> {
  const { catalog, chores, ids, layout, now } = parts
  checkName('tenant', name)
  branch.requireWritable()
  const source = branch.tenant(from)
  const { cipher } = source.row
  requireFree(branch, name)
  const scratch = layout.scratchFile(`${ids.next()}.db`)
  fs.mkdirSync(layout.scratch, { recursive: true, mode: 0o700 })
  try {
    const copied = await guardedAsync(`tenant ${from}`, () =>
      source.keepInPlace(async (path, key) => {
        if (path === null || !data) return undefined
        return chores.run('copyFile', { source: path, key, target: scratch }, progress)
      }),
    )
    if (copied === undefined) return await createTenant(parts, branch, name, description, cipher)
    crashPoint('tenantCopy.copied')
    progress.signal.throwIfAborted()
    if (source.row.cipher !== cipher) {
      refuse('tenantBusy', { database: branch.database.row.name, branch: branch.name, tenants: [from] })
    }
    catalog.writeNow(() => {
      branch.requireWritable()
      requireFree(branch, name)
      const row = { branchId: branch.row.id, name, created: catalog.nextSeq(), deleted: 0 } as const
      catalog.tenants.insert({ ...row, fileId: null, cipher, description, createdAt: now() })
      branch.refresh(name)
      branch.tenant(name).placeFile(scratch, copied.changeSet, cipher)
      crashPoint('tenantCopy.recording')
    })
    crashPoint('tenantCopy.recorded')
    const { name: database } = branch.database.row
    parts.events.tell({ kind: 'tenantCreated', database, branch: branch.name, tenant: name })
    return branch.tenant(name).row
  } catch (error) {
    branch.refresh(name)
    throw error
  } finally {
    removeRewritten(scratch)
  }
}

/** Refuse a name that a tenant has. */
export function requireFree(branch: Branch, name: string): void {
  if (branch.resolve(name)) {
    refuse('tenantExists', { database: branch.database.row.name, branch: branch.name, tenant: name })
  }
}

export interface TenantPage {
  readonly tenants: readonly TenantRow[]
  /** Where the next page starts; absent at the end. */
  readonly nextCursor?: string
}

/** Tenants in the order of their names. A cursor is the last name of the page before. */
export function listTenants(
  { catalog }: EngineParts,
  branch: Branch,
  options: { prefix: string; cursor: string; limit: number },
): TenantPage | Promise<TenantPage> {
  const { prefix, cursor, limit } = options
  return catalog.read(() => {
    const tenants = [...take(visibleTenants(catalog, branch, { prefix, after: cursor }), limit + 1)]
    if (tenants.length <= limit) return { tenants }
    const page = tenants.slice(0, limit)
    return { tenants: page, nextCursor: page.at(-1)?.name as string }
  })
}

const pageSize = 500

/** The tenants that a branch sees, its own and those it was forked with, in the order of their names. */
export function* visibleTenants(
  catalog: Catalog,
  branch: Branch,
  { prefix = '', after = '' }: { prefix?: string; after?: string } = {},
): Iterable<TenantRow> {
  const sources = [...branch.line()].map(({ branch: { row }, asOf, withData }) => {
    return { withData, rows: decidingRows(catalog, row.id, asOf, prefix, after) }
  })
  const heads = sources.map(({ rows }) => rows.next().value)
  for (;;) {
    let first = -1
    for (let at = 0; at < heads.length; at++) {
      const name = heads[at]?.name
      const isEarlier = name !== undefined && (first < 0 || name < (heads[first]?.name as string))
      if (isEarlier) first = at
    }
    const row = heads[first]
    if (row === undefined) return
    // The nearest branch that has a row for a name decides about it; what those behind it say does not count.
    for (let at = first; at < heads.length; at++) {
      if (heads[at]?.name === row.name) heads[at] = sources[at]?.rows.next().value
    }
    if (!row.deleted) yield sources[first]?.withData ? row : { ...row, fileId: null }
  }
}

function* decidingRows(
  catalog: Catalog,
  branchId: number,
  asOf: number,
  prefix: string,
  after: string,
): Generator<TenantRow, undefined> {
  for (let from = after; ; ) {
    const page = catalog.tenants.page(branchId, { asOf, prefix, after: from, limit: pageSize })
    yield* page
    if (page.length < pageSize) return undefined
    from = (page.at(-1) as TenantRow).name
  }
}

function* take<T>(items: Iterable<T>, count: number): Iterable<T> {
  let left = count
  for (const item of items) {
    if (left-- <= 0) return
    yield item
  }
}

/** Delete a tenant with its rows, as this branch sees it. Branches that were forked before keep theirs. */
export async function deleteTenant(parts: EngineParts, branch: Branch, name: string): Promise<void> {
  if (name === mainTenant) refuse('protected', { noun: 'tenant', name })
  branch.requireWritable()
  const tenant = branch.tenant(name)
  await holdPatiently(tenant, async () => {
    await parts.sharing.readyToLeave(branch, tenant.fileIds)
    const steps = tenant.row.fileId === null ? keepFile : parts.sharing.leave(branch, tenant.file)
    crashPoint('tenantDelete.handedOver')
    parts.catalog.writeNow(() => {
      steps.record()
      hide(parts, branch, tenant.row)
      steps.forget()
      crashPoint('tenantDelete.recording')
    })
    crashPoint('tenantDelete.recorded')
    parts.sharing.refresh(branch, [name, ...steps.names])
    steps.clean()
    crashPoint('tenantDelete.cleaned')
  })
  parts.events.tell({ kind: 'tenantDeleted', database: branch.database.row.name, branch: branch.name, tenant: name })
}

/**
 * Rename a tenant. Its file is linked under its new name before the catalog says so and unlinked under the old one
 * afterwards: whenever this is cut short, one of the names is right and the other is swept at the next start.
 */
export async function renameTenant(
  parts: EngineParts,
  branch: Branch,
  name: string,
  newName: string,
): Promise<TenantRow> {
  if (name === mainTenant) refuse('protected', { noun: 'tenant', name })
  checkName('tenant', newName)
  branch.requireWritable()
  const tenant = branch.tenant(name)
  return holdPatiently(tenant, async () => {
    await parts.sharing.readyToMove(branch, tenant.fileIds)
    requireFree(branch, newName)
    const steps = tenant.row.fileId === null ? keepFile : parts.sharing.move(tenant, newName)
    crashPoint('tenantRename.linked')
    const row = parts.catalog.writeNow((): TenantRow => {
      steps.record()
      const created = parts.catalog.nextSeq()
      const renamed = { ...tenant.row, branchId: branch.row.id, name: newName, created }
      parts.catalog.tenants.insert(renamed)
      hide(parts, branch, tenant.row)
      crashPoint('tenantRename.recording')
      return renamed
    })
    crashPoint('tenantRename.recorded')
    parts.sharing.refresh(branch, [name, newName, ...steps.names])
    steps.clean()
    crashPoint('tenantRename.cleaned')
    const database = branch.database.row.name
    parts.events.tell({ kind: 'tenantRenamed', database, branch: branch.name, tenant: name, newName })
    return row
  })
}

/** Within a catalog write: the branch does not see this tenant any more. Forks that saw it still do. */
function hide({ catalog }: EngineParts, branch: Branch, row: TenantRow): void {
  const { name } = row
  const seq = catalog.nextSeq()
  const isSeenByForks = row.created <= branch.row.lastFork
  if (row.branchId === branch.row.id && !isSeenByForks) catalog.tenants.remove(row)
  if (branch.resolve(name) === undefined) return
  catalog.tenants.insert({ ...row, branchId: branch.row.id, created: seq, deleted: 1, fileId: null })
}

export interface TenantSize {
  readonly fileBytes: number
  /** The write-ahead log: committed, and not yet in the file. */
  readonly walBytes: number
}

export function sizeOfTenant(tenant: Tenant): TenantSize {
  const path = tenant.path()
  return path === null ? { fileBytes: 0, walBytes: 0 } : databaseBytes(path)
}

/** Rewrite a tenant's file without its unused pages: in a process, with its writers held and its readers not. */
export async function vacuumTenant(
  { chores, config }: EngineParts,
  tenant: Tenant,
  progress: Progress,
): Promise<{ before: TenantSize; after: TenantSize }> {
  const before = sizeOfTenant(tenant)
  tenant.branch.requireWritable()
  if (tenant.row.fileId === null) return { before, after: before }
  await tenant.exclusively(async (file) => {
    crashPoint('vacuum.begun')
    const vacuum = { path: file.path, key: file.key, durability: config.durability }
    await guardedAsync(`tenant ${tenant.name}`, () => chores.run('vacuumFile', vacuum, progress))
    crashPoint('vacuum.done')
    file.wroteAside()
  }, progress)
  return { before, after: sizeOfTenant(tenant) }
}

/** What SQLite's own checks say of a tenant's file: nothing where it is sound. */
export async function verifyTenant(
  { chores, pool }: EngineParts,
  tenant: Tenant,
  progress: Progress,
): Promise<string[]> {
  await tenant.back()
  const path = tenant.path()
  if (path === null) return []
  tenant.flush()
  if (!fs.existsSync(path)) return ['the file is missing']
  const { key } = tenant
  return guardedAsync(`tenant ${tenant.name}`, () =>
    pool.keep(tenant.file.id, () => chores.run('checkFile', { path, key }, progress)),
  )
}
