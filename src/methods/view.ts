import * as z from 'zod'
import { ViewName } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import { findView } from '../schema/model.ts'
import { edit, editParams, editRefusals } from './edit.ts'
import { branchRefusals, branchScope, method, params } from './method.ts'
import { EditResult, Expression, ViewResult } from './schema-values.ts'

const Select = Expression.describe('one SELECT')

export const create = method({
  summary: 'Create a view.',
  access: 'edit',
  params: params({ ...editParams, name: ViewName, sql: Select }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, sql, ...options }) => edit(call, options, [{ kind: 'createView', name, sql }]),
})

export const update = method({
  summary: 'Give a view another SELECT.',
  access: 'edit',
  params: params({ ...editParams, name: ViewName, sql: Select }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, sql, ...options }) => edit(call, options, [{ kind: 'updateView', name, sql }]),
})

export const list = method({
  summary: 'List the views of a branch.',
  access: 'read',
  params: params(branchScope),
  result: z.object({ views: z.array(ViewResult) }),
  refusals: branchRefusals,
  handle: (call, scope) => ({ views: call.branch(scope).head.schema.views as never }),
})

export const get = method({
  summary: 'Tell about one view.',
  access: 'read',
  params: params({ ...branchScope, name: ViewName }),
  result: ViewResult,
  refusals: [...branchRefusals, 'viewNotFound'],
  handle: (call, { name, ...scope }) =>
    (findView(call.branch(scope).head.schema, name) ?? refuse('viewNotFound', { view: name })) as never,
})

export const drop = method({
  summary: 'Drop a view.',
  access: 'edit',
  params: params({ ...editParams, name: ViewName }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { name, ...options }) => edit(call, options, [{ kind: 'dropView', name }]),
})
