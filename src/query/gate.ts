/**
 * The gate that every statement of a client passes before it runs.
 *
 * Nothing is decided by matching text. The statement is compiled by SQLite itself against the template (which has the
 * branch's schema and no rows), and `explain` tells what the compiled program would do. Three things are read from it:
 *
 *     OpenRead, OpenWrite, Clear   a root page    → sqlite_schema → the table that is read or written
 *     VOpen, VUpdate               a pointer      → that of an allowed virtual table, or refused
 *     every other opcode           on a list of what queries and row changes need, or refused
 *
 * Views, CTEs, triggers and foreign keys need no care: they are code in the same program. A full-text table does: it
 * reads the table of its content by itself, so that table is inspected too. Only two things come before the compiler,
 * because compiling already does harm: some PRAGMAs act while they are compiled, and a small text can grow to
 * gigabytes (`growth.ts`).
 *
 * NOTE: this leans on the bundled SQLite, 3.53.2. A test asserts the version; see `opcodes.ts` for what to do when it moves.
 * NOTE: the template must be opened with the same `foreign_keys` and `recursive_triggers` as the tenants' files, or the
 * programs of cascades would not be seen here.
 */

import type Database from 'better-sqlite3'

import { assert } from '../base/assert.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import { foldName, isWord, quoteName, tokenize } from '../schema/sql.ts'
import { growsTooLarge } from './growth.ts'
import { type Instruction, type Open, type Reach, reachOf, type VirtualOpen } from './opcodes.ts'
import { withNulls } from './unbound.ts'

/** What a compiled statement may do, told by SQLite's own opcodes. */
export interface Verdict {
  readonly kind: 'read' | 'write'
  readonly returnsRows: boolean
  /** Tables opened for reading, through views and triggers too. A table that is only in `writes` may be read as well. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /**
   * A constraint failure of it would roll back the whole transaction (OR ROLLBACK, RAISE(ROLLBACK), ON CONFLICT
   * ROLLBACK): it must run in a transaction of its own.
   */
  readonly solo: boolean
  /** It goes through rows one after the other. One that does not returns no more rows than it has SELECTs. */
  readonly loops: boolean
  /** It may make values far larger than what it reads and is given, as `replace` or `randomblob(?)` do. */
  readonly inflates: boolean
}

/**
 * Inspect one statement against `db`, a connection that has the branch's schema. Refuses what may not pass:
 * `sqlRefused` with a stable rule, or `sqlError` where SQLite does not understand it. Runs nothing and changes nothing.
 */
export function inspect(db: Database.Database, sql: string): Verdict {
  if (sql.includes('\0')) refuse('sqlRefused', { rule: 'nulCharacter', reason: 'SQL ends at a NUL character' })
  const { keyword, isExplained, start } = beginning(sql)
  const refused = refusedKeywords.get(keyword)
  if (refused !== undefined) {
    refuse('sqlRefused', { rule: refused.rule, reason: `${keyword.toUpperCase()}: ${refused.reason}` })
  }
  const schema = schemaReader(db)
  refuseGrowth(schema, sql)

  const whole = compile(db, sql)
  const body = sql.slice(start)
  const inner = isExplained ? compile(db, body) : whole
  const { reads, writes, mayRollBack, loops, made } = permitted(db, schema, body)
  if (!inner.readonly) assert(schema.foreignKeys.get() === 1, 'the template does not enforce foreign keys')

  if (isExplained) {
    return { kind: 'read', returnsRows: true, reads: [], writes: [], solo: false, loops: false, inflates: false }
  }
  if (made.bytes > maxMadeBytes) {
    const reason = `it would make values of ${made.bytes} bytes out of nothing; at most ${maxMadeBytes}`
    refuse('sqlRefused', { rule: 'tooLarge', reason })
  }
  return {
    kind: inner.readonly ? 'read' : 'write',
    returnsRows: inner.reader,
    reads,
    writes,
    solo: mayRollBack,
    loops,
    inflates: !made.isAll,
  }
}

/** What `randomblob(500000000)` and its like may ask for, all of a statement's together. */
const maxMadeBytes = 64 * 1024 * 1024

/**
 * What a statement that passed the compiler does; refuses what is not for clients.
 *
 * @param within full-text tables whose content is looked at
 */
function permitted(
  db: Database.Database,
  schema: SchemaReader,
  sql: string,
  within: ReadonlySet<string> = new Set(),
): Pick<Verdict, 'reads' | 'writes'> & Pick<Reach, 'mayRollBack' | 'loops' | 'made'> {
  const reach = reachOf(programOf(db, sql))
  if ('rule' in reach) {
    refuse('sqlRefused', { rule: reach.rule, reason: `${reach.opcode} is not an instruction of a query or row change` })
  }
  const tables = tablesOf(db, schema, reach, within)
  for (const name of reach.functions) {
    if (isRefusedFunction(name)) refuse('sqlRefused', { rule: 'function', reason: `${name}() is not for clients` })
  }
  return { ...reach, ...tables }
}

/** The first keyword, behind EXPLAIN [QUERY PLAN], and where it starts. */
export function beginning(sql: string): { keyword: string; isExplained: boolean; start: number } {
  let word = wordAt(sql, 0)
  const isExplained = word.text === 'explain'
  if (isExplained) {
    word = wordAt(sql, word.end)
    const second = wordAt(sql, word.end)
    if (word.text === 'query' && second.text === 'plan') word = wordAt(sql, second.end)
  }
  return { keyword: word.text, isExplained, start: word.start }
}

/** The next word in lower case; '' if something else comes. Skips what SQLite skips before a statement, semicolons too. */
function wordAt(sql: string, from: number): { text: string; start: number; end: number } {
  const skipped = /[\s\ufeff;]*/y
  let start = from
  for (;;) {
    skipped.lastIndex = start
    start += skipped.exec(sql)?.[0].length ?? 0
    const mark = sql.slice(start, start + 2)
    if (mark !== '--' && mark !== '/*') break
    const close = mark === '--' ? '\n' : '*/'
    const end = sql.indexOf(close, start + 2)
    start = end === -1 ? sql.length : end + close.length
  }
  const letters = /[a-z_]*/iy
  letters.lastIndex = start
  const text = letters.exec(sql)?.[0] ?? ''
  return { text: text.toLowerCase(), start, end: start + text.length }
}

/**
 * Statements told by their first word, which can begin nothing else. The list of opcodes would refuse nearly all of them
 * too; but PRAGMA acts while it is compiled, and REINDEX is made of the same instructions as row changes.
 */
const refusedKeywords: ReadonlyMap<string, { readonly rule: string; readonly reason: string }> = new Map([
  ...refusedAs('pragma', 'the daemon keeps the connection’s settings', 'pragma'),
  ...refusedAs('attach', 'a statement reaches one tenant', 'attach detach'),
  ...refusedAs('vacuum', 'files are kept by the daemon; see tenant.vacuum', 'vacuum'),
  ...refusedAs(
    'transactionControl',
    'transactions are kept by the daemon; query.batch runs statements in one',
    'begin commit end rollback savepoint release',
  ),
  ...refusedAs('ddl', 'the schema belongs to the branch; see schema.apply', 'create drop alter reindex analyze'),
])

function refusedAs(rule: string, reason: string, keywords: string) {
  return keywords.split(' ').map((keyword) => [keyword, { rule, reason }] as const)
}

function refuseGrowth(schema: SchemaReader, sql: string): void {
  const views = new Map(schema.views.all().map(([name, text]) => [foldName(name), text]))
  // one select over no view has nothing to copy, and a short one has few tables to join
  const selects = sql.match(/\b(?:select|values|over)\b/gi)?.length ?? 0
  if (views.size === 0 && selects <= 1 && sql.length < shortLength) return
  if (!growsTooLarge(sql, views)) return
  const reason =
    'it would take too long to compile: too many levels, uses of a CTE, view or column, joins, or constants'
  refuse('sqlRefused', { rule: 'tooComplex', reason })
}

const shortLength = 400

function compile(db: Database.Database, sql: string): Database.Statement {
  try {
    return db.prepare(sql)
  } catch (error) {
    // better-sqlite3 tells these two only by their message
    if (error instanceof RangeError && error.message.includes('more than one')) {
      refuse('sqlRefused', { rule: 'severalStatements', reason: 'one statement at a time' })
    }
    if (error instanceof RangeError && error.message.includes('no statements')) {
      refuse('sqlRefused', { rule: 'emptyStatement', reason: 'there is no statement in it' })
    }
    if (isSqliteError(error)) refuse('sqlError', { reason: error.message, sqliteCode: error.code }, { cause: error })
    throw error
  }
}

function isSqliteError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && error.name === 'SqliteError' && 'code' in error && typeof error.code === 'string'
}

function programOf(db: Database.Database, sql: string): Instruction[] {
  const statement = compile(db, `explain ${sql}`).raw().safeIntegers(false) as Database.Statement<
    unknown[],
    Instruction
  >
  return withNulls(sql, (parameters) => statement.all(...parameters))
}

/** The tables behind root pages and pointers, or a refusal if one of them is not for clients. */
function tablesOf(
  db: Database.Database,
  schema: SchemaReader,
  reach: Reach,
  within: ReadonlySet<string>,
): Pick<Verdict, 'reads' | 'writes'> {
  const found = { read: new Set<string>(), write: new Set<string>() }
  for (const open of reach.opens) {
    const table = tableOf(schema, open)
    if (table !== undefined) found[open.access].add(table)
  }
  if (reach.virtual.length > 0) {
    const allowed = virtualTables(db, schema, within)
    for (const open of reach.virtual) {
      const table = allowed.get(open.pointer) ?? refuseVirtual(open)
      if (table.isInSchema) found[open.access].add(table.name)
    }
  }
  return { reads: [...found.read], writes: [...found.write] }
}

/** Undefined for SQLite's own bookkeeping behind an INSERT. */
function tableOf(schema: SchemaReader, open: Open): string | undefined {
  if (open.root === 1) refuse('sqlRefused', { rule: 'systemTable', reason: 'sqlite_schema is a system table' })
  if (open.database !== 0) refuse('sqlRefused', { rule: 'otherDatabase', reason: 'a temporary or attached database' })
  const name = schema.tableOfRoot.get(open.root)
  if (name === undefined)
    return refuse('sqlRefused', { rule: 'systemTable', reason: 'a page that belongs to no table' })
  if (name === 'sqlite_sequence' && open.isSequenceUpkeep) return undefined
  if (isSystemName(name)) refuse('sqlRefused', { rule: 'systemTable', reason: `${name} is a system table` })
  if (isShadow(schema, name)) {
    refuse('sqlRefused', { rule: 'shadowTable', reason: `${name} is where a virtual table keeps its data` })
  }
  return name
}

function isSystemName(name: string): boolean {
  return /^(?:sqlite_|__)/i.test(name)
}

/** Is it a table in which a virtual table keeps its own data? */
function isShadow(schema: SchemaReader, name: string): boolean {
  const underscore = name.lastIndexOf('_')
  const suffix = name.slice(underscore + 1).toLowerCase()
  if (underscore <= 0 || !anyShadowSuffix.has(suffix)) return false
  const owner = name.slice(0, underscore).toLowerCase()
  return schema.virtualTables
    .all()
    .some(([table, sql]) => table.toLowerCase() === owner && (modules.get(moduleOf(sql).name) ?? []).includes(suffix))
}

interface VirtualTable {
  readonly name: string
  /** Otherwise it is a function that stands in FROM. */
  readonly isInSchema: boolean
}

/**
 * The virtual tables that clients may reach, by the pointer that `explain` prints for them. A connection has one object for
 * each virtual table, so its pointer is the same in every program; but it is another after ALTER TABLE or the rollback of
 * DDL, and memory is used again. So it is asked for at every inspection, and never remembered.
 */
function virtualTables(
  db: Database.Database,
  schema: SchemaReader,
  within: ReadonlySet<string>,
): Map<string, VirtualTable> {
  const tables = new Map<string, VirtualTable>()
  for (const [name, sql] of schema.virtualTables.all()) {
    const { name: module, args } = moduleOf(sql)
    if (isSystemName(name) || !modules.has(module)) continue
    if (!within.has(name) && args.includes('=') && !isContentPermitted(db, schema, args, new Set([...within, name])))
      continue
    const pointer = pointerOf(db, name)
    if (pointer !== undefined) tables.set(pointer, { name, isInSchema: true })
  }
  for (const name of tableFunctions) {
    // a view of that name would lead to whatever it reads
    if (schema.exists.get(name) !== undefined) continue
    const pointer = pointerOf(db, name)
    if (pointer !== undefined) tables.set(pointer, { name, isInSchema: false })
  }
  return tables
}

/**
 * Whether a full-text table's arguments (`content = 'docs'`) name only tables that clients may read: it reads the table
 * that it takes its content from by itself, unseen in the program. Every table that its arguments may name is
 * inspected, as SQLite has many ways to quote names, and takes `c` for `content`.
 */
function isContentPermitted(
  db: Database.Database,
  schema: SchemaReader,
  args: string,
  within: ReadonlySet<string>,
): boolean {
  const text = bare(args.slice(args.indexOf('=')))
  if (/=(?:sqlite_|__|pragma_|dbstat|fts3tokenize)/.test(text)) return false
  const named = schema.names.all().filter((name) => text.includes(bare(name)))
  return named.every((name) => {
    try {
      permitted(db, schema, `select * from main.${quoteName(name)}`, within)
      return true
    } catch (error) {
      if (error instanceof Refusal) return false
      throw error
    }
  })
}

/** In lower case, without space and quotes. */
function bare(text: string): string {
  return text.toLowerCase().replace(/[\s"'`[\]]/g, '')
}

/** Undefined where there is no such table, or its module is not there. */
function pointerOf(db: Database.Database, table: string): string | undefined {
  try {
    const probe = `explain select 1 from main.${quoteName(table)}`
    const program = db.prepare<unknown[], Instruction>(probe).raw().all()
    const opens = program.filter(([, opcode]) => opcode === 'VOpen')
    return opens.length === 1 ? String(opens[0]?.[5]) : undefined
  } catch (error) {
    if (isSqliteError(error)) return undefined
    throw error
  }
}

function refuseVirtual(open: VirtualOpen): never {
  const reason = `${open.access}s a virtual table or table-valued function that is not for clients`
  refuse('sqlRefused', { rule: 'virtualTable', reason })
}

/** The module of a `create virtual table` statement, and what stands behind it. */
function moduleOf(sql: string): { name: string; args: string } {
  const tokens = tokenize(sql)
  const using = tokens.findIndex((token) => isWord(token, 'USING'))
  const module = tokens[using + 1]
  return { name: foldName(module?.value ?? ''), args: sql.slice(module?.end) }
}

/** Modules whose tables are users' own, with the suffixes of their shadow tables (`xShadowName` of each). */
const modules: ReadonlyMap<string, readonly string[]> = new Map([
  ['fts5', ['config', 'content', 'data', 'docsize', 'idx']],
  ['fts4', ['content', 'docsize', 'segdir', 'segments', 'stat']],
  ['fts3', ['content', 'docsize', 'segdir', 'segments', 'stat']],
  ['rtree', ['node', 'parent', 'rowid']],
  ['rtree_i32', ['node', 'parent', 'rowid']],
  ['geopoly', ['node', 'parent', 'rowid']],
])
const anyShadowSuffix = new Set([...modules.values()].flat())

/** Functions that stand in FROM and compute from their arguments alone. */
const tableFunctions = ['json_each', 'json_tree', 'jsonb_each', 'jsonb_tree', 'generate_series']

/**
 * Functions that reach past the statement: they load code, change the connection, write to the log, run SQL of their
 * own, or, as `optimize` of FTS3, write from within a SELECT. The test reviews every function of the bundled SQLite.
 */
export function isRefusedFunction(name: string): boolean {
  return refusedFunctions.has(name) || /^(?:sqlite3mc_|sqlcipher_|sqlite_rename|sqlite_drop_)/.test(name)
}

const refusedFunctions = new Set([
  'load_extension',
  'sqlite_attach',
  'sqlite_detach',
  'sqlite_log',
  'fts3_tokenizer',
  'optimize',
  'rtreecheck',
  'readfile',
  'writefile',
  'edit',
  'fts5',
])

/** The few questions about the schema, prepared once per connection; the answers are never kept, as the schema may change. */
interface SchemaReader {
  readonly tableOfRoot: { get(root: number): string | undefined }
  readonly exists: { get(name: string): unknown }
  /** Tables and views. */
  readonly names: { all(): string[] }
  readonly views: { all(): [name: string, sql: string][] }
  readonly virtualTables: { all(): [name: string, sql: string][] }
  readonly foreignKeys: { get(): unknown }
}

const readers = new WeakMap<Database.Database, SchemaReader>()

function schemaReader(db: Database.Database): SchemaReader {
  const known = readers.get(db)
  if (known !== undefined) return known
  type Names = [name: string, sql: string]
  const schema = 'main.sqlite_schema'
  const reader: SchemaReader = {
    tableOfRoot: db.prepare<number, string>(`select tbl_name from ${schema} where rootpage = ?`).pluck(),
    exists: db.prepare<string, number>(`select 1 from ${schema} where name = ? collate nocase`).pluck(),
    names: db.prepare<[], string>(`select name from ${schema} where type in ('table', 'view')`).pluck(),
    views: db.prepare<[], Names>(`select name, sql from ${schema} where type = 'view'`).raw(),
    virtualTables: db.prepare<[], Names>(`select name, sql from ${schema} where type = 'table' and rootpage = 0`).raw(),
    foreignKeys: db.prepare('pragma foreign_keys').pluck(),
  }
  readers.set(db, reader)
  return reader
}
