import { assert } from '../base/assert.ts'
import type { Branch } from '../engine/branch.ts'
import type { Engine } from '../engine/engine.ts'
import type { Tenant } from '../engine/tenant.ts'
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
}
