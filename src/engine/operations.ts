import { decodeValue } from '../../protocol/values.ts'
import * as kv from '../kv/operations.ts'
import * as scans from '../kv/scan.ts'
import { type BatchStatement, runBatch } from '../query/batch.ts'
import { noLimits, type RowSet, type WriteResult } from '../query/execute.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import {
  type Clock,
  deleteRows,
  type GivenRow,
  getRow,
  type Inserted,
  insertRows,
  type RowKey,
  updateRows,
} from '../query/rows.ts'
import type { TableShape } from '../query/table-shape.ts'
import { type Upserted, upsertRows } from '../query/upsert.ts'
import type { Reader, Writer } from '../storage/tenant-file.ts'

/**
 * What can be done to rows and keys, wherever that happens: on the daemon's own connection, or in the process of a transaction. An
 * operation gets all it needs as arguments that can be cloned, and gives a result that can. A table is known to it by its
 * shape, as `shape`.
 */
export type Operation<On, A, R> = (on: On, args: A, clock: Clock) => R

interface OfTable {
  readonly shape: TableShape
}

interface GivenRows extends OfTable {
  /** As the wire has them. */
  readonly rows: readonly GivenRow[]
  readonly returning: boolean
}

export function insert(writer: Writer, { shape, rows, returning }: GivenRows, clock: Clock): Inserted {
  return insertRows(writer, shape, rows, { decode: decodeValue, clock, returning })
}

export function upsert(
  writer: Writer,
  { shape, rows, returning, on }: GivenRows & { readonly on?: readonly string[] },
  clock: Clock,
): Upserted {
  return upsertRows(writer, shape, rows, { decode: decodeValue, clock, returning, on })
}

export function get(reader: Reader, { shape, key }: OfTable & { readonly key: RowKey }): RowSet {
  return getRow(reader, shape, key)
}

export function update(writer: Writer, { shape, rows, returning }: GivenRows, clock: Clock): RowSet {
  return updateRows(writer, shape, rows, { decode: decodeValue, clock, returning })
}

export function remove(writer: Writer, { shape, keys }: OfTable & { readonly keys: readonly RowKey[] }): number {
  return deleteRows(writer, shape, keys)
}

export interface Statements {
  readonly statements: readonly BatchStatement[]
  readonly limits: { readonly maxRows: number; readonly maxBytes: number }
}

export function batch(writer: Writer, { statements, limits }: Statements): WriteResult[] {
  return runBatch(writer, statements, { ...noLimits, ...limits })
}

export function plan(reader: Reader, { sql }: { readonly sql: string }): PlanStep[] {
  return queryPlan(reader, sql)
}

/** Every operation that a transaction can be asked for, by its name there. */
export const operations = {
  'row.insert': insert,
  'row.upsert': upsert,
  'row.get': get,
  'row.update': update,
  'row.delete': remove,
  'query.batch': batch,
  'query.plan': plan,
  'kv.get': kv.get,
  'kv.mget': kv.mget,
  'kv.exists': kv.exists,
  'kv.set': kv.set,
  'kv.mset': kv.mset,
  'kv.delete': kv.remove,
  'kv.increment': kv.increment,
  'kv.expire': kv.expire,
  'kv.persist': kv.persist,
  'kv.ttl': kv.ttl,
  'kv.keys': scans.keys,
  'kv.scan': scans.scan,
  'kv.count': scans.count,
  'kv.size': scans.size,
  'kv.sizes': scans.sizes,
}
