import fs from 'node:fs'
import { refuse } from '../base/refusal.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { checkName } from '../schema/define.ts'
import { openReadOnly } from '../storage/connection.ts'
import { guarded } from '../storage/faults.ts'
import { databaseBytes, linkDurably, removeDatabaseFile } from '../storage/files.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

/** The tenant every branch has: it cannot be deleted or renamed. */
const mainTenant = 'main'

/** Register a tenant. It costs a row of the catalog; its file comes with its first write. */
export function createTenant(
  { catalog, now }: EngineParts,
  branch: Branch,
  name: string,
  description: string | null,
): Promise<TenantRow> {
  checkName('tenant', name)
  branch.requireWritable()
  return catalog.write(() => {
    if (branch.resolve(name)) {
      refuse('tenantExists', { database: branch.database.row.name, branch: branch.name, tenant: name })
    }
    const created = catalog.nextSeq()
    const createdAt = now()
    const row: TenantRow = { branchId: branch.row.id, name, created, deleted: 0, fileId: null, description, createdAt }
    catalog.tenants.insert(row)
    return row
  })
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
    const tenants = catalog.tenants.page(branch.row.id, { prefix, after: cursor, limit: limit + 1 })
    if (tenants.length <= limit) return { tenants }
    const page = tenants.slice(0, limit)
    return { tenants: page, nextCursor: page.at(-1)?.name as string }
  })
}

/** Delete a tenant with its rows. */
export async function deleteTenant(parts: EngineParts, branch: Branch, name: string): Promise<void> {
  if (name === mainTenant) refuse('protected', { noun: 'tenant', name })
  branch.requireWritable()
  const tenant = branch.tenant(name)
  await tenant.idle()
  const path = tenant.path()
  tenant.retire()
  const { catalog } = parts
  catalog.writeNow(() => {
    catalog.nextSeq()
    catalog.tenants.remove(tenant.row)
    if (tenant.row.fileId !== null) catalog.files.delete(tenant.row.fileId)
  })
  branch.forget(name)
  // The file belongs to nobody now: what a crash leaves of it is swept at the next start.
  if (path !== null) removeDatabaseFile(path)
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
  await tenant.idle()
  if (branch.resolve(newName)) {
    refuse('tenantExists', { database: branch.database.row.name, branch: branch.name, tenant: newName })
  }
  const { catalog, layout } = parts
  const oldPath = tenant.path()
  const relative = layout.tenantFile(branch.database.row.name, branch.name, newName)
  tenant.close()
  if (oldPath !== null) guarded(`tenant ${name}`, () => linkDurably(oldPath, layout.absolute(relative)))
  const row = catalog.writeNow((): TenantRow => {
    const renamed = { ...tenant.row, name: newName, created: catalog.nextSeq() }
    catalog.tenants.remove(tenant.row)
    catalog.tenants.insert(renamed)
    if (tenant.row.fileId !== null) catalog.files.setPath(tenant.row.fileId, relative)
    return renamed
  })
  tenant.retire()
  branch.forget(name)
  branch.forget(newName)
  if (oldPath !== null) removeDatabaseFile(oldPath)
  return row
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

/** Rewrite a tenant's file without its unused pages. */
export async function vacuumTenant(tenant: Tenant): Promise<{ before: TenantSize; after: TenantSize }> {
  const before = sizeOfTenant(tenant)
  if (tenant.row.fileId === null) return { before, after: before }
  await tenant.exclusively(async (file) => {
    guarded(`tenant ${tenant.name}`, () => {
      file.db.exec('vacuum')
      file.checkpoint()
    })
  })
  return { before, after: sizeOfTenant(tenant) }
}

/** What SQLite's own checks say of a tenant's file: nothing where it is sound. */
export async function verifyTenant(tenant: Tenant): Promise<string[]> {
  const path = tenant.path()
  if (path === null) return []
  tenant.flush()
  if (!fs.existsSync(path)) return ['the file is missing']
  return guarded(`tenant ${tenant.name}`, () => {
    const db = openReadOnly(path)
    try {
      const integrity = db.pragma('integrity_check') as { integrity_check: string }[]
      const orphans = db.pragma('foreign_key_check') as { table: string; rowid: number; parent: string }[]
      return [
        ...integrity.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
        ...orphans.map(({ table, rowid, parent }) => `row ${rowid} of ${table} refers to no row of ${parent}`),
      ]
    } finally {
      db.close()
    }
  })
}
