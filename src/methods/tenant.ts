import * as z from 'zod'
import { encodings } from '../../protocol/encodings.ts'
import { TableName, TenantName } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { catchUp, openKey, reencrypt, refuseNotEncrypted } from '../engine/encryption.ts'
import {
  copyTenant,
  createTenant,
  deleteTenant,
  listTenants,
  renameTenant,
  sizeOfTenant,
  vacuumTenant,
  verifyTenant,
} from '../engine/tenants.ts'
import { exportFile } from '../engine/transfer/export.ts'
import { importFile } from '../engine/transfer/import.ts'
import { type FileKey, newKey, type Secret } from '../storage/cipher.ts'
import {
  branchRefusals,
  branchScope,
  type Call,
  Key,
  method,
  namedTenantRefusals,
  params,
  progressOf,
  tenantKey,
  tenantRefusals,
  writeRefusals,
} from './method.ts'

const Tenant = z
  .object({
    name: TenantName,
    description: z.string().nullable(),
    createdAt: z.string(),
    hasFile: z.boolean().describe('false until its first write'),
    encrypted: z.boolean(),
  })
  .meta({ id: 'Tenant' })

const Size = z
  .object({ fileBytes: z.int(), walBytes: z.int().describe('committed, and not yet in the file') })
  .meta({ id: 'Size' })

const maxTtlMs = 2 ** 31 - 1

const name = TenantName.optional().describe('default: the session’s tenant, then main')

export const create = method({
  summary: 'Register a tenant. Its file comes with its first write.',
  access: 'write',
  params: params({
    ...branchScope,
    name: TenantName,
    description: z.string().max(10_000).optional(),
    key: Key.optional().describe('encrypt it with this key, from the first byte of its file on'),
  }),
  result: Tenant,
  refusals: [...branchRefusals, ...writeRefusals, 'invalidName', 'tenantExists'],
  handle: (call, { name, description, key, ...scope }) => {
    const branch = call.branch(scope)
    const create = (cipher: string | null) =>
      createTenant(call.engine.parts, branch, name, description ?? null, cipher).then(shown)
    return key === undefined ? create(null) : withNewKey(call, key, ({ cipher }) => create(cipher))
  },
})

export const copy = method({
  summary: 'Make a tenant that has the rows of another one, as they are at one moment. Writers do not wait.',
  access: 'edit',
  params: params({
    ...branchScope,
    source: TenantName,
    name: TenantName,
    data: z.boolean().default(true).describe('false: without its rows'),
    description: z.string().max(10_000).optional(),
    key: tenantKey,
  }),
  result: Tenant,
  refusals: [...tenantRefusals, ...writeRefusals, 'invalidName', 'tenantExists', 'tenantBusy'],
  handle: async (call, { database, branch, description, key, ...options }) => {
    // Whoever copies it has to have it unlocked.
    call.tenant({ database, branch, tenant: options.source, key })
    const copy = { ...options, description: description ?? null }
    return shown(await copyTenant(call.engine.parts, call.branch({ database, branch }), copy, progressOf(call)))
  },
})

export const list = method({
  summary: 'List the tenants of a branch in the order of their names.',
  access: 'read',
  params: params({
    ...branchScope,
    prefix: z.string().max(63).default(''),
    limit: z.int().positive().max(10_000).default(1_000),
    cursor: z.string().max(63).default('').describe('nextCursor of the page before'),
  }),
  result: z.object({ tenants: z.array(Tenant), nextCursor: z.string().optional() }),
  refusals: branchRefusals,
  handle: async (call, { prefix, limit, cursor, ...scope }) => {
    const page = await listTenants(call.engine.parts, call.branch(scope), { prefix, limit, cursor })
    return { ...page, tenants: page.tenants.map(shown) }
  },
})

export const get = method({
  summary: 'Tell about one tenant.',
  access: 'read',
  params: params({ ...branchScope, name }),
  result: Tenant,
  refusals: namedTenantRefusals,
  handle: (call, { name, ...scope }) =>
    call.engine.parts.catalog.read(() => shown(call.lockedTenant({ ...scope, tenant: name }).row)),
})

const drop = method({
  summary: 'Delete a tenant with its rows. There is no way back.',
  access: 'edit',
  params: params({ ...branchScope, name: TenantName }),
  result: z.object({}),
  refusals: [...namedTenantRefusals, ...writeRefusals, 'protected', 'tenantBusy'],
  handle: async (call, { name, ...scope }) => {
    await deleteTenant(call.engine.parts, call.branch(scope), name)
    return {}
  },
})

export { drop as delete }

export const rename = method({
  summary: 'Rename a tenant.',
  access: 'edit',
  params: params({ ...branchScope, name: TenantName, newName: TenantName }),
  result: Tenant,
  refusals: [...namedTenantRefusals, ...writeRefusals, 'protected', 'invalidName', 'tenantExists', 'tenantBusy'],
  handle: async (call, { name, newName, ...scope }) =>
    shown(await renameTenant(call.engine.parts, call.branch(scope), name, newName)),
})

export const size = method({
  summary: 'Tell how much room a tenant takes on disk.',
  access: 'read',
  params: params({ ...branchScope, name }),
  result: Size,
  refusals: namedTenantRefusals,
  handle: (call, { name, ...scope }) => sizeOfTenant(call.lockedTenant({ ...scope, tenant: name })),
})

export const vacuum = method({
  summary: 'Rewrite a tenant’s file without its unused pages.',
  access: 'edit',
  params: params({ ...branchScope, name, key: tenantKey }),
  result: z.object({ before: Size, after: Size }),
  refusals: [...tenantRefusals, ...writeRefusals],
  handle: (call, { name, ...scope }) =>
    vacuumTenant(call.engine.parts, call.tenant({ ...scope, tenant: name }), progressOf(call)),
})

export const verify = method({
  summary: 'Check a tenant’s file with SQLite’s integrity and foreign key checks.',
  access: 'read',
  params: params({ ...branchScope, name, key: tenantKey }),
  result: z.object({ sound: z.boolean(), problems: z.array(z.string()) }),
  refusals: tenantRefusals,
  handle: async (call, { name, ...scope }) => {
    const problems = await verifyTenant(call.engine.parts, call.tenant({ ...scope, tenant: name }), progressOf(call))
    return { sound: problems.length === 0, problems }
  },
})

/** Derive the key that a tenant is to have; what the session asks later waits for it. */
async function withNewKey<T>(call: Call, secret: Secret, work: (key: FileKey) => T | Promise<T>): Promise<T> {
  const release = call.beforeAll()
  try {
    const key = await newKey(secret)
    const letGo = call.engine.parts.keys.hold(key, secret)
    try {
      return await work(key)
    } finally {
      letGo()
    }
  } finally {
    release()
  }
}

export const unlock = method({
  summary:
    'Unlock an encrypted tenant for this session: its calls need no key then. What has the same key is unlocked with it: forks and copies of its file.',
  access: 'edit',
  params: params({
    ...branchScope,
    name,
    key: Key,
    ttlMs: z
      .int()
      .positive()
      .max(maxTtlMs)
      .optional()
      .describe('lock it after so long; default: with the session, or tenant.lock'),
  }),
  result: Tenant,
  refusals: [...tenantRefusals, 'maintenance', 'branchReadOnly', 'tenantBusy'],
  handle: async (call, { name, key: secret, ttlMs, ...scope }) => {
    const tenant = call.lockedTenant({ ...scope, tenant: name })
    const { key, letGo } = await openKey(call.engine.parts, tenant, secret)
    try {
      call.keyring.unlock(key, { ttlMs })
      await catchUp(tenant)
    } catch (error) {
      call.keyring.lock(key.cipher)
      throw error
    } finally {
      letGo()
    }
    return shown(tenant.row)
  },
})

export const lock = method({
  summary: 'Lock an encrypted tenant that this session has unlocked.',
  access: 'edit',
  params: params({ ...branchScope, name }),
  result: Tenant,
  refusals: [...namedTenantRefusals, 'tenantNotEncrypted'],
  handle: (call, { name, ...scope }) => {
    const tenant = call.lockedTenant({ ...scope, tenant: name })
    if (tenant.row.cipher === null) refuseNotEncrypted(tenant)
    call.keyring.lock(tenant.row.cipher)
    return shown(tenant.row)
  },
})

const encryptionRefusals = [...tenantRefusals, ...writeRefusals, 'tenantBusy'] as const

export const encrypt = method({
  summary:
    'Encrypt a tenant. Branches that shared its rows keep them in plain text; the storage medium may keep traces of the old file.',
  access: 'edit',
  params: params({ ...branchScope, name, key: Key.describe('that it has from now on') }),
  result: Tenant,
  refusals: [...encryptionRefusals, 'tenantEncrypted'],
  handle: (call, { name, key, ...scope }) => {
    const tenant = call.lockedTenant({ ...scope, tenant: name })
    if (tenant.row.cipher !== null) {
      const { branch } = tenant
      refuse('tenantEncrypted', { database: branch.database.row.name, branch: branch.name, tenant: tenant.name })
    }
    return withNewKey(call, key, async (key) => shown(await reencrypt(call.engine.parts, tenant, key, call.signal)))
  },
})

export const rekey = method({
  summary:
    'Encrypt a tenant with another key. Who has it unlocked has to unlock it again, but this session; branches that shared its rows keep the old key.',
  access: 'edit',
  params: params({ ...branchScope, name, key: tenantKey, newKey: Key }),
  result: Tenant,
  refusals: encryptionRefusals,
  handle: (call, { name, newKey, ...scope }) => {
    const tenant = call.tenant({ ...scope, tenant: name })
    const { cipher } = tenant.row
    if (cipher === null) refuseNotEncrypted(tenant)
    return withNewKey(call, newKey, async (key) => {
      const row = await reencrypt(call.engine.parts, tenant, key, call.signal)
      call.keyring.replace(cipher, key)
      return shown(row)
    })
  },
})

export const decrypt = method({
  summary: 'Write a tenant in plain text from now on.',
  access: 'edit',
  params: params({ ...branchScope, name, key: tenantKey }),
  result: Tenant,
  refusals: encryptionRefusals,
  handle: async (call, { name, ...scope }) => {
    const tenant = call.tenant({ ...scope, tenant: name })
    if (tenant.row.cipher === null) refuseNotEncrypted(tenant)
    return shown(await reencrypt(call.engine.parts, tenant, null, call.signal))
  },
})

function shown({ name, description, createdAt, fileId, cipher }: TenantRow) {
  return { name, description, createdAt, hasFile: fileId !== null, encrypted: cipher !== null }
}

const TransferFormat = z.enum(['sqlite', 'csv', 'json', 'ndjson'])

const transferParams = {
  ...branchScope,
  name,
  path: z.string().max(4_096).describe('absolute, on the daemon’s machine, outside the project’s .cinchdb'),
  table: TableName.optional().describe('for csv, json and ndjson: the table whose rows the file holds'),
  delimiter: z
    .string()
    .regex(/^[^"\r\n]$/)
    .optional()
    .describe('for csv: the character between fields; default: a comma'),
  quote: z
    .string()
    .regex(/^[^\r\n]?$/)
    .optional()
    .describe('for csv: the character around fields; default: a double quote; empty: none, on import'),
  null: z
    .string()
    .max(100)
    .optional()
    .describe('for csv: the unquoted text that stands for NULL; default: none at all'),
  header: z.boolean().default(true).describe('for csv: whether the first line names the columns'),
}

/** What of the parameters says how csv is read or written. */
function csvStyle({ delimiter, quote, null: nullText, header }: CsvParams) {
  if (delimiter === (quote ?? '"')) {
    refuse('invalidValue', { where: 'quote', reason: 'the same character cannot be between fields and around them' })
  }
  return {
    header,
    ...(delimiter !== undefined && { delimiter }),
    ...(quote !== undefined && { quote }),
    ...(nullText !== undefined && { null: nullText }),
  }
}

interface CsvParams {
  readonly delimiter?: string
  readonly quote?: string
  readonly null?: string
  readonly header: boolean
}

const RowCounts = z.record(z.string(), z.int()).describe('rows by table')

const importTenant = method({
  summary:
    'Import a file, all or nothing. An SQLite file becomes the tenant, its schema the branch’s if that has none; csv, json and ndjson are rows for one table.',
  access: 'edit',
  params: params({
    ...transferParams,
    format: TransferFormat.optional().describe('default: by the file’s extension, else sqlite if it is one'),
    create: z
      .boolean()
      .default(false)
      .describe(
        'for csv, json and ndjson: make the table if there is none, with types that fit every value; it is there when its rows are',
      ),
    columns: z
      .array(z.string().max(200))
      .max(32_767)
      .optional()
      .describe(
        'for csv: the columns, in the order of the fields; default: as the first line names them, or the table has them',
      ),
    encoding: z
      .enum(encodings)
      .optional()
      .describe('of csv, json and ndjson; default: UTF-8, or what a byte order mark says'),
    message: z.string().max(10_000).optional().describe('kept in the history if the schema changes'),
    key: Key.optional().describe(
      'of an encrypted tenant, and of an SQLite file that is encrypted (SQLCipher 4); a tenant that is not is so from then on',
    ),
  }),
  result: z.object({
    rows: RowCounts,
    changeSet: z.string().nullable().describe('null where the schema did not change'),
  }),
  refusals: [
    ...tenantRefusals,
    ...writeRefusals,
    'tenantBusy',
    'fileNotFound',
    'pathRefused',
    'importFailed',
    'schemaMismatch',
    'invalidValue',
    'tableNotFound',
    'invalidName',
    'invalidChange',
    'schemaBroken',
    'tableExists',
    'viewExists',
  ],
  handle: (call, { name, database, branch, columns, delimiter, quote, null: nullText, header, ...options }) => {
    const scope = { database, branch, tenant: name }
    const tenant = call.lockedTenant(scope)
    // A tenant that is not encrypted can still be given a file that is.
    if (tenant.row.cipher !== null) call.tenant({ ...scope, key: options.key })
    const csv = { ...csvStyle({ delimiter, quote, null: nullText, header }), ...(columns && { columns }) }
    const client = call.session.client?.name
    return importFile(call.engine.parts, tenant, { ...options, csv, client }, progressOf(call))
  },
})

const exportTenant = method({
  summary: 'Write a tenant to an SQLite file, or the rows of one of its tables to csv, json or ndjson.',
  access: 'read',
  params: params({
    ...transferParams,
    format: TransferFormat.optional().describe('default: by the file’s extension, else sqlite'),
    overwrite: z.boolean().default(false).describe('replace the file if there is one'),
    key: tenantKey,
    plaintext: z
      .boolean()
      .default(false)
      .describe('of an encrypted tenant: write what anybody can read; else the file is encrypted with its key'),
  }),
  result: z.object({ rows: RowCounts, bytes: z.int() }),
  refusals: [
    ...tenantRefusals,
    'fileNotFound',
    'fileExists',
    'pathRefused',
    'invalidValue',
    'tableNotFound',
    'plaintextRefused',
  ],
  handle: (call, { name, database, branch, key, delimiter, quote, null: nullText, header, ...options }) => {
    if (quote === '') refuse('invalidValue', { where: 'quote', reason: 'without one not every text can be written' })
    const csv = csvStyle({ delimiter, quote, null: nullText, header })
    const tenant = call.tenant({ database, branch, tenant: name, key })
    const beforeWrites = (snapshot: Promise<void>) => call.beforeWrites(snapshot)
    return exportFile(call.engine.parts, tenant, { ...options, csv, beforeWrites }, progressOf(call))
  },
})

export { exportTenant as export, importTenant as import }
