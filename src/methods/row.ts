import * as z from 'zod'
import { ColumnName, TableName } from '../../protocol/names.ts'
import { encodeObjects, isPlainObject, Row } from '../../protocol/values.ts'
import { located, writtenWith } from '../engine/constraints.ts'
import * as operations from '../engine/operations.ts'
import { execute, type Place, runQuery } from '../engine/sql.ts'
import { deletingWhere, updatingWhere } from '../query/change-where.ts'
import type { RowSet } from '../query/execute.ts'
import { counting, cursorOf, cursorText, listing, shownColumns } from '../query/listing.ts'
import type { RowKey } from '../query/rows.ts'
import type { TableShape } from '../query/table-shape.ts'
import { type Condition, compileNarrowing, compileWhere, type Where } from '../query/where.ts'
import { JsonText } from '../rpc/contract.ts'
import {
  after,
  type Call,
  decode,
  decodeRow,
  method,
  params,
  placeRefusals,
  placeScope,
  readLimits,
  writeRefusals,
} from './method.ts'

const Key = z
  .unknown()
  .meta({ id: 'Key', description: 'the primary key: its value, or an object of its columns where it has several' })

const WhereParam = z.custom<Where>(isPlainObject, 'expected an object').meta({
  id: 'Where',
  type: 'object',
  description:
    '{"age": {"gte": 18}, "name": "Ada"}: all must hold. Operators: eq ne gt gte lt lte like in notIn between isNull; and, or (lists) and not nest',
})

const NarrowingParam = WhereParam.describe('which rows; one that holds for every row by its form is refused')

const OrderBy = z
  .array(z.string().max(200))
  .max(20)
  .default([])
  .describe('column names; a leading - sorts from the greatest to the smallest')

const maxRows = 1_000_000
const readRefusals = [...placeRefusals, 'tableNotFound', 'columnNotFound', 'sqlError'] as const
const changeRefusals = [...readRefusals, ...writeRefusals, 'transactionReadOnly', 'constraintFailed'] as const
const sqlRefusals = ['sqlRefused', 'limitExceeded'] as const

const Rows = z.array(Row).min(1).max(maxRows)
const Returning = z.enum(['rows', 'none']).default('rows').describe('none: leave out the rows in the answer')

export const insert = method({
  summary: 'Insert rows, all or none, and give them back as they are stored.',
  access: 'write',
  params: params({ ...placeScope, table: TableName, rows: Rows, returning: Returning }),
  result: z.object({ rows: z.array(Row), count: z.int() }),
  refusals: changeRefusals,
  handle: (call, { table, rows, returning, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    return place.change(operations.insert, { shape, rows, returning: returning === 'rows' }, call).then(
      (stored) => ({ rows: objects(stored), count: stored.count }),
      (error) => tellWhere(error, place, shape),
    )
  },
})

export const upsert = method({
  summary: 'Insert rows, or update those that are there already, told by a unique key: all or none.',
  access: 'write',
  params: params({
    ...placeScope,
    table: TableName,
    rows: Rows.describe(
      'what a row does not name gets its default where it is inserted, and stays as it is where it is updated',
    ),
    on: z
      .array(ColumnName)
      .min(1)
      .max(100)
      .optional()
      .describe('the columns of a unique key; default: the primary key'),
    returning: Returning,
  }),
  result: z.object({
    rows: z.array(Row),
    count: z.int(),
    inserted: z.int(),
    updated: z.int().describe('rows that were there; their primary key and created_at stay'),
  }),
  refusals: [...changeRefusals, 'uniqueKeyNotFound', 'notSupported'],
  handle: async (call, { table, rows, on, returning, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    try {
      const stored = await place.change(operations.upsert, { shape, rows, on, returning: returning === 'rows' }, call)
      const { inserted, updated } = stored
      return { rows: objects(stored), count: inserted + updated, inserted, updated }
    } catch (error) {
      return tellWhere(error, place, shape)
    }
  },
})

export const get = method({
  summary: 'Get the row with this primary key, or null.',
  access: 'read',
  params: params({ ...placeScope, table: TableName, id: Key }),
  result: z.object({ row: Row.nullable() }),
  refusals: [...readRefusals, 'notSupported'],
  handle: (call, { table, id, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const key = decodeKey(id, 'id')
    return after(place.ask(operations.get, { shape, key }, call), (found) => ({ row: objects(found)[0] ?? null }))
  },
})

export const list = method({
  summary: 'List rows that meet a condition, in order: of the columns asked for, and then of the primary key.',
  access: 'read',
  params: params({
    ...placeScope,
    table: TableName,
    where: WhereParam.optional(),
    orderBy: OrderBy,
    limit: z.int().positive().max(100_000).default(1_000),
    offset: z.int().nonnegative().default(0),
    cursor: z
      .string()
      .max(1024 * 1024)
      .optional()
      .describe('nextCursor of the page before; where and orderBy as there'),
    columns: z.array(ColumnName).max(2_000).optional(),
  }),
  result: z.object({
    rows: z.array(Row),
    nextCursor: z
      .string()
      .optional()
      .describe('there are more rows; they follow this one, whatever is inserted or deleted meanwhile'),
  }),
  refusals: [...readRefusals, 'cursorRefused', 'notSupported'],
  handle: (call, { table, where, limit, ...options }) => {
    const { place, shape } = at(call, table, options)
    const { sql, params, page } = listing(shape, { ...options, where: conditionOf(shape, where), limit })
    const found = runQuery(place, sql, params, {
      limits: readLimits(call, limit),
      asObjects: true,
      page,
      caller: call,
    })
    return after(found, (found) => {
      if ('rowText' in found) {
        const next = found.truncated && found.last ? cursorText(page, found.last) : undefined
        const end = next === undefined ? '' : `,"nextCursor":${JSON.stringify(next)}`
        return new JsonText(`{"rows":[${found.rowText}]${end}}`)
      }
      const last = found.truncated ? found.rows.at(-1) : undefined
      const rows = objects(shownColumns(found, page))
      return last === undefined ? { rows } : { rows, nextCursor: cursorOf(page, last) }
    })
  },
})

export const count = method({
  summary: 'Count the rows that meet a condition.',
  access: 'read',
  params: params({ ...placeScope, table: TableName, where: WhereParam.optional() }),
  result: z.object({ count: z.int() }),
  refusals: readRefusals,
  handle: (call, { table, where, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const { sql, params } = counting(shape, conditionOf(shape, where))
    const found = runQuery(place, sql, params, { limits: readLimits(call), caller: call })
    return after(found, (found) => ({
      count: 'rowText' in found ? JSON.parse(found.rowText)[0] : (found.rows[0]?.[0] as number),
    }))
  },
})

export const update = method({
  summary: 'Update rows, each found by the primary key it carries: all or none. An unknown key is refused.',
  access: 'write',
  params: params({ ...placeScope, table: TableName, rows: Rows, returning: Returning }),
  result: z.object({ rows: z.array(Row), count: z.int() }),
  refusals: [...changeRefusals, 'rowNotFound', 'notSupported'],
  handle: async (call, { table, rows, returning, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    try {
      const stored = await place.change(operations.update, { shape, rows, returning: returning === 'rows' }, call)
      return { rows: objects(stored), count: rows.length }
    } catch (error) {
      return tellWhere(error, place, shape)
    }
  },
})

export const updateWhere = method({
  summary: 'Set columns of every row that meets a condition.',
  access: 'write',
  params: params({
    ...placeScope,
    table: TableName,
    where: NarrowingParam,
    set: Row.describe('column name → value'),
  }),
  result: z.object({ count: z.int() }),
  refusals: [...changeRefusals, 'conditionEmpty', ...sqlRefusals],
  handle: async (call, { table, where, set, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const values = decodeRow(set, 'set')
    const condition = narrowingOf(shape, where)
    const { sql, params } = updatingWhere(shape, condition, values, call.engine.parts.now())
    const { changes } = await execute(place, sql, params, { limits: readLimits(call), caller: call })
    return { count: changes }
  },
})

export const deleteWhere = method({
  summary: 'Delete every row that meets a condition.',
  access: 'write',
  params: params({ ...placeScope, table: TableName, where: NarrowingParam }),
  result: z.object({ count: z.int() }),
  refusals: [...changeRefusals, 'conditionEmpty', ...sqlRefusals],
  handle: async (call, { table, where, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const { sql, params } = deletingWhere(shape, narrowingOf(shape, where))
    const { changes } = await execute(place, sql, params, { limits: readLimits(call), caller: call })
    return { count: changes }
  },
})

const remove = method({
  summary: 'Delete the rows with these primary keys: all or none. An unknown key is refused.',
  access: 'write',
  params: params({ ...placeScope, table: TableName, ids: z.array(Key).min(1).max(maxRows) }),
  result: z.object({ count: z.int() }),
  refusals: [...changeRefusals, 'rowNotFound', 'notSupported'],
  handle: async (call, { table, ids, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const keys = ids.map((id, at) => decodeKey(id, `ids[${at}]`))
    try {
      return { count: await place.change(operations.remove, { shape, keys }, call) }
    } catch (error) {
      return tellWhere(error, place, shape)
    }
  },
})

export { remove as delete }

function at(call: Call, table: string, scope: Parameters<Call['place']>[0]) {
  const place = call.place(scope)
  return { place, shape: place.head.shape(table) }
}

function tellWhere(error: unknown, { head }: Place, { name }: TableShape): never {
  throw located(error, head.schema, writtenWith(head.schema, name))
}

function conditionOf(shape: TableShape, where: z.output<typeof WhereParam> | undefined): Condition | undefined {
  return where && compileWhere(shape, where, (value) => decode(value, 'where'))
}

function narrowingOf(shape: TableShape, where: z.output<typeof WhereParam>): Condition {
  return compileNarrowing(shape, where, (value) => decode(value, 'where'))
}

function decodeKey(id: unknown, where: string): RowKey {
  const isComposite =
    typeof id === 'object' && id !== null && !Array.isArray(id) && !Object.keys(id).some((key) => key.startsWith('$'))
  if (!isComposite) return decode(id, where)
  return Object.fromEntries(Object.entries(id).map(([name, value]) => [name, decode(value, `${where}.${name}`)]))
}

function objects({ columns, rows }: Pick<RowSet, 'columns' | 'rows'>) {
  return encodeObjects(columns, rows)
}
