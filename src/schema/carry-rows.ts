import { Refusal } from '../base/refusal.ts'
import { evolve } from './apply.ts'
import type { AlterColumn, Change, ColumnAlteration, CopyTable } from './change.ts'
import { freeName } from './diff.ts'
import type { Column, Schema, Table } from './model.ts'
import { findColumn, findTable, isNameTaken } from './model.ts'
import { createTemplate } from './snapshot.ts'
import type { Value } from './sql.ts'
import { columnKey, tableKey } from './things.ts'
import { columnsIn, type Place, translate, Untranslatable } from './translate.ts'

/** A change that was made to a branch, and the schema before it. */
export interface Recorded {
  readonly change: Change
  readonly before: Schema
}

/** Whether rows may come to hold something by it that the schema after it does not tell. */
export function touchesRows(change: Change): boolean {
  if (change.kind === 'copyTable') return change.data
  return change.kind === 'alterColumn' && (change.fill !== undefined || Object.keys(rowsPart(change.to)).length > 0)
}

export interface CarryOptions {
  readonly base: Schema
  readonly ours: Schema
  readonly wanted: Schema
  /** What theirs did since, oldest first. */
  readonly history: readonly Recorded[]
  /** The id that a table or column of theirs has in the others. */
  readonly idOf: (id: string) => string
  readonly newId: () => string
  /** What is to be left as it is. */
  readonly left: ReadonlySet<string>
}

export interface CarriedRows {
  /** Changes of ours, to be made before all others. */
  readonly changes: readonly Change[]
  /** What comes of them; what is new may have another name for now. */
  readonly schema: Schema
  /** Keys of the columns that are filled and the tables that are copied. */
  readonly carried: readonly string[]
  /** Those of which that is not possible. */
  readonly lost: readonly LostRows[]
}

export interface LostRows {
  readonly key: string
  readonly reason: string
}

/**
 * Do to the rows of ours what theirs did to its own, as far as the difference of two schemas does not tell: fill what holds
 * NULL, copy a table with its rows, give an added column the default that it was added with. What theirs named is found by
 * its id, so it may be called otherwise here.
 */
export function carryRows(options: CarryOptions): CarriedRows {
  const carrier = new Carrier(options)
  try {
    for (const recorded of options.history) carrier.carry(recorded)
    return carrier.result
  } finally {
    carrier.close()
  }
}

class Carrier {
  readonly #options: CarryOptions
  readonly #template: ReturnType<typeof createTemplate>
  readonly #changes: Change[] = []
  readonly #carried = new Set<string>()
  readonly #lost = new Map<string, string>()
  /** Columns that theirs added, as they were then, by id. */
  readonly #added = new Map<string, Addition>()
  /** Ids of columns that are altered in a way that their rows show. */
  readonly #altered: ReadonlySet<string>
  /** Ids of the tables that are wanted, and of those from which their rows come. */
  readonly #needed: ReadonlySet<string>
  #schema: Schema

  constructor(options: CarryOptions) {
    this.#options = options
    this.#schema = options.ours
    this.#template = createTemplate(options.ours)
    this.#altered = alteredColumns(options)
    this.#needed = neededTables(options)
  }

  get result(): CarriedRows {
    const { wanted } = this.#options
    const isWanted = (key: string) =>
      wanted.tables.some(
        (table) => key === tableKey(table) || table.columns.some((each) => key === columnKey(table, each)),
      )
    const lost = [...this.#lost].map(([key, reason]) => ({ key, reason })).filter(({ key }) => isWanted(key))
    return { changes: this.#changes, schema: this.#schema, carried: [...this.#carried], lost }
  }

  close(): void {
    this.#template.close()
  }

  carry({ change, before }: Recorded): void {
    if (change.kind === 'addColumn') this.#note(change.table, [change.column], before)
    else if (change.kind === 'alterTable') this.#note(change.table, change.to.columns ?? [], before)
    else if (change.kind === 'alterColumn') this.#alter(change, before)
    else if (change.kind === 'copyTable' && change.data) this.#copy(change, before)
  }

  #note(name: string, columns: readonly Column[], before: Schema): void {
    const table = findTable(before, name)
    if (!table) return
    const { idOf } = this.#options
    for (const column of columns) {
      if (findColumn(table, column.name)) continue
      const id = idOf(column.id)
      this.#added.set(id, { column, place: { schema: before, table } })
      if (this.#altered.has(id)) this.#attempt(columnKey({ id: idOf(table.id) }, { id }), () => this.#add(id))
    }
  }

  /** Make sure that ours has a column that theirs added, and has it as that was added. */
  #add(id: string): void {
    const added = this.#added.get(id)
    const table = added && this.#table(added.place.table)
    if (!table || findById(table.columns, id)) return
    const { name: asAdded, notNullConflict: _, generated, ...column } = added.column
    const isTaken = (name: string) => findColumn(table, name) !== undefined
    const name = findById(findById(this.#options.wanted.tables, table.id)?.columns ?? [], id)?.name ?? asAdded
    const expression = generated && this.#translated(generated.expression, added.place)
    this.#apply({
      kind: 'addColumn',
      table: table.name,
      column: {
        ...column,
        id,
        name: isTaken(name) ? freeName(name, isTaken) : name,
        // What has no default that is the same for every row becomes NOT NULL later, when it is filled.
        nullable: column.nullable || !isConstant(column.default),
        ...(generated && expression !== undefined && { generated: { ...generated, expression } }),
      },
    })
  }

  #alter({ table: tableName, column: name, to, fill }: AlterColumn, before: Schema): void {
    const { idOf, wanted } = this.#options
    const raw = findTable(before, tableName)
    const rawColumn = raw && findColumn(raw, name)
    if (!raw || !rawColumn) return
    // A table that is not in ours has no rows there.
    const table = this.#table(raw)
    if (!table) return
    const id = idOf(rawColumn.id)
    const isAdded = this.#added.has(id)
    const alteration = isAdded ? rowsPart(to) : {}
    this.#attempt(columnKey(table, { id }), () => {
      this.#add(id)
      const column = this.#column(table.id, id)
      if (!column) {
        if (findById(findById(wanted.tables, table.id)?.columns ?? [], id)) throw new Untranslatable('ours dropped it')
        return
      }
      const hasNulls = isAdded || column.nullable
      const value = fill === undefined || !hasNulls ? undefined : this.#valueFor(fill, { schema: before, table: raw })
      if (value === undefined && Object.keys(alteration).length === 0) return
      this.#apply({
        kind: 'alterColumn',
        table: table.name,
        column: column.name,
        to: alteration,
        ...(value !== undefined && { fill: value }),
      })
      this.#carried.add(columnKey(table, { id }))
    })
  }

  #copy({ id: rawId, source: sourceName, table: asMade, columnIds }: CopyTable, before: Schema): void {
    const { base, idOf, newId, wanted } = this.#options
    const [raw, id] = [findTable(before, sourceName), idOf(rawId)]
    if (!raw || !this.#needed.has(id) || findById(this.#schema.tables, id)) return
    this.#attempt(tableKey({ id }), () => {
      if (!this.#table(raw)) {
        // What theirs made itself has no rows.
        if (findById(base.tables, idOf(raw.id)))
          throw new Untranslatable(`ours dropped ${raw.name}, of which it is a copy`)
        return
      }
      for (const [at, column] of raw.columns.entries()) {
        this.#add(idOf(column.id))
        const isWanted = findById(findById(wanted.tables, id)?.columns ?? [], idOf(columnIds[at] ?? ''))
        if (isWanted && !this.#column(idOf(raw.id), idOf(column.id))) {
          throw new Untranslatable(`ours dropped ${column.name} of ${raw.name}, of which it is a copy`)
        }
      }
      const source = this.#table(raw) as Table
      const ids = source.columns.map((column) => {
        const at = raw.columns.findIndex((other) => idOf(other.id) === column.id)
        return at < 0 ? newId() : idOf(columnIds[at] ?? '')
      })
      const isTaken = (name: string) => isNameTaken(this.#schema, name)
      const name = findById(wanted.tables, id)?.name ?? asMade
      const table = isTaken(name) ? freeName(name, isTaken) : name
      this.#apply({ kind: 'copyTable', source: source.name, table, id, columnIds: ids, data: true })
      this.#carried.add(tableKey({ id }))
    })
  }

  #valueFor(fill: Value, place: Place): Value {
    return typeof fill === 'object' && fill !== null ? { sql: this.#translated(fill.sql, place) } : fill
  }

  #translated(sql: string, place: Place): string {
    const { idOf } = this.#options
    for (const { id } of columnsIn(sql, place.table)) this.#add(idOf(id))
    const table = this.#table(place.table) as Table
    try {
      return translate(sql, place, { schema: this.#schema, table }, idOf)
    } catch (error) {
      if (error instanceof Untranslatable) throw new Untranslatable(`${sql}: ${error.message} in ours`)
      throw error
    }
  }

  #attempt(key: string, work: () => void): void {
    if (this.#options.left.has(key)) return
    try {
      work()
    } catch (error) {
      if (!(error instanceof Untranslatable || error instanceof Refusal)) throw error
      if (!this.#lost.has(key)) this.#lost.set(key, reasonOf(error))
    }
  }

  #apply(change: Change): void {
    this.#schema = evolve(this.#template, this.#schema, [change], this.#options.newId).schema
    this.#changes.push(change)
  }

  /** What a table of theirs is in ours now. */
  #table({ id }: Table): Table | undefined {
    return findById(this.#schema.tables, this.#options.idOf(id))
  }

  #column(tableId: string, id: string): Column | undefined {
    return findById(findById(this.#schema.tables, tableId)?.columns ?? [], id)
  }
}

interface Addition {
  readonly column: Column
  /** Where it was added. */
  readonly place: Place
}

/** What of an alteration shows in rows that are there already. */
function rowsPart({ type, default: value }: ColumnAlteration): ColumnAlteration {
  return { ...(type !== undefined && { type }), ...(value !== undefined && { default: value }) }
}

/** By https://www.sqlite.org/lang_altertable.html#altertabaddcol: it is not NULL, and no expression. */
function isConstant(value: string | undefined): boolean {
  return value !== undefined && !/^\(|^null$|^current_(date|time|timestamp)$/i.test(value)
}

function alteredColumns({ history, idOf }: CarryOptions): Set<string> {
  return new Set(
    history.flatMap(({ change, before }) => {
      if (change.kind !== 'alterColumn' || !touchesRows(change)) return []
      const table = findTable(before, change.table)
      const column = table && findColumn(table, change.column)
      return column ? [idOf(column.id)] : []
    }),
  )
}

function neededTables({ history, idOf, wanted }: CarryOptions): Set<string> {
  const needed = new Set(wanted.tables.map(({ id }) => id))
  for (const { change, before } of history.toReversed()) {
    const source = change.kind === 'copyTable' && change.data ? findTable(before, change.source) : undefined
    if (source && change.kind === 'copyTable' && needed.has(idOf(change.id))) needed.add(idOf(source.id))
  }
  return needed
}

function reasonOf(error: Error | Refusal): string {
  if (!(error instanceof Refusal)) return error.message
  const { reason } = error.data
  return typeof reason === 'string' ? reason : `${error.kind} ${JSON.stringify(error.data)}`
}

function findById<T extends { readonly id: string }>(list: readonly T[], id: string): T | undefined {
  return list.find((item) => item.id === id)
}
