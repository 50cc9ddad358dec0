import * as z from 'zod'
import { BranchName, DatabaseName, TenantName } from '../../protocol/names.ts'
import { decodeValue, isPlainObject, type SqlValue, ValueFault } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import type { Branch } from '../engine/branch.ts'
import type { Progress } from '../engine/edit.ts'
import type { Engine } from '../engine/engine.ts'
import type { Keyring } from '../engine/keys.ts'
import type { Place } from '../engine/sql.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { Transaction } from '../engine/transactions.ts'
import type { Plugins } from '../plugins/plugins.ts'
import type { Params, ReadLimits } from '../query/execute.ts'
import type { StatementWatch } from '../query/watch.ts'
import type { RunningCall } from '../rpc/call.ts'
import type { Method } from '../rpc/contract.ts'
import type { Secret } from '../storage/cipher.ts'
import type { Stats } from './stats-values.ts'

/** What a handler reaches besides its parameters. */
export interface Call extends RunningCall, StatementWatch {
  readonly engine: Engine
  readonly daemon: DaemonControl
  /** The branch that the parameters name, or else the session's. */
  branch(scope: { database?: string; branch?: string }): Branch
  /** The same of a tenant. An encrypted one has to be unlocked by the session, or the scope to have its key. */
  tenant(scope: TenantScope): Tenant
  /** The same, locked or not: for what looks at none of its rows. */
  lockedTenant(scope: TenantScope): Tenant
  /** The session's open transaction of this id. */
  transaction(id: string): Transaction
  /** The transaction that the parameters name, or else the tenant. */
  place(scope: TenantScope & { readonly transaction?: string }): Place
  /** What the session has unlocked. */
  readonly keyring: Keyring
}

export interface TenantScope {
  readonly database?: string
  readonly branch?: string
  readonly tenant?: string
  /** Of an encrypted tenant. */
  readonly key?: Secret
}

/** What methods may ask of the daemon around them. */
export interface DaemonControl {
  /** Stop in good order, once this call is answered. */
  stop(): void
  discover(): object
  stats(): z.input<typeof Stats>
  readonly plugins: Plugins
}

/** Declare a method. Its file and export name are its name on the wire. */
export function method<P extends z.ZodType, R extends z.ZodType>(declared: Method<Call, P, R>): Method<Call, P, R> {
  return declared
}

/** Parameters of a method: these, and what every method takes. A name that is none of them is refused. */
export function params<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject({ ...shape, ...everywhere })
}

const maxPassphrase = 4_096

export const everywhere = {
  timeoutMs: z.int().positive().max(600_000).optional().describe('give up after so many milliseconds'),
  progressToken: z.union([z.string(), z.int()]).optional().describe('send $/progress with this token'),
}

export const branchScope = {
  database: DatabaseName.optional().describe('default: the session’s, then main'),
  branch: BranchName.optional().describe('default: the session’s, then main'),
}

/** A key of an encrypted tenant, as it goes over the wire. */
export const Key = z
  .custom<Secret>(isSecret, 'expected a passphrase, or {"raw": 64 hex digits}; a key x\'…\' of SQLCipher is raw')
  .meta({
    id: 'TenantKey',
    anyOf: [
      { type: 'string', minLength: 1, maxLength: maxPassphrase },
      {
        type: 'object',
        properties: { raw: { type: 'string', pattern: '^[0-9a-fA-F]{64}$' } },
        required: ['raw'],
        additionalProperties: false,
      },
    ],
    description: 'a passphrase, or {"raw": "…"}: the 256 bits themselves as hex',
  })

function isSecret(value: unknown): value is Secret {
  // What SQLCipher would not take for a passphrase is none here, so that both open the same file with the same text.
  if (typeof value === 'string') return value !== '' && value.length <= maxPassphrase && !/^x'[0-9a-f]+'$/i.test(value)
  const raw = isPlainObject(value) && Object.keys(value as object).length === 1 && (value as { raw?: unknown }).raw
  return typeof raw === 'string' && /^[0-9a-f]{64}$/i.test(raw)
}

export const tenantKey = Key.optional().describe('of an encrypted tenant, where the session has not unlocked it')

export const tenantScope = {
  ...branchScope,
  tenant: TenantName.optional().describe('default: the session’s, then main'),
  key: tenantKey,
}

/** Parameters of what can be done in a transaction, too. */
export const placeScope = {
  ...tenantScope,
  transaction: z.string().max(100).optional().describe('do it in this transaction, and so in its tenant'),
}

/** What looking for a branch, a tenant, or the rows of one may be refused with. */
export const branchRefusals = ['databaseNotFound', 'branchNotFound'] as const
export const namedTenantRefusals = [...branchRefusals, 'tenantNotFound'] as const
export const tenantRefusals = [...namedTenantRefusals, 'tenantLocked', 'wrongKey', 'tenantNotEncrypted'] as const
export const transactionRefusals = ['transactionNotFound', 'transactionEnded'] as const
export const placeRefusals = [...tenantRefusals, ...transactionRefusals, 'invalidValue'] as const
export const writeRefusals = ['maintenance', 'branchReadOnly'] as const

/** How long work tells the call's client where it is, and is told to stop. */
export function progressOf(call: Call): Progress {
  return { session: call.session, signal: call.signal, report: (value) => call.progress(value) }
}

/** A value of the wire as SQLite takes it; `where` names the place for the refusal. */
export function decode(value: unknown, where: string): SqlValue {
  return decodeBy(decodeValue, value, where)
}

/** The same by another rule, which throws `ValueFault` as `decodeValue` does. */
export function decodeBy<T>(rule: (value: unknown) => T, value: unknown, where: string): T {
  try {
    return rule(value)
  } catch (error) {
    if (error instanceof ValueFault) return refuse('invalidValue', { where, reason: error.message })
    throw error
  }
}

/** A row of the wire as SQLite takes it. */
export function decodeRow(row: { readonly [column: string]: unknown }, where: string): { [column: string]: SqlValue } {
  const decoded: { [column: string]: SqlValue } = Object.create(null)
  for (const column in row) decoded[column] = decode(row[column], `${where}.${column}`)
  return decoded
}

/** Go on with a value that is there, or with one that is on its way. */
export function after<T, R>(value: T | Promise<T>, next: (value: T) => R): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

export const StatementParams = z
  .custom<readonly unknown[] | { readonly [name: string]: unknown }>(
    (value) => Array.isArray(value) || isPlainObject(value),
    'expected a list or an object',
  )
  .default([])
  .meta({
    anyOf: [{ type: 'array' }, { type: 'object' }],
    description: 'values by position, or by name without the leading :, @ or $',
  })

export function decodeParams(given: z.output<typeof StatementParams>): Params {
  if (Array.isArray(given)) return given.map((value, at) => decode(value, `params[${at}]`))
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, decode(value, `params.${name}`)]))
}

/** What is sent as one list is no longer than is configured. */
export function requireBatch(call: Call, list: readonly unknown[]): void {
  const { maxBatch } = call.engine.parts.config.limits
  if (list.length > maxBatch) refuse('limitExceeded', { limit: 'maxBatch', max: maxBatch })
}

/** The limits of a result, as configured and as the call asks. */
export function readLimits(call: Call, maxRows?: number): ReadLimits {
  const { maxResultRows, maxResultBytes } = call.engine.parts.config.limits
  return {
    maxRows: Math.min(maxRows ?? maxResultRows, maxResultRows),
    maxBytes: maxResultBytes,
    deadline: call.deadline,
    watch: call,
  }
}
