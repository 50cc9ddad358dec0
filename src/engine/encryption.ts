import fs from 'node:fs'
import path from 'node:path'
import { crashPoint } from '../base/crash-point.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { type FileKey, keyOf, type Secret, startsAs } from '../storage/cipher.ts'
import { guarded, refuseFault } from '../storage/faults.ts'
import { removeDatabaseFile, sizeOf, syncFolder, syncLater } from '../storage/files.ts'
import { startOf } from '../storage/rewrite.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

/** The right key of an encrypted tenant, held in memory until `letGo`. Refuses a wrong one. */
export async function openKey({ keys }: EngineParts, tenant: Tenant, secret: Secret): Promise<HeldKey> {
  const { cipher } = tenant.row
  if (cipher === null) return refuseNotEncrypted(tenant)
  const key = keys.known(cipher, secret) ?? (await keyOf(secret, cipher))
  if (key === undefined) return refuse('wrongKey', { what: `tenant ${tenant.name}` })
  const letGo = keys.hold(key, secret)
  return { key: keys.find(cipher) as FileKey, letGo }
}

export interface HeldKey {
  readonly key: FileKey
  readonly letGo: () => void
}

export function refuseNotEncrypted({ branch, name }: Tenant): never {
  return refuse('tenantNotEncrypted', { database: branch.database.row.name, branch: branch.name, tenant: name })
}

/** Bring a tenant that was just unlocked to its branch's head; one that others share waits until it is used. */
export async function catchUp(tenant: Tenant): Promise<void> {
  if (tenant.row.fileId !== null && tenant.isPrivate) await tenant.read(() => undefined)
}

/**
 * Encrypt a tenant, encrypt it with another key, or decrypt it. Its key, if it has one, is in memory; reads go on and
 * writes wait meanwhile.
 *
 *     make private ─▶ rewrite to scratch ─▶ plan (catalog) ─▶ rename over the file ─▶ cipher (catalog), plan deleted
 *
 * Each key has a salt of its own, which a file starts with: so after a crash the file itself tells which of the two it is,
 * and it opens with the old key or with the new one. Branches that shared the file keep it as it was, as a copy.
 */
export function reencrypt(
  parts: EngineParts,
  tenant: Tenant,
  key: FileKey | null,
  signal: AbortSignal,
): Promise<TenantRow> {
  const { branch } = tenant
  const before = tenant.row.cipher
  branch.requireWritable()
  return tenant.hold(async () => {
    requireUnchanged(tenant, before)
    if (tenant.row.fileId === null) return record(parts, tenant, key)
    while (!tenant.isPrivate) await parts.sharing.makePrivate(tenant)
    const scratch = parts.layout.scratchFile(`${parts.ids.next()}.db`)
    fs.mkdirSync(parts.layout.scratch, { recursive: true, mode: 0o700 })
    try {
      await rewriteTo(parts, tenant, { path: scratch, key: key ?? undefined }, signal)
      crashPoint('reencrypt.written')
      await parts.sharing.readyToMove(branch, tenant.fileIds)
      signal.throwIfAborted()
      branch.requireWritable()
      return replaceFile(parts, tenant, scratch, key)
    } finally {
      removeDatabaseFile(scratch)
    }
  })
}

/** Another call may have encrypted or decrypted it while this one waited for its turn. */
function requireUnchanged(tenant: Tenant, cipher: string | null): void {
  if (tenant.row.cipher !== cipher) refuse('tenantBusy', busy(tenant))
}

function busy({ branch, name }: Tenant) {
  return { database: branch.database.row.name, branch: branch.name, tenants: [name] }
}

async function rewriteTo(
  { processLane }: EngineParts,
  tenant: Tenant,
  target: { readonly path: string; readonly key: FileKey | undefined },
  signal: AbortSignal,
): Promise<void> {
  try {
    await tenant.keepInPlace(async (path, key) => {
      if (path !== null) await processLane.rewrite({ path, key }, target, signal)
    })
    await syncLater(target.path)
  } catch (error) {
    if (error instanceof Refusal) throw error
    refuseFault(error, `tenant ${tenant.name}`)
  }
}

/** Without giving up the thread: nobody uses the file, and nobody writes to it. */
function replaceFile(parts: EngineParts, tenant: Tenant, scratch: string, key: FileKey | null): TenantRow {
  const { catalog } = parts
  const file = tenant.path() as string
  const [fileId] = tenant.fileIds as [number]
  tenant.close()
  // While another program reads the file a part of its log stays, and would be taken for the new one's.
  if (sizeOf(`${file}-wal`) > 0) refuse('tenantBusy', busy(tenant))
  const plan = catalog.writeNow(() => {
    const cipher = key?.cipher ?? null
    const plan = catalog.plans.insert({ kind: 'reencrypt', branchId: tenant.branch.row.id, fileId, cipher })
    crashPoint('reencrypt.planning')
    return plan
  })
  crashPoint('reencrypt.planned')
  return guarded(`tenant ${tenant.name}`, () => {
    const old = `${scratch}.old`
    fs.linkSync(file, old)
    try {
      fs.renameSync(scratch, file)
      syncFolder(path.dirname(file))
      crashPoint('reencrypt.replaced')
      return record(parts, tenant, key, () => catalog.plans.delete(plan.id))
    } catch (error) {
      // The catalog could not be written: it is right about the old file.
      fs.renameSync(old, file)
      throw error
    } finally {
      fs.rmSync(old, { force: true })
    }
  })
}

function record({ catalog }: EngineParts, tenant: Tenant, key: FileKey | null, alongside = () => {}): TenantRow {
  const row = catalog.writeNow(() => {
    const row = tenant.recordCipher(key?.cipher ?? null)
    alongside()
    crashPoint('reencrypt.recording')
    return row
  })
  crashPoint('reencrypt.recorded')
  tenant.follow(row)
  return row
}

/** Whether the file is the one that a plan leads to, by how it starts. */
export function isReplaced(file: string, cipher: string | null): boolean {
  return fs.existsSync(file) && startsAs(cipher, startOf(file))
}
