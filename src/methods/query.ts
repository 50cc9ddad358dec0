import * as z from 'zod'
import { encodeObjects, encodeRows, Value } from '../../protocol/values.ts'
import {
  executeBatch,
  execute as executeStatement,
  explain as explainStatement,
  type Place,
  passRows,
  type ReadOptions,
  runQuery,
} from '../engine/sql.ts'
import { type Params, type RowSet, requireDistinct } from '../query/execute.ts'
import type { RowText } from '../query/process-lane.ts'
import { JsonText } from '../rpc/contract.ts'
import { fetchHooked, hookFailures, statement } from './hooked.ts'
import {
  type Call,
  decodeParams,
  method,
  params,
  placeRefusals,
  placeScope,
  readLimits,
  requireBatch,
  StatementParams,
  tenantScope,
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

const MaxRows = z.int().positive().optional()

const RowFormat = z.enum(['array', 'object']).default('array')

const Mask = z
  .array(z.string().min(1).max(200))
  .min(1)
  .max(1_000)
  .describe(
    'columns whose values are shown as ***: "users.email", or "email" of every table; a statement that does more with one than to show it is refused',
  )

const Cursor = z.string().max(100).describe('as query.open gave it')

const sqlRefusals = [...placeRefusals, 'sqlError', 'sqlRefused', 'constraintFailed'] as const
const maskRefusals = ['maskRefused', 'columnNotFound'] as const

export const run = statement({
  summary: 'Run one statement that reads.',
  access: 'read',
  params: params({
    ...placeScope,
    sql: Sql,
    params: StatementParams,
    rowFormat: RowFormat,
    maxRows: MaxRows.describe('cut the result here; at most limits.maxResultRows, unless it is streamed'),
    mask: Mask.optional(),
    partialResultToken: z
      .union([z.string(), z.int()])
      .optional()
      .describe(
        'stream the rows, however many: as `$/progress` with this token, each with some `rows` and the first one with `columns`; no more are made than the client reads',
      ),
  }),
  result: z.object({
    columns: Columns,
    rows: Rows,
    truncated: z.literal(true).optional(),
    count: z.int().optional().describe('of the rows that were streamed; `rows` is empty then'),
  }),
  refusals: [...sqlRefusals, ...maskRefusals],
  handle: (call, { sql, params, rowFormat, maxRows, mask, partialResultToken, ...scope }) => {
    const asObjects = rowFormat === 'object'
    if (partialResultToken !== undefined) {
      const options = { limits: unboundLimits(call, maxRows), asObjects, mask, caller: call }
      return stream(call, partialResultToken, call.place(scope), sql, decodeParams(params), options)
    }
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

export const execute = statement({
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

export const batch = statement({
  summary: 'Run several statements in one transaction: all of them or none.',
  access: 'write',
  params: params({
    ...placeScope,
    statements: z
      .array(z.strictObject({ sql: Sql, params: StatementParams }))
      .min(1)
      .describe('at most limits.maxBatch'),
    rowFormat: RowFormat,
  }),
  result: z.object({
    results: z.array(z.object({ changes: z.int(), columns: Columns.optional(), rows: Rows.optional() })),
  }),
  refusals: [...sqlRefusals, ...writeRefusals, 'transactionReadOnly'],
  handle: async (call, { statements, rowFormat, ...scope }) => {
    requireBatch(call, statements)
    const decoded = statements.map(({ sql, params }) => ({ sql, params: decodeParams(params) }))
    const results = await executeBatch(call.place(scope), decoded, { limits: readLimits(call), caller: call })
    return {
      results: results.map(({ changes, returned }) =>
        returned === null ? { changes } : { changes, ...shown(returned, rowFormat) },
      ),
    }
  },
})

export const open = statement({
  summary: 'Open a cursor: run one statement that reads, whose rows come as they are fetched.',
  access: 'read',
  params: params({
    ...tenantScope,
    sql: Sql,
    params: StatementParams,
    rowFormat: RowFormat,
    maxRows: MaxRows.describe('cut the result here; by default it is not cut'),
    idleMs: z
      .int()
      .positive()
      .max(24 * 60 * 60 * 1000)
      .default(60_000)
      .describe('close the cursor when nothing was fetched for so long; limits.maxCursorMs holds all the same'),
    mask: Mask.optional(),
  }),
  result: z.object({ cursor: z.string().describe('for this session alone'), columns: Columns }),
  refusals: [...sqlRefusals, ...maskRefusals],
  handle: async (call, { sql, params, rowFormat, maxRows, idleMs, mask, ...scope }) => {
    const asObjects = rowFormat === 'object'
    const options = { limits: unboundLimits(call, maxRows), asObjects, mask, caller: call, idleMs }
    const { id, columns } = await call.engine.cursors.open(call.tenant(scope), sql, decodeParams(params), options)
    return { cursor: id, columns }
  },
})

export const fetch = method({
  summary:
    'Fetch the next rows of a cursor. Cancelled or late, the call takes none of them, and the cursor stays open.',
  access: 'read',
  params: params({
    cursor: Cursor,
    count: z
      .int()
      .positive()
      .default(1_000)
      .describe('how many; fewer come at the end, and beyond limits.maxResultRows or maxResultBytes'),
  }),
  result: z.object({
    rows: Rows,
    done: z.boolean().describe('there are no more, and the cursor is closed; false: there may be more'),
    truncated: z.literal(true).optional().describe('there were more than maxRows'),
  }),
  refusals: [...sqlRefusals, ...hookFailures, 'cursorNotFound'],
  handle: async (call, { cursor, count }) => {
    const fetch = () => call.engine.cursors.fetch(call.owner, cursor, count, call.signal)
    const { rowText, done, truncated } = await fetchHooked(call, cursor, fetch)
    return new JsonText(`{"rows":[${rowText}],"done":${done}${truncated ? ',"truncated":true' : ''}}`)
  },
})

export const close = method({
  summary: 'Close a cursor, whether all of its rows were fetched or not.',
  access: 'read',
  params: params({ cursor: Cursor }),
  result: z.object({ closed: z.boolean().describe('it was open') }),
  refusals: [],
  handle: (call, { cursor }) => ({ closed: call.engine.cursors.close(call.owner, cursor) }),
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

/** The limits of a result that is not put together: its rows are as many as there are, or as the call asks. */
function unboundLimits(call: Call, maxRows = Number.POSITIVE_INFINITY) {
  return { ...readLimits(call), maxRows }
}

const partRows = Buffer.from('{"rows":[')
const partEnd = Buffer.from(']}')

/** Send rows as they come, as the process wrote them. */
async function stream(
  call: Call,
  token: string | number,
  place: Place,
  sql: string,
  params: Params,
  options: ReadOptions,
) {
  let columns: RowSet['columns'] = []
  let head = partRows
  const { count, truncated } = await passRows(place, sql, params, options, {
    columns: (found) => {
      columns = found
      head = Buffer.from(`{"columns":${JSON.stringify(columns)},"rows":[`)
    },
    rows: (part) => {
      const value = [head, part, partEnd]
      head = partRows
      return call.sendPart(token, value)
    },
  })
  return { columns, rows: [], count, ...(truncated ? { truncated: true as const } : {}) }
}

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
