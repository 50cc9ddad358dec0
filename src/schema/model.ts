import { foldName, normalSql, quoteName, sameName } from './sql.ts'

/**
 * The schema of a branch as a plain value, holding whatever SQLite can hold. Each list is in creation order.
 * Tables, their columns and virtual tables have stable ids, so that a rename is not a drop and a creation.
 * Expressions, defaults and view texts are SQL as written, without comments where they stand inside a table.
 */
export interface Schema {
  readonly tables: readonly Table[]
  readonly indexes: readonly Index[]
  readonly views: readonly View[]
  readonly triggers: readonly Trigger[]
  readonly virtualTables: readonly VirtualTable[]
}

export interface Table {
  readonly id: string
  readonly name: string
  readonly columns: readonly Column[]
  readonly primaryKey?: PrimaryKey
  readonly uniques: readonly Key[]
  readonly checks: readonly Check[]
  readonly foreignKeys: readonly ForeignKey[]
  readonly strict: boolean
  readonly withoutRowid: boolean
  /** Whether `id`, `created_at` and `updated_at` are kept by the file itself: by defaults and the touch trigger. */
  readonly systemColumns: boolean
}

export interface Column {
  readonly id: string
  readonly name: string
  /** As declared; may be empty. */
  readonly type: string
  readonly nullable: boolean
  /** SQL as it stands after DEFAULT: a literal, a signed number, or an expression with its parentheses. */
  readonly default?: string
  readonly collate?: string
  readonly generated?: Generated
  /** `ROLLBACK`, `FAIL`, … of `NOT NULL ON CONFLICT`. */
  readonly notNullConflict?: Conflict
}

export interface Generated {
  readonly expression: string
  readonly stored: boolean
}

/** What SQLite does on a broken constraint. Absent in the model: ABORT, the default. */
export type Conflict = 'ROLLBACK' | 'FAIL' | 'IGNORE' | 'REPLACE'

export interface Key {
  readonly name?: string
  readonly columns: readonly KeyColumn[]
  readonly onConflict?: Conflict
}

export interface PrimaryKey extends Key {
  readonly autoincrement?: boolean
}

export interface KeyColumn {
  readonly name: string
  readonly collate?: string
  readonly descending?: boolean
}

export interface Check {
  readonly name?: string
  readonly expression: string
  /** Written inline at this column: it goes when the column goes. */
  readonly column?: string
}

export type Action = 'NO ACTION' | 'RESTRICT' | 'SET NULL' | 'SET DEFAULT' | 'CASCADE'

export interface ForeignKey {
  readonly name?: string
  readonly columns: readonly string[]
  readonly table: string
  /** Absent: the parent's primary key. */
  readonly parentColumns?: readonly string[]
  readonly onDelete: Action
  readonly onUpdate: Action
  /** SQLite reads MATCH and does nothing with it. */
  readonly match?: string
  /** As written, such as `DEFERRABLE INITIALLY DEFERRED`. */
  readonly deferrable?: string
}

export interface Index {
  readonly name: string
  readonly table: string
  readonly unique: boolean
  readonly columns: readonly IndexColumn[]
  readonly where?: string
}

export type IndexColumn = KeyColumn | IndexExpression

export interface IndexExpression {
  readonly expression: string
  readonly collate?: string
  readonly descending?: boolean
}

export interface View {
  readonly name: string
  readonly columns?: readonly string[]
  /** The select. */
  readonly sql: string
}

export interface Trigger {
  readonly name: string
  /** The table or view it is on. */
  readonly table: string
  /** The whole CREATE TRIGGER statement. */
  readonly sql: string
}

export interface VirtualTable {
  readonly id: string
  readonly name: string
  readonly module: string
  /** What stands between the module's parentheses, as written. */
  readonly arguments: string
}

export const emptySchema: Schema = { tables: [], indexes: [], views: [], triggers: [], virtualTables: [] }

export function findTable(schema: Schema, name: string): Table | undefined {
  return findNamed(schema.tables, name)
}

export function findColumn(table: Table, name: string): Column | undefined {
  return findNamed(table.columns, name)
}

export function findIndex(schema: Schema, name: string): Index | undefined {
  return findNamed(schema.indexes, name)
}

export function findView(schema: Schema, name: string): View | undefined {
  return findNamed(schema.views, name)
}

export function findTrigger(schema: Schema, name: string): Trigger | undefined {
  return findNamed(schema.triggers, name)
}

export function findVirtualTable(schema: Schema, name: string): VirtualTable | undefined {
  return findNamed(schema.virtualTables, name)
}

export function indexesOf(schema: Schema, table: string): readonly Index[] {
  return schema.indexes.filter((index) => sameName(index.table, table))
}

export function triggersOf(schema: Schema, table: string): readonly Trigger[] {
  return schema.triggers.filter((trigger) => sameName(trigger.table, table))
}

/** Tables, virtual tables, views and indexes share one space of names. */
export function isNameTaken(schema: Schema, name: string): boolean {
  const { tables, views, virtualTables, indexes } = schema
  return [tables, views, virtualTables, indexes].some((list) => findNamed<{ name: string }>(list, name) !== undefined)
}

/** The column that is another name of the rowid: the one column of the primary key, declared INTEGER, not DESC. */
export function rowidAlias(table: Table): Column | undefined {
  const [key, second] = table.primaryKey?.columns ?? []
  if (table.withoutRowid || key === undefined || second !== undefined || key.descending) return undefined
  const column = findColumn(table, key.name)
  return column?.type.toUpperCase() === 'INTEGER' ? column : undefined
}

export function isKeyColumn(column: IndexColumn): column is KeyColumn {
  return 'name' in column
}

/** Names that start so are the daemon's and SQLite's own: tables of the system, touch triggers, tables being rebuilt. */
export function isReservedName(name: string): boolean {
  return name.startsWith('__') || /^sqlite_/i.test(name)
}

export interface Comparison {
  /** Whether the order of a table's columns counts. True by default: `select *` and `insert … values` see it. */
  readonly columnOrder?: boolean
}

/** Equal by definition, not by text: ids, the order of constraints, quotes and comments do not count. */
export function equalSchemas(a: Schema, b: Schema, comparison: Comparison = {}): boolean {
  return differences(a, b, comparison).length === 0
}

/** In which ways `b` is not `a`, in people's words. Empty: they are equal. */
export function differences(a: Schema, b: Schema, { columnOrder = true }: Comparison = {}): string[] {
  return [
    ...compareLists('table', a.tables, b.tables, (x, y) => tableDifferences(x, y, columnOrder)),
    ...compareLists('index', a.indexes, b.indexes, (x, y) => changed(`index ${x.name}`, indexForm(x), indexForm(y))),
    ...compareLists('view', a.views, b.views, (x, y) => changed(`view ${x.name}`, viewForm(x), viewForm(y))),
    ...compareLists('trigger', a.triggers, b.triggers, (x, y) =>
      changed(`trigger ${x.name}`, normalSql(x.sql), normalSql(y.sql)),
    ),
    ...compareLists('virtual table', a.virtualTables, b.virtualTables, (x, y) =>
      changed(`virtual table ${x.name}`, virtualForm(x), virtualForm(y)),
    ),
  ]
}

/** Forms are texts that are equal where the things are: what follows compares them, and `diff` does too. */
export function columnForm(column: Column): string {
  const { generated } = column
  return joined([
    normalSql(column.type),
    column.nullable ? '' : `not null ${column.notNullConflict ?? ''}`,
    column.default === undefined ? '' : `default ${normalSql(column.default)}`,
    collation(column),
    generated ? `as ${normalSql(generated.expression)}${generated.stored ? ' stored' : ''}` : '',
  ])
}

export function keyForm(key: PrimaryKey): string {
  const columns = key.columns.map(indexColumnForm).join(', ')
  return joined([nameForm(key), columns, key.onConflict ?? '', key.autoincrement ? 'autoincrement' : ''])
}

export function checkForm(check: Check): string {
  return joined([nameForm(check), normalSql(check.expression), check.column ? `at ${nameText(check.column)}` : ''])
}

export function foreignKeyForm(key: ForeignKey): string {
  return joined([
    nameForm(key),
    `(${key.columns.map(nameText).join(', ')}) references ${nameText(key.table)}`,
    key.parentColumns ? `(${key.parentColumns.map(nameText).join(', ')})` : '',
    `on delete ${key.onDelete} on update ${key.onUpdate}`,
    key.match ? `match ${nameText(key.match)}` : '',
    key.deferrable ?? '',
  ])
}

export function indexForm(index: Index): string {
  const columns = index.columns.map(indexColumnForm).join(', ')
  const where = index.where === undefined ? '' : `where ${normalSql(index.where)}`
  return joined([index.unique ? 'unique' : '', `on ${nameText(index.table)} (${columns})`, where])
}

export function viewForm(view: View): string {
  return joined([view.columns ? `(${view.columns.map(nameText).join(', ')})` : '', normalSql(view.sql)])
}

export function virtualForm(table: VirtualTable): string {
  return `${nameText(table.module)}(${normalSql(table.arguments)})`
}

function tableDifferences(a: Table, b: Table, columnOrder: boolean): string[] {
  const what = `table ${a.name}`
  const order = (table: Table) => table.columns.map(({ name }) => foldName(name)).join(', ')
  const sameColumns = a.columns.length === b.columns.length && a.columns.every(({ name }) => findColumn(b, name))
  return [
    ...compareLists(`${what}: column`, a.columns, b.columns, (x, y) =>
      changed(`${what}: column ${x.name}`, columnForm(x), columnForm(y)),
    ),
    ...(columnOrder && sameColumns ? changed(`${what}: order of columns`, order(a), order(b)) : []),
    ...changed(
      `${what}: primary key`,
      a.primaryKey ? keyForm(a.primaryKey) : '',
      b.primaryKey ? keyForm(b.primaryKey) : '',
    ),
    ...compareSets(`${what}: unique`, a.uniques.map(keyForm), b.uniques.map(keyForm)),
    ...compareSets(`${what}: check`, a.checks.map(checkForm), b.checks.map(checkForm)),
    ...compareSets(`${what}: foreign key`, a.foreignKeys.map(foreignKeyForm), b.foreignKeys.map(foreignKeyForm)),
    ...changed(`${what}: STRICT`, String(a.strict), String(b.strict)),
    ...changed(`${what}: WITHOUT ROWID`, String(a.withoutRowid), String(b.withoutRowid)),
    ...changed(`${what}: system columns`, String(a.systemColumns), String(b.systemColumns)),
  ]
}

function compareLists<T extends { readonly name: string }>(
  noun: string,
  a: readonly T[],
  b: readonly T[],
  compare: (x: T, y: T) => readonly string[],
): string[] {
  return [
    ...a.flatMap((item) => {
      const other = findNamed(b, item.name)
      return other ? compare(item, other) : [`${noun} ${item.name}: missing`]
    }),
    ...b.filter((item) => !findNamed(a, item.name)).map((item) => `${noun} ${item.name}: added`),
  ]
}

function compareSets(what: string, a: readonly string[], b: readonly string[]): string[] {
  return [
    ...[...new Set(a)].filter((form) => !b.includes(form)).map((form) => `${what} ${form}: missing`),
    ...[...new Set(b)].filter((form) => !a.includes(form)).map((form) => `${what} ${form}: added`),
  ]
}

function changed(what: string, a: string, b: string): string[] {
  return a === b ? [] : [`${what}: ${a || 'none'} became ${b || 'none'}`]
}

function indexColumnForm(column: IndexColumn): string {
  const what = isKeyColumn(column) ? nameText(column.name) : `(${normalSql(column.expression)})`
  return joined([what, collation(column), column.descending ? 'desc' : ''])
}

function collation({ collate }: { readonly collate?: string }): string {
  return collate === undefined ? '' : `collate ${nameText(collate)}`
}

function nameForm({ name }: { readonly name?: string }): string {
  return name === undefined ? '' : `constraint ${nameText(name)}`
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(', ')
}

/** Quoted where a form could be read in two ways without. */
function nameText(name: string): string {
  const folded = foldName(name)
  return /^[a-z_]\w*$/.test(folded) ? folded : quoteName(folded)
}

function findNamed<T extends { readonly name: string }>(list: readonly T[], name: string): T | undefined {
  return list.find((item) => sameName(item.name, name))
}
