import * as z from 'zod'
import { IndexName, TableName } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import { findIndex } from '../schema/model.ts'
import { edit, editParams, editRefusals } from './edit.ts'
import { branchRefusals, branchScope, method, params } from './method.ts'
import { EditResult, IndexResult, IndexSpec } from './schema-values.ts'

/** The methods `index.*`. */

export const create = method({
  summary: 'Create an index in every tenant of the branch. A unique one is proved on every tenant’s rows first.',
  access: 'edit',
  params: params({ ...editParams, table: TableName, ...IndexSpec.shape }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { database, branch, dryRun, message, timeoutMs: _, progressToken: __, ...index }) =>
    edit(call, { database, branch, dryRun, message }, [{ kind: 'createIndex', ...index }]),
})

export const list = method({
  summary: 'List the indexes of a branch, or of one table.',
  access: 'read',
  params: params({ ...branchScope, table: TableName.optional() }),
  result: z.object({ indexes: z.array(IndexResult) }),
  refusals: branchRefusals,
  handle: (call, { table, ...scope }) => {
    const { indexes } = call.branch(scope).head.schema
    return { indexes: indexes.filter((index) => table === undefined || index.table === table) as never }
  },
})

export const get = method({
  summary: 'Tell about one index.',
  access: 'read',
  params: params({ ...branchScope, name: IndexName }),
  result: IndexResult,
  refusals: [...branchRefusals, 'indexNotFound'],
  handle: (call, { name, ...scope }) =>
    (findIndex(call.branch(scope).head.schema, name) ?? refuse('indexNotFound', { index: name })) as never,
})

export const drop = method({
  summary: 'Drop an index.',
  access: 'edit',
  params: params({ ...editParams, name: IndexName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, ...options }) => edit(call, options, [{ kind: 'dropIndex', name }]),
})
