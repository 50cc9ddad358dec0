import { nearMiss } from '../base/near-miss.ts'
import { UsageError } from './errors.ts'
import { parseJson, parseValue, splitPair } from './values.ts'

type Where = Record<string, unknown>

const operators: Readonly<Record<string, string>> = {
  eq: 'eq',
  ne: 'ne',
  not: 'ne',
  gt: 'gt',
  gte: 'gte',
  lt: 'lt',
  lte: 'lte',
  like: 'like',
  in: 'in',
  not_in: 'notIn',
  between: 'between',
  is_null: 'isNull',
}

export const whereHelp =
  'COLUMN=VALUE, COLUMN__gte=VALUE (gt gte lt lte like in not not_in between is_null), or a JSON object; all given must hold'

/** The condition that several `--where` make together: all must hold. */
export function parseWhere(conditions: readonly string[] | undefined): Where | undefined {
  if (conditions === undefined || conditions.length === 0) return undefined
  const parts = conditions.map(parseCondition)
  return parts.length === 1 ? parts[0] : { and: parts }
}

function parseCondition(condition: string): Where {
  if (condition.trimStart().startsWith('{')) return parseObject(condition)
  const pair = splitPair(condition)
  if (!pair) throw new UsageError(`--where ${condition}: a condition is ${whereHelp}`)
  const at = pair.name.lastIndexOf('__')
  if (at <= 0) return { [pair.name]: { eq: parseValue(pair.text) } }

  const [column, suffix] = [pair.name.slice(0, at), pair.name.slice(at + 2)]
  const operator = Object.hasOwn(operators, suffix) ? operators[suffix] : undefined
  if (operator === undefined) {
    const hint = `a column called ${pair.name} is written {"${pair.name}": …}`
    throw new UsageError(`--where ${condition}: no operator ${suffix}`, hint, nearMiss(suffix, Object.keys(operators)))
  }
  const isList = operator === 'in' || operator === 'notIn' || operator === 'between'
  return { [column]: { [operator]: isList ? parseList(pair.text) : parseValue(pair.text) } }
}

function parseObject(text: string): Where {
  try {
    return parseJson(text) as Where
  } catch (error) {
    throw new UsageError(`--where is not JSON: ${(error as Error).message}`)
  }
}

/** `1,2,3`, or a JSON array where a value has a comma. */
function parseList(text: string): unknown[] {
  if (text.startsWith('[')) {
    try {
      const list = parseJson(text)
      if (Array.isArray(list)) return list
    } catch {
      // It is a text that starts with a bracket.
    }
  }
  return text === '' ? [] : text.split(',').map((value) => parseValue(value))
}
