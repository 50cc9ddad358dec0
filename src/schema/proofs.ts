import type { Column, ForeignKey, Index, IndexColumn, KeyColumn, Schema, Table } from './model.ts'
import { findColumn, findTable, foreignKeyForm, indexesOf, isKeyColumn, rowidAlias } from './model.ts'
import type { Reshape, Rows } from './rows.ts'
import { isColumnChanged, reshapedRows, rowidName, rowsOf, withRows } from './rows.ts'
import { foldName, quoteName, sameName, tokenize } from './sql.ts'

/** A question to each file before an edit: the rows that `sql` returns stand against it. */
export interface Proof {
  readonly table: string
  /** What is wrong with these rows, such as `a is NULL`. */
  readonly reason: string
  /** Read-only, for a file at the old schema: at most ten rows by rowid and primary key; duplicates with the value that they share and its count. */
  readonly sql: string
}

const maxWitnesses = 10

/** Rows that the new shape of a table would refuse, and rows of other tables whose parents would be gone. */
export function reshapeProofs(schema: Schema, rows: Rows, reshape: Reshape): Proof[] {
  const { before, after } = reshape
  const from = reshapedRows(rowsOf(rows, before.name), reshape)
  const isTouched = (name: string) => isColumnChanged(reshape, name)
  const prove = (reason: string, condition: string) => witnesses(after, from, reason, condition)
  const newRows = withRows(rows, after.name, from)
  const newTables = schema.tables.map((table) => (table === before ? after : table))
  const alias = rowidAlias(after)
  const becomesRowid = alias && rowidAlias(before)?.name !== alias.name

  return [
    ...after.columns
      .filter((column) => !column.nullable && column !== alias && mayBeNull(reshape, column))
      .map((column) => prove(`${column.name} is NULL`, `${quoteName(column.name)} is null`)),
    ...(becomesRowid
      ? [prove(`${alias.name} is not an integer`, `typeof(${quoteName(alias.name)}) <> 'integer'`)]
      : []),
    ...after.columns
      .filter((column) => after.strict && (!before.strict || isTouched(column.name)))
      .flatMap((column) => strictProof(column, prove)),
    ...newKeys(reshape, isTouched).map((columns) => duplicates(after, from, columns)),
    ...indexesOf(schema, before.name)
      .filter((index) => index.unique && mentions(index, isTouched))
      .map((index) => duplicates(after, from, index.columns, index.where)),
    ...after.checks
      .filter(({ expression }) => {
        const isOld = before.checks.some((check) => check.expression === expression)
        return !isOld || tokenize(expression).some(({ value }) => findColumn(after, value) && isTouched(value))
      })
      .map((check) => prove(`breaks CHECK (${check.expression})`, `not (${check.expression})`)),
    ...after.foreignKeys
      .filter((key) => !before.foreignKeys.some((old) => sameTarget(old, key)) || key.columns.some(isTouched))
      .flatMap((key) => orphans(newTables, newRows, after, key)),
    ...newTables.flatMap((child) =>
      child.foreignKeys
        .filter((key) => sameName(key.table, after.name) && losesParents(reshape, key, isTouched))
        .flatMap((key) => orphans(newTables, newRows, child, key)),
    ),
  ]
}

/** Rows on which a new index would fail: duplicates, and values that its expressions cannot take. */
export function indexProofs(table: Table, rows: Rows, index: Index): Proof[] {
  const from = rowsOf(rows, table.name)
  if (index.unique) return [duplicates(table, from, index.columns, index.where)]
  const expressions = index.columns.flatMap((column) => (isKeyColumn(column) ? [] : [column.expression]))
  if (index.where !== undefined) expressions.push(index.where)
  // Never true; but every expression is computed for every row, and one that fails fails here first.
  const condition = expressions.map((expression) => `coalesce((${expression}), 0) is null`).join(' or ')
  return condition === '' ? [] : [witnesses(table, from, `index ${index.name} cannot be computed`, condition)]
}

/** Rows of other tables that have no parent in a table that is new. */
export function childProofs(schema: Schema, rows: Rows, parent: Table): Proof[] {
  return schema.tables.flatMap((child) =>
    child.foreignKeys
      .filter((key) => child !== parent && sameName(key.table, parent.name))
      .flatMap((key) => orphans(schema.tables, rows, child, key)),
  )
}

/** The columns that a foreign key points at, or undefined where its table has none of them. */
export function parentColumns(parent: Table, key: ForeignKey): readonly string[] | undefined {
  return key.parentColumns ?? parent.primaryKey?.columns.map(({ name }) => name)
}

function witnesses(table: Table, from: string, reason: string, condition: string): Proof {
  const shown = nameOfRow(table).map(({ sql, label }) => `${sql} as ${label}`)
  const sql = `select ${shown.join(', ') || '*'} from ${from} where ${condition} limit ${maxWitnesses}`
  return { table: table.name, reason, sql }
}

/** What tells a row of a table from all others: its rowid and its primary key, where there are such. */
function nameOfRow(table: Table): { readonly sql: string; readonly label: string }[] {
  const rowid = rowidName(table)
  const key = (table.primaryKey?.columns ?? []).map(({ name }) => ({ sql: quoteName(name), label: quoteName(name) }))
  return [...(rowid ? [{ sql: rowid, label: 'rowid' }] : []), ...key]
}

/**
 * Groups of equal values are looked for first, which is one sort or the walk of an index, and only then the rows of a few
 * of them. A group stands against the edit whether its rows are found again or not: hence the left join.
 */
function duplicates(table: Table, from: string, columns: readonly IndexColumn[], where?: string): Proof {
  const values = columns.map((column, i) => ({ ...comparison(table, column), alias: `"value ${i}"` }))
  const names = nameOfRow(table).map((name, i) => ({ ...name, alias: `"name ${i}"` }))
  const select = (...parts: string[]) => `select ${parts.join(', ')} from ${from}`
  const isKeyed = values.map(({ sql }) => `${sql} is not null`)
  const condition = [...isKeyed, ...(where === undefined ? [] : [`(${where})`])].join(' and ')
  const keys = values.map(({ sql, alias }) => `${sql} as ${alias}`)
  const groups = `${select(...keys, 'count(*) as "count"')} where ${condition} group by ${values.map(({ sql, collate }) => sql + collate).join(', ')} having count(*) > 1 limit ${maxWitnesses}`
  const rows = `${select(...names.map(({ sql, alias }) => `${sql} as ${alias}`), ...keys)} where ${condition}`
  const isInGroup = values.map(({ alias, collate }) => `named.${alias}${collate} = twice.${alias}`).join(' and ')
  const shown = [
    ...names.map(({ alias, label }) => `named.${alias} as ${label}`),
    ...values
      .filter(({ label }) => !names.some((name) => name.label === label))
      .map(({ alias, label }) => `twice.${alias} as ${label}`),
    'twice."count" as "rows"',
  ]
  const order = [...values.map(({ alias }) => `twice.${alias}`), ...names.map(({ alias }) => `named.${alias}`)]
  const sql = `select ${shown.join(', ')} from (${groups}) as twice left join (${rows}) as named on ${isInGroup} order by ${order.join(', ')} limit ${maxWitnesses}`
  return { table: table.name, reason: `(${columns.map(labelOf).join(', ')}) is not unique`, sql }
}

function labelOf(column: IndexColumn): string {
  return isKeyColumn(column) ? column.name : column.expression
}

/** What is compared, how (`COLLATE …`, or nothing), and what it is called. */
function comparison(table: Table, column: IndexColumn) {
  const sql = isKeyColumn(column) ? quoteName(column.name) : `(${column.expression})`
  const collate = column.collate ?? (isKeyColumn(column) ? findColumn(table, column.name)?.collate : undefined)
  return {
    sql,
    collate: collate === undefined ? '' : ` collate ${quoteName(collate)}`,
    label: quoteName(labelOf(column)),
  }
}

function orphans(tables: readonly Table[], rows: Rows, child: Table, key: ForeignKey): Proof[] {
  const parent = tables.find((table) => sameName(table.name, key.table))
  const targets = parent && parentColumns(parent, key)
  // A key that points at nothing is refused by `brokenReferences`, before any file is asked.
  if (!targets || targets.length !== key.columns.length) return []
  const matches = key.columns.map((name, i) => {
    const target = `parent.${quoteName(targets[i] ?? '')}`
    const collate = findColumn(parent, targets[i] ?? '')?.collate ?? 'binary'
    return `${target} = child.${quoteName(name)} collate ${quoteName(collate)}`
  })
  const set = key.columns.map((name) => `${quoteName(name)} is not null`)
  const condition = `${set.join(' and ')} and not exists (select 1 from ${rowsOf(rows, parent.name)} as parent where ${matches.join(' and ')})`
  const reason = `(${key.columns.join(', ')}) is not in ${parent.name}`
  return [witnesses(child, `${rowsOf(rows, child.name)} as child`, reason, condition)]
}

function mayBeNull({ before, fills }: Reshape, column: Column): boolean {
  const old = findColumn(before, column.name)
  if (old) {
    const isGeneratedAnew = old.generated?.expression !== column.generated?.expression
    const isFilled = fills.has(foldName(column.name)) && !isExpressionOrNull(fills.get(foldName(column.name)) ?? 'null')
    return (old.nullable || isGeneratedAnew) && !isFilled
  }
  return column.generated !== undefined || column.default === undefined || isExpressionOrNull(column.default)
}

function isExpressionOrNull(sql: string): boolean {
  return sql.startsWith('(') || sql.toUpperCase() === 'NULL'
}

/** By https://www.sqlite.org/stricttables.html; the values are already converted as the column converts them. */
function strictProof(column: Column, prove: (reason: string, condition: string) => Proof): Proof[] {
  const type = column.type.toUpperCase()
  const allowed = { INT: 'integer', INTEGER: 'integer', REAL: 'real', TEXT: 'text', BLOB: 'blob' }[type]
  if (allowed === undefined) return []
  return [prove(`${column.name} is not ${type}`, `typeof(${quoteName(column.name)}) not in ('null', '${allowed}')`)]
}

/** Keys of the new shape that the old one does not already vouch for. */
function newKeys({ before, after }: Reshape, isTouched: (column: string) => boolean): (readonly KeyColumn[])[] {
  const form = (columns: readonly KeyColumn[]) =>
    columns
      .map(({ name, collate }) => `${foldName(name)} ${foldName(collate ?? '')}`)
      .sort()
      .join(', ')
  const keys = (table: Table) =>
    [...(table.primaryKey ? [table.primaryKey] : []), ...table.uniques].map((key) => key.columns)
  const old = new Set(keys(before).map(form))
  return keys(after).filter((columns) => !old.has(form(columns)) || columns.some(({ name }) => isTouched(name)))
}

function mentions(index: Index, isTouched: (column: string) => boolean): boolean {
  const texts = [...index.columns.map((column) => (isKeyColumn(column) ? '' : column.expression)), index.where ?? '']
  return (
    index.columns.some((column) => isKeyColumn(column) && isTouched(column.name)) ||
    texts.some((text) => tokenize(text).some((token) => token.kind !== 'string' && isTouched(token.value)))
  )
}

function sameTarget(a: ForeignKey, b: ForeignKey): boolean {
  const target = ({ columns, table, parentColumns: parents }: ForeignKey): ForeignKey => ({
    columns,
    table,
    ...(parents && { parentColumns: parents }),
    onDelete: 'NO ACTION',
    onUpdate: 'NO ACTION',
  })
  return foreignKeyForm(target(a)) === foreignKeyForm(target(b))
}

/** Whether rows that had a parent in the table before could have none after. */
function losesParents({ before, after }: Reshape, key: ForeignKey, isTouched: (column: string) => boolean): boolean {
  const [old, now] = [parentColumns(before, key) ?? [], parentColumns(after, key) ?? []]
  return old.map(foldName).join() !== now.map(foldName).join() || now.some(isTouched)
}

/** Foreign keys that no parent key answers: SQLite takes them, and then refuses every write. In people's words. */
export function brokenReferences(schema: Schema): string[] {
  return schema.tables.flatMap((child) =>
    child.foreignKeys.flatMap((key) => {
      const reason = referenceFault(schema, key)
      return reason === null ? [] : [`foreign key (${key.columns.join(', ')}) of ${child.name}: ${reason}`]
    }),
  )
}

/** Why nothing can be found by this key in the schema. Null: it is sound. */
export function referenceFault(schema: Schema, key: ForeignKey): string | null {
  const parent = findTable(schema, key.table)
  if (!parent) return `there is no table ${key.table}`
  const targets = parentColumns(parent, key)
  if (!targets) return `${parent.name} has no primary key`
  const list = `${parent.name} (${targets.join(', ')})`
  if (targets.length !== key.columns.length) return `${list} has another number of columns`
  const missing = targets.find((name) => !findColumn(parent, name))
  if (missing !== undefined) return `${parent.name} has no column ${missing}`
  return isUnique(schema, parent, targets) ? null : `${list} is not unique`
}

/** Only keys that compare as the columns do count for SQLite, in any order, and no partial index. */
function isUnique(schema: Schema, table: Table, columns: readonly string[]): boolean {
  const keys = [
    ...(table.primaryKey ? [table.primaryKey.columns] : []),
    ...table.uniques.map((key) => key.columns),
    ...indexesOf(schema, table.name)
      .filter((index) => index.unique && index.where === undefined)
      .map((index) => index.columns),
  ]
  return keys.some(
    (key) =>
      key.length === columns.length &&
      key.every(
        (part) =>
          isKeyColumn(part) &&
          columns.some((name) => sameName(name, part.name)) &&
          foldName(part.collate ?? '') ===
            foldName(part.collate === undefined ? '' : (findColumn(table, part.name)?.collate ?? 'binary')),
      ),
  )
}
