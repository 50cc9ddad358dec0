import * as z from 'zod'

/** A value as SQLite holds it. An INTEGER beyond 2^53 is a bigint, a smaller one a number; a BLOB is a Buffer. */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array

/** A value as JSON holds it. What JSON cannot hold is tagged: `{"$int":"…"}`, `{"$blob":"base64"}`, `{"$real":"Infinity"}`. */
export type WireValue =
  | null
  | boolean
  | number
  | string
  | { readonly $int: string }
  | { readonly $blob: string }
  | { readonly $real: string }

/**
 * The same, as a parameter. Checked by `decodeValue`, not by zod, so that 100,000 rows are walked once.
 */
export const Value = z
  .custom<WireValue>(() => true)
  .meta({
    id: 'Value',
    description:
      'null, true, false, a number, a string, or a tagged value: {"$int": digits} for integers beyond 2^53, {"$blob": base64}, {"$real": "Infinity" | "-Infinity" | "-0" | a number} for what JSON cannot say',
  })

/** A row as an object: column name to value. */
export const Row = z.custom<{ readonly [column: string]: WireValue }>(isPlainObject, 'expected an object').meta({
  id: 'Row',
  type: 'object',
  additionalProperties: { $ref: '#/components/schemas/Value' },
  description: 'column name → value',
})

export function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Why a JSON value is not a value of SQLite. */
export class ValueFault extends Error {
  override name = 'ValueFault'
}

export const minInt64 = -(2n ** 63n)
export const maxInt64 = 2n ** 63n - 1n

/**
 * The SQLite value that a JSON value stands for. An integer comes back as a bigint, which SQLite binds as INTEGER
 * (a number would be bound as REAL). Throws `ValueFault` for whatever would have to be guessed.
 */
export function decodeValue(value: unknown): null | boolean | number | bigint | string | Uint8Array {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new ValueFault('the text has half of a surrogate pair, which is no character')
      return value
    case 'number':
      if (!Number.isInteger(value)) return value
      if (!Number.isSafeInteger(value)) {
        throw new ValueFault('a number beyond 2^53 is not exact in JSON; write {"$int": "…"} or {"$real": "…"}')
      }
      return Object.is(value, -0) ? value : BigInt(value)
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : decodeTagged(value)
    default:
      throw new ValueFault('a value is missing')
  }
}

function decodeTagged(value: object): number | bigint | Uint8Array {
  const entries = Object.entries(value)
  const [tag, text] = entries[0] ?? ['', undefined]
  if (entries.length !== 1 || typeof text !== 'string') {
    throw new ValueFault('arrays and objects are not values; store JSON as text, bytes as {"$blob": base64}')
  }
  switch (tag) {
    case '$int': {
      if (!/^-?\d{1,20}$/.test(text)) throw new ValueFault('$int takes decimal digits')
      const int = BigInt(text)
      if (int < minInt64 || int > maxInt64) throw new ValueFault('$int is beyond 64 bits')
      return int
    }
    case '$real': {
      const isNumber = /^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Infinity)$/.test(text)
      if (!isNumber) throw new ValueFault('$real takes a number, Infinity or -Infinity; SQLite has no NaN')
      return Number(text)
    }
    case '$blob': {
      const blob = Buffer.from(text, 'base64')
      if (blob.toString('base64') !== text) throw new ValueFault('$blob takes base64 (RFC 4648, padded)')
      return blob
    }
    default:
      throw new ValueFault(`unknown tag ${tag}`)
  }
}

/** The JSON value that stands for a value of SQLite. */
export function encodeValue(value: SqlValue): WireValue {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
      if (isPlainNumber(value)) return value
      return { $real: Object.is(value, -0) ? '-0' : String(value) }
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
        ? Number(value)
        : { $int: String(value) }
    case 'boolean':
      return value
    default:
      if (value === null) return null
      return { $blob: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  }
}

/** Rows with every value in its JSON form; rows that need no change are handed back as they are. */
export function encodeRows(rows: readonly (readonly SqlValue[])[]): readonly (readonly WireValue[])[] {
  return rows.map((row) => (row.every(isPlain) ? (row as WireValue[]) : row.map(encodeValue)))
}

/** The same, with each row an object of its columns, whose names differ. */
export function encodeObjects(
  columns: readonly { readonly name: string }[],
  rows: readonly (readonly SqlValue[])[],
): { readonly [column: string]: WireValue }[] {
  return rows.map((row) => {
    const object: { [column: string]: WireValue } = {}
    for (let at = 0; at < columns.length; at++) {
      const { name } = columns[at] as { readonly name: string }
      const value = encodeValue(row[at] as SqlValue)
      // To set this one would be to set the object's prototype.
      if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true })
      else object[name] = value
    }
    return object
  })
}

function isPlain(value: SqlValue): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return isPlainNumber(value)
    default:
      return value === null
  }
}

/**
 * Whether JSON says a number as it is. A whole one beyond 2^53 is a REAL, since integers of that size are bigints, and
 * would be taken for an integer that lost digits.
 */
function isPlainNumber(value: number): boolean {
  if (Number.isInteger(value)) return Number.isSafeInteger(value) && !Object.is(value, -0)
  return Number.isFinite(value)
}
