import { assertNever } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type {
  AddColumn,
  AlterColumn,
  AlterTable,
  Change,
  ChangeKind,
  ChangeOf,
  ColumnAlteration,
  CopyTable,
} from './change.ts'
import type { Column, ForeignKey, Index, IndexColumn, Key, PrimaryKey, Schema, Table } from './model.ts'
import {
  differences,
  emptySchema,
  findColumn,
  findIndex,
  findTable,
  findTrigger,
  findView,
  findVirtualTable,
  indexesOf,
  isKeyColumn,
  isNameTaken,
  isReservedName,
  rowidAlias,
  triggersOf,
} from './model.ts'
import { parseTable, parseTrigger, settle } from './parse.ts'
import { addedColumn, createIndex, createTable, createTouchTrigger, createView, createVirtualTable } from './print.ts'
import type { Proof } from './proofs.ts'
import { brokenReferences, childProofs, indexProofs, reshapeProofs } from './proofs.ts'
import type { Reshape, Rows } from './rows.ts'
import { affinity, noRows, renamedColumnRows, reshapedRows, rowidName, rowsOf, withRows } from './rows.ts'
import type { Token } from './sql.ts'
import { expressionText, foldName, hasComment, literal, quoteName, quoteText, sameName, tokenize } from './sql.ts'

export type { Proof } from './proofs.ts'

/** What a change does to a file: the same steps on the template, and later on every tenant's file. */
export interface Plan {
  readonly steps: readonly Step[]
  /** Read-only probes for files at the old schema; each row they return stands against the change. */
  readonly proofs: readonly Proof[]
  /** Tables whose rows, and whose children's rows, the foreign key check has to look at, by their name after the change. */
  readonly rebuilt: readonly string[]
}

/** One SQL statement. */
export interface Step {
  readonly sql: string
  readonly danger?: readonly Danger[]
  /** The statement that takes it back, where one does. */
  readonly inverse?: string
}

export type Danger = 'destroysData' | 'rewritesTable' | 'needsProof'

/**
 * Plan one change against the schema. Refuses what the schema alone forbids: a name that is not there or is taken
 * (`tableNotFound`, `columnExists`, …), and `invalidChange` with the reason for everything else. What only SQLite
 * can tell, such as a view that no longer compiles, shows when the steps run on a template.
 */
export function planChange(schema: Schema, change: Change): Plan {
  return plan({ schema, rows: new Map(), change: change.kind, isAlone: true }, change).plan
}

/**
 * As `planChange`, for one change of a batch. `rows` says where the rows of tables are that earlier changes touched, in
 * files that have not seen these changes. Foreign keys may point at what a later change makes: the caller looks at
 * `brokenReferences` at the end.
 */
export function planInBatch(schema: Schema, change: Change, rows: Rows): { plan: Plan; rows: Rows } {
  return plan({ schema, rows, change: change.kind, isAlone: false }, change)
}

function plan(planner: Planner, change: Change): Planned {
  const { schema } = planner
  switch (change.kind) {
    case 'createTable':
      return planCreateTable(planner, change)
    case 'dropTable':
      return planDropTable(planner, change.table)
    case 'renameTable':
      return planRenameTable(planner, change)
    case 'copyTable':
      return planCopyTable(planner, change)
    case 'addColumn':
      return planAddColumn(planner, change)
    case 'dropColumn':
      return planDropColumn(planner, change)
    case 'renameColumn':
      return planRenameColumn(planner, change)
    case 'alterColumn':
      return planAlterColumn(planner, change)
    case 'alterTable':
      return planAlterTable(planner, change)
    case 'createIndex':
      return planCreateIndex(planner, change.index)
    case 'dropIndex':
      return planDropIndex(planner, change.index)
    case 'createView':
      requireFreeName(schema, change.view.name, 'view')
      return stepsOnly(planner, [{ sql: createView(change.view), inverse: `DROP VIEW ${quoteName(change.view.name)}` }])
    case 'updateView':
      return planUpdateView(planner, change)
    case 'dropView': {
      const view = findView(schema, change.view) ?? refuse('viewNotFound', { view: change.view })
      return stepsOnly(planner, [{ sql: `DROP VIEW ${quoteName(view.name)}`, inverse: createView(view) }])
    }
    case 'createTrigger':
      return planCreateTrigger(planner, change)
    case 'dropTrigger': {
      const trigger = findTrigger(schema, change.trigger) ?? refuse('triggerNotFound', { trigger: change.trigger })
      return stepsOnly(planner, [{ sql: `DROP TRIGGER ${quoteName(trigger.name)}`, inverse: trigger.sql }])
    }
    case 'createVirtualTable':
      requireFreeName(schema, change.table.name, 'table')
      return stepsOnly(planner, [
        { sql: createVirtualTable(change.table), inverse: `DROP TABLE ${quoteName(change.table.name)}` },
      ])
    case 'dropVirtualTable': {
      const table = findVirtualTable(schema, change.table) ?? refuse('tableNotFound', { table: change.table })
      return stepsOnly(planner, [{ sql: `DROP TABLE ${quoteName(table.name)}`, danger: ['destroysData'] }])
    }
    default:
      return assertNever(change)
  }
}

/** `idx_<table>_<columns>`, or `uniq_…`; with a number behind it where the schema has that name already. */
export function defaultIndexName(schema: Schema, index: Omit<Index, 'name'>): string {
  const columns = index.columns.map((column) => (isKeyColumn(column) ? column.name : 'expr'))
  const name = [index.unique ? 'uniq' : 'idx', index.table, ...columns].join('_')
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}_${i}`
    if (!isNameTaken(schema, candidate)) return candidate
  }
}

interface Planner {
  readonly schema: Schema
  readonly rows: Rows
  readonly change: ChangeKind
  /** No other change comes after it that could mend what it leaves. */
  readonly isAlone: boolean
}

interface Planned {
  readonly plan: Plan
  readonly rows: Rows
}

function stepsOnly({ rows }: Planner, steps: readonly Step[]): Planned {
  return { plan: { steps, proofs: [], rebuilt: [] }, rows }
}

function planCreateTable(planner: Planner, change: ChangeOf<'createTable'>): Planned {
  const { indexes = [] } = change
  const table = settle(change.table)
  requireFreeName(planner.schema, table.name, 'table')
  requireSound(planner, table)
  const grown = { ...planner.schema, tables: [...planner.schema.tables, table] }
  const steps: Step[] = [
    { sql: createTable(table), inverse: `DROP TABLE ${quoteName(table.name)}` },
    ...(table.systemColumns ? [{ sql: createTouchTrigger(table) }] : []),
  ]
  const taken = new Set<string>()
  for (const index of indexes) {
    if (!sameName(index.table, table.name)) invalid(planner, `index ${index.name} is on ${index.table}`)
    requireIndexable(grown, index)
    if (taken.has(foldName(index.name))) refuse('indexExists', { index: index.name })
    taken.add(foldName(index.name))
    steps.push({ sql: createIndex(index) })
  }
  const rows = withRows(planner.rows, table.name, noRows(table))
  // A dropped table can come back under its name, empty, with children that are still there.
  const proofs = childProofs(grown, rows, table)
  return { plan: { steps, proofs, rebuilt: proofs.length > 0 ? [table.name] : [] }, rows }
}

function planDropTable(planner: Planner, name: string): Planned {
  const { schema, rows } = planner
  const table = requireTable(schema, name)
  for (const child of schema.tables) {
    const key = child.foreignKeys.find((foreignKey) => sameName(foreignKey.table, table.name))
    if (key && child !== table && planner.isAlone)
      invalid(planner, `foreign key (${key.columns.join(', ')}) of ${child.name} refers to ${table.name}`)
  }
  return {
    plan: {
      steps: [{ sql: `DROP TABLE ${quoteName(table.name)}`, danger: ['destroysData'] }],
      proofs: [],
      rebuilt: [],
    },
    rows: withRows(rows, table.name, noRows(table)),
  }
}

function planRenameTable(planner: Planner, { table: name, newName }: ChangeOf<'renameTable'>): Planned {
  const { schema, rows } = planner
  const table = requireTable(schema, name)
  const rename = (from: string, to: string) => `ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`
  if (!sameName(table.name, newName)) {
    requireFreeName(schema, newName, 'table')
    const steps = [{ sql: rename(table.name, newName), inverse: rename(newName, table.name) }]
    const moved = withRows(rows, newName, rowsOf(rows, table.name))
    return { plan: { steps, proofs: [], rebuilt: [] }, rows: moved }
  }
  if (table.name === newName) invalid(planner, `the table is called ${newName} already`)
  // SQLite takes a name that differs in case alone for one that exists.
  const steps = [{ sql: rename(table.name, temporaryName(table)) }, { sql: rename(temporaryName(table), newName) }]
  return stepsOnly(planner, steps)
}

function planCopyTable(planner: Planner, { source, table: name, id, columnIds, data }: CopyTable): Planned {
  const { schema, rows } = planner
  const original = requireTable(schema, source)
  requireFreeName(schema, name, 'table')
  const copy: Table = {
    ...original,
    id,
    name,
    columns: original.columns.map((column, i) => ({
      ...column,
      id: columnIds[i] ?? invalid(planner, `${source} has ${original.columns.length} columns, not ${columnIds.length}`),
    })),
    foreignKeys: original.foreignKeys.map((key) =>
      sameName(key.table, original.name) ? { ...key, table: name } : key,
    ),
  }
  const steps: Step[] = [{ sql: createTable(copy), inverse: `DROP TABLE ${quoteName(name)}` }]
  if (data) steps.push({ sql: copyRows(original, copy, name, new Map()) })
  if (copy.systemColumns) steps.push({ sql: createTouchTrigger(copy) })
  let grown: Schema = { ...schema, tables: [...schema.tables, copy] }
  for (const index of indexesOf(schema, original.name)) {
    const moved = { ...index, table: name }
    const named = { ...moved, name: defaultIndexName(grown, moved) }
    grown = { ...grown, indexes: [...grown.indexes, named] }
    steps.push({ sql: createIndex(named) })
  }
  return {
    plan: { steps, proofs: [], rebuilt: [] },
    rows: withRows(rows, name, data ? rowsOf(rows, original.name) : noRows(copy)),
  }
}

function planAddColumn(planner: Planner, change: AddColumn): Planned {
  const table = requireTable(planner.schema, change.table)
  const { column, unique, check, references } = change
  if (findColumn(table, column.name)) refuse('columnExists', { table: table.name, column: column.name })
  const checks = check === undefined ? [] : [{ expression: check, column: column.name }]
  const reference: ForeignKey | undefined = references && { ...references, columns: [column.name] }
  const after: Table = {
    ...table,
    columns: [...table.columns, column],
    uniques: unique ? [...table.uniques, { columns: [{ name: column.name }] }] : table.uniques,
    checks: [...table.checks, ...checks],
    foreignKeys: reference ? [...table.foreignKeys, reference] : table.foreignKeys,
  }
  if (unique || !canAddNatively(column, reference))
    return planReshape(planner, { before: table, after, fills: new Map() })
  const name = quoteName(table.name)
  return planNatively(
    planner,
    { before: table, after, fills: new Map() },
    {
      sql: `ALTER TABLE ${name} ADD COLUMN ${addedColumn(column, checks, reference)}`,
      inverse: `ALTER TABLE ${name} DROP COLUMN ${quoteName(column.name)}`,
    },
  )
}

/** By https://www.sqlite.org/lang_altertable.html#altertabaddcol */
function canAddNatively(column: Column, reference: ForeignKey | undefined): boolean {
  if (column.generated) return !column.generated.stored
  const isNull = column.default === undefined || column.default.toUpperCase() === 'NULL'
  const isConstant = isNull || !/^\(|^current_(date|time|timestamp)$/i.test(column.default ?? '')
  return isConstant && (column.nullable || !isNull) && (reference === undefined || isNull)
}

function planDropColumn(planner: Planner, change: ChangeOf<'dropColumn'>): Planned {
  const { schema } = planner
  const table = requireTable(schema, change.table)
  const column = requireColumn(table, change.column)
  requireOwn(planner, table, column)
  const user = userOfColumn(planner, table, column.name)
  if (user !== undefined) invalid(planner, `${user} uses ${table.name}.${column.name}`)
  if (table.columns.length === 1) invalid(planner, `${column.name} is the only column of ${table.name}`)

  const isOwnKey = (columns: readonly string[]) => columns.some((name) => sameName(name, column.name))
  const after: Table = {
    ...table,
    columns: table.columns.filter((other) => other !== column),
    uniques: table.uniques.filter((key) => !isOwnKey(key.columns.map(({ name }) => name))),
    checks: table.checks.filter((check) => check.column === undefined || !sameName(check.column, column.name)),
    foreignKeys: table.foreignKeys.filter((key) => !isOwnKey(key.columns)),
  }
  const reshape = { before: table, after, fills: new Map() }
  const isNative =
    after.uniques.length === table.uniques.length && after.foreignKeys.length === table.foreignKeys.length
  if (!isNative) return planReshape(planner, reshape)
  return planNatively(planner, reshape, {
    sql: `ALTER TABLE ${quoteName(table.name)} DROP COLUMN ${quoteName(column.name)}`,
    danger: ['destroysData', 'rewritesTable'],
  })
}

/**
 * What would be hurt if the column went. The column's own constraints (a key, CHECK or foreign key of it alone) go with
 * it; views and triggers are found out by SQLite, which reads their SQL.
 */
function userOfColumn({ schema, isAlone }: Planner, table: Table, column: string): string | undefined {
  const isIt = (name: string) => sameName(name, column)
  const reads = (sql: string) => tokenize(sql).some((token) => token.kind !== 'string' && isIt(token.value))
  const readsPart = (part: IndexColumn) => (isKeyColumn(part) ? isIt(part.name) : reads(part.expression))
  if (table.primaryKey?.columns.some(({ name }) => isIt(name))) return 'the primary key'
  const unique = table.uniques.find((key) => key.columns.length > 1 && key.columns.some(({ name }) => isIt(name)))
  if (unique) return `UNIQUE (${unique.columns.map(({ name }) => name).join(', ')})`
  const check = table.checks.find((other) => !(other.column && isIt(other.column)) && reads(other.expression))
  if (check) return `CHECK (${check.expression})`
  const generated = table.columns.find(
    (other) => !isIt(other.name) && other.generated && reads(other.generated.expression),
  )
  if (generated) return `generated column ${generated.name}`
  const index = indexesOf(schema, table.name).find(
    (other) => other.columns.some(readsPart) || (other.where !== undefined && reads(other.where)),
  )
  if (index) return `index ${index.name}`
  for (const child of schema.tables) {
    const key = child.foreignKeys.find(
      (other) =>
        (child === table && other.columns.length > 1 && other.columns.some(isIt)) ||
        (isAlone && sameName(other.table, table.name) && other.parentColumns?.some(isIt)),
    )
    if (key) return `foreign key (${key.columns.join(', ')}) of ${child.name}`
  }
  return undefined
}

function planRenameColumn(planner: Planner, change: ChangeOf<'renameColumn'>): Planned {
  const { schema, rows } = planner
  const table = requireTable(schema, change.table)
  const column = requireColumn(table, change.column)
  const { newName } = change
  requireOwn(planner, table, column)
  const other = findColumn(table, newName)
  if (column.name === newName) invalid(planner, `the column is called ${newName} already`)
  if (other && other !== column) refuse('columnExists', { table: table.name, column: newName })
  const rename = (from: string, to: string) =>
    `ALTER TABLE ${quoteName(table.name)} RENAME COLUMN ${quoteName(from)} TO ${quoteName(to)}`
  return {
    plan: {
      steps: [{ sql: rename(column.name, newName), inverse: rename(newName, column.name) }],
      proofs: [],
      rebuilt: [],
    },
    rows: withRows(rows, table.name, renamedColumnRows(rowsOf(rows, table.name), table, column.name, newName)),
  }
}

function planAlterColumn(planner: Planner, { table: name, column: columnName, to, fill }: AlterColumn): Planned {
  const table = requireTable(planner.schema, name)
  const column = requireColumn(table, columnName)
  requireOwn(planner, table, column)
  const after = alteredTable(table, column, to)
  const fills = new Map(fill === undefined ? [] : [[foldName(column.name), literal(fill)]])
  const reshape = { before: table, after, fills }
  if (isOnlyNullability(to) && fills.size === 0 && !column.notNullConflict) {
    if (to.nullable === column.nullable) return stepsOnly(planner, [])
    const alter = `ALTER TABLE ${quoteName(table.name)} ALTER COLUMN ${quoteName(column.name)}`
    const [drop, set] = [`${alter} DROP NOT NULL`, `${alter} SET NOT NULL`]
    return planNatively(planner, reshape, to.nullable ? { sql: drop, inverse: set } : { sql: set, inverse: drop })
  }
  return planReshape(planner, reshape)
}

function isOnlyNullability(to: ColumnAlteration): boolean {
  return Object.entries(to).every(([key, value]) => key === 'nullable' || value === undefined)
}

function alteredTable(table: Table, column: Column, to: ColumnAlteration): Table {
  const isIt = (name: string | undefined) => name !== undefined && sameName(name, column.name)
  const isOnlyIt = (columns: readonly (string | undefined)[]) => columns.length === 1 && isIt(columns[0])
  let altered: Column = {
    ...column,
    type: to.type ?? column.type,
    nullable: to.nullable ?? column.nullable,
    ...(to.default !== undefined && { default: to.default ?? undefined }),
    ...(to.notNullConflict !== undefined && { notNullConflict: to.notNullConflict ?? undefined }),
    ...(to.collate !== undefined && { collate: to.collate ?? undefined }),
    ...(to.generated !== undefined && { generated: to.generated ?? undefined }),
  }
  if (altered.nullable) altered = { ...altered, notNullConflict: undefined }
  let { uniques, checks, foreignKeys } = table
  const isUnique = uniques.some((key) => isOnlyIt(key.columns.map(({ name }) => name)))
  if (to.unique === true && !isUnique) uniques = [...uniques, { columns: [{ name: column.name }] }]
  if (to.unique === false) uniques = uniques.filter((key) => !isOnlyIt(key.columns.map(({ name }) => name)))
  if (to.check !== undefined) {
    const others = checks.filter((check) => !isIt(check.column))
    checks = to.check === null ? others : [...others, { expression: to.check, column: column.name }]
  }
  if (to.references !== undefined) {
    const others = foreignKeys.filter((key) => !isOnlyIt(key.columns))
    foreignKeys = to.references === null ? others : [...others, { ...to.references, columns: [column.name] }]
  }
  return {
    ...table,
    columns: table.columns.map((other) => (other === column ? altered : other)),
    uniques,
    checks,
    foreignKeys,
  }
}

function planAlterTable(planner: Planner, { table: name, to }: AlterTable): Planned {
  const table = requireTable(planner.schema, name)
  const { primaryKey, ...lists } = to
  const given = Object.fromEntries(Object.entries(lists).filter(([, value]) => value !== undefined))
  const after: Table = { ...table, ...given, ...(primaryKey !== undefined && { primaryKey: primaryKey ?? undefined }) }
  if (after.systemColumns && after.primaryKey?.columns.map((column) => column.name).join() !== 'id') {
    invalid(planner, 'the primary key of a table with system columns is id')
  }
  return planReshape(planner, { before: table, after, fills: new Map() })
}

function planCreateIndex(planner: Planner, index: Index): Planned {
  const { schema, rows } = planner
  const table = requireIndexable(schema, index)
  const proofs = indexProofs(table, rows, index)
  const step: Step = {
    sql: createIndex(index),
    inverse: `DROP INDEX ${quoteName(index.name)}`,
    ...(proofs.length > 0 && { danger: ['needsProof'] }),
  }
  return { plan: { steps: [step], proofs, rebuilt: [] }, rows }
}

function planDropIndex(planner: Planner, name: string): Planned {
  const index = findIndex(planner.schema, name) ?? refuse('indexNotFound', { index: name })
  return stepsOnly(planner, [{ sql: `DROP INDEX ${quoteName(index.name)}`, inverse: createIndex(index) }])
}

function planUpdateView(planner: Planner, { view }: ChangeOf<'updateView'>): Planned {
  const old = findView(planner.schema, view.name) ?? refuse('viewNotFound', { view: view.name })
  // Its INSTEAD OF triggers go with the view that is dropped.
  const triggers = triggersOf(planner.schema, old.name).map(({ sql }) => ({ sql }))
  return stepsOnly(planner, [
    { sql: `DROP VIEW ${quoteName(old.name)}` },
    { sql: createView({ ...view, name: old.name }) },
    ...triggers,
  ])
}

function planCreateTrigger(planner: Planner, { trigger }: ChangeOf<'createTrigger'>): Planned {
  const { schema } = planner
  if (isReservedName(trigger.name)) refuseReserved('trigger', trigger.name)
  if (findTrigger(schema, trigger.name)) refuse('triggerExists', { trigger: trigger.name })
  if (!findTable(schema, trigger.table) && !findView(schema, trigger.table))
    refuse('tableNotFound', { table: trigger.table })
  const parsed = parseTrigger(trigger.sql)
  const isIt = sameName(parsed.name, trigger.name) && sameName(parsed.table, trigger.table)
  if (!isIt) invalid(planner, `the SQL of ${trigger.name} on ${trigger.table} makes ${parsed.name} on ${parsed.table}`)
  requireNoSystemTable(planner, parsed.sql)
  return stepsOnly(planner, [{ sql: parsed.sql, inverse: `DROP TRIGGER ${quoteName(trigger.name)}` }])
}

/**
 * Rows are written without a look at what their triggers do, so tables of the daemon's own are not named in one. Those of
 * SQLite, which files that are adopted may name, it protects itself.
 */
function requireNoSystemTable(planner: Planner, sql: string): void {
  const tokens = tokenize(sql)
  const isName = ({ kind }: Token) => kind === 'word' || kind === 'name'
  const reserved = tokens.find((token) => isName(token) && token.value.startsWith('__'))
  if (reserved) invalid(planner, `it names ${reserved.value}; names that start with __ are reserved`)
}

/** A step of SQLite's own ALTER TABLE, with the proofs that a rebuild to the same shape would need. */
function planNatively(planner: Planner, given: Reshape, step: Step): Planned {
  const after = settle(given.after)
  const reshape = { ...given, after }
  requireSound(planner, after)
  if (isSameTable(reshape.before, after)) return stepsOnly(planner, [])
  const { schema, rows } = planner
  const proofs = reshapeProofs(schema, rows, reshape)
  const danger: Danger[] = [...(step.danger ?? []), ...(proofs.length > 0 ? (['needsProof'] as const) : [])]
  const checked = after.foreignKeys.length > reshape.before.foreignKeys.length
  return {
    plan: {
      steps: [{ ...step, ...(danger.length > 0 && { danger }) }],
      proofs,
      rebuilt: checked ? [after.name] : [],
    },
    rows: withRows(rows, after.name, reshapedRows(rowsOf(rows, after.name), reshape)),
  }
}

/**
 * The table rebuild: the twelve steps of https://www.sqlite.org/lang_altertable.html#otheralter, in the one place where
 * they are. `runSteps` has foreign keys off, so that dropping the old table deletes no child rows, and checks them after.
 * With legacy_alter_table on, the last rename touches nothing but the table: views, triggers and the foreign keys of
 * other tables name it as before.
 */
function planReshape(planner: Planner, given: Reshape): Planned {
  const { schema, rows } = planner
  const { before, fills } = given
  const after = settle(given.after)
  const reshape = { before, after, fills }
  requireSound(planner, after)
  if (fills.size === 0 && isSameTable(before, after)) return stepsOnly(planner, [])
  const proofs = reshapeProofs(schema, rows, reshape)
  const temporary = temporaryName(before)
  const danger: Danger[] = [
    ...(losesValues(reshape) ? (['destroysData'] as const) : []),
    'rewritesTable',
    ...(proofs.length > 0 ? (['needsProof'] as const) : []),
  ]
  const isCounted = before.primaryKey?.autoincrement && after.primaryKey?.autoincrement
  const steps: Step[] = [
    { sql: createTable(after, temporary) },
    { sql: copyRows(before, after, temporary, fills), danger },
    ...(isCounted ? keepSequence(before.name, temporary) : []),
    { sql: `DROP TABLE ${quoteName(before.name)}` },
    { sql: 'PRAGMA legacy_alter_table = ON' },
    { sql: `ALTER TABLE ${quoteName(temporary)} RENAME TO ${quoteName(after.name)}` },
    { sql: 'PRAGMA legacy_alter_table = OFF' },
    ...indexesOf(schema, before.name).map((index) => ({ sql: createIndex(index) })),
    ...triggersOf(schema, before.name).map(({ sql }) => ({ sql })),
    ...(after.systemColumns ? [{ sql: createTouchTrigger(after) }] : []),
  ]
  return {
    plan: { steps, proofs, rebuilt: [after.name] },
    rows: withRows(rows, after.name, reshapedRows(rowsOf(rows, before.name), reshape)),
  }
}

/** Columns that go or are computed from now on, and text that becomes a number: '007' is 7 then. */
function losesValues({ before, after }: Reshape): boolean {
  const isNumber = (table: Table, column: Column) => ['integer', 'real', 'numeric'].includes(affinity(table, column))
  return before.columns.some((old) => {
    const column = findColumn(after, old.name)
    if (!column) return true
    if (old.generated) return false
    return column.generated !== undefined || (isNumber(after, column) && !isNumber(before, old))
  })
}

/** By id, which nobody chooses: no table of an adopted file has this name. */
function temporaryName(table: Table): string {
  return `__new_${table.id}`
}

/** Every row with its rowid, where rows have one; new columns take their default, generated columns compute themselves. */
function copyRows(from: Table, to: Table, target: string, fills: Reshape['fills']): string {
  const kept = to.columns.filter((column) => !column.generated && findColumn(from, column.name))
  const targets = kept.map(({ name }) => quoteName(name))
  const values = kept.map(({ name }) => {
    const fill = fills.get(foldName(name))
    return fill === undefined ? quoteName(name) : `coalesce(${quoteName(name)}, ${fill})`
  })
  const [oldRowid, newRowid] = [rowidName(from), rowidName(to)]
  if (oldRowid && newRowid && !rowidAlias(to)) {
    targets.unshift(newRowid)
    values.unshift(oldRowid)
  }
  return `INSERT INTO ${quoteName(target)} (${targets.join(', ')}) SELECT ${values.join(', ')} FROM ${quoteName(from.name)}`
}

/** AUTOINCREMENT never gives a number twice, also one whose row is gone. */
function keepSequence(table: string, temporary: string): Step[] {
  return [
    { sql: `DELETE FROM sqlite_sequence WHERE name = ${quoteText(temporary)}` },
    {
      sql: `INSERT INTO sqlite_sequence (name, seq) SELECT ${quoteText(temporary)}, seq FROM sqlite_sequence WHERE name = ${quoteText(table)} COLLATE NOCASE`,
    },
  ]
}

function isSameTable(a: Table, b: Table): boolean {
  return tableDifferences(a, b).length === 0
}

function tableDifferences(a: Table, b: Table): string[] {
  return differences({ ...emptySchema, tables: [a] }, { ...emptySchema, tables: [b] })
}

/** What SQLite would refuse with an error that names no cause, or would take and regret. */
function requireSound(planner: Planner, table: Table): void {
  const seen = new Set<string>()
  for (const column of table.columns) {
    if (seen.has(foldName(column.name))) refuse('columnExists', { table: table.name, column: column.name })
    seen.add(foldName(column.name))
    if (column.default !== undefined) requireDefault(planner, column)
    if (column.generated) requireExpression(planner.change, column.generated.expression)
  }
  const keys: readonly (Key | PrimaryKey)[] = [...(table.primaryKey ? [table.primaryKey] : []), ...table.uniques]
  const named = [
    ...keys.flatMap((key) => key.columns.map(({ name }) => name)),
    ...table.foreignKeys.flatMap((key) => key.columns),
  ]
  for (const name of named) requireColumn(table, name)
  for (const check of table.checks) requireExpression(planner.change, check.expression)
  if (table.columns.every((column) => column.generated)) invalid(planner, `${table.name} has no column to write to`)
  if (table.withoutRowid && !table.primaryKey) invalid(planner, 'a WITHOUT ROWID table needs a primary key')
  const [lost] = tableDifferences(table, {
    ...parseTable(createTable(table), () => ''),
    systemColumns: table.systemColumns,
  })
  if (lost !== undefined) invalid(planner, `SQL cannot say this: ${lost}`)
  if (!planner.isAlone) return
  const { tables, ...others } = planner.schema
  const rest = tables.filter((other) => !sameName(other.name, table.name))
  const fault = brokenReferences({ ...others, tables: [...rest, table] }).find(
    (reason) => !brokenReferences(planner.schema).includes(reason),
  )
  if (fault !== undefined) invalid(planner, fault)
}

function requireDefault(planner: Planner, column: Column): void {
  const tokens = tokenize(column.default ?? '')
  const isExpression = column.default?.startsWith('(')
  const isLiteral = tokens.length === 1 || (tokens.length === 2 && /^[+-]$/.test(tokens[0]?.text ?? ''))
  if (!isExpression && !isLiteral) invalid(planner, `default of ${column.name} is neither a literal nor in parentheses`)
  requireExpression(planner.change, column.default ?? '')
}

function requireExpression(change: ChangeKind, sql: string): void {
  expressionText(sql, change)
  if (hasComment(sql)) refuse('invalidChange', { change, reason: `comments are not kept in expressions: ${sql}` })
}

function requireTable(schema: Schema, table: string): Table {
  return findTable(schema, table) ?? refuse('tableNotFound', { table })
}

function requireColumn(table: Table, column: string): Column {
  return findColumn(table, column) ?? refuse('columnNotFound', { table: table.name, column })
}

function requireFreeName(schema: Schema, name: string, noun: 'table' | 'view'): void {
  if (isReservedName(name)) refuseReserved(noun, name)
  if (!isNameTaken(schema, name)) return
  if (findIndex(schema, name)) refuse('indexExists', { index: name })
  if (noun === 'view') refuse('viewExists', { view: name })
  refuse('tableExists', { table: name })
}

function requireIndexable(schema: Schema, index: Index): Table {
  const table = requireTable(schema, index.table)
  if (isReservedName(index.name)) refuseReserved('index', index.name)
  if (findIndex(schema, index.name)) refuse('indexExists', { index: index.name })
  if (isNameTaken(schema, index.name)) refuse('tableExists', { table: index.name })
  if (index.columns.length === 0) refuse('invalidChange', { change: 'createIndex', reason: 'an index has columns' })
  for (const column of index.columns) {
    if (isKeyColumn(column)) requireColumn(table, column.name)
    else requireExpression('createIndex', column.expression)
  }
  if (index.where !== undefined) requireExpression('createIndex', index.where)
  return table
}

function requireOwn(planner: Planner, table: Table, column: Column): void {
  const isSystem = table.systemColumns && ['id', 'created_at', 'updated_at'].includes(column.name)
  if (isSystem) invalid(planner, `${column.name} of ${table.name} is kept by the daemon`)
}

function refuseReserved(noun: string, name: string): never {
  return refuse('invalidName', { noun, name, rule: 'names that start with __ or sqlite_ are reserved' })
}

function invalid({ change }: Planner, reason: string): never {
  return refuse('invalidChange', { change, reason })
}
