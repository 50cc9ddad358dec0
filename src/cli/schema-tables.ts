import type { ResultOf } from '../client/client.ts'
import type { Output } from './output.ts'
import { valueText } from './values.ts'

type Column = ResultOf<'column.get'>
type Table = ResultOf<'table.get'>
type Index = ResultOf<'index.get'>

/** A table for people: its columns, then its constraints and indexes. */
export function showTable(output: Output, table: Table): void {
  showColumns(output, table.columns)
  const { primaryKey, uniques, checks, indexes, strict, withoutRowid } = table as Table & Details
  const lines = [
    primaryKey.length > 0 ? `primary key (${primaryKey.join(', ')})` : 'no primary key',
    ...uniques.map((columns) => `unique (${columns.join(', ')})`),
    ...checks.map((expression) => `check (${expression})`),
    ...indexes.map((index) => `${index.unique ? 'unique ' : ''}index ${index.name} (${keysOf(index)})`),
    ...(strict ? ['strict'] : []),
    ...(withoutRowid ? ['without rowid'] : []),
  ]
  output.line(`\n${lines.join('\n')}`)
}

export function showColumns(output: Output, columns: readonly Column[]): void {
  output.table(['name', 'type', 'null', 'default', 'more'], columns.map(columnCells))
}

export function showIndexes(output: Output, indexes: readonly Index[]): void {
  output.table(
    ['name', 'table', 'columns', 'unique', 'where'],
    indexes.map((index) => [index.name, index.table, keysOf(index), index.unique ? 'yes' : 'no', index.where ?? '']),
  )
}

/** What `table.get` has beside what its declared result names. */
interface Details {
  readonly primaryKey: readonly string[]
  readonly uniques: readonly (readonly string[])[]
  readonly checks: readonly string[]
  readonly indexes: readonly Index[]
  readonly strict: boolean
  readonly withoutRowid: boolean
}

interface Reference {
  readonly table: string
  readonly column?: string
  readonly onDelete?: string
}

function columnCells(column: Column): unknown[] {
  const { name, type, nullable, primaryKey, unique, check, collate, generated, references, system } = column
  const more = [
    system === true && 'kept by cinch',
    primaryKey === true && 'primary key',
    unique === true && primaryKey !== true && 'unique',
    references !== undefined && referenceText(references as Reference),
    check !== undefined && `check (${check})`,
    collate !== undefined && `collate ${collate}`,
    generated !== undefined && `generated as (${(generated as { expression: string }).expression})`,
  ]
  return [
    name,
    type,
    nullable ? 'yes' : 'no',
    system === true ? '' : defaultText(column.default),
    more.filter(Boolean).join(', '),
  ]
}

function referenceText({ table, column, onDelete }: Reference): string {
  const target = column === undefined ? table : `${table}.${column}`
  const action = onDelete === undefined || onDelete === 'NO ACTION' ? '' : ` on delete ${onDelete.toLowerCase()}`
  return `→ ${target}${action}`
}

/** As `table create` takes it. */
function defaultText(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  if (typeof value === 'object' && value !== null && 'sql' in value) return String(value.sql)
  return valueText(value)
}

function keysOf(index: Index): string {
  const columns = index.columns as readonly { name?: string; expression?: string; descending?: boolean }[]
  return columns
    .map(({ name, expression, descending }) => `${name ?? `(${expression})`}${descending ? ' desc' : ''}`)
    .join(', ')
}
