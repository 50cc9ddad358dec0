import * as z from 'zod'
import { BranchName, TenantName } from '../../protocol/names.ts'
import { productVersion } from '../../protocol/version.ts'
import { refuse } from '../base/refusal.ts'
import { backUpBranch, backUpTenant, type NewBackup } from '../engine/backup/create.ts'
import type { Backup as BackupFolder } from '../engine/backup/format.ts'
import { deleteBackup, listBackups, verifyBackup } from '../engine/backup/list.ts'
import { openBackup } from '../engine/backup/place.ts'
import { restoreBranch, restoreTenant } from '../engine/backup/restore.ts'
import { branchScope, method, params, progressOf, tenantRefusals, writeRefusals } from './method.ts'

const Backup = z
  .object({
    backup: z.string().describe('its name, or its path where it has one'),
    path: z.string(),
    kind: z.enum(['branch', 'tenant']),
    createdAt: z.string(),
    database: z.string(),
    branch: z.string(),
    description: z.string().nullable(),
    head: z.string().describe('the change set at which it stands'),
    tenants: z.int(),
    files: z.int(),
    bytes: z.int().describe('of tenants’ files'),
  })
  .meta({ id: 'Backup' })

const backup = z
  .string()
  .max(4_096)
  .describe('a name, for .cinchdb/backups; or an absolute path on the daemon’s machine, outside the project’s .cinchdb')

const openRefusals = [
  'backupNotFound',
  'backupBroken',
  'backupTooNew',
  'fileNotFound',
  'pathRefused',
  'invalidName',
] as const

export const create = method({
  summary:
    'Back up a branch with all its tenants, or one tenant, as it is at one moment, while writes go on. It is there when it is whole and on disk.',
  access: 'edit',
  params: params({
    ...branchScope,
    backup: backup.optional().describe('default: a name made of the branch’s, or tenant’s, and the time'),
    tenant: TenantName.optional().describe('only this one'),
    description: z.string().max(10_000).optional(),
  }),
  result: Backup,
  refusals: [...tenantRefusals, ...openRefusals, 'backupExists', 'fileExists', 'tenantBusy'],
  handle: async (call, { database, branch, tenant, backup, description }) => {
    const { parts } = call.engine
    const of = call.branch({ database, branch })
    const name = backup ?? defaultName(tenant ?? of.name, parts.now())
    const options: NewBackup = { backup: name, description: description ?? null, version: productVersion }
    if (tenant === undefined) return shown(await backUpBranch(parts, of, options, progressOf(call)))
    return shown(await backUpTenant(parts, of.tenant(tenant), options, progressOf(call)))
  },
})

export const list = method({
  summary: 'List the backups in .cinchdb/backups in the order of their names.',
  access: 'read',
  params: params({}),
  result: z.object({ backups: z.array(Backup) }),
  refusals: [],
  handle: ({ engine }) => ({ backups: listBackups(engine.parts).map(shown) }),
})

export const restore = method({
  summary:
    'Restore a backup, all or nothing: a branch as a branch of its own, or a tenant of it in a branch whose schema comes from that of the backup.',
  access: 'edit',
  params: params({
    database: branchScope.database,
    backup,
    branch: BranchName.optional().describe(
      'the branch to restore, default: as it was called; or, with a tenant, the one in which that is to be: default: the session’s, then main',
    ),
    tenant: TenantName.optional().describe('only this one; default for a backup of one tenant: that'),
    name: TenantName.optional().describe('what the tenant is called from now on; default: as it was'),
    force: z.boolean().default(false).describe('replace the branch, or tenant, of that name'),
  }),
  result: z.object({ branch: BranchName, tenant: TenantName.nullable(), tenants: z.int() }),
  refusals: [
    ...tenantRefusals,
    ...writeRefusals,
    ...openRefusals,
    'branchExists',
    'tenantExists',
    'folderClash',
    'protected',
    'tenantBusy',
    'schemaMismatch',
    'invalidValue',
  ],
  handle: async (call, { database, backup: given, branch, tenant, name, force }) => {
    const { engine, session } = call
    const backup = openBackup(engine.parts, given)
    const { manifest } = backup
    const from = tenant ?? (manifest.kind === 'tenant' ? backup.tenants()[0]?.name : undefined)
    if (from === undefined) {
      if (name !== undefined)
        refuse('invalidValue', { where: 'name', reason: 'it is a tenant’s; name the branch by branch' })
      const scope = { database: database ?? session.scope.database, name: branch ?? manifest.branch }
      const restored = await restoreBranch(engine, { ...scope, backup, force }, progressOf(call))
      return { branch: restored.name, tenant: null, tenants: manifest.tenants }
    }
    const into = call.branch({ database, branch })
    const options = { backup, tenant: from, name: name ?? from, force }
    const restored = await restoreTenant(engine.parts, into, options, progressOf(call))
    return { branch: into.name, tenant: restored.name, tenants: 1 }
  },
})

export const verify = method({
  summary: 'Tell whether a backup is as it was made. Every byte is read.',
  access: 'read',
  params: params({ backup }),
  result: z.object({ sound: z.boolean(), problems: z.array(z.string()) }),
  refusals: openRefusals,
  handle: async (call, { backup }) => {
    const { parts } = call.engine
    const problems = await verifyBackup(parts, openBackup(parts, backup), progressOf(call))
    return { sound: problems.length === 0, problems }
  },
})

const drop = method({
  summary: 'Delete a backup of .cinchdb/backups. There is no way back.',
  access: 'edit',
  params: params({ backup }),
  result: z.object({}),
  refusals: openRefusals,
  handle: async ({ engine }, { backup }) => {
    await deleteBackup(engine.parts, backup)
    return {}
  },
})

export { drop as delete }

/** `main-20260304-050607-089` */
function defaultName(of: string, now: string): string {
  const [date, time] = now.replaceAll(/[:-]/g, '').split('T') as [string, string]
  return `${of.slice(0, 40).replace(/[-_]+$/, '')}-${date}-${time.replace('.', '-').replace('Z', '')}`
}

function shown({ name, folder, manifest }: BackupFolder) {
  const { kind, createdAt, database, branch, description, head, tenants, files, bytes } = manifest
  return { backup: name, path: folder, kind, createdAt, database, branch, description, head, tenants, files, bytes }
}
