import * as z from 'zod'
import { encodeObjects, encodeRows, Value } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { executeBatch, execute as executeStatement, explain as explainStatement, runQuery } from '../engine/sql.ts'
import type { RowSet } from '../query/execute.ts'
import type { RowText } from '../query/process-lane.ts'
import { JsonText } from '../rpc/contract.ts'
import {
  decodeParams,
  method,
  params,
  placeRefusals,
  placeScope,
  readLimits,
  StatementParams,
  writeRefusals,
} from './method.ts'

const Sql = z
  .string()
  .min(1)
  .max(1024 * 1024)
  .describe('one statement')

const Columns = z
  .array(z.object({ name: z.string(), type: z.string().nullable() }))
  .readonly()
  .meta({ id: 'Columns', description: 'result columns; type is the declared one, null for an expression' })

const Rows = z
  .array(z.union([z.array(Value).readonly(), z.record(z.string(), Value)]))
  .readonly()
  .describe('one array a row, or one object with rowFormat "object"')

const RowFormat = z.enum(['array', 'object']).default('array')

const Mask = z
  .array(z.string().min(1).max(200))
  .min(1)
  .max(1_000)
  .describe(
    'columns whose values are shown as ***: "users.email", or "email" of every table; a statement that does more with one than to show it is refused',
  )

const sqlRefusals = [...placeRefusals, 'sqlError', 'sqlRefused', 'constraintFailed'] as const

export const run = method({
  summary: 'Run one statement that reads.',
  access: 'read',
  params: params({
    ...placeScope,
    sql: Sql,
    params: StatementParams,
    rowFormat: RowFormat,
    maxRows: z.int().positive().optional().describe('cut the result here; at most limits.maxResultRows'),
    mask: Mask.optional(),
  }),
  result: z.object({ columns: Columns, rows: Rows, truncated: z.literal(true).optional() }),
  refusals: [...sqlRefusals, 'maskRefused', 'columnNotFound'],
  handle: (call, { sql, params, rowFormat, maxRows, mask, ...scope }) => {
    const asObjects = rowFormat === 'object'
    const options = { limits: readLimits(call, maxRows), asObjects, mask, caller: call }
    const found = runQuery(call.place(scope), sql, decodeParams(params), options)
    const show = (found: RowSet | RowText) => {
      if (!('rowText' in found)) return asObjects ? shown(found, rowFormat) : shownAsText(found)
      if (asObjects) requireDistinct(found.columns)
      return resultText(found.columns, `[${found.rowText}]`, found.truncated)
    }
    return found instanceof Promise ? found.then(show) : show(found)
  },
})

export const execute = method({
  summary: 'Run one statement that inserts, updates or deletes rows.',
  access: 'write',
  params: params({ ...placeScope, sql: Sql, params: StatementParams, rowFormat: RowFormat }),
  result: z.object({ changes: z.int(), columns: Columns.optional(), rows: Rows.optional() }),
  refusals: [...sqlRefusals, ...writeRefusals, 'transactionReadOnly'],
  handle: (call, { sql, params, rowFormat, ...scope }) => {
    const options = { limits: readLimits(call), caller: call }
    const done = executeStatement(call.place(scope), sql, decodeParams(params), options)
    return done.then(({ changes, returned }) =>
      returned === null ? new JsonText(`{"changes":${changes}}`) : { changes, ...shown(returned, rowFormat) },
    )
  },
})

export const batch = method({
  summary: 'Run several statements in one transaction: all of them or none.',
  access: 'write',
  params: params({
    ...placeScope,
    statements: z
      .array(z.strictObject({ sql: Sql, params: StatementParams }))
      .min(1)
      .max(10_000),
    rowFormat: RowFormat,
  }),
  result: z.object({
    results: z.array(z.object({ changes: z.int(), columns: Columns.optional(), rows: Rows.optional() })),
  }),
  refusals: [...sqlRefusals, ...writeRefusals, 'transactionReadOnly'],
  handle: async (call, { statements, rowFormat, ...scope }) => {
    const decoded = statements.map(({ sql, params }) => ({ sql, params: decodeParams(params) }))
    const results = await executeBatch(call.place(scope), decoded, { limits: readLimits(call), caller: call })
    return {
      results: results.map(({ changes, returned }) =>
        returned === null ? { changes } : { changes, ...shown(returned, rowFormat) },
      ),
    }
  },
})

export const explain = method({
  summary: 'Tell what a statement may do, its query plan, and where it would run.',
  access: 'read',
  params: params({ ...placeScope, sql: Sql }),
  result: z.object({
    kind: z.enum(['read', 'write']),
    reads: z.array(z.string()).describe('tables reached, through views and triggers too'),
    writes: z.array(z.string()),
    lane: z.object({ name: z.string(), reason: z.string() }),
    plan: z.array(z.object({ id: z.int(), parent: z.int(), detail: z.string() })),
  }),
  refusals: sqlRefusals,
  handle: (call, { sql, ...scope }) => explainStatement(call.place(scope), sql, call) as never,
})

/** The columns of a statement, as JSON: they are the same object for every result of it. */
const columnTexts = new WeakMap<RowSet['columns'], string>()

function resultText(columns: RowSet['columns'], rowText: string, truncated: boolean): JsonText {
  let columnText = columnTexts.get(columns)
  if (columnText === undefined) {
    columnText = JSON.stringify(columns)
    columnTexts.set(columns, columnText)
  }
  return new JsonText(`{"columns":${columnText},"rows":${rowText}${truncated ? ',"truncated":true' : ''}}`)
}

function shownAsText({ columns, rows, truncated }: RowSet): JsonText {
  return resultText(columns, JSON.stringify(encodeRows(rows)), truncated)
}

function shown({ columns, rows, truncated }: RowSet, rowFormat: 'array' | 'object') {
  if (rowFormat === 'object') requireDistinct(columns)
  const shaped = rowFormat === 'array' ? encodeRows(rows) : encodeObjects(columns, rows)
  return { columns, rows: shaped as z.input<typeof Rows>, ...(truncated ? { truncated: true as const } : {}) }
}

/** Two columns of one name cannot both be in an object. */
function requireDistinct(columns: RowSet['columns']): void {
  const names = new Set<string>()
  for (const { name } of columns) {
    if (names.has(name)) refuse('invalidValue', { where: 'rowFormat', reason: `two columns are called ${name}` })
    names.add(name)
  }
}
