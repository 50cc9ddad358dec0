import type { ErrorData } from '../../protocol/errors.ts'
import { Refusal } from '../base/refusal.ts'
import {
  type ForeignKey,
  findIndex,
  findTable,
  isKeyColumn,
  rowidAlias,
  type Schema,
  type Table,
  triggersOf,
} from '../schema/model.ts'
import { normalSql, sameName, tokenize } from '../schema/sql.ts'

type Failed = ErrorData<'constraintFailed'>

/**
 * Tell table and columns of a constraint that failed, where SQLite leaves them out and the schema has but one that it can
 * have been. Any other error comes back as it is.
 *
 * @param written the tables that were written to
 */
export function located(error: unknown, schema: Schema, written: readonly string[]): unknown {
  if (!(error instanceof Refusal) || error.kind !== 'constraintFailed') return error
  const data = error.data as Failed
  if (data.columns !== undefined) return error
  const place = placeOf(data, schema, written)
  return place === undefined ? error : new Refusal('constraintFailed', { ...data, ...place }, { cause: error })
}

/** The tables that a write of the daemon's own to one reaches; none where triggers may lead anywhere. */
export function writtenWith(schema: Schema, table: string): readonly string[] {
  return triggersOf(schema, table).length === 0 ? [table] : []
}

type Place = Pick<Failed, 'table' | 'columns'>

function placeOf({ constraint, name }: Failed, schema: Schema, written: readonly string[]): Place | undefined {
  switch (constraint) {
    case 'unique':
      return name === undefined ? undefined : placeOfIndex(schema, name)
    case 'check':
      return name === undefined ? undefined : placeOfCheck(schema, name)
    case 'foreignKey':
      return placeOfForeignKey(schema, written)
    case 'type':
      return placeOfNumber(schema, written)
    default:
      return written.length === 1 ? { table: written[0] as string } : undefined
  }
}

/** Only the number of a row has a type in a table that is not STRICT. */
function placeOfNumber(schema: Schema, written: readonly string[]): Place | undefined {
  const tables = written.map((name) => findTable(schema, name)).filter((table) => table !== undefined)
  return onlyOne(
    tables.flatMap((table) => {
      const column = rowidAlias(table)
      return column ? [{ table: table.name, columns: [column.name] }] : []
    }),
  )
}

function placeOfIndex(schema: Schema, name: string): Place | undefined {
  const index = findIndex(schema, name)
  const table = index && findTable(schema, index.table)
  if (index === undefined || table === undefined) return undefined
  const columns = index.columns.flatMap((part) => {
    return isKeyColumn(part) ? [part.name] : columnsIn(table, part.expression)
  })
  return { table: table.name, columns: [...new Set(columns)] }
}

/** SQLite tells a CHECK by its name, or else by its text. */
function placeOfCheck(schema: Schema, name: string): Place | undefined {
  const found = schema.tables.flatMap((table) => {
    return table.checks
      .filter((check) => (check.name === undefined ? isSame(check.expression, name) : sameName(check.name, name)))
      .map(({ expression }) => ({ table: table.name, columns: columnsIn(table, expression) }))
  })
  return onlyOne(found)
}

function isSame(expression: string, told: string): boolean {
  return expression === told || normalSql(expression) === normalSql(told)
}

/** Those of the tables themselves, and those that refer to them. */
function placeOfForeignKey(schema: Schema, written: readonly string[]): Place | undefined {
  const isWritten = (name: string) => written.some((other) => sameName(name, other))
  const found = schema.tables.flatMap((table) => {
    const may = ({ table: parent }: ForeignKey) => isWritten(table.name) || isWritten(parent)
    return table.foreignKeys.filter(may).map(({ columns }) => ({ table: table.name, columns: [...columns] }))
  })
  return onlyOne(found)
}

function onlyOne(places: readonly Place[]): Place | undefined {
  return places.length === 1 ? places[0] : undefined
}

function columnsIn(table: Table, expression: string): string[] {
  const words = tokenize(expression).filter(({ kind }) => kind === 'word' || kind === 'name')
  return table.columns.map(({ name }) => name).filter((name) => words.some(({ value }) => sameName(value, name)))
}
