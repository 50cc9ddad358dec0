import type { SqlValue } from '../../protocol/values.ts'
import { nearMiss } from '../base/near-miss.ts'
import { refuse } from '../base/refusal.ts'
import { quotedColumn, type TableShape } from './table-shape.ts'

/**
 * A condition on rows, as plain data: `{"age": {"gte": 18}, "name": "Ada"}`. Conditions beside each other must all
 * hold; `and`, `or` (lists) and `not` nest. Where a table has a column called `and`, `or` or `not`, that one is meant by
 * anything that the connective does not take: a value, or an object of operators.
 */
export interface Where {
  readonly [columnOrConnective: string]: unknown
}

/**
 * A condition as SQL with its parameters in order. The text depends on the shape of the condition alone, not on its values
 * and, roughly, not on the length of its lists: so it is judged and prepared once.
 */
export interface Condition {
  readonly sql: string
  readonly params: SqlValue[]
}

/** What holds for every row whatever its values, and for none. */
const always = '1'
const never = '0'

interface Compiler {
  readonly table: TableShape
  readonly params: SqlValue[]
  readonly decode: Decode
  conditions: number
}

type Operator = (column: string, operand: unknown, compiler: Compiler) => string
type Decode = (value: unknown) => SqlValue

const maxDepth = 32
/** SQLite takes 32,766 parameters; a statement has some of its own besides. */
const maxParams = 32_000
/** Each is compiled; SQLite has no limit of its own but that of its text. */
const maxConditions = 5_000

const comparison =
  (symbol: string): Operator =>
  (column, operand, { params, decode }) => {
    params.push(decode(operand))
    return `${column} ${symbol} ?`
  }

const listed =
  (negated: boolean): Operator =>
  (column, operand, { params, decode }) => {
    if (!Array.isArray(operand)) return fault(negated ? 'notIn takes a list' : 'in takes a list')
    if (operand.length === 0) return negated ? always : never
    requireParams(params.length + operand.length)
    for (const each of operand) params.push(decode(each))
    const padded = Math.min(paddedLength(operand.length), maxParams - params.length + operand.length)
    for (let at = operand.length; at < padded; at++) params.push(params.at(-1) as SqlValue)
    return `${column} ${negated ? 'not in' : 'in'} (?${', ?'.repeat(padded - 1)})`
  }

/** A value more than once changes nothing in a list, so lists of about one length are one text to SQLite. */
function paddedLength(length: number): number {
  return length <= 1_024 ? 2 ** Math.ceil(Math.log2(length)) : Math.ceil(length / 1_024) * 1_024
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
  between: (column, operand, { params, decode }) => {
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
  const sql = conjunction({ table, params, decode, conditions: 0 }, where, 0)
  requireParams(params.length)
  return { sql, params }
}

/** A condition that rows are changed by. One that holds for every row by its form, as `{}` or `{"and": []}`, is refused. */
export function compileNarrowing(table: TableShape, where: Where, decode: Decode): Condition {
  const condition = compileWhere(table, where, decode)
  return condition.sql === always ? refuse('conditionEmpty', { table: table.name }) : condition
}

function requireParams(count: number): void {
  if (count > maxParams) refuse('limitExceeded', { limit: 'values in a condition', max: maxParams })
}

function conjunction(compiler: Compiler, where: unknown, depth: number): string {
  if (typeof where !== 'object' || where === null || Array.isArray(where)) return fault('a condition is an object')
  if (depth > maxDepth) return fault(`conditions nest at most ${maxDepth} deep`)
  const start = compiler.params.length
  const parts: string[] = []
  for (const name in where) parts.push(entry(compiler, name, (where as Where)[name], depth))
  return joined(compiler, 'and', parts, start)
}

function entry(compiler: Compiler, name: string, operand: unknown, depth: number): string {
  const { table, params } = compiler
  switch (name) {
    case 'and':
    case 'or': {
      if (!Array.isArray(operand)) {
        if (table.columns.has(name)) break
        return fault(`${name} takes a list of conditions`)
      }
      const start = params.length
      const parts = operand.map((part) => conjunction(compiler, part, depth + 1))
      return joined(compiler, name, parts, start)
    }
    case 'not': {
      if (table.columns.has(name) && !isCondition(operand)) break
      const start = params.length
      const negated = conjunction(compiler, operand, depth + 1)
      if (negated !== always && negated !== never) return `not (${negated})`
      params.length = start
      return negated === always ? never : always
    }
  }
  return columnCondition(compiler, quotedColumn(table, name), operand)
}

/** Whether `not` is the connective before this, also where there is a column of that name. */
function isCondition(operand: unknown): boolean {
  if (typeof operand !== 'object' || operand === null || Array.isArray(operand)) return false
  const names = Object.keys(operand)
  return !names.some((name) => name[0] === '$' || Object.hasOwn(operators, name))
}

/** An empty `and` holds for every row, an empty `or` for none; what such a part decides alone needs no parameters. */
function joined({ params }: Compiler, connective: 'and' | 'or', parts: readonly string[], start: number): string {
  const neutral = connective === 'and' ? always : never
  const decisive = connective === 'and' ? never : always
  if (parts.includes(decisive)) {
    params.length = start
    return decisive
  }
  const open = parts.includes(neutral) ? parts.filter((part) => part !== neutral) : parts
  return open.length === 0 ? neutral : balanced(connective, open, 0, open.length)
}

/** SQLite takes expressions of a limited depth, and a chain of ANDs is as deep as it is long. */
function balanced(connective: 'and' | 'or', parts: readonly string[], from: number, to: number): string {
  if (to - from === 1) return parts[from] as string
  if (to - from <= 64) return `(${parts.slice(from, to).join(` ${connective} `)})`
  const middle = (from + to) >> 1
  return `(${balanced(connective, parts, from, middle)} ${connective} ${balanced(connective, parts, middle, to)})`
}

function columnCondition(compiler: Compiler, column: string, operand: unknown): string {
  if (++compiler.conditions > maxConditions) {
    refuse('limitExceeded', { limit: 'conditions beside each other', max: maxConditions })
  }
  const isTagged = typeof operand === 'object' && operand !== null && Object.keys(operand).some((key) => key[0] === '$')
  if (typeof operand !== 'object' || operand === null || isTagged) {
    compiler.params.push(compiler.decode(operand))
    return `${column} is ?`
  }
  if (Array.isArray(operand)) return fault('a list needs an operator: {"in": […]}')
  const start = compiler.params.length
  const parts = Object.entries(operand).map(([name, value]) => {
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined
    return operator ? operator(column, value, compiler) : refuseOperator(name)
  })
  return joined(compiler, 'and', parts, start)
}

function refuseOperator(name: string): never {
  const meant = nearMiss(name, Object.keys(operators))
  return fault(`${name} is no operator${meant === undefined ? '' : `; ${meant} is one`}`)
}

function fault(reason: string): never {
  return refuse('invalidValue', { where: 'where', reason })
}
