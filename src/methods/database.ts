import * as z from 'zod'
import { DatabaseName } from '../../protocol/names.ts'
import type { DatabaseRow } from '../catalog/databases.ts'
import { method, params } from './method.ts'

export const Maintenance = z
  .object({ reason: z.string().optional(), since: z.string() })
  .nullable()
  .meta({ id: 'Maintenance', description: 'null, or why and since when every write is refused' })

const Database = z
  .object({ name: DatabaseName, description: z.string().nullable(), createdAt: z.string(), maintenance: Maintenance })
  .meta({ id: 'Database' })

const Description = z.string().max(10_000).optional()

export const create = method({
  summary: 'Create a database, with its branch main.',
  access: 'edit',
  params: params({ name: DatabaseName, description: Description }),
  result: Database,
  refusals: ['invalidName', 'databaseExists', 'folderClash'],
  handle: async ({ engine }, { name, description }) => shown(await engine.createDatabase(name, description ?? null)),
})

export const list = method({
  summary: 'List the databases.',
  access: 'read',
  params: params({}),
  result: z.object({ databases: z.array(Database) }),
  refusals: [],
  handle: ({ engine }) => ({ databases: engine.databases.map(shown) }),
})

export const get = method({
  summary: 'Tell about one database.',
  access: 'read',
  params: params({ name: DatabaseName }),
  result: Database,
  refusals: ['databaseNotFound'],
  handle: ({ engine }, { name }) => shown(engine.database(name).row),
})

const drop = method({
  summary: 'Delete a database with all its branches, tenants and rows. There is no way back.',
  access: 'edit',
  params: params({ name: DatabaseName }),
  result: z.object({}),
  refusals: ['databaseNotFound', 'protected', 'maintenance', 'branchReadOnly'],
  handle: async ({ engine }, { name }) => {
    await engine.deleteDatabase(name)
    return {}
  },
})

export { drop as delete }

export const setMaintenance = method({
  summary: 'Refuse every write to a database, or allow them again. Survives a restart.',
  access: 'edit',
  params: params({ name: DatabaseName, enabled: z.boolean(), reason: z.string().max(1_000).optional() }),
  result: Database,
  refusals: ['databaseNotFound'],
  handle: ({ engine }, { name, enabled, reason }) => {
    engine.setDatabaseMaintenance(name, maintenanceText(enabled, reason, engine.parts.now()))
    return shown(engine.database(name).row)
  },
})

/** A maintenance as the catalog keeps it. */
export function maintenanceText(enabled: boolean, reason: string | undefined, since: string): string | null {
  return enabled ? JSON.stringify({ reason, since }) : null
}

function shown({ name, description, createdAt, maintenance }: DatabaseRow) {
  return { name, description, createdAt, maintenance: maintenance === null ? null : JSON.parse(maintenance) }
}
