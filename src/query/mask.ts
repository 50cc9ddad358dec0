/**
 * Masks: columns whose values a result does not show.
 *
 * What a statement does with a column is told by its program, not by the names in its text: so aliases, views, CTEs and
 * subqueries need no care. A value that is only carried to the result is masked there. A statement that does anything
 * else with one is refused, since a part of it might come out elsewhere; so is one that goes through an index, or a
 * table, that lies in the order of the column: the order of the rows would tell of it.
 */

import type { SqlValue } from '../../protocol/values.ts'
import { nearMiss } from '../base/near-miss.ts'
import { refuse } from '../base/refusal.ts'
import { findIndex, findVirtualTable, rowidAlias, type Schema, type Table } from '../schema/model.ts'
import { foldName, quoteName, sameName, tokenize } from '../schema/sql.ts'
import type { Prepared, Statements } from '../storage/statements.ts'
import { prepare, refuseSqlError } from './errors.ts'
import { bindable, type Params } from './execute.ts'
import type { Verdict } from './gate.ts'
import type { Instruction } from './opcodes.ts'
import { fateOf } from './taint.ts'

/** What is shown in place of a value, whatever its type. A null stays one. */
const shownInstead = '***'

/** A statement on the file that it was prepared on. */
export interface Masked {
  readonly reader: { readonly statements: Statements }
  readonly schema: Schema
  readonly prepared: Prepared
  readonly verdict: Verdict
  readonly sql: string
  /** SQLite may look at them when it plans. */
  readonly params: Params
}

/**
 * The columns of the result that have to be masked.
 *
 * @param mask names of columns, each of one table (`users.email`) or of every table that has it (`email`)
 */
export function maskedColumns(statement: Masked, mask: readonly string[]): readonly number[] {
  const columns = columnsOf(statement.schema, mask)
  const { reads } = statement.verdict
  const read = columns.filter(({ table }) => reads.some((name) => sameName(name, table.name)))
  const virtual = reads.map((name) => findVirtualTable(statement.schema, name)).filter((table) => table !== undefined)
  for (const { name, arguments: text } of virtual) {
    const hidden = columns.find(({ table, column }) => mentions(text, column) || mentions(text, table.name))
    if (hidden) refuseUse(hidden, `${name} is a virtual table that has it, or reads it by itself`)
  }
  if (read.length === 0) return []
  const program = programOf(statement)
  const found = new Set(read.flatMap((column) => positionsOf(statement, column, program)))
  return [...found].sort((a, b) => a - b)
}

/** Put the mask over a row. */
export function maskRow(row: SqlValue[], masked: readonly number[]): void {
  for (const at of masked) if (row[at] !== null) row[at] = shownInstead
}

interface MaskedColumn {
  readonly table: Table
  readonly column: string
}

/** The columns that names stand for, and those that are generated from them. */
function columnsOf(schema: Schema, mask: readonly string[]): MaskedColumn[] {
  return mask.flatMap((name) => {
    const named = schema.tables.flatMap((table) => {
      return table.columns
        .filter(({ name: column }) => sameName(name, column) || sameName(name, `${table.name}.${column}`))
        .map(({ name: column }): MaskedColumn => ({ table, column }))
    })
    if (named.length === 0) refuseUnknown(schema, name)
    return named.flatMap((column) => [column, ...generatedFrom(column)])
  })
}

function generatedFrom({ table, column }: MaskedColumn): MaskedColumn[] {
  const from = new Set([foldName(column)])
  // One may be generated from another that stands behind it.
  for (const _ of table.columns) {
    for (const { name, generated } of table.columns) {
      if (generated && [...from].some((source) => mentions(generated.expression, source))) from.add(foldName(name))
    }
  }
  from.delete(foldName(column))
  return table.columns.filter(({ name }) => from.has(foldName(name))).map(({ name }) => ({ table, column: name }))
}

function refuseUnknown(schema: Schema, name: string): never {
  const dot = name.indexOf('.')
  const known = schema.tables.flatMap((table) => {
    return table.columns.map((column) => (dot < 0 ? column.name : `${table.name}.${column.name}`))
  })
  const [table, column] = dot < 0 ? ['', name] : [name.slice(0, dot), name.slice(dot + 1)]
  return refuse('columnNotFound', { table, column, suggestion: nearMiss(name, known) })
}

/** Whether a piece of SQL has this name in it, however quoted. */
function mentions(sql: string, name: string): boolean {
  return tokenize(sql).some(({ kind, value }) => kind !== 'operator' && sameName(value, name))
}

function programOf({ reader, prepared, sql, params }: Masked): Instruction[] {
  try {
    const bound = bindable(prepared, params)
    return prepare(reader, `explain ${sql}`).statement.all(...bound) as Instruction[]
  } catch (error) {
    return refuseSqlError(error)
  }
}

/** Where in the result a column's values are. Refuses a statement that uses them otherwise. */
function positionsOf(statement: Masked, column: MaskedColumn, program: readonly Instruction[]): readonly number[] {
  const trees = treesOf(statement, column.table)
  const source = new Map<number, readonly number[]>()
  for (const tree of trees) {
    const at = placesIn(tree, column)
    if (tree.isTable && at.length > 0) source.set(tree.root, at)
    if (isOrderedBy(statement, tree, column) && isWalked(program, tree.root)) {
      refuseUse(column, `its rows are found by ${tree.name}, which lies in the order of the column`)
    }
  }
  const fate = fateOf(program, source)
  if (fate.kind === 'used') refuseUse(column, `it is used, not only shown (${fate.opcode})`)
  const named = statement.prepared.statement.columns().flatMap((origin, at) => {
    return sameName(origin.table ?? '', column.table.name) && sameName(origin.column ?? '', column.column) ? [at] : []
  })
  return [...fate.at, ...named]
}

function refuseUse({ table, column }: MaskedColumn, reason: string): never {
  return refuse('maskRefused', { table: table.name, column, reason })
}

/** A b-tree of a table: its rows, or an index. */
interface Tree {
  readonly name: string
  readonly root: number
  readonly isTable: boolean
  /** What a row of it has, in the order in which it lies there; null for the row's number and for expressions. */
  readonly columns: readonly (string | null)[]
  /** Columns that decide about the order of its rows. */
  readonly order: readonly (string | null)[]
}

function treesOf({ reader }: Masked, table: Table): Tree[] {
  const all = (sql: string, ...params: unknown[]) => prepare(reader, sql).statement.all(...params) as unknown[][]
  const found = all(
    'select type, name, rootpage from sqlite_schema where tbl_name = ? collate nocase and rootpage > 0',
    table.name,
  )
  // A table without numbers for its rows is the index of its primary key, under the same page.
  const indexes = all(`pragma index_list(${quoteName(table.name)})`) as [number, string, number, string][]
  const columnsOf = (index: string) => {
    return (all(`pragma index_xinfo(${quoteName(index)})`) as [number, number, string | null][]).map(
      ([, , name]) => name,
    )
  }
  return found.map(([type, name, root]): Tree => {
    const tree = { name: String(name), root: Number(root), isTable: type === 'table' }
    const key = table.withoutRowid ? indexes.find(([, , , origin]) => origin === 'pk')?.[1] : undefined
    if (!tree.isTable) return { ...tree, columns: columnsOf(tree.name), order: columnsOf(tree.name) }
    if (key !== undefined) {
      return { ...tree, columns: columnsOf(key), order: table.primaryKey?.columns.map(({ name }) => name) ?? [] }
    }
    const numbered = rowidAlias(table)?.name
    const isVirtual = (column: Table['columns'][number]) => column.generated?.stored === false
    const stored = [...table.columns.filter((column) => !isVirtual(column)), ...table.columns.filter(isVirtual)]
    return { ...tree, columns: stored.map(({ name }) => name), order: numbered === undefined ? [] : [numbered] }
  })
}

function placesIn({ columns }: Tree, { column }: MaskedColumn): number[] {
  return columns.flatMap((name, at) => (name !== null && sameName(name, column) ? [at] : []))
}

function isOrderedBy({ schema }: Masked, tree: Tree, { table, column }: MaskedColumn): boolean {
  // The number of a row stands at the end of every index, and is read from there.
  if (rowidAlias(table)?.name === column) return true
  if (tree.order.some((name) => name !== null && sameName(name, column))) return true
  if (tree.isTable) return false
  // Its expressions, and the condition of a partial one.
  const index = findIndex(schema, tree.name)
  const texts = index?.columns.map((part) => ('expression' in part ? part.expression : '')) ?? []
  return [...texts, index?.where ?? ''].some((text) => mentions(text, column))
}

/** Whether a program does more with a b-tree than to count its rows. */
function isWalked(program: readonly Instruction[], root: number): boolean {
  const cursors = new Set<number>()
  for (const [, opcode, p1, p2] of program)
    if (opcode === 'OpenRead' || opcode === 'ReopenIdx') if (p2 === root) cursors.add(p1)
  return program.some(([, opcode, p1]) => walking.has(opcode) && cursors.has(p1))
}

/** Whatever moves a cursor to a row. */
const walking: ReadonlySet<string> = new Set(
  'Rewind Last Next Prev SeekLT SeekLE SeekGE SeekGT SeekRowid NotExists Found NotFound NoConflict IfNoHope Sort'.split(
    ' ',
  ),
)
