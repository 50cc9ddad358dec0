import { isSystemColumn, type Noun, nameFault } from '../../protocol/names.ts'
import { refuse } from '../base/refusal.ts'
import type { AddColumn, ColumnAlteration } from './change.ts'
import type { Action, Column, ForeignKey, Index, IndexColumn, Key, Schema, Table, Trigger } from './model.ts'
import { indexesOf, indexForm, isKeyColumn, isReservedName, rowidAlias } from './model.ts'
import { parseTrigger } from './parse.ts'
import { defaultIndexName } from './plan.ts'
import { now } from './print.ts'
import type { Value } from './sql.ts'
import { expressionText, isOperator, literal, sameName, tokenize } from './sql.ts'

/** What a client writes to describe a table; `protocol.md` has the same shapes. */
export interface TableSpec {
  readonly name: string
  readonly columns: readonly ColumnSpec[]
  readonly indexes?: readonly Omit<IndexSpec, 'table'>[]
  /** Names of columns. Absent: `id` with system columns, else none. */
  readonly primaryKey?: readonly string[]
  /** Expressions. */
  readonly checks?: readonly string[]
  /** Lists of names of columns. */
  readonly uniques?: readonly (readonly string[])[]
  readonly strict?: boolean
  readonly withoutRowid?: boolean
  /** True by default. */
  readonly systemColumns?: boolean
}

export interface ColumnSpec {
  readonly name: string
  readonly type: string
  /** True by default. */
  readonly nullable?: boolean
  /** A value, or `{sql}` for an expression that is computed for each row. */
  readonly default?: Value
  readonly unique?: boolean
  /** An expression. */
  readonly check?: string
  /** An expression, computed on reading. */
  readonly generated?: string | { readonly expression: string; readonly stored?: boolean }
  readonly collate?: string
  readonly references?: ReferenceSpec
}

export interface ReferenceSpec {
  readonly table: string
  /** Absent: the primary key. */
  readonly column?: string
  /** In any case. RESTRICT by default. */
  readonly onDelete?: string
  readonly onUpdate?: string
}

export interface IndexSpec {
  /** Absent: `idx_<table>_<columns>`, or `uniq_…`. */
  readonly name?: string
  readonly table: string
  readonly columns: readonly (string | IndexColumn)[]
  readonly unique?: boolean
  /** An expression. */
  readonly where?: string
}

/** What an alterColumn changes, as a client writes it; null takes away. */
export interface ColumnAlterSpec {
  readonly type?: string
  readonly nullable?: boolean
  readonly default?: Value
  readonly unique?: boolean
  readonly check?: string | null
  readonly generated?: ColumnSpec['generated'] | null
  readonly collate?: string | null
  readonly references?: ReferenceSpec | null
}

/** A new table with fresh ids. Refuses `invalidName` and `invalidChange`. */
export function defineTable(schema: Schema, spec: TableSpec, newId: () => string): { table: Table; indexes: Index[] } {
  checkName('table', spec.name)
  const { strict = false, withoutRowid = false, systemColumns = true } = spec
  const own = spec.columns.find(({ name }) => systemColumns && isSystemColumn(name))
  if (own)
    refuse('invalidChange', { change: 'createTable', reason: `${own.name} is a system column, kept by the daemon` })
  if (systemColumns && spec.primaryKey && spec.primaryKey.join() !== 'id') {
    refuse('invalidChange', { change: 'createTable', reason: 'the primary key of a table with system columns is id' })
  }
  const added = spec.columns.map((column) => defineColumn(column, newId, { strict, change: 'createTable' }))
  const key = spec.primaryKey ?? (systemColumns ? ['id'] : undefined)
  const inline = added.flatMap(({ column, check }) =>
    check === undefined ? [] : [{ expression: check, column: column.name }],
  )
  const table: Table = {
    id: newId(),
    name: spec.name,
    columns: [...(systemColumns ? makeSystemColumns(newId) : []), ...added.map(({ column }) => column)],
    ...(key && { primaryKey: { columns: key.map((name) => ({ name })) } }),
    uniques: [
      ...added.filter(({ unique }) => unique).map(({ column }): Key => ({ columns: [{ name: column.name }] })),
      ...(spec.uniques ?? []).map((columns): Key => ({ columns: columns.map((name) => ({ name })) })),
    ],
    checks: [...inline, ...(spec.checks ?? []).map((check) => ({ expression: expressionText(check, 'createTable') }))],
    foreignKeys: added.flatMap(({ column, references }) =>
      references ? [{ ...references, columns: [column.name] }] : [],
    ),
    strict,
    withoutRowid,
    systemColumns,
  }
  const indexes: Index[] = []
  for (const index of spec.indexes ?? []) {
    indexes.push(defineIndex({ ...schema, indexes: [...schema.indexes, ...indexes] }, { ...index, table: spec.name }))
  }
  return { table, indexes }
}

/** A new column with its own constraints, to be put into an `addColumn`. Only a STRICT table has its own types. */
export function defineColumn(
  spec: ColumnSpec,
  newId: () => string,
  { strict = false, change = 'addColumn' }: { readonly strict?: boolean; readonly change?: string } = {},
): Omit<AddColumn, 'kind' | 'table'> {
  checkName('column', spec.name)
  const { unique, check, references } = spec
  const column: Column = {
    id: newId(),
    name: spec.name,
    type: columnType(spec.type, strict, change),
    nullable: spec.nullable ?? true,
    ...(spec.default !== undefined && spec.default !== null && { default: literal(spec.default) }),
    ...(spec.collate !== undefined && { collate: spec.collate }),
    ...(spec.generated !== undefined && { generated: defineGenerated(spec.generated, change) }),
  }
  if (column.generated && column.default !== undefined) {
    refuse('invalidChange', { change, reason: `generated column ${spec.name} cannot have a default` })
  }
  return {
    column,
    ...(unique && { unique }),
    ...(check !== undefined && { check: expressionText(check, change) }),
    ...(references && { references: defineReference(references, change) }),
  }
}

/** What an `alterColumn` changes. `default: null` takes the default away. */
export function defineAlteration(spec: ColumnAlterSpec, { strict = false } = {}): ColumnAlteration {
  const change = 'alterColumn'
  const { nullable, unique, collate } = spec
  return {
    ...(spec.type !== undefined && { type: columnType(spec.type, strict, change) }),
    ...(nullable !== undefined && { nullable }),
    ...(unique !== undefined && { unique }),
    ...(collate !== undefined && { collate }),
    ...(spec.default !== undefined && { default: spec.default === null ? null : literal(spec.default) }),
    ...(spec.check !== undefined && { check: spec.check === null ? null : expressionText(spec.check, change) }),
    ...(spec.generated !== undefined && {
      generated: spec.generated === null ? null : defineGenerated(spec.generated, change),
    }),
    ...(spec.references !== undefined && {
      references: spec.references === null ? null : defineReference(spec.references, change),
    }),
  }
}

export function defineIndex(schema: Schema, spec: IndexSpec): Index {
  const index = {
    table: spec.table,
    unique: spec.unique ?? false,
    columns: spec.columns.map(defineIndexColumn),
    ...(spec.where !== undefined && { where: expressionText(spec.where, 'createIndex') }),
  }
  if (spec.name !== undefined) {
    checkName('index', spec.name)
    return { name: spec.name, ...index }
  }
  // Without a name, each try would make another one.
  const form = indexForm({ name: '', ...index })
  const equal = indexesOf(schema, spec.table).find((other) => indexForm(other) === form)
  if (equal) refuse('indexExists', { index: equal.name })
  return { name: defaultIndexName(schema, index), ...index }
}

/** `sql` is one CREATE TRIGGER statement. */
export function defineTrigger(sql: string): Trigger {
  const trigger = parseTrigger(sql)
  if (isReservedName(trigger.name)) {
    const rule = 'names that start with __ or sqlite_ are reserved'
    refuse('invalidName', { noun: 'trigger', name: trigger.name, rule })
  }
  return trigger
}

function defineIndexColumn(column: string | IndexColumn): IndexColumn {
  if (typeof column === 'string') return { name: column }
  return isKeyColumn(column) ? column : { ...column, expression: expressionText(column.expression, 'createIndex') }
}

/** `sql` is one SELECT (or VALUES, or WITH … SELECT); a trailing semicolon is left out. */
export function defineView(name: string, sql: string): { name: string; sql: string } {
  checkName('view', name)
  const tokens = tokenize(sql)
  while (isOperator(tokens.at(-1), ';')) tokens.pop()
  const isSelect = /^(select|values|with)$/i.test(tokens[0]?.text ?? '')
  const isOne = tokens.every(
    (token) => token.kind !== 'broken' && token.kind !== 'parameter' && !isOperator(token, ';'),
  )
  if (!isSelect || !isOne)
    refuse('invalidChange', { change: 'createView', reason: 'a view is one SELECT without parameters' })
  return { name, sql: sql.slice(tokens[0]?.start, tokens.at(-1)?.end) }
}

/** Refuse `invalidName` for a name that something new cannot have. */
export function checkName(noun: Noun, name: string): void {
  const fault = nameFault(noun, name)
  if (fault) refuse('invalidName', { noun, name, ...fault })
}

/** A type as it is stored: one of SQLite's own names. Known other names are taken; what is neither is refused. */
export function columnType(type: string, strict: boolean, change: string): string {
  const name = type.trim().toUpperCase()
  const canonical = aliases[name] ?? name
  if (strict) {
    if (canonical === 'BOOLEAN') {
      refuse('invalidChange', { change, reason: 'a STRICT table has no BOOLEAN: use INTEGER with CHECK (… IN (0, 1))' })
    }
    if (!strictTypes.has(canonical)) {
      refuse('invalidChange', {
        change,
        reason: `${type} is not a type of STRICT tables: ${[...strictTypes].join(', ')}`,
      })
    }
    return canonical
  }
  if (!types.has(canonical)) {
    refuse('invalidChange', { change, reason: `${type} is not a type: ${[...types].join(', ')}` })
  }
  return canonical
}

const types: ReadonlySet<string> = new Set(['TEXT', 'INTEGER', 'REAL', 'BLOB', 'NUMERIC', 'BOOLEAN'])
const strictTypes: ReadonlySet<string> = new Set(['INTEGER', 'REAL', 'TEXT', 'BLOB', 'ANY'])
const aliases: Readonly<Record<string, string>> = {
  INT: 'INTEGER',
  BOOL: 'BOOLEAN',
  FLOAT: 'REAL',
  DOUBLE: 'REAL',
  STRING: 'TEXT',
  STR: 'TEXT',
  VARCHAR: 'TEXT',
  CHAR: 'TEXT',
  BYTES: 'BLOB',
  BINARY: 'BLOB',
}

/**
 * UUID version 7 in plain SQL, so that every INSERT gets an id, whoever makes it: 48 bits of milliseconds, then
 * version and variant among 74 random bits.
 */
export const uuidV7 = (() => {
  const ms = "cast(round(unixepoch('subsec') * 1000) as integer)"
  const parts = [
    `${ms} >> 16`,
    `${ms} & 0xffff`,
    'random() & 0xfff',
    '0x8000 | (random() & 0x3fff)',
    'random() & 0xffffffffffff',
  ]
  return `printf('%08x-%04x-7%03x-%04x-%012x', ${parts.join(', ')})`
})()

function makeSystemColumns(newId: () => string): Column[] {
  const column = (name: string, expression: string): Column => ({
    id: newId(),
    name,
    type: 'TEXT',
    nullable: false,
    default: `(${expression})`,
  })
  return [column('id', uuidV7), column('created_at', now), column('updated_at', now)]
}

function defineGenerated(spec: NonNullable<ColumnSpec['generated']>, change: string): NonNullable<Column['generated']> {
  const { expression, stored = false } = typeof spec === 'string' ? { expression: spec } : spec
  return { expression: expressionText(expression, change), stored }
}

function defineReference(spec: ReferenceSpec, change: string): Omit<ForeignKey, 'columns'> {
  return {
    table: spec.table,
    ...(spec.column !== undefined && { parentColumns: [spec.column] }),
    onDelete: action(spec.onDelete, change),
    onUpdate: action(spec.onUpdate, change),
  }
}

function action(name: string | undefined, change: string): Action {
  if (name === undefined) return 'RESTRICT'
  const known = (['NO ACTION', 'RESTRICT', 'SET NULL', 'SET DEFAULT', 'CASCADE'] as const).find(
    (other) =>
      other ===
      name
        .trim()
        .toUpperCase()
        .replace(/[\s_]+/g, ' '),
  )
  return known ?? refuse('invalidChange', { change, reason: `${name} is not an action of a foreign key` })
}

/** A table as clients see it. Plain JSON. */
export interface TableDescription {
  readonly id: string
  readonly name: string
  readonly columns: readonly ColumnDescription[]
  readonly primaryKey: readonly string[]
  readonly uniques: readonly (readonly string[])[]
  readonly checks: readonly string[]
  readonly foreignKeys: readonly ForeignKey[]
  readonly indexes: readonly Index[]
  readonly strict: boolean
  readonly withoutRowid: boolean
  readonly systemColumns: boolean
}

export interface ColumnDescription {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly unique: boolean
  readonly primaryKey: boolean
  readonly system: boolean
  /** A value where the default is a literal. */
  readonly default?: Value
  readonly check?: string
  readonly collate?: string
  readonly generated?: { readonly expression: string; readonly stored: boolean }
  readonly references?: ReferenceSpec
}

export function describeTable(schema: Schema, table: Table): TableDescription {
  const { id, name, strict, withoutRowid, systemColumns } = table
  return {
    id,
    name,
    columns: table.columns.map((column) => describeColumn(schema, table, column)),
    primaryKey: table.primaryKey?.columns.map((column) => column.name) ?? [],
    uniques: table.uniques.map((key) => key.columns.map((column) => column.name)),
    checks: table.checks.map((check) => check.expression),
    foreignKeys: table.foreignKeys,
    indexes: indexesOf(schema, name),
    strict,
    withoutRowid,
    systemColumns,
  }
}

function describeColumn(schema: Schema, table: Table, column: Column): ColumnDescription {
  const isIt = (name: string | undefined) => name !== undefined && sameName(name, column.name)
  const isOnlyIt = (columns: readonly (string | undefined)[]) => columns.length === 1 && isIt(columns[0])
  const primary = table.primaryKey?.columns.map(({ name }) => name) ?? []
  const unique =
    isOnlyIt(primary) ||
    table.uniques.some((key) => isOnlyIt(key.columns.map(({ name }) => name))) ||
    indexesOf(schema, table.name).some(
      (index) =>
        index.unique &&
        index.where === undefined &&
        isOnlyIt(index.columns.map((part) => (isKeyColumn(part) ? part.name : undefined))),
    )
  const checks = table.checks.filter((check) => isIt(check.column)).map((check) => check.expression)
  const key = table.foreignKeys.find(({ columns }) => isOnlyIt(columns))
  return {
    id: column.id,
    name: column.name,
    type: column.type,
    nullable: column.nullable && rowidAlias(table) !== column,
    unique,
    primaryKey: primary.some(isIt),
    system: table.systemColumns && isSystemColumn(column.name),
    ...(column.default !== undefined && { default: describeDefault(column, column.default) }),
    ...(checks.length > 0 && {
      check: checks.length === 1 ? checks[0] : checks.map((check) => `(${check})`).join(' and '),
    }),
    ...(column.collate !== undefined && { collate: column.collate }),
    ...(column.generated && { generated: column.generated }),
    ...(key && { references: describeReference(key) }),
  }
}

function describeReference({ table, parentColumns, onDelete, onUpdate }: ForeignKey): ReferenceSpec {
  return { table, ...(parentColumns && { column: parentColumns[0] }), onDelete, onUpdate }
}

function describeDefault(column: Column, sql: string): Value {
  const tokens = tokenize(sql)
  const negative = isOperator(tokens[0], '-')
  const [token, more] = negative || isOperator(tokens[0], '+') ? tokens.slice(1) : tokens
  if (token === undefined || more !== undefined) return { sql }
  if (token.kind === 'string' && !negative) return token.value
  const word = token.kind === 'word' ? token.text.toUpperCase() : ''
  if (word === 'NULL') return null
  if (word === 'TRUE' || word === 'FALSE') return word === 'TRUE'
  if (token.kind !== 'number') return { sql }
  const number = Number(token.text.replaceAll('_', '')) * (negative ? -1 : 1)
  if (column.type.toUpperCase() === 'BOOLEAN' && (number === 0 || number === 1)) return number === 1
  return Number.isSafeInteger(number) || !/^\d+$/.test(token.text) ? number : { sql }
}
