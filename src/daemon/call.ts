import { assert } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type { Branch } from '../engine/branch.ts'
import { openKey, refuseNotEncrypted } from '../engine/encryption.ts'
import type { Engine } from '../engine/engine.ts'
import type { Keyring } from '../engine/keys.ts'
import type { Place } from '../engine/sql.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { Transaction } from '../engine/transactions.ts'
import type { Call, TenantScope } from '../methods/method.ts'
import { type CallParams, Postponed, RunningCall } from '../rpc/call.ts'
import type { RequestId, Session } from '../rpc/session.ts'
import type { Secret } from '../storage/cipher.ts'
import type { Daemon } from './daemon.ts'

/** A call with the engine at hand. */
export class DaemonCall extends RunningCall implements Call {
  readonly engine: Engine
  readonly daemon: Daemon
  #tenant: Tenant | undefined
  /** The keys that it was given itself, and that were right, with what lets go of each. */
  #opened: Map<string, () => void> | undefined

  constructor(engine: Engine, daemon: Daemon, session: Session, id: RequestId, params: CallParams) {
    super(session, id, params)
    this.engine = engine
    this.daemon = daemon
  }

  get slowMs(): number {
    return this.engine.parts.config.slowStatementMs
  }

  slow(sql: string, ms: number, rows: number | null): void {
    assert(this.#tenant, 'a statement ran on no tenant')
    this.daemon.noteSlow(this, this.#tenant, { sql, ms, rows })
  }

  branch({ database, branch }: { database?: string; branch?: string }): Branch {
    const { scope } = this.session
    return this.engine.branch(database ?? scope.database, branch ?? scope.branch)
  }

  tenant(named: TenantScope): Tenant {
    const tenant = this.lockedTenant(named)
    if (tenant.row.cipher !== null || named.key !== undefined) this.#requireKey(tenant, named.key)
    return tenant
  }

  lockedTenant({ database, branch, tenant }: TenantScope): Tenant {
    const { scope } = this.session
    this.#tenant = this.engine.tenant(database ?? scope.database, branch ?? scope.branch, tenant ?? scope.tenant)
    return this.#tenant
  }

  transaction(id: string): Transaction {
    const transaction = this.engine.parts.transactions.get(this.session, id)
    this.#tenant = transaction.tenant
    this.lane = 'process'
    return transaction
  }

  place(scope: TenantScope & { readonly transaction?: string }): Place {
    if (scope.transaction === undefined) return this.tenant(scope)
    const transaction = this.transaction(scope.transaction)
    requireSame('tenant', scope.tenant, transaction.tenant.name)
    requireSame('branch', scope.branch, transaction.tenant.branch.name)
    requireSame('database', scope.database, transaction.tenant.branch.database.row.name)
    if (scope.key !== undefined) this.#requireKey(transaction.tenant, scope.key)
    return transaction
  }

  get keyring(): Keyring {
    return this.daemon.keyring(this.session)
  }

  /** Whether it is about an encrypted tenant. */
  get isSecret(): boolean {
    return this.#tenant !== undefined && this.#tenant.row.cipher !== null
  }

  /** Refuse where neither the call nor its session has the key. */
  #requireKey(tenant: Tenant, secret: Secret | undefined): void {
    const { cipher } = tenant.row
    if (cipher === null) refuseNotEncrypted(tenant)
    if (secret === undefined) {
      if (!this.keyring.has(cipher)) tenant.refuseLocked()
      return
    }
    if (this.#opened?.has(cipher)) return
    const { keys } = this.engine.parts
    const known = keys.known(cipher, secret)
    if (known === undefined) throw new Postponed(this, this.#open(tenant, cipher, secret))
    this.#hold(cipher, keys.hold(known))
  }

  async #open(tenant: Tenant, cipher: string, secret: Secret): Promise<void> {
    const { letGo } = await openKey(this.engine.parts, tenant, secret)
    this.#hold(cipher, letGo)
  }

  /** Have a key until this is answered. */
  #hold(cipher: string, letGo: () => void): void {
    const opened = this.#opened ?? new Map<string, () => void>()
    opened.set(cipher, letGo)
    this.#opened = opened
    this.onEnd = () => {
      for (const letGo of opened.values()) letGo()
    }
  }
}

/** A call in a transaction need not say where that is; if it does, it has to be right. */
function requireSame(noun: string, given: string | undefined, actual: string): void {
  if (given === undefined || given === actual) return
  refuse('invalidValue', { where: noun, reason: `the transaction is of ${noun} ${actual}` })
}
