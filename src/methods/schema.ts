import * as z from 'zod'
import { describeTable } from '../schema/define.ts'
import { edit, editParams, editRefusals } from './edit.ts'
import { branchRefusals, branchScope, method, params, requireBatch } from './method.ts'
import { ChangeSpec, EditResult, IndexResult, TableResult, ViewResult } from './schema-values.ts'

export const get = method({
  summary: 'Give a branch’s whole schema.',
  access: 'read',
  params: params(branchScope),
  result: z.object({
    head: z.string().describe('the change set it is the schema of'),
    tables: z.array(TableResult),
    indexes: z.array(IndexResult).readonly(),
    views: z.array(ViewResult).readonly(),
    triggers: z.array(z.looseObject({ name: z.string(), table: z.string(), sql: z.string() })).readonly(),
    virtualTables: z.array(z.looseObject({ name: z.string(), module: z.string() })).readonly(),
  }),
  refusals: branchRefusals,
  handle: (call, scope) => {
    const { id, schema } = call.branch(scope).head
    const { indexes, views, triggers, virtualTables } = schema
    const tables = schema.tables.map((table) => ({ ...describeTable(schema, table) }))
    return {
      head: id,
      tables: tables as never,
      indexes: indexes as never,
      views: views as never,
      triggers: triggers as never,
      virtualTables: virtualTables as never,
    }
  },
})

export const apply = method({
  summary: 'Edit a branch’s schema: all changes become visible together, for every tenant, or none does.',
  access: 'edit',
  params: params({ ...editParams, changes: z.array(ChangeSpec).min(1).describe('at most limits.maxBatch') }),
  result: EditResult,
  refusals: editRefusals,
  handle: (call, { changes, ...options }) => {
    requireBatch(call, changes)
    return edit(call, options, changes)
  },
})
