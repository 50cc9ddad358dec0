import * as z from 'zod'
import { ColumnName, TableName } from '../../protocol/names.ts'
import { encodeObjects, isPlainObject, Row } from '../../protocol/values.ts'
import { runQuery } from '../engine/sql.ts'
import type { RowSet } from '../query/execute.ts'
import * as operations from '../query/operations.ts'
import { counting, listing, type RowKey } from '../query/rows.ts'
import type { TableShape } from '../query/table-shape.ts'
import { type Condition, compileWhere, type Where } from '../query/where.ts'
import { JsonText } from '../rpc/contract.ts'
import {
  after,
  type Call,
  decode,
  decodeRows,
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

const OrderBy = z
  .array(z.string().max(200))
  .max(20)
  .default([])
  .describe('column names; a leading - sorts from the greatest to the smallest')

const maxRows = 1_000_000
const readRefusals = [...placeRefusals, 'tableNotFound', 'columnNotFound', 'sqlError'] as const
const changeRefusals = [...readRefusals, ...writeRefusals, 'transactionReadOnly', 'constraintFailed'] as const

export const insert = method({
  summary: 'Insert rows, all or none, and give them back as they are stored.',
  access: 'write',
  params: params({
    ...placeScope,
    table: TableName,
    rows: z.array(Row).min(1).max(maxRows),
    returning: z.enum(['rows', 'none']).default('rows').describe('none: leave out the rows in the answer'),
  }),
  result: z.object({ rows: z.array(Row), count: z.int() }),
  refusals: changeRefusals,
  handle: (call, { table, rows, returning, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const stored = place.change(operations.insert, { shape, rows, returning: returning === 'rows' }, call)
    return stored.then((stored) => ({ rows: objects(stored), count: stored.count }))
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
  summary: 'List rows that meet a condition.',
  access: 'read',
  params: params({
    ...placeScope,
    table: TableName,
    where: WhereParam.optional(),
    orderBy: OrderBy,
    limit: z.int().positive().max(100_000).default(1_000),
    offset: z.int().nonnegative().default(0),
    columns: z.array(ColumnName).max(2_000).optional(),
  }),
  result: z.object({ rows: z.array(Row) }),
  refusals: readRefusals,
  handle: (call, { table, where, orderBy, limit, offset, columns, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const options = {
      where: conditionOf(shape, where),
      orderBy: orderBy.map((text) => ({ column: text.replace(/^-/, ''), descending: text.startsWith('-') })),
      limit,
      offset,
      columns,
    }
    const { sql, params } = listing(shape, options)
    const found = runQuery(place, sql, params, { limits: readLimits(call), asObjects: true, caller: call })
    return after(found, (found) =>
      'rowText' in found ? new JsonText(`{"rows":[${found.rowText}]}`) : { rows: objects(found) },
    )
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
  params: params({ ...placeScope, table: TableName, rows: z.array(Row).min(1).max(maxRows) }),
  result: z.object({ rows: z.array(Row), count: z.int() }),
  refusals: [...changeRefusals, 'rowNotFound', 'notSupported'],
  handle: async (call, { table, rows, ...scope }) => {
    const { place, shape } = at(call, table, scope)
    const stored = await place.change(operations.update, { shape, rows: decodeRows(rows) }, call)
    return { rows: objects(stored), count: rows.length }
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
    return { count: await place.change(operations.remove, { shape, keys }, call) }
  },
})

export { remove as delete }

function at(call: Call, table: string, scope: Parameters<Call['place']>[0]) {
  const place = call.place(scope)
  return { place, shape: place.head.shape(table) }
}

function conditionOf(shape: TableShape, where: z.output<typeof WhereParam> | undefined): Condition | undefined {
  return where && compileWhere(shape, where, (value) => decode(value, 'where'))
}

function decodeKey(id: unknown, where: string): RowKey {
  const isComposite =
    typeof id === 'object' && id !== null && !Array.isArray(id) && !Object.keys(id).some((key) => key.startsWith('$'))
  if (!isComposite) return decode(id, where)
  return Object.fromEntries(Object.entries(id).map(([name, value]) => [name, decode(value, `${where}.${name}`)]))
}

function objects({ columns, rows }: RowSet) {
  return encodeObjects(columns, rows)
}
