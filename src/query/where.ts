import type { SqlValue } from '../../protocol/values.ts'
import { refuse } from '../base/refusal.ts'
import { quoteName } from '../schema/sql.ts'
import { requireColumn, type TableShape } from './table-shape.ts'

/**
 * A condition on rows, as plain data: `{"age": {"gte": 18}, "name": "Ada"}`. Conditions beside each other must all
 * hold; `and`, `or` (lists) and `not` nest. Where a table has a column called `and`, `or` or `not`, write it inside
 * one of them with an operator, as `{"and": [{"not": {"eq": 1}}]}` is always the connective.
 */
export interface Where {
  readonly [columnOrConnective: string]: unknown
}

/** A condition as SQL with its parameters in order. The text depends on the shape alone, so it is prepared once. */
export interface Condition {
  readonly sql: string
  readonly params: SqlValue[]
}

type Operator = (column: string, operand: unknown, params: SqlValue[], decode: Decode) => string
type Decode = (value: unknown) => SqlValue

const maxDepth = 32
/** SQLite takes 32,766 parameters; a statement has some of its own besides. */
const maxParams = 32_000

const comparison =
  (symbol: string): Operator =>
  (column, operand, params, decode) => {
    params.push(decode(operand))
    return `${column} ${symbol} ?`
  }

const listed =
  (negated: boolean): Operator =>
  (column, operand, params, decode) => {
    if (!Array.isArray(operand)) return fault(negated ? 'notIn takes a list' : 'in takes a list')
    for (const each of operand) params.push(decode(each))
    return `${column} ${negated ? 'not in' : 'in'} (${operand.map(() => '?').join(', ')})`
  }

const operators: { readonly [name: string]: Operator } = {
  // `is` holds for null as `=` does not: {"a": null} means what it says.
  eq: comparison('is'),
  ne: comparison('is not'),
  gt: comparison('>'),
  gte: comparison('>='),
  lt: comparison('<'),
  lte: comparison('<='),
  like: comparison('like'),
  in: listed(false),
  notIn: listed(true),
  between: (column, operand, params, decode) => {
    if (!Array.isArray(operand) || operand.length !== 2) return fault('between takes [low, high]')
    params.push(decode(operand[0]), decode(operand[1]))
    return `${column} between ? and ?`
  },
  isNull: (column, operand) => {
    if (typeof operand !== 'boolean') return fault('isNull takes true or false')
    return operand ? `${column} is null` : `${column} is not null`
  },
}

/** Compile a condition for a table. A name that is no column of it, or no operator, is refused. */
export function compileWhere(table: TableShape, where: Where, decode: Decode): Condition {
  const params: SqlValue[] = []
  const sql = conjunction(table, where, params, decode, 0)
  if (params.length > maxParams) refuse('limitExceeded', { limit: 'values in a condition', max: maxParams })
  return { sql, params }
}

function conjunction(table: TableShape, where: unknown, params: SqlValue[], decode: Decode, depth: number): string {
  if (typeof where !== 'object' || where === null || Array.isArray(where)) return fault('a condition is an object')
  if (depth > maxDepth) return fault(`conditions nest at most ${maxDepth} deep`)
  const parts = Object.entries(where).map(([name, operand]) => {
    switch (name) {
      case 'and':
      case 'or':
        if (!Array.isArray(operand)) return fault(`${name} takes a list of conditions`)
        return joined(
          name,
          operand.map((part) => conjunction(table, part, params, decode, depth + 1)),
        )
      case 'not':
        return `not (${conjunction(table, operand, params, decode, depth + 1)})`
      default:
        return columnCondition(quoteName(requireColumn(table, name)), operand, params, decode)
    }
  })
  return joined('and', parts)
}

/** An empty `and` holds for every row, an empty `or` for none. */
function joined(connective: 'and' | 'or', parts: readonly string[]): string {
  if (parts.length === 0) return connective === 'and' ? '1' : '0'
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(` ${connective} `)})`
}

function columnCondition(column: string, operand: unknown, params: SqlValue[], decode: Decode): string {
  const isTagged = typeof operand === 'object' && operand !== null && Object.keys(operand).some((key) => key[0] === '$')
  if (typeof operand !== 'object' || operand === null || isTagged) {
    params.push(decode(operand))
    return `${column} is ?`
  }
  if (Array.isArray(operand)) return fault('a list needs an operator: {"in": […]}')
  const parts = Object.entries(operand).map(([name, value]) => {
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined
    return operator ? operator(column, value, params, decode) : fault(`${name} is no operator`)
  })
  return joined('and', parts)
}

function fault(reason: string): never {
  return refuse('invalidValue', { where: 'where', reason })
}
