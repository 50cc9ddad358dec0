import type { Column, Schema, Table } from './model.ts'
import { findColumn, findTable, findView, viewForm } from './model.ts'
import { isOperator, isWord, quoteName, sameName, type Token, tokenize } from './sql.ts'

/** A table of a schema, to the rows of which an expression belongs. */
export interface Place {
  readonly schema: Schema
  readonly table: Table
}

/** Why an expression means nothing elsewhere, or something else. */
export class Untranslatable extends Error {
  override name = 'Untranslatable'
}

/**
 * An expression over a row of one schema's table as one over a row of the same table in another schema, where columns may
 * be called otherwise. Throws `Untranslatable` where that cannot be told for sure.
 *
 * @param idOf the id that a table or column of the first schema has in the second
 */
export function translate(sql: string, from: Place, to: Place, idOf: (id: string) => string): string {
  const tokens = tokenize(sql)
  const isQuery = tokens.some((token) => isWord(token, 'SELECT'))
  if (isQuery) requireSameTables(tokens, from.schema, to.schema, idOf)
  const names = tokens.map((token, at) => {
    if (!isNameAt(tokens, at)) return token.value
    if (sameName(token.value, from.table.name) && isOperator(tokens[at + 1], '.')) return to.table.name
    return nameOfColumn(token, from.table, to.table, idOf)
  })
  const isOther = (token: Token, at: number) => !sameName(token.value, names[at] ?? '')
  if (!tokens.some(isOther)) return sql
  // In a query a name may be that of a column of the row, or of one of the query's own tables.
  if (isQuery) throw new Untranslatable('what it names is called otherwise')
  return tokens.map((token, at) => (isOther(token, at) ? quoteName(names[at] ?? '') : token.text)).join(' ')
}

/** The names in an expression that are columns of the row's table. */
export function columnsIn(sql: string, table: Table): Column[] {
  const tokens = tokenize(sql)
  return tokens.flatMap((token, at) => (isNameAt(tokens, at) ? (findColumn(table, token.value) ?? []) : []))
}

/** Words that are no function and no collation. */
function isNameAt(tokens: readonly Token[], at: number): boolean {
  const { kind } = tokens[at] as Token
  return (kind === 'word' || kind === 'name') && !isOperator(tokens[at + 1], '(') && !isWord(tokens[at - 1], 'COLLATE')
}

function nameOfColumn({ value }: Token, from: Table, to: Table, idOf: (id: string) => string): string {
  const column = findColumn(from, value)
  if (!column) {
    if (findColumn(to, value)) throw new Untranslatable(`${value} is a column now`)
    return value
  }
  const same = to.columns.find(({ id }) => id === idOf(column.id))
  if (!same) throw new Untranslatable(`there is no column ${value}`)
  return same.name
}

/** The tables and views that a query may read have to be the same, and to have the same columns under these names. */
function requireSameTables(tokens: readonly Token[], from: Schema, to: Schema, idOf: (id: string) => string): void {
  const values = tokens.filter((_, at) => isNameAt(tokens, at)).map(({ value }) => value)
  for (const value of values) {
    const [view, viewThere] = [findView(from, value), findView(to, value)]
    const isSameView = view && viewThere ? viewForm(view) === viewForm(viewThere) : view === viewThere
    const [table, there] = [findTable(from, value), findTable(to, value)]
    const isSameTable = table && there ? idOf(table.id) === there.id : table === there
    if (!isSameView || !isSameTable) throw new Untranslatable(`${value} is something else`)
    if (!table || !there) continue
    for (const name of values) {
      const [column, other] = [findColumn(table, name), findColumn(there, name)]
      const isSame = column && other ? idOf(column.id) === other.id : column === other
      if (!isSame) throw new Untranslatable(`${value}.${name} is something else`)
    }
  }
}
