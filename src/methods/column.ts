import * as z from 'zod'
import { ColumnName, TableName } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import { describeTable } from '../schema/define.ts'
import { findTable } from '../schema/model.ts'
import { edit, editParams, editRefusals } from './edit.ts'
import { branchRefusals, branchScope, type Call, method, params } from './method.ts'
import { alteration, ColumnResult, ColumnSpec, EditResult, Fill } from './schema-values.ts'

export const add = method({
  summary: 'Add a column to a table of every tenant.',
  access: 'edit',
  params: params({ ...editParams, table: TableName, column: ColumnSpec }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { table, column, ...options }) => edit(call, options, [{ kind: 'addColumn', table, column }]),
})

export const rename = method({
  summary: 'Rename a column; indexes, views, triggers and foreign keys follow.',
  access: 'edit',
  params: params({ ...editParams, table: TableName, name: ColumnName, newName: ColumnName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { table, name, newName, ...options }) =>
    edit(call, options, [{ kind: 'renameColumn', table, name, newName }]),
})

export const alter = method({
  summary: 'Change a column’s type, nullability, default or constraints; what is not named stays.',
  access: 'edit',
  params: params({ ...editParams, table: TableName, name: ColumnName, ...alteration, fill: Fill.optional() }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { database, branch, dryRun, message, timeoutMs: _, progressToken: __, ...change }) =>
    edit(call, { database, branch, dryRun, message }, [{ kind: 'alterColumn', ...change }]),
})

export const drop = method({
  summary: 'Drop a column with its values in every tenant.',
  access: 'edit',
  params: params({ ...editParams, table: TableName, name: ColumnName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { table, name, ...options }) => edit(call, options, [{ kind: 'dropColumn', table, name }]),
})

export const list = method({
  summary: 'List the columns of a table.',
  access: 'read',
  params: params({ ...branchScope, table: TableName }),
  result: z.object({ columns: z.array(ColumnResult) }),
  refusals: [...branchRefusals, 'tableNotFound'],
  handle: (call, { table, ...scope }) => ({ columns: columnsOf(call, scope, table) as never }),
})

export const get = method({
  summary: 'Tell about one column.',
  access: 'read',
  params: params({ ...branchScope, table: TableName, name: ColumnName }),
  result: ColumnResult,
  refusals: [...branchRefusals, 'tableNotFound', 'columnNotFound'],
  handle: (call, { table, name, ...scope }) => {
    const column = columnsOf(call, scope, table).find((each) => each.name === name)
    return (column ?? refuse('columnNotFound', { table, column: name })) as never
  },
})

function columnsOf(call: Call, scope: { database?: string; branch?: string }, table: string) {
  const { schema } = call.branch(scope).head
  return describeTable(schema, findTable(schema, table) ?? refuse('tableNotFound', { table })).columns
}
