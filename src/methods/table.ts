import * as z from 'zod'
import { TableName } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import { describeTable } from '../schema/define.ts'
import { findTable } from '../schema/model.ts'
import { edit, editParams, editRefusals } from './edit.ts'
import { branchRefusals, branchScope, method, params } from './method.ts'
import { EditResult, TableResult, TableSpec } from './schema-values.ts'

export const create = method({
  summary: 'Create a table in every tenant of the branch.',
  access: 'edit',
  params: params({ ...editParams, ...TableSpec.shape }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { database, branch, dryRun, message, timeoutMs: _, progressToken: __, ...table }) =>
    edit(call, { database, branch, dryRun, message }, [{ kind: 'createTable', ...table }]),
})

export const list = method({
  summary: 'List the tables of a branch.',
  access: 'read',
  params: params(branchScope),
  result: z.object({ tables: z.array(TableResult) }),
  refusals: branchRefusals,
  handle: (call, scope) => {
    const { schema } = call.branch(scope).head
    return { tables: schema.tables.map((table) => describeTable(schema, table)) as never }
  },
})

export const get = method({
  summary: 'Tell about one table: columns, keys, constraints, indexes.',
  access: 'read',
  params: params({ ...branchScope, name: TableName }),
  result: TableResult,
  refusals: [...branchRefusals, 'tableNotFound'],
  handle: (call, { name, ...scope }) => {
    const { schema } = call.branch(scope).head
    return describeTable(schema, findTable(schema, name) ?? refuse('tableNotFound', { table: name })) as never
  },
})

export const rename = method({
  summary: 'Rename a table; views, triggers and foreign keys follow.',
  access: 'edit',
  params: params({ ...editParams, name: TableName, newName: TableName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, newName, ...options }) => edit(call, options, [{ kind: 'renameTable', name, newName }]),
})

export const copy = method({
  summary: 'Copy a table with its keys, constraints and indexes, and each tenant’s rows unless data is false.',
  access: 'edit',
  params: params({ ...editParams, source: TableName, name: TableName, data: z.boolean().default(true) }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { source, name, data, ...options }) =>
    edit(call, options, [{ kind: 'copyTable', source, name, data }]),
})

export const drop = method({
  summary: 'Drop a table with its rows in every tenant.',
  access: 'edit',
  params: params({ ...editParams, name: TableName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, ...options }) => edit(call, options, [{ kind: 'dropTable', name }]),
})
