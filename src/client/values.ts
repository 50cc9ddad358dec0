/** A value as SQLite holds it. An INTEGER beyond 2^53 is a bigint, a smaller one a number; a BLOB is bytes. */
export type Value = null | boolean | number | bigint | string | Uint8Array

/** A value that is sent. A whole number is sent as an INTEGER: `real(2)` is the REAL. */
export type ValueInput = Value | Real

/** A value of the key-value store: any JSON, with the values of SQLite in it. */
export type KvValue = Value | readonly KvValue[] | { readonly [name: string]: KvValue }
export type KvValueInput = ValueInput | readonly KvValueInput[] | { readonly [name: string]: KvValueInput }

/** A row: column name → value. */
export interface Row {
  [column: string]: Value
}
export interface RowInput {
  readonly [column: string]: ValueInput | undefined
}

/** A primary key: its value, or an object of its columns where it has several. */
export type Key = ValueInput | { readonly [column: string]: ValueInput }

/** A condition: `{ age: { gte: 18 }, name: 'Ada' }`. Operators: eq ne gt gte lt lte like in notIn between isNull; and, or, not. */
export interface Where {
  readonly [column: string]: unknown
}

/** What a statement is given: by position, or by name without the leading `:`, `@` or `$`. */
export type StatementParams = readonly ValueInput[] | { readonly [name: string]: ValueInput }

/** A column of a result. `type` is the declared one, null for an expression. */
export interface ResultColumn {
  readonly name: string
  readonly type: string | null
}

/** A number that is sent as a REAL even where it is whole. */
export class Real {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A number that is sent as a REAL even where it is whole. A column declared REAL does not need it. */
export function real(value: number): Real {
  return new Real(value)
}

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n

/** In what describes a schema, a value is a definition and goes as plain JSON; so does what a plugin's method takes. */
export function isPlain(method: string): boolean {
  return /^(branch|column|index|plugin|schema|table|view)\./.test(method)
}

/** Parameters as JSON holds them; what it cannot hold is tagged. Throws `TypeError` or `RangeError` for what is no value. */
export function encode(value: unknown, tagged: boolean): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return encodeNumber(value, tagged)
    case 'bigint':
      return encodeInteger(value, tagged)
    case 'object':
      return value === null ? null : encodeObject(value, tagged)
    default:
      throw new TypeError(`${typeof value} is no value: null, boolean, number, bigint, string and Uint8Array are`)
  }
}

function encodeNumber(value: number, tagged: boolean): unknown {
  if (Number.isNaN(value)) throw new RangeError('SQLite has no NaN')
  const isPlainNumber = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
  if (isPlainNumber && !Object.is(value, -0)) return value
  if (tagged) return tag('$real', value)
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot stand here; give it as an SQL expression`)
  return value
}

function encodeInteger(value: bigint, tagged: boolean): unknown {
  if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value)
  if (value < minInt64 || value > maxInt64) throw new RangeError(`${value} is beyond 64 bits`)
  if (!tagged) throw new RangeError(`${value} cannot stand here; give it as an SQL expression`)
  return { $int: String(value) }
}

function encodeObject(value: object, tagged: boolean): unknown {
  if (Array.isArray(value)) return value.map((each) => encode(each, tagged))
  if (value instanceof Real) {
    if (Number.isNaN(value.value)) throw new RangeError('SQLite has no NaN')
    return tagged ? tag('$real', value.value) : value.value
  }
  if (value instanceof Uint8Array) {
    if (!tagged) throw new TypeError('bytes cannot stand here; give them as an SQL expression')
    return { $blob: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`a ${prototype.constructor?.name} is no value; of a Date, toISOString() is`)
  }
  const encoded = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([name, each]) => [name, encode(each, tagged)])
  return Object.fromEntries(encoded)
}

function tag(name: '$real', value: number): unknown {
  return { [name]: Object.is(value, -0) ? '-0' : String(value) }
}

/** A result with every tagged value as it is in JavaScript. Lists and objects are changed in place. */
export function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      if (typeof value[at] === 'object') value[at] = decode(value[at])
    }
    return value
  }
  const names = Object.keys(value)
  const [first] = names
  if (names.length === 1 && first?.startsWith('$')) return untag(first, value as { [name: string]: unknown })
  for (const name of names) {
    const each = (value as { [name: string]: unknown })[name]
    if (typeof each !== 'object' || each === null) continue
    const decoded = decode(each)
    // To set `__proto__` would be to set the object's prototype.
    if (decoded !== each) Object.defineProperty(value, name, { value: decoded, enumerable: true, writable: true })
  }
  return value
}

function untag(name: string, tagged: { [name: string]: unknown }): unknown {
  const text = tagged[name]
  if (typeof text === 'string') {
    if (name === '$int') return BigInt(text)
    if (name === '$real') return Number(text)
    if (name === '$blob') return new Uint8Array(Buffer.from(text, 'base64'))
  }
  tagged[name] = decode(text)
  return tagged
}
