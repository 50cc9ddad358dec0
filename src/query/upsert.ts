import type { SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import type { Writer } from '../storage/tenant-file.ts'
import { prepare } from './errors.ts'
import { bindableValue, type RowSet } from './execute.ts'
import {
  type GivenRow,
  insertSql,
  isOfShape,
  keptColumns,
  refuseRowError,
  requireKey,
  type WriteRowsOptions,
} from './rows.ts'
import { StoredRows } from './stored-rows.ts'
import { quotedColumn, type TableShape } from './table-shape.ts'

export interface UpsertOptions extends WriteRowsOptions {
  /** The columns of a unique key; absent: the primary key. */
  readonly on?: readonly string[]
}

export interface Upserted extends RowSet {
  readonly inserted: number
  /** Rows that were there: also those for which a row named nothing to set. */
  readonly updated: number
}

/**
 * Insert rows, or update those that are there already, told by a unique key. What a row does not name gets its default
 * where it is inserted, and stays as it is where it is updated; so do the primary key and `created_at`.
 */
export function upsertRows(
  writer: Writer,
  table: TableShape,
  rows: readonly GivenRow[],
  { decode, clock, returning, on }: UpsertOptions,
): Upserted {
  const key = uniqueKey(table, on)
  const now = table.systemColumns ? clock.now() : ''
  const stored = new StoredRows(writer, table)
  // SQLite does not say which of the two it did.
  const there = prepare(writer, `select ${table.rowid ?? '1'} from ${quoteName(table.name)} where ${key.condition}`)
  let inserted = 0
  let upsert: Upsert | undefined
  let statement: ReturnType<typeof prepare>['statement'] | undefined
  let at = 0
  let column = ''
  there.statement.safeIntegers(true)
  try {
    for (; at < rows.length; at++) {
      const row = rows[at] as GivenRow
      if (upsert === undefined || statement === undefined || !isOfShape(row, upsert.names)) {
        upsert = writtenUpsert(table, key, Object.keys(row))
        statement = prepare(writer, upsert.sql).statement
      }
      const params: unknown[] = []
      for (column of upsert.names) params.push(bindableValue(decode(row[column])))
      for (const name of upsert.kept) params.push(name === 'id' ? clock.ids.next() : now)
      const values = upsert.keyAt?.map((at) => params[at] as SqlValue)
      const found = values && (there.statement.get(values) as [bigint] | undefined)
      const { lastInsertRowid } = statement.run(params)
      if (found === undefined) inserted++
      if (!returning) continue
      if (table.rowid !== undefined) stored.note(found?.[0] ?? (lastInsertRowid as bigint))
      else if (values) stored.find(key.condition, values)
    }
    return { ...stored.read(), inserted, updated: rows.length - inserted }
  } catch (error) {
    return refuseRowError(error, `rows[${at}].${column}`)
  } finally {
    there.statement.safeIntegers(false)
  }
}

interface UniqueKey {
  readonly columns: readonly string[]
  /** Finds the row that stands in the way of another one. */
  readonly condition: string
}

/** The unique key of these columns, in any order. */
function uniqueKey(table: TableShape, on: readonly string[] | undefined): UniqueKey {
  if (on === undefined) requireKey(table)
  const columns = on ?? table.key
  for (const name of columns) quotedColumn(table, name)
  const key = table.uniqueKeys.find((key) => {
    return key.length === new Set(columns).size && key.every(({ name }) => columns.includes(name))
  })
  if (key === undefined) {
    const keys = table.uniqueKeys.map((key) => key.map(({ name }) => name))
    return refuse('uniqueKeyNotFound', { table: table.name, columns: [...columns], keys })
  }
  const terms = key.map(
    ({ name, collate }) => `${quoteName(name)} = ?${collate ? ` collate ${quoteName(collate)}` : ''}`,
  )
  return { columns: key.map(({ name }) => name), condition: terms.join(' and ') }
}

/** How rows are written that name the same columns in the same order. */
interface Upsert {
  readonly names: readonly string[]
  /** System columns that the rows do not name. */
  readonly kept: readonly string[]
  /** Where among the parameters the unique key is; undefined where SQLite gives each row a new one. */
  readonly keyAt: readonly number[] | undefined
  readonly sql: string
}

function writtenUpsert(table: TableShape, key: UniqueKey, names: readonly string[]): Upsert {
  for (const name of names) quotedColumn(table, name)
  const kept = keptColumns(table, names)
  const columns = [...names, ...kept]
  const missing = key.columns.find((name) => !columns.includes(name) && name !== table.rowidColumn)
  if (missing !== undefined)
    refuse('invalidValue', { where: missing, reason: 'a row does not name it, and is told by it' })
  const stays = new Set([...key.columns, ...table.key, ...(table.systemColumns ? ['created_at', 'updated_at'] : [])])
  const set = names.filter((name) => !stays.has(name))
  const isTouched = table.systemColumns && (set.length > 0 || names.includes('updated_at'))
  const assigned = isTouched ? [...set, 'updated_at'] : set
  const assignments = assigned.map((name) => `${quoteName(name)} = excluded.${quoteName(name)}`).join(', ')
  const action = assigned.length === 0 ? 'nothing' : `update set ${assignments}`
  const target = key.columns.map(quoteName).join(', ')
  const isGiven = key.columns.every((name) => columns.includes(name))
  return {
    names,
    kept,
    keyAt: isGiven ? key.columns.map((name) => columns.indexOf(name)) : undefined,
    sql: `${insertSql(table, columns)} on conflict (${target}) do ${action}`,
  }
}
