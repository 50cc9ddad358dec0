import * as z from 'zod'
import { BranchName, DatabaseName, TenantName } from '../../protocol/names.ts'
import { isCompatible, productVersion, protocolVersion } from '../../protocol/version.ts'
import { refuse } from '../base/refusal.ts'
import { branchScope, method, params } from './method.ts'

const Scope = z.object({ database: DatabaseName, branch: BranchName, tenant: TenantName }).meta({ id: 'Scope' })

const scopeShape = { ...branchScope, tenant: TenantName.optional().describe('default: the session’s, then main') }

/** What this daemon can do, by name, for clients that work with more than one version. */
const capabilities = [
  'batch',
  'cancel',
  'progress',
  'schema',
  'rows',
  'query',
  'transactions',
  'cursors',
  'streaming',
  'kv',
  'codegen',
  'import',
  'export',
  'plugins',
  'encryption',
]

export const initialize = method({
  summary: 'Say who is calling and agree on a protocol version. Optional for a client that takes every default.',
  access: 'session',
  // Libraries made for editors send more than this, in the manner of LSP: what is not known here is passed over.
  params: z.looseObject({
    client: z.strictObject({ name: z.string().max(200), version: z.string().max(100).optional() }).optional(),
    protocolVersion: z.string().max(20).optional(),
    scope: z.strictObject(scopeShape).optional(),
  }),
  result: z.object({
    server: z.object({ name: z.string(), version: z.string() }),
    protocolVersion: z.string(),
    capabilities: z.array(z.string()),
    project: z.object({ path: z.string() }),
  }),
  refusals: ['versionMismatch'],
  handle: ({ session, engine }, { client, protocolVersion: wanted, scope }) => {
    if (wanted !== undefined && !isCompatible(wanted)) {
      refuse('versionMismatch', { client: wanted, daemon: protocolVersion })
    }
    session.client = client ?? session.client
    session.scope = { ...session.scope, ...scope }
    return {
      server: { name: 'cinchd', version: productVersion },
      protocolVersion,
      capabilities,
      project: { path: engine.parts.layout.project },
    }
  },
})

export const ping = method({
  summary: 'Answer, and do nothing.',
  access: 'session',
  params: params({}),
  result: z.object({}),
  refusals: [],
  handle: () => ({}),
})

export const shutdown = method({
  summary: 'Say that no more work follows; the notification `exit` then ends the connection.',
  access: 'session',
  params: params({}),
  result: z.null(),
  refusals: [],
  handle: () => null,
})

export const setScope = method({
  summary: 'Set where calls of this session go that name no database, branch or tenant.',
  access: 'session',
  params: params(scopeShape),
  result: Scope,
  refusals: ['databaseNotFound', 'branchNotFound', 'tenantNotFound'],
  handle: (call, { database, branch, tenant }) => {
    const scope = {
      database: database ?? call.session.scope.database,
      branch: branch ?? call.session.scope.branch,
      tenant: tenant ?? call.session.scope.tenant,
    }
    call.lockedTenant(scope)
    call.session.scope = scope
    return scope
  },
})
