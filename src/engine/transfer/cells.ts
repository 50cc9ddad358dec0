import { decodeValue, encodeValue, type SqlValue, type WireValue } from '../../../protocol/values.ts'
import type { Column, Table } from '../../schema/model.ts'
import { type Affinity, affinity } from '../../schema/rows.ts'

/** What a value is bound as: booleans are integers to SQLite. */
export type Bound = null | number | bigint | string | Uint8Array

/** A column as its text in CSV and its value in JSON are turned into SQLite's values and back. */
export interface Cell {
  readonly column: Column
  /** Throws `CellFault` for text that is no value of the column's type. */
  fromText(text: string): Bound
  /** `value` as read with integers as bigints. */
  toText(value: SqlValue): string | null
  toJson(value: SqlValue): WireValue
}

/** Why a text is no value of its column. */
export class CellFault extends Error {
  override name = 'CellFault'
}

export function cellOf(table: Table, column: Column): Cell {
  const kind = affinity(table, column)
  const isBoolean = column.type.toUpperCase() === 'BOOLEAN'
  return {
    column,
    fromText: isBoolean
      ? booleanFromText
      : column.type === '' || column.type.toUpperCase() === 'ANY'
        ? asIs
        : readers[kind],
    toText: (value) => toText(isBoolean ? toBoolean(value) : value),
    toJson: (value) => toJson(isBoolean ? toBoolean(value) : value, kind),
  }
}

/** A JSON value as it is bound. Throws `ValueFault`. */
export function fromJson(value: unknown): Bound {
  const decoded = decodeValue(value)
  return typeof decoded === 'boolean' ? (decoded ? 1n : 0n) : decoded
}

const maxInt64 = 2n ** 63n - 1n
const minInt64 = -(2n ** 63n)

const readers: { readonly [kind in Affinity]: (text: string) => Bound } = {
  text: asIs,
  blob: blobFromText,
  real: (text) => realFromText(text) ?? fault(text, 'a number'),
  integer: (text) => integerFromText(text) ?? realFromText(text) ?? fault(text, 'a number'),
  numeric: (text) => integerFromText(text) ?? (isNumericText(text) ? Number(text) : text),
}

function asIs(text: string): string {
  return text
}

/** Whole digits, as far as 64 bits go. */
export function integerFromText(text: string): Bound | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  // A number is bound as REAL, which a column of this affinity turns into the INTEGER it is; that is the quicker way.
  if (text.length < 16) return Number(text)
  const int = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return int <= maxInt64 && int >= minInt64 ? int : undefined
}

/** What SQLite takes for a number, and what is written here for the two that it has no digits for. */
function isNumericText(text: string): boolean {
  return /^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|Infinity)$/.test(text)
}

export function realFromText(text: string): number | undefined {
  if (isNumericText(text)) return Number(text)
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text)
  return infinite ? (infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) : undefined
}

function booleanFromText(text: string): Bound {
  if (/^true$/i.test(text)) return 1n
  if (/^false$/i.test(text)) return 0n
  return readers.numeric(text)
}

function blobFromText(text: string): Bound {
  const blob = Buffer.from(text, 'base64')
  return blob.toString('base64') === text ? blob : fault(text, 'base64')
}

function fault(text: string, wanted: string): never {
  throw new CellFault(`${JSON.stringify(text.length > 50 ? `${text.slice(0, 50)}…` : text)} is not ${wanted}`)
}

function toText(value: SqlValue): string | null {
  if (value === null) return null
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  return Object.is(value, -0) ? '-0.0' : String(value)
}

/** An INTEGER comes as a bigint, so a number is a REAL; it says so where JSON's number would come back as an INTEGER. */
function toJson(value: SqlValue, kind: Affinity): WireValue {
  const isWholeReal = typeof value === 'number' && Number.isInteger(value)
  const staysReal = kind === 'real' && Number.isSafeInteger(value)
  return isWholeReal && !staysReal && !Object.is(value, -0) ? { $real: String(value) } : encodeValue(value)
}

function toBoolean(value: SqlValue): SqlValue {
  return value === 0n ? false : value === 1n ? true : value
}
