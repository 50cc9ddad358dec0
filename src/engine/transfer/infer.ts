import { cleanName, isSystemColumn, nameFault } from '../../../protocol/names.ts'
import type { ColumnSpec, TableSpec } from '../../schema/define.ts'
import { foldName } from '../../schema/sql.ts'
import { integerFromText, realFromText } from './cells.ts'
import { TextFault } from './text.ts'

type Kind = 'boolean' | 'integer' | 'wideInteger' | 'real' | 'blob' | 'text'

/** What columns a file's rows need, found by looking at every value. */
export class Inference {
  readonly #columns = new Map<string, Set<Kind>>()

  get isEmpty(): boolean {
    return this.#columns.size === 0
  }

  /** The kinds seen in a column so far. */
  column(name: string): Set<Kind> {
    let kinds = this.#columns.get(name)
    if (kinds === undefined) {
      kinds = new Set()
      this.#columns.set(name, kinds)
    }
    return kinds
  }

  /** The table that holds them. Names are made valid where they are not; system columns come in where none is named. */
  table(name: string): TableSpec {
    const names = [...this.#columns.keys()]
    const taken = new Map<string, string>()
    const columns = names.map((given): ColumnSpec => {
      const column = columnName(given)
      const other = taken.get(foldName(column))
      if (other !== undefined) throw new TextFault(1, `both ${other} and ${given} would be column ${column}`, given)
      taken.set(foldName(column), given)
      return { name: column, type: typeOf(this.column(given)) }
    })
    return { name, columns, systemColumns: !columns.some((column) => isSystemColumn(column.name)) }
  }
}

/** A column's name in a table that is made for a file. */
export function columnName(given: string): string {
  if (nameFault('column', given) === null) return given
  return cleanName('column', given) ?? cleanName('column', `c_${given}`) ?? given
}

/** What kind of value a CSV field is. Leading zeros are part of a text, such as a postal code. */
export function kindOfText(text: string): Kind {
  if (/^[+-]?0\d/.test(text) || text.startsWith('+')) return 'text'
  const integer = integerFromText(text)
  if (integer !== undefined) return typeof integer === 'bigint' ? 'wideInteger' : 'integer'
  return /\d/.test(text) && realFromText(text) !== undefined ? 'real' : 'text'
}

export function kindOfValue(value: null | boolean | number | bigint | string | Uint8Array): Kind | undefined {
  switch (typeof value) {
    case 'boolean':
      return 'boolean'
    case 'number':
      return 'real'
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? 'integer' : 'wideInteger'
    case 'string':
      return 'text'
    default:
      return value === null ? undefined : 'blob'
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
