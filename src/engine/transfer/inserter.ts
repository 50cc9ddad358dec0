import type Database from 'better-sqlite3'
import { isSystemColumn } from '../../../protocol/names.ts'
import { ValueFault } from '../../../protocol/values.ts'
import { Refusal } from '../../base/refusal.ts'
import { refuseSqlError } from '../../query/errors.ts'
import type { Clock } from '../../query/rows.ts'
import { findColumn, type Table } from '../../schema/model.ts'
import { quoteName } from '../../schema/sql.ts'
import { type Bound, type Cell, CellFault, cellOf, fromJson } from './cells.ts'
import type { Fields } from './csv.ts'
import { columnName } from './infer.ts'
import type { JsonRow } from './json.ts'
import type { RecordSink } from './records.ts'
import { type Located, TextFault } from './text.ts'

/** Inserts records into a table, each as it comes. The transaction is the caller's. */
export class Inserter implements RecordSink {
  rows = 0
  readonly #db: Database.Database
  readonly #table: Table
  readonly #clock: Clock
  readonly #now: string
  readonly #inserts = new Map<string, Insert>()
  #header: Insert | undefined

  constructor(db: Database.Database, table: Table, clock: Clock) {
    this.#db = db
    this.#table = table
    this.#clock = clock
    this.#now = clock.now()
  }

  header(names: Located<Fields> | undefined): void {
    if (!names) return
    const columns = names.value.map((name) => name ?? '')
    this.#header = this.#prepare(columns, names.line)
  }

  fields({ line, value: fields }: Located<Fields>): void {
    this.#header ??= this.#prepare(this.#columns(fields.length), line)
    const { cells, params } = this.#header
    if (fields.length !== cells.length) {
      const isBlank = fields.length === 1 && fields[0] === null
      if (isBlank) return
      throw new TextFault(line, `${fields.length} fields where ${cells.length} columns are named`)
    }
    for (let at = 0; at < cells.length; at++) {
      const text = fields[at] as string | null
      try {
        params[at] = text === null ? null : (cells[at] as Cell).fromText(text)
      } catch (error) {
        throw located(error, line, cells[at])
      }
    }
    this.#run(this.#header, line)
  }

  object({ line, value: row }: Located<JsonRow>): void {
    const names = Object.keys(row)
    const shape = names.join('\0')
    let insert = this.#inserts.get(shape)
    if (insert === undefined) {
      insert = this.#prepare(names, line)
      this.#inserts.set(shape, insert)
    }
    for (let at = 0; at < names.length; at++) {
      try {
        insert.params[at] = fromJson(row[names[at] as string])
      } catch (error) {
        throw located(error, line, insert.cells[at])
      }
    }
    this.#run(insert, line)
  }

  /** The columns that so many fields are for, where nobody names them: the table's, with or without those that are kept anyway. */
  #columns(count: number): string[] {
    const all = this.#table.columns.filter(({ generated }) => !generated).map(({ name }) => name)
    const own = this.#table.systemColumns ? all.filter((name) => !isSystemColumn(name)) : all
    return count === own.length ? own : all
  }

  #prepare(names: readonly string[], line: number): Insert {
    const cells = names.map((name) => this.#cell(name, line))
    const columns = cells.map(({ column }) => column.name)
    const twice = columns.find((name, at) => columns.indexOf(name) !== at)
    if (twice !== undefined) throw new TextFault(line, `column ${twice} is named twice`, twice)
    const kept = this.#table.systemColumns ? ['id', 'created_at', 'updated_at'] : []
    const all = [...new Set([...columns, ...kept])]
    const target = quoteName(this.#table.name)
    const sql =
      all.length === 0
        ? `insert into ${target} default values`
        : `insert into ${target} (${all.map(quoteName).join(', ')}) values (${all.map(() => '?').join(', ')})`
    const statement = this.#db.prepare<Bound[]>(sql)
    return { statement, cells, params: all.map(() => null), kept: kept.map((name) => all.indexOf(name)) }
  }

  /** The column that a name of the file means: its own, or the one that was made for it under a clean name. */
  #cell(name: string, line: number): Cell {
    const column = findColumn(this.#table, name) ?? findColumn(this.#table, columnName(name))
    if (!column) throw new TextFault(line, `table ${this.#table.name} has no column ${name}`, name)
    if (column.generated) throw new TextFault(line, `column ${column.name} is computed; leave it out`, name)
    return cellOf(this.#table, column)
  }

  #run({ statement, cells, params, kept }: Insert, line: number): void {
    for (const [which, at] of kept.entries()) {
      const isGiven = at < cells.length && params[at] !== null
      if (!isGiven) params[at] = which === 0 ? this.#clock.ids.next() : this.#now
    }
    try {
      this.rows += statement.run(...params).changes
    } catch (error) {
      throw located(error, line)
    }
  }
}

interface Insert {
  readonly statement: Database.Statement<Bound[]>
  readonly cells: readonly Cell[]
  /** Filled anew for each row. */
  readonly params: Bound[]
  /** Where id, created_at and updated_at stand; none where the table has no system columns. */
  readonly kept: readonly number[]
}

/** The fault with its place, if it is the row's; a failure of the machine as it is. */
function located(error: unknown, line: number, cell?: Cell): unknown {
  if (error instanceof CellFault || error instanceof ValueFault) {
    return new TextFault(line, error.message, cell?.column.name)
  }
  try {
    return refuseSqlError(error)
  } catch (fault) {
    const reason = fault instanceof Refusal ? fault.data.reason : undefined
    const isOfRow = fault instanceof Refusal && ['constraintFailed', 'sqlError', 'invalidValue'].includes(fault.kind)
    return isOfRow ? new TextFault(line, String(reason)) : fault
  }
}
