import type { Database as Connection } from 'better-sqlite3'
import Database from 'better-sqlite3'
import { refuse } from '../base/refusal.ts'
import type { Index, Schema, Table, Trigger, View, VirtualTable } from './model.ts'
import { differences, isReservedName } from './model.ts'
import { parseIndex, parseTable, parseTrigger, parseView, parseVirtualTable } from './parse.ts'
import { createStatements, touchPrefix } from './print.ts'
import { foldName, normalSql, quoteName, sameName } from './sql.ts'

/**
 * The schema of an SQLite file, read from its own SQL. Left out: what starts with `__` or `sqlite_`, and the tables
 * that virtual tables keep for themselves. Refuses `notSupported` for SQL that the parser does not understand.
 *
 * @param newId gives the ids of tables, columns and virtual tables; a file does not hold them
 */
export function snapshot(db: Connection, newId: () => string): Schema {
  const tables: Table[] = []
  const indexes: Index[] = []
  const views: View[] = []
  const triggers: Trigger[] = []
  const virtualTables: VirtualTable[] = []
  const objects = schemaObjects(db)
  const touched = new Set(objects.filter(isTouchTrigger).map((object) => foldName(object.tbl_name)))
  const shadows = shadowTables(db)
  const isHidden = (name: string) => isReservedName(name) || shadows.has(foldName(name))

  for (const object of objects) {
    if (isHidden(object.name) || isHidden(object.tbl_name)) continue
    if (object.type === 'index') indexes.push(parseIndex(object.sql))
    else if (object.type === 'view') views.push(parseView(object.sql))
    else if (object.type === 'trigger') triggers.push(parseTrigger(object.sql))
    else if (/^create\s+virtual/i.test(object.sql)) virtualTables.push(parseVirtualTable(object.sql, newId))
    else tables.push({ ...parseTable(object.sql, newId), systemColumns: touched.has(foldName(object.name)) })
  }
  return { tables, indexes, views, triggers, virtualTables }
}

/** An empty in-memory database of this schema. The caller closes it. */
export function createTemplate(schema: Schema): Connection {
  const db = new Database(':memory:')
  db.transaction(() => {
    for (const sql of createStatements(schema)) db.prepare(sql).run()
  })()
  return db
}

/**
 * Whether `schema` says all that the file at `db` holds: makes an empty database from it and compares the two, by
 * SQLite's own account of each table and by reading the schema back. Empty: faithful.
 */
export function verifySnapshot(db: Connection, schema: Schema): string[] {
  let copy: Connection
  try {
    copy = createTemplate(schema)
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error
    return [`cannot be made again: ${error.message}`]
  }
  try {
    const anyId = () => ''
    const accounts = schema.tables.flatMap((table) => {
      const [mine, theirs] = [account(copy, table.name), account(db, table.name)]
      return mine === theirs ? [] : [`table ${table.name}: ${theirs} became ${mine}`]
    })
    return [...accounts, ...differences(snapshot(db, anyId), snapshot(copy, anyId))]
  } finally {
    copy.close()
  }
}

interface SchemaObject {
  readonly type: 'table' | 'index' | 'view' | 'trigger'
  readonly name: string
  readonly tbl_name: string
  readonly sql: string
}

/** Without the indexes that SQLite makes itself for keys: they have no SQL. */
function schemaObjects(db: Connection): SchemaObject[] {
  return db
    .prepare<[], SchemaObject>(
      'select type, name, tbl_name, sql from main.sqlite_schema where sql is not null order by rowid',
    )
    .all()
}

function isTouchTrigger({ type, name }: SchemaObject): boolean {
  return type === 'trigger' && name.startsWith(touchPrefix)
}

function shadowTables(db: Connection): Set<string> {
  const rows = db
    .prepare<[], { name: string }>("select name from pragma_table_list where schema = 'main' and type = 'shadow'")
    .all()
  return new Set(rows.map(({ name }) => foldName(name)))
}

/** What the pragmas say of a table, as comparable text; the order of keys does not count. */
function account(db: Connection, table: string): string {
  const name = quoteName(table)
  const columns = pragma(db, `table_xinfo(${name})`).map((column) => ({
    ...column,
    type: normalSql(String(column.type)),
    dflt_value: column.dflt_value === null ? null : normalSql(String(column.dflt_value)),
  }))
  const foreignKeys = pragma(db, `foreign_key_list(${name})`)
  const indexes = pragma(db, `index_list(${name})`).map((index) => {
    const isNamed = index.origin === 'c'
    const parts = pragma(db, `index_xinfo(${quoteName(String(index.name))})`)
    return JSON.stringify([isNamed ? index.name : '', index.unique, index.origin, index.partial, parts])
  })
  const ids = [...new Set(foreignKeys.map((row) => row.id))]
  const keys = ids.map((id) =>
    JSON.stringify(foreignKeys.filter((row) => row.id === id).map((row) => ({ ...row, id: undefined }))),
  )
  const list = pragma(db, `table_list(${name})`).find(
    (row) => row.schema === 'main' && sameName(String(row.name), table),
  )
  return JSON.stringify({ columns, indexes: indexes.sort(), keys: keys.sort(), wr: list?.wr, strict: list?.strict })
}

function pragma(db: Connection, call: string): Record<string, unknown>[] {
  const rows = db.pragma(call)
  return Array.isArray(rows) ? rows : refuse('notSupported', { what: call })
}
