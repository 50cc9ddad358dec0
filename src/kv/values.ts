import { decodeValue, encodeValue, type SqlValue, ValueFault } from '../../protocol/values.ts'

/** A value of the key-value store: one of SQLite's, or a list or object. A bigint is an INTEGER, a number a REAL. */
export type KvValue = SqlValue | NestedValue

/** A list or object as the text of its JSON. What JSON cannot say is tagged in it as elsewhere on the wire. */
export interface NestedValue {
  readonly json: string
}

export type KvType = 'null' | 'boolean' | 'integer' | 'real' | 'text' | 'bytes' | 'json'

const tags: ReadonlySet<string> = new Set(['$int', '$real', '$blob'])
const maxDepth = 200

/** The value that a JSON value stands for. Throws `ValueFault` for whatever would have to be guessed. */
export function decodeKvValue(value: unknown): KvValue {
  return isNested(value) ? { json: nestedText(value) } : decodeValue(value)
}

/**
 * The JSON text that stands for a value. A whole REAL is tagged here, unlike in rows, which have a column's type beside
 * them: 2.0 must not come back as an integer.
 */
export function kvValueText(value: KvValue): string {
  if (isNestedValue(value)) return value.json
  if (typeof value === 'number' && Number.isInteger(value)) {
    return JSON.stringify({ $real: Object.is(value, -0) ? '-0' : String(value) })
  }
  return JSON.stringify(encodeValue(value))
}

export function kvTypeOf(value: KvValue): KvType {
  switch (typeof value) {
    case 'bigint':
      return 'integer'
    case 'number':
      return 'real'
    case 'string':
      return 'text'
    case 'boolean':
      return 'boolean'
    default:
      if (value === null) return 'null'
      return isNestedValue(value) ? 'json' : 'bytes'
  }
}

export function isNestedValue(value: KvValue): value is NestedValue {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isTagged(value)
}

/** An object of one of the tags alone is a tagged value, at any depth; it is refused if it is none after all. */
function isTagged(value: object): boolean {
  if (Array.isArray(value)) return false
  const names = Object.keys(value)
  return names.length === 1 && tags.has(names[0] as string)
}

function nestedText(value: object): string {
  checkNested(value, 1)
  return JSON.stringify(value, (_, each) => (typeof each === 'number' ? encodeValue(each) : each))
}

function checkNested(value: object, depth: number): void {
  if (depth > maxDepth) throw new ValueFault(`the value is nested more than ${maxDepth} deep`)
  for (const [name, each] of Object.entries(value)) {
    if (!name.isWellFormed()) throw new ValueFault('a name has half of a surrogate pair, which is no character')
    if (isNested(each)) checkNested(each, depth + 1)
    else decodeValue(each)
  }
}
