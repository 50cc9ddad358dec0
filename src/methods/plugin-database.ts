import { encodeRows } from '../../protocol/values.ts'
import type { Caller } from '../engine/caller.ts'
import type { Engine } from '../engine/engine.ts'
import { execute, executeBatch, explain, runQuery } from '../engine/sql.ts'
import type { Tenant } from '../engine/tenant.ts'
import type { QueryResult } from '../plugins/definition.ts'
import type { Hooked, Statement } from '../plugins/hooks.ts'
import type { Plugins } from '../plugins/plugins.ts'
import type { DatabaseRequest, Exempt } from '../plugins/question.ts'
import type { ReadLimits, RowSet, WriteResult } from '../query/execute.ts'
import type { RowText } from '../query/process-lane.ts'
import { decodeParams, StatementParams } from './method.ts'

/** Answer what a plugin in the daemon asks of a tenant. Other plugins see its statements, too. */
export async function answerPlugin(
  engine: Engine,
  { hooks }: Plugins,
  request: DatabaseRequest,
  exempt: Exempt,
): Promise<unknown> {
  const { scope } = request
  const tenant = engine.tenant(scope.database, scope.branch, scope.tenant)
  // A plugin has no keys, and what a session has unlocked is that session's alone.
  if (tenant.row.cipher !== null) tenant.refuseLocked()
  if (request.kind === 'explain') return explain(tenant, request.sql, newCaller())
  const given = request.kind === 'batch' ? request.statements : [request]
  const statements = given.map(
    ({ sql, params = [] }): Statement => ({ sql, params: StatementParams.parse(params) as never }),
  )
  const run = runnerOf(request.kind, tenant, engine)
  if (hooks === undefined) return run(statements).then((results) => (request.kind === 'batch' ? results : results[0]))
  const access = request.kind === 'query' ? 'read' : 'write'
  const hooked: Hooked<readonly QueryResult[]> = {
    scope,
    access,
    rowFormat: 'array',
    statements,
    exempt,
    holdLater: nobodyWaits,
    run: (rewritten = statements) => run(rewritten),
    results: (done) => done,
    withResults: (_, results) => results,
  }
  const results = await hooks.around(hooked)
  return request.kind === 'batch' ? results : results[0]
}

function runnerOf(kind: 'query' | 'execute' | 'batch', tenant: Tenant, engine: Engine) {
  const { maxResultRows: maxRows, maxResultBytes: maxBytes } = engine.parts.config.limits
  const limits: ReadLimits = { maxRows, maxBytes, deadline: Number.POSITIVE_INFINITY }
  const options = { limits, caller: newCaller() }
  return async (statements: readonly Statement[]): Promise<readonly QueryResult[]> => {
    const decoded = statements.map(({ sql, params }) => ({ sql, params: decodeParams(params as never) }))
    const [first] = decoded
    if (first === undefined) return []
    if (kind === 'query') return [shownRead(await runQuery(tenant, first.sql, first.params, options))]
    if (kind === 'execute') return [shownWrite(await execute(tenant, first.sql, first.params, options))]
    return (await executeBatch(tenant, decoded, options)).map(shownWrite)
  }
}

function shownRead(found: RowSet | RowText): QueryResult {
  const rows = 'rowText' in found ? JSON.parse(`[${found.rowText}]`) : encodeRows(found.rows)
  return { columns: found.columns, rows, ...(found.truncated && { truncated: true }) }
}

function shownWrite({ changes, returned }: WriteResult): QueryResult {
  return { changes, ...(returned && shownRead(returned)) }
}

/** What one plugin asks has no order but the one in which it waits. */
const nobodyWaits = () => () => {}

/** Nobody stops what a plugin asks but the limits of every statement, and it has no transaction. */
function newCaller(): Caller {
  return { owner: {}, signal: new AbortController().signal, beforeWrites() {}, beforeAll: nobodyWaits }
}
