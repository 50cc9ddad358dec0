import { assert } from '../base/assert.ts'
import type { AddColumn, AlterTable, Change, ColumnAlteration } from './change.ts'
import type { Check, Column, ForeignKey, Index, IndexColumn, Key, Schema, Table } from './model.ts'
import {
  checkForm,
  columnForm,
  emptySchema,
  findColumn,
  findIndex,
  findTable,
  findTrigger,
  findView,
  findVirtualTable,
  foreignKeyForm,
  indexForm,
  isKeyColumn,
  isNameTaken,
  keyForm,
  viewForm,
  virtualForm,
} from './model.ts'
import { foldName, isOperator, isWord, normalSql, quoteName, sameName, tokenize } from './sql.ts'

export interface DiffOptions {
  /** Only ids tell what is the same: what has the name of something else is made anew, and empty. */
  readonly byId?: boolean
}

/**
 * The changes that turn `a` into `b`, as one batch: foreign keys may be broken between two of them. Tables and columns
 * are the same if their ids are, else if their names are; what has neither is new. Where columns differ in their order
 * alone, nothing changes.
 */
export function diff(a: Schema, b: Schema, { byId = false }: DiffOptions = {}): Change[] {
  const match = byId ? matchById : matchByIdOrName
  const findMatch = (table: Table) => match(table, a.tables, b.tables)
  const renames = findRenames(a, b, match)
  const renamed = renames.reduce(rename, withoutGoneTables(a, b, match))
  const rewritten = rewrittenNames(a, b, { renames, match })
  const isRewritten = (sql: string) => tokenize(sql).some(({ value }) => rewritten.has(foldName(value)))

  const staysView = (name: string) => {
    const [old, view] = [findView(a, name), findView(b, name)]
    return old !== undefined && view !== undefined && !isRewritten(old.sql) && !isRewritten(view.sql)
  }
  const staysTrigger = (name: string) => {
    const [old, trigger] = [findTrigger(a, name), findTrigger(b, name)]
    const isSame = old && trigger && normalSql(old.sql) === normalSql(trigger.sql)
    return isSame && !isRewritten(old.sql) && (findTable(renamed, old.table) !== undefined || staysView(old.table))
  }
  const staysIndex = (name: string) => {
    const [old, index] = [findIndex(renamed, name), findIndex(b, name)]
    return old !== undefined && index !== undefined && indexForm(old) === indexForm(index)
  }
  const staysVirtual = (name: string) => {
    const [old, table] = [findVirtualTable(a, name), findVirtualTable(b, name)]
    return old !== undefined && table !== undefined && virtualForm(old) === virtualForm(table)
  }
  const isNewTable = (name: string) => !findTable(renamed, name)

  return [
    ...a.triggers
      .filter(({ name }) => !staysTrigger(name))
      .map(({ name }) => ({ kind: 'dropTrigger', trigger: name }) as const),
    ...a.views.filter(({ name }) => !staysView(name)).map(({ name }) => ({ kind: 'dropView', view: name }) as const),
    ...a.indexes
      .filter(({ name }) => !staysIndex(name))
      .map(({ name }) => ({ kind: 'dropIndex', index: name }) as const),
    ...a.virtualTables
      .filter(({ name }) => !staysVirtual(name))
      .map(({ name }) => ({ kind: 'dropVirtualTable', table: name }) as const),
    ...a.tables.filter((table) => !findMatch(table)).map(({ name }) => ({ kind: 'dropTable', table: name }) as const),
    ...renames,
    ...b.tables
      .filter(({ name }) => isNewTable(name))
      .map((table) => {
        const indexes = b.indexes.filter((index) => sameName(index.table, table.name))
        return { kind: 'createTable', table, ...(indexes.length > 0 && { indexes }) } as const
      }),
    ...renamed.tables.flatMap((table) => tableChanges(table, findTable(b, table.name) ?? table)),
    ...b.indexes
      .filter((index) => !staysIndex(index.name) && !isNewTable(index.table))
      .map((index) => ({ kind: 'createIndex', index }) as const),
    ...b.virtualTables
      .filter(({ name }) => !staysVirtual(name))
      .map((table) => ({ kind: 'createVirtualTable', table }) as const),
    ...b.views.flatMap((view): Change[] => {
      const old = findView(a, view.name)
      if (!old || !staysView(view.name)) return [{ kind: 'createView', view }]
      return viewForm(old) === viewForm(view) ? [] : [{ kind: 'updateView', view }]
    }),
    ...b.triggers
      .filter(({ name }) => !staysTrigger(name))
      .map((trigger) => ({ kind: 'createTrigger', trigger }) as const),
  ]
}

/** The changes that make `schema` from nothing. */
export function adopt(schema: Schema): Change[] {
  return diff(emptySchema, schema)
}

export type Rename = Extract<Change, { kind: 'renameTable' | 'renameColumn' }>

/** What `item` of `here` is in `there`. */
type Match = <T extends Table | Column>(item: T, here: readonly T[], there: readonly T[]) => T | undefined

const matchById: Match = (item, _here, there) => there.find(({ id }) => id === item.id)

/** By id; else by name, if the other one's id is not somebody else's here. */
const matchByIdOrName: Match = (item, here, there) => {
  const byId = matchById(item, here, there)
  if (byId) return byId
  const byName = there.find(({ name }) => sameName(name, item.name))
  return byName && here.some(({ id }) => id === byName.id) ? undefined : byName
}

function withoutGoneTables(a: Schema, b: Schema, match: Match): Schema {
  const tables = a.tables.filter((table) => match(table, a.tables, b.tables))
  return { ...a, tables, indexes: a.indexes.filter((index) => findTable({ ...a, tables }, index.table)) }
}

/** Renames in an order in which no name is taken twice; a column that goes makes way for one that takes its name. */
export function findRenames(a: Schema, b: Schema, match: Match = matchByIdOrName): Rename[] {
  const renames: Rename[] = []
  const findMatch = (table: Table) => match(table, a.tables, b.tables)
  const kept = a.tables.filter(findMatch)
  const tablePairs = kept.map((table) => [table.name, findMatch(table)?.name ?? table.name] as const)
  const isTableNameTaken = (name: string) => isNameTaken(a, name) || isNameTaken(b, name)
  for (const [from, to] of orderRenames(tablePairs, isTableNameTaken)) {
    renames.push({ kind: 'renameTable', table: from, newName: to })
  }
  for (const table of kept) {
    const target = findMatch(table) ?? table
    const isColumnNameTaken = (name: string) => Boolean(findColumn(table, name) ?? findColumn(target, name))
    const pairs = table.columns.map((column) => {
      const same = match(column, table.columns, target.columns)
      if (same) return [column.name, same.name] as const
      const makesWay = findColumn(target, column.name) !== undefined
      return [column.name, makesWay ? freeName(column.name, isColumnNameTaken) : column.name] as const
    })
    for (const [from, to] of orderRenames(pairs, isColumnNameTaken)) {
      renames.push({ kind: 'renameColumn', table: target.name, column: from, newName: to })
    }
  }
  return renames
}

function orderRenames(
  pairs: readonly (readonly [from: string, to: string])[],
  isTaken: (name: string) => boolean,
): (readonly [from: string, to: string])[] {
  assert(new Set(pairs.map(([, to]) => foldName(to))).size === pairs.length, 'two things would have one name')
  const ordered: (readonly [string, string])[] = []
  let waiting = pairs.filter(([from, to]) => from !== to)
  const present = new Map(pairs.map(([from]) => [foldName(from), from]))
  const apply = (from: string, to: string) => {
    ordered.push([from, to])
    present.delete(foldName(from))
    present.set(foldName(to), to)
  }
  while (waiting.length > 0) {
    const ready = waiting.find(([from, to]) => sameName(from, to) || !present.has(foldName(to)))
    if (ready) {
      apply(...ready)
      waiting = waiting.filter((pair) => pair !== ready)
    } else {
      // Names that change places: one of them steps aside.
      const [[from, to], ...rest] = waiting as [(typeof waiting)[number], ...typeof waiting]
      const aside = freeName(from, (name) => isTaken(name) || present.has(foldName(name)))
      apply(from, aside)
      waiting = [...rest, [aside, to]]
    }
  }
  return ordered
}

/** `name_old`, or with a number behind it. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  for (let i = 1; ; i++) {
    const candidate = `${name}_old${i === 1 ? '' : i}`
    if (!isTaken(candidate)) return candidate
  }
}

/** Names whose views and triggers SQLite rewrites, or refuses, on the way: these are dropped before and made again after. */
function rewrittenNames(
  a: Schema,
  b: Schema,
  { renames, match }: { readonly renames: readonly Rename[]; readonly match: Match },
): Set<string> {
  const names = new Set<string>()
  for (const { table, ...change } of renames) {
    names.add(foldName(table))
    if (change.kind === 'renameTable') names.add(foldName(change.newName))
  }
  for (const table of a.tables) {
    const target = match(table, a.tables, b.tables)
    const isLosing = !target || table.columns.some((column) => !match(column, table.columns, target.columns))
    if (isLosing || names.has(foldName(target.name))) names.add(foldName(table.name))
  }
  // A view on such a view is read with it.
  for (let size = -1; size !== names.size; ) {
    size = names.size
    for (const view of [...a.views, ...b.views]) {
      if (tokenize(view.sql).some(({ value }) => names.has(foldName(value)))) names.add(foldName(view.name))
    }
  }
  return names
}

/** The schema after a rename, as SQLite rewrites it: tables and indexes; views and triggers are made again anyway. */
function rename(schema: Schema, change: Rename): Schema {
  if (change.kind === 'renameTable') {
    const { table: from, newName } = change
    const moved = (name: string) => (sameName(name, from) ? newName : name)
    return {
      ...schema,
      tables: schema.tables.map((table) => ({
        ...table,
        name: moved(table.name),
        foreignKeys: table.foreignKeys.map((key) => ({ ...key, table: moved(key.table) })),
      })),
      indexes: schema.indexes.map((index) => ({ ...index, table: moved(index.table) })),
    }
  }
  const moved = (name: string) => (sameName(name, change.column) ? change.newName : name)
  const movedIn = (sql: string) => renameInExpression(sql, change.column, change.newName)
  const isIt = (name: string) => sameName(name, change.table)
  return {
    ...schema,
    tables: schema.tables.map((table) => {
      const foreignKeys = table.foreignKeys.map((key) => ({
        ...key,
        ...(isIt(table.name) && { columns: key.columns.map(moved) }),
        ...(isIt(key.table) && key.parentColumns && { parentColumns: key.parentColumns.map(moved) }),
      }))
      return isIt(table.name) ? renameInTable({ ...table, foreignKeys }, moved, movedIn) : { ...table, foreignKeys }
    }),
    indexes: schema.indexes.map((index) => (isIt(index.table) ? renameInIndex(index, moved, movedIn) : index)),
  }
}

type Mover = (text: string) => string

function renameInTable(table: Table, moved: Mover, movedIn: Mover): Table {
  const inKey = <K extends Key>(key: K): K => ({
    ...key,
    columns: key.columns.map((column) => ({ ...column, name: moved(column.name) })),
  })
  return {
    ...table,
    columns: table.columns.map(({ generated, ...column }) => ({
      ...column,
      name: moved(column.name),
      ...(generated && { generated: { ...generated, expression: movedIn(generated.expression) } }),
    })),
    ...(table.primaryKey && { primaryKey: inKey(table.primaryKey) }),
    uniques: table.uniques.map(inKey),
    checks: table.checks.map((check) => ({
      ...check,
      expression: movedIn(check.expression),
      ...(check.column !== undefined && { column: moved(check.column) }),
    })),
  }
}

function renameInIndex(index: Index, moved: Mover, movedIn: Mover): Index {
  const inColumn = (column: IndexColumn): IndexColumn =>
    isKeyColumn(column)
      ? { ...column, name: moved(column.name) }
      : { ...column, expression: movedIn(column.expression) }
  return {
    ...index,
    columns: index.columns.map(inColumn),
    ...(index.where !== undefined && { where: movedIn(index.where) }),
  }
}

/** Expressions here speak of one table: a name in them is its column, unless it is a function or a collation. */
function renameInExpression(sql: string, column: string, newName: string): string {
  const tokens = tokenize(sql)
  return tokens
    .map((token, i) => {
      const isName = (token.kind === 'word' || token.kind === 'name') && sameName(token.value, column)
      const isOther = isOperator(tokens[i + 1], '(') || isWord(tokens[i - 1], 'COLLATE')
      return isName && !isOther ? quoteName(newName) : token.text
    })
    .join(' ')
}

/** Both have the same name and their matched columns too. The plainest changes that do it; one rebuild where it takes more. */
function tableChanges(a: Table, b: Table): Change[] {
  const { name: table } = b
  const added = b.columns.filter(({ name }) => !findColumn(a, name))
  const dropped = a.columns.filter(({ name }) => !findColumn(b, name))
  const altered = a.columns.flatMap((column) => {
    const to = findColumn(b, column.name)
    return to && columnForm(column) !== columnForm(to) ? [{ from: column, to }] : []
  })
  const additions = added.map((column) => addition(b, column))
  const remaining = dropped.reduce(withoutColumn, a)
  const isSameElse = haveSameConstraints(additions.reduce(withAddition, remaining), b)

  const [first, second] = altered
  // One by one, the last column that rows can be written to could not go.
  const staysWritable = remaining.columns.some((column) => !column.generated)
  if (isSameElse && first === undefined && staysWritable) {
    return [...dropped.map(({ name }) => ({ kind: 'dropColumn', table, column: name }) as const), ...additions]
  }
  if (isSameElse && first && second === undefined && added.length === 0 && dropped.length === 0) {
    return [{ kind: 'alterColumn', table, column: first.from.name, to: alteration(first.from, first.to) }]
  }
  const columnsDiffer = added.length > 0 || dropped.length > 0 || altered.length > 0
  return [
    { kind: 'alterTable', table, to: { ...(columnsDiffer && { columns: b.columns }), ...constraintChanges(a, b) } },
  ]
}

/** The column with the constraints of it alone that can be written at it. */
function addition(table: Table, column: Column): AddColumn {
  const isIt = (name: string | undefined) => name !== undefined && sameName(name, column.name)
  const unique = table.uniques.some((key) => keyForm(key) === keyForm({ columns: [{ name: column.name }] }))
  const check = table.checks.find((other) => isIt(other.column) && other.name === undefined)
  const key = table.foreignKeys.find(({ columns }) => columns.length === 1 && isIt(columns[0]))
  const { columns: _, ...references } = key ?? { columns: [] }
  return {
    kind: 'addColumn',
    table: table.name,
    column,
    ...(unique && { unique }),
    ...(check && { check: check.expression }),
    ...(key && { references: references as Omit<ForeignKey, 'columns'> }),
  }
}

function withAddition(table: Table, { column, unique, check, references }: AddColumn): Table {
  const checks: Check[] = check === undefined ? [] : [{ expression: check, column: column.name }]
  return {
    ...table,
    columns: [...table.columns, column],
    uniques: unique ? [...table.uniques, { columns: [{ name: column.name }] }] : table.uniques,
    checks: [...table.checks, ...checks],
    foreignKeys: references ? [...table.foreignKeys, { ...references, columns: [column.name] }] : table.foreignKeys,
  }
}

/** As dropColumn leaves it. */
function withoutColumn(table: Table, column: Column): Table {
  const isOnlyIt = (columns: readonly string[]) => columns.length === 1 && sameName(columns[0] ?? '', column.name)
  return {
    ...table,
    columns: table.columns.filter((other) => other !== column),
    uniques: table.uniques.filter((key) => !isOnlyIt(key.columns.map(({ name }) => name))),
    checks: table.checks.filter((check) => check.column === undefined || !sameName(check.column, column.name)),
    foreignKeys: table.foreignKeys.filter((key) => !isOnlyIt(key.columns)),
  }
}

function haveSameConstraints(a: Table, b: Table): boolean {
  return Object.keys(constraintChanges(a, b)).length === 0
}

function constraintChanges(a: Table, b: Table): AlterTable['to'] {
  const [oldKey, key] = [a.primaryKey ? keyForm(a.primaryKey) : '', b.primaryKey ? keyForm(b.primaryKey) : '']
  return {
    ...(oldKey !== key && { primaryKey: b.primaryKey ?? null }),
    ...(!sameSet(a.uniques.map(keyForm), b.uniques.map(keyForm)) && { uniques: b.uniques }),
    ...(!sameSet(a.checks.map(checkForm), b.checks.map(checkForm)) && { checks: b.checks }),
    ...(!sameSet(a.foreignKeys.map(foreignKeyForm), b.foreignKeys.map(foreignKeyForm)) && {
      foreignKeys: b.foreignKeys,
    }),
    ...(a.strict !== b.strict && { strict: b.strict }),
    ...(a.withoutRowid !== b.withoutRowid && { withoutRowid: b.withoutRowid }),
    ...(a.systemColumns !== b.systemColumns && { systemColumns: b.systemColumns }),
  }
}

function alteration(from: Column, to: Column): ColumnAlteration {
  const differs = (key: 'default' | 'collate' | 'notNullConflict') =>
    normalSql(from[key] ?? '') !== normalSql(to[key] ?? '') ? { [key]: to[key] ?? null } : {}
  const isGeneratedElse =
    columnForm({ ...from, default: undefined, type: '' }) !==
    columnForm({ ...from, generated: to.generated, default: undefined, type: '' })
  return {
    ...(from.type.toUpperCase() !== to.type.toUpperCase() && { type: to.type }),
    ...(from.nullable !== to.nullable && { nullable: to.nullable }),
    ...differs('notNullConflict'),
    ...differs('default'),
    ...differs('collate'),
    ...(isGeneratedElse && { generated: to.generated ?? null }),
  }
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.every((form) => b.includes(form)) && b.every((form) => a.includes(form))
}
