import { cleanName, isSystemColumn, nameFault } from '../../../protocol/names.ts'
import { decodeValue, ValueFault } from '../../../protocol/values.ts'
import type { ColumnSpec, TableSpec } from '../../schema/define.ts'
import { foldName } from '../../schema/sql.ts'
import { integerFromText, realFromText } from './cells.ts'
import type { Fields } from './csv.ts'
import type { JsonRow } from './json.ts'
import type { RecordSink } from './records.ts'
import { type Located, TextFault } from './text.ts'

type Kind = 'boolean' | 'integer' | 'wideInteger' | 'real' | 'blob' | 'text'

/** Finds out what columns a file's records need, by looking at every value. */
export class Inference implements RecordSink {
  readonly #kinds = new Map<string, Set<Kind>>()
  #header: Set<Kind>[] | undefined

  header(names: Located<Fields> | undefined): void {
    this.#header = names?.value.map((name) => this.#column(name ?? ''))
  }

  fields({ value: fields }: Located<Fields>): void {
    this.#header ??= fields.map((_, at) => this.#column(`c${at + 1}`))
    for (const [at, text] of fields.entries()) if (text !== null) this.#header[at]?.add(kindOfText(text))
  }

  object({ line, value: row }: Located<JsonRow>): void {
    for (const [name, value] of Object.entries(row)) {
      const kinds = this.#column(name)
      const kind = kindOfJson(value, line, name)
      if (kind !== undefined) kinds.add(kind)
    }
  }

  /** The table that holds them. Names are made valid where they are not; system columns come in where none is named. */
  table(name: string): TableSpec {
    if (this.#kinds.size === 0) throw new TextFault(1, 'there is nothing to tell the columns from')
    const taken = new Map<string, string>()
    const columns = [...this.#kinds].map(([given, kinds]): ColumnSpec => {
      const column = columnName(given)
      const other = taken.get(foldName(column))
      if (other !== undefined) throw new TextFault(1, `${other} and ${given} would both be column ${column}`, given)
      taken.set(foldName(column), given)
      return { name: column, type: typeOf(kinds) }
    })
    return { name, columns, systemColumns: !columns.some((column) => isSystemColumn(column.name)) }
  }

  #column(name: string): Set<Kind> {
    const known = this.#kinds.get(name)
    if (known) return known
    const kinds = new Set<Kind>()
    this.#kinds.set(name, kinds)
    return kinds
  }
}

/** A column's name in a table that is made for a file. */
export function columnName(given: string): string {
  if (nameFault('column', given) === null) return given
  return cleanName('column', given) ?? cleanName('column', `c_${given}`) ?? given
}

/** Leading zeros and plus signs are part of a text, such as a postal code or a telephone number. */
function kindOfText(text: string): Kind {
  if (/^(\+|-?0\d)/.test(text)) return 'text'
  const integer = integerFromText(text)
  if (integer !== undefined) return typeof integer === 'bigint' ? 'wideInteger' : 'integer'
  return realFromText(text) === undefined ? 'text' : 'real'
}

function kindOfJson(json: unknown, line: number, column: string): Kind | undefined {
  try {
    const value = decodeValue(json)
    if (value === null) return undefined
    if (typeof value === 'boolean') return 'boolean'
    if (typeof value === 'number') return 'real'
    if (typeof value === 'string') return 'text'
    if (typeof value !== 'bigint') return 'blob'
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? 'integer' : 'wideInteger'
  } catch (error) {
    if (error instanceof ValueFault) throw new TextFault(line, error.message, column)
    throw error
  }
}

function typeOf(kinds: ReadonlySet<Kind>): string {
  const isOnly = (...allowed: Kind[]) => kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind))
  if (isOnly('boolean')) return 'BOOLEAN'
  if (isOnly('integer', 'wideInteger')) return 'INTEGER'
  // An integer beyond 2^53 would lose digits as a REAL.
  if (isOnly('integer', 'real')) return 'REAL'
  return isOnly('blob') ? 'BLOB' : 'TEXT'
}
