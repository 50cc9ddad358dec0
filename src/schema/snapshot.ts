import type { Database as Connection } from 'better-sqlite3'
import Database from 'better-sqlite3'
import { refuse } from '../base/refusal.ts'
import type { Index, Schema, Table, Trigger, View, VirtualTable } from './model.ts'
import { differences, findTable, isReservedName } from './model.ts'
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
  return snapshotWith(db, rememberingParsers(newId))
}

/** As `snapshot`, for schemas that are read again and again: what was parsed before is not parsed again. */
export function snapshotWith(db: Connection, parsers: Parsers): Schema {
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
    if (object.type === 'index') indexes.push(parsers.index(object.sql))
    else if (object.type === 'view') views.push(parsers.view(object.sql))
    else if (object.type === 'trigger') triggers.push(parsers.trigger(object.sql))
    else if (/^create\s+virtual/i.test(object.sql)) virtualTables.push(parsers.virtualTable(object.sql))
    else tables.push({ ...parsers.table(object.sql), systemColumns: touched.has(foldName(object.name)) })
  }
  return { tables, indexes, views, triggers, virtualTables }
}

export type Parsers = ReturnType<typeof rememberingParsers>

export function rememberingParsers(newId: () => string) {
  return {
    table: remembering((sql) => parseTable(sql, newId)),
    index: remembering(parseIndex),
    view: remembering(parseView),
    trigger: remembering(parseTrigger),
    virtualTable: remembering((sql) => parseVirtualTable(sql, newId)),
  }
}

function remembering<T>(parse: (sql: string) => T): (sql: string) => T {
  const known = new Map<string, T>()
  return (sql) => {
    const parsed = known.get(sql) ?? parse(sql)
    known.set(sql, parsed)
    return parsed
  }
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
    // A rebuild of their table would lose them: only objects of the schema are made again.
    const hidden = schemaObjects(db)
      .filter((object) => object.type === 'trigger' && isReservedName(object.name) && !isTouchTrigger(object))
      .filter((object) => findTable(schema, object.tbl_name))
      .map(({ name, tbl_name }) => `trigger ${name} on ${tbl_name}: its name is reserved`)
    return [...accounts, ...hidden, ...differences(snapshot(db, anyId), snapshot(copy, anyId))]
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
