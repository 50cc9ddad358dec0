import type { Method, Registry } from '../rpc/contract.ts'
import * as backup from './backup.ts'
import * as branch from './branch.ts'
import * as codegen from './codegen.ts'
import * as column from './column.ts'
import * as daemon from './daemon.ts'
import * as database from './database.ts'
import * as index from './index-of-table.ts'
import * as kv from './kv.ts'
import type { Call } from './method.ts'
import * as plugin from './plugin.ts'
import * as project from './project.ts'
import * as query from './query.ts'
import * as row from './row.ts'
import * as rpc from './rpc.ts'
import * as schema from './schema.ts'
import * as session from './session.ts'
import * as table from './table.ts'
import * as tenant from './tenant.ts'
import * as transaction from './transaction.ts'
import * as view from './view.ts'

/** Methods of the connection itself have no noun before them. */
const { initialize, ping, shutdown, ...sessionMethods } = session

const namespaces = {
  backup,
  branch,
  codegen,
  column,
  daemon,
  database,
  index,
  kv,
  plugin,
  project,
  query,
  row,
  rpc,
  schema,
  session: sessionMethods,
  table,
  tenant,
  transaction,
  view,
}
const bare = { initialize, ping, shutdown }

type Namespaces = typeof namespaces
type Entries = {
  [N in keyof Namespaces & string]: {
    [M in keyof Namespaces[N] & string]: Namespaces[N][M] extends { readonly handle: unknown }
      ? { name: `${N}.${M}`; method: Namespaces[N][M] }
      : never
  }[keyof Namespaces[N] & string]
}[keyof Namespaces & string]

/** Every method's type by its name on the wire: what the typed client is made from. */
export type Methods = { [E in Entries as E['name']]: E['method'] } & typeof bare

/** The same at run time, in the order of their names. */
export const methods: ReadonlyMap<string, Method<Call>> = new Map(
  [
    ...Object.entries(bare),
    ...Object.entries(namespaces).flatMap(([noun, exports]) =>
      Object.entries(exports)
        .filter(([, value]) => isMethod(value))
        .map(([verb, value]) => [`${noun}.${verb}`, value] as const),
    ),
  ].sort(([a], [b]) => (a < b ? -1 : 1)) as unknown as [string, Method<Call>][],
)

export const registry: Registry<Call> = {
  get: (name) => methods.get(name),
  names: () => [...methods.keys()],
}

function isMethod(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'handle' in value
}
