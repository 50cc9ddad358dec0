import { assert } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type { Branch } from '../engine/branch.ts'
import type { Engine } from '../engine/engine.ts'
import type { Place } from '../engine/sql.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { Transaction } from '../engine/transactions.ts'
import type { Call } from '../methods/method.ts'
import { type CallParams, RunningCall } from '../rpc/call.ts'
import type { RequestId, Session } from '../rpc/session.ts'
import type { Daemon } from './daemon.ts'

/** A call with the engine at hand. */
export class DaemonCall extends RunningCall implements Call {
  readonly engine: Engine
  readonly daemon: Daemon
  #tenant: Tenant | undefined

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

  tenant({ database, branch, tenant }: { database?: string; branch?: string; tenant?: string }): Tenant {
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

  place(scope: { database?: string; branch?: string; tenant?: string; transaction?: string }): Place {
    if (scope.transaction === undefined) return this.tenant(scope)
    const transaction = this.transaction(scope.transaction)
    requireSame('tenant', scope.tenant, transaction.tenant.name)
    requireSame('branch', scope.branch, transaction.tenant.branch.name)
    requireSame('database', scope.database, transaction.tenant.branch.database.row.name)
    return transaction
  }
}

/** A call in a transaction need not say where that is; if it does, it has to be right. */
function requireSame(noun: string, given: string | undefined, actual: string): void {
  if (given === undefined || given === actual) return
  refuse('invalidValue', { where: noun, reason: `the transaction is of ${noun} ${actual}` })
}
