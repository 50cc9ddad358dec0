import type { ParamsOf } from '../client/client.ts'
import { UsageError } from './errors.ts'
import { parseValue } from './values.ts'

export type ColumnSpec = ParamsOf<'column.add'>['column']
type References = NonNullable<ColumnSpec['references']>
type Default = NonNullable<ColumnSpec['default']>

const actions: Readonly<Record<string, NonNullable<References['onDelete']>>> = {
  cascade: 'CASCADE',
  set_null: 'SET NULL',
  set_default: 'SET DEFAULT',
  restrict: 'RESTRICT',
  no_action: 'NO ACTION',
}

const syntax = 'NAME:TYPE[:not_null][:unique][:default=VALUE][:fk=TABLE[.COLUMN][.ACTION]]'

export const columnHelp = `A column is ${syntax}

  TYPE     text integer real blob numeric boolean
  default  a number, true, false, null or a text; 'in quotes' a text with a colon in it,
           (in parentheses) an SQL expression
  ACTION   what becomes of a row whose parent is deleted: cascade set_null set_default restrict no_action

  e.g. email:text:not_null:unique  age:integer:default=0  team_id:text:fk=teams.id.cascade`

/** A column as people write it. */
export function parseColumn(text: string): ColumnSpec {
  // A default in quotes or in parentheses may hold colons.
  const parts = text.match(/default=(?:'(?:[^']|'')*'|\(.*?\))(?=:|$)|[^:]+|(?<=:)(?=:|$)/gs) ?? []
  const [name, type, ...attributes] = parts
  if (name === undefined || type === undefined || type === '' || text.startsWith(':')) {
    throw new UsageError(`column ${text}: a column is ${syntax}`)
  }
  const column: { -readonly [K in keyof ColumnSpec]: ColumnSpec[K] } = { name, type }
  for (const attribute of attributes) {
    if (attribute === 'not_null') column.nullable = false
    else if (attribute === 'nullable') column.nullable = true
    else if (attribute === 'unique') column.unique = true
    else if (attribute.startsWith('default=')) column.default = parseDefault(attribute.slice('default='.length))
    else if (attribute.startsWith('fk=')) column.references = parseReference(attribute.slice('fk='.length))
    else throw new UsageError(`column ${text}: ${attribute || 'nothing'} is no attribute of a column; it is ${syntax}`)
  }
  return column
}

/** A default as people write it: a value, 'a text' in quotes, or (an expression) in parentheses. */
export function parseDefault(text: string): Default {
  if (/^\(.*\)$/s.test(text)) return { sql: text.slice(1, -1) }
  if (/^'.*'$/s.test(text)) return text.slice(1, -1).replaceAll("''", "'")
  const value = parseValue(text)
  if (value === null) return { sql: 'null' }
  // What JSON cannot hold is written as SQL writes it.
  if (typeof value === 'object') return { sql: '$int' in value ? value.$int : text }
  return value
}

/** `TABLE[.COLUMN][.ACTION]` */
export function parseReference(text: string): References {
  const [table = '', second, third, ...more] = text.split('.')
  const isAction = third === undefined && second !== undefined && Object.hasOwn(actions, second)
  const [column, action] = isAction ? [undefined, second] : [second, third]
  const onDelete = action === undefined ? undefined : actions[action.toLowerCase()]
  const isStrange = table === '' || column === '' || more.length > 0 || (action !== undefined && onDelete === undefined)
  if (isStrange) {
    const list = Object.keys(actions).join(' ')
    throw new UsageError(`fk=${text}: a foreign key is TABLE[.COLUMN][.ACTION], with an action of ${list}`)
  }
  return { table, ...(column !== undefined && { column }), ...(onDelete !== undefined && { onDelete }) }
}
