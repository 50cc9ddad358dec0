import type { Branch } from '../engine/branch.ts'
import type { Engine } from '../engine/engine.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { Call, DaemonControl } from '../methods/method.ts'
import { type CallParams, RunningCall } from '../rpc/call.ts'
import type { RequestId, Session } from '../rpc/session.ts'

/** A call with the engine at hand. */
export class DaemonCall extends RunningCall implements Call {
  readonly engine: Engine
  readonly daemon: DaemonControl

  constructor(engine: Engine, daemon: DaemonControl, session: Session, id: RequestId, params: CallParams) {
    super(session, id, params)
    this.engine = engine
    this.daemon = daemon
  }

  branch({ database, branch }: { database?: string; branch?: string }): Branch {
    const { scope } = this.session
    return this.engine.branch(database ?? scope.database, branch ?? scope.branch)
  }

  tenant({ database, branch, tenant }: { database?: string; branch?: string; tenant?: string }): Tenant {
    const { scope } = this.session
    return this.engine.tenant(database ?? scope.database, branch ?? scope.branch, tenant ?? scope.tenant)
  }
}
