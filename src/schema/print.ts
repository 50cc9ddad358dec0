import type {
  Check,
  Column,
  ForeignKey,
  Index,
  IndexColumn,
  Key,
  KeyColumn,
  PrimaryKey,
  Schema,
  Table,
  View,
  VirtualTable,
} from './model.ts'
import { isKeyColumn } from './model.ts'
import { quoteName, sameName } from './sql.ts'

/** Every statement that makes the schema from nothing, in an order that works. Foreign keys may point forwards in SQLite. */
export function createStatements(schema: Schema): string[] {
  return [
    ...schema.tables.map((table) => createTable(table)),
    ...schema.virtualTables.map(createVirtualTable),
    ...schema.indexes.map(createIndex),
    ...schema.views.map(createView),
    ...schema.triggers.map((trigger) => trigger.sql),
    ...schema.tables.filter((table) => table.systemColumns).map(createTouchTrigger),
  ]
}

/** CREATE TABLE; under another name where `name` is given, with foreign keys to itself still to its own name. */
export function createTable(table: Table, name = table.name): string {
  const inlineKey = inlinePrimaryKey(table)
  const lines = [
    ...table.columns.map((column) => columnDefinition(column, table.checks, inlineKey)),
    ...(table.primaryKey && !inlineKey
      ? [`${constraintName(table.primaryKey)}PRIMARY KEY ${keyParts(table.primaryKey)}`]
      : []),
    ...table.uniques.map((key) => `${constraintName(key)}UNIQUE ${keyParts(key)}`),
    ...table.checks.filter((check) => check.column === undefined).map(checkClause),
    ...table.foreignKeys.map((key) => `${constraintName(key)}FOREIGN KEY ${names(key.columns)} ${references(key)}`),
  ]
  const options = [...(table.strict ? ['STRICT'] : []), ...(table.withoutRowid ? ['WITHOUT ROWID'] : [])]
  const tail = options.length > 0 ? ` ${options.join(', ')}` : ''
  return `CREATE TABLE ${quoteName(name)} (\n  ${lines.join(',\n  ')}\n)${tail}`
}

/** What stands behind ADD COLUMN. `references` is a foreign key of this column alone. */
export function addedColumn(column: Column, checks: readonly Check[], reference?: ForeignKey): string {
  const clause = reference ? ` ${constraintName(reference)}${references(reference)}` : ''
  return columnDefinition(column, checks) + clause
}

export function createIndex(index: Index): string {
  const columns = index.columns.map(indexColumn).join(', ')
  const where = index.where === undefined ? '' : ` WHERE ${index.where}`
  return `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${quoteName(index.name)} ON ${quoteName(index.table)} (${columns})${where}`
}

export function createView(view: View): string {
  return `CREATE VIEW ${quoteName(view.name)}${view.columns ? ` ${names(view.columns)}` : ''} AS ${view.sql}`
}

export function createVirtualTable(table: VirtualTable): string {
  const module = `CREATE VIRTUAL TABLE ${quoteName(table.name)} USING ${quoteName(table.module)}`
  return table.arguments === '' ? module : `${module}(${table.arguments})`
}

export const touchPrefix = '__touch_'

/** Named by the table's id, so that it keeps its name through renames. */
export function touchTriggerName(table: Table): string {
  return `${touchPrefix}${table.id}`
}

/**
 * Moves `updated_at` where an UPDATE left it as it was. Where it says this very millisecond already there is nothing to
 * do: so its own UPDATE, which fires it again where recursive_triggers is on, ends there.
 */
export function createTouchTrigger(table: Table): string {
  const name = quoteName(table.name)
  return `CREATE TRIGGER ${quoteName(touchTriggerName(table))} AFTER UPDATE ON ${name}
WHEN new."updated_at" IS old."updated_at" AND new."updated_at" IS NOT ${now}
BEGIN
  UPDATE ${name} SET "updated_at" = ${now} WHERE "id" = new."id";
END`
}

/** ISO 8601, UTC, milliseconds. */
export const now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

/** Names in parentheses. */
export function names(list: readonly string[]): string {
  return `(${list.map(quoteName).join(', ')})`
}

export function orderedColumn(column: KeyColumn): string {
  return quoteName(column.name) + order(column)
}

function columnDefinition(column: Column, checks: readonly Check[], key?: PrimaryKey): string {
  const isKey = key?.columns[0] !== undefined && sameName(key.columns[0].name, column.name)
  const parts = [
    quoteName(column.name),
    column.type,
    column.collate === undefined ? '' : `COLLATE ${quoteName(column.collate)}`,
    key && isKey ? inlineKeyClause(key) : '',
    column.nullable ? '' : `NOT NULL${conflict(column.notNullConflict)}`,
    column.default === undefined ? '' : `DEFAULT ${column.default}`,
    column.generated
      ? `GENERATED ALWAYS AS (${column.generated.expression}) ${column.generated.stored ? 'STORED' : 'VIRTUAL'}`
      : '',
    ...checks.filter((check) => check.column !== undefined && sameName(check.column, column.name)).map(checkClause),
  ]
  return parts.filter((part) => part !== '').join(' ')
}

/** A key of one column stands in that column: only there DESC keeps an INTEGER key from being the rowid. */
function inlinePrimaryKey(table: Table): PrimaryKey | undefined {
  const [first, second] = table.primaryKey?.columns ?? []
  return first && second === undefined && first.collate === undefined ? table.primaryKey : undefined
}

function inlineKeyClause(key: PrimaryKey): string {
  const direction = key.columns[0]?.descending ? ' DESC' : ''
  const autoincrement = key.autoincrement ? ' AUTOINCREMENT' : ''
  return `${constraintName(key)}PRIMARY KEY${direction}${conflict(key.onConflict)}${autoincrement}`
}

function keyParts(key: PrimaryKey): string {
  const autoincrement = key.autoincrement ? ' AUTOINCREMENT' : ''
  return `(${key.columns.map(orderedColumn).join(', ')}${autoincrement})${conflict(key.onConflict)}`
}

function indexColumn(column: IndexColumn): string {
  return isKeyColumn(column) ? orderedColumn(column) : `(${column.expression})${order(column)}`
}

function order({ collate, descending }: { readonly collate?: string; readonly descending?: boolean }): string {
  return (collate === undefined ? '' : ` COLLATE ${quoteName(collate)}`) + (descending ? ' DESC' : '')
}

function checkClause(check: Check): string {
  return `${constraintName(check)}CHECK (${check.expression})`
}

function references(key: ForeignKey): string {
  return [
    `REFERENCES ${quoteName(key.table)}${key.parentColumns ? ` ${names(key.parentColumns)}` : ''}`,
    key.onDelete === 'NO ACTION' ? '' : `ON DELETE ${key.onDelete}`,
    key.onUpdate === 'NO ACTION' ? '' : `ON UPDATE ${key.onUpdate}`,
    key.match === undefined ? '' : `MATCH ${quoteName(key.match)}`,
    key.deferrable ?? '',
  ]
    .filter((part) => part !== '')
    .join(' ')
}

function constraintName({ name }: Pick<Key, 'name'>): string {
  return name === undefined ? '' : `CONSTRAINT ${quoteName(name)} `
}

function conflict(onConflict: string | undefined): string {
  return onConflict === undefined ? '' : ` ON CONFLICT ${onConflict}`
}
