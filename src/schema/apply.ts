import type { Database as Connection } from 'better-sqlite3'
import Database from 'better-sqlite3'
import { assert } from '../base/assert.ts'
import { Refusal, refuse } from '../base/refusal.ts'
import { carryIds } from './carry.ts'
import type { Change } from './change.ts'
import type { Schema } from './model.ts'
import { triggersOf } from './model.ts'
import type { Plan, Step } from './plan.ts'
import { planInBatch } from './plan.ts'
import { brokenReferences } from './proofs.ts'
import type { Rows } from './rows.ts'
import type { Parsers } from './snapshot.ts'
import { rememberingParsers, snapshotWith } from './snapshot.ts'
import { foldName, quoteName, sameName } from './sql.ts'

export interface RunOptions {
  /** Tables whose foreign keys, and whose children's, are checked before the commit. */
  readonly rebuilt?: readonly string[]
  /** Runs inside the transaction, after the steps; what it throws undoes them. */
  readonly beforeCommit?: () => void
}

/** Rows whose foreign key points at nothing after the steps. A proof should have found them first. */
export class ForeignKeyViolation extends Error {
  override name = 'ForeignKeyViolation'
  readonly rows: readonly unknown[]

  constructor(table: string, rows: readonly unknown[]) {
    super(`${rows.length} rows of ${table} refer to nothing`)
    this.rows = rows
  }
}

/** Run recorded steps in one transaction. Throws SQLite's error or `ForeignKeyViolation`; then nothing is changed. */
export function runSteps(
  db: Connection,
  steps: readonly Step[],
  { rebuilt = [], beforeCommit }: RunOptions = {},
): void {
  alterations(db, () => {
    for (const step of steps) runStep(db, step)
    checkForeignKeys(db, rebuilt)
    beforeCommit?.()
  })
}

export interface Evolved {
  readonly schema: Schema
  /** One for each change. */
  readonly plans: readonly Plan[]
  /** The schema before each change. */
  readonly stages: readonly Schema[]
  /** The plans' steps and proofs, in order: what each file will run, and be asked first. The proofs fit a file at the old schema. */
  readonly steps: readonly Step[]
  readonly proofs: Plan['proofs']
  /** As in `Plan`, by the names at the end. */
  readonly rebuilt: readonly string[]
}

/**
 * Take an empty database from `schema` through the changes, and read back what came out: SQLite itself says what a
 * rename does to views, triggers and checks. Ids are carried over. Refuses what `planChange` refuses, and `schemaBroken`
 * where SQLite stands against it or a view or trigger no longer compiles; then `db` is as it was.
 *
 * @param db an in-memory database that is at `schema`
 * @param newId ids for what no change and no earlier schema names; normally nothing
 */
export function evolve(db: Connection, schema: Schema, changes: readonly Change[], newId: () => string): Evolved {
  return alterations(db, () => {
    const brokenBefore = new Set(findBroken(db, schema).map(({ name }) => name))
    const parsers = rememberingParsers(newId)
    const plans: Plan[] = []
    const stages: Schema[] = []
    let current = schema
    let rows: Rows = new Map()
    let rebuilt: readonly string[] = []
    for (const change of changes) {
      stages.push(current)
      const planned = planInBatch(current, change, rows)
      for (const step of planned.plan.steps) tryStep(db, step)
      current = carryIds(current, change, readBack(db, parsers))
      plans.push(planned.plan)
      rows = planned.rows
      rebuilt = [...new Set([...namesAfter(change, rebuilt), ...planned.plan.rebuilt])]
    }
    requireReferences(schema, current, changes)
    const broken = findBroken(db, current).find(({ name }) => !brokenBefore.has(name))
    if (broken) refuse('schemaBroken', { reason: `${broken.name}: ${broken.reason}` })
    return {
      schema: current,
      plans,
      stages,
      steps: plans.flatMap((plan) => plan.steps),
      proofs: plans.flatMap((plan) => plan.proofs),
      rebuilt,
    }
  })
}

/**
 * A transaction with foreign keys off and renames that rewrite what refers to them. These settings cannot be changed
 * inside a transaction, or must not outlive it, so they are set around it and put back.
 */
function alterations<T>(db: Connection, body: () => T): T {
  assert(!db.inTransaction, 'a schema edit begins its own transaction')
  const foreignKeys = db.pragma('foreign_keys', { simple: true })
  const legacy = db.pragma('legacy_alter_table', { simple: true })
  db.pragma('foreign_keys = OFF')
  db.pragma('legacy_alter_table = OFF')
  try {
    return db.transaction(body).immediate()
  } finally {
    db.pragma(`foreign_keys = ${foreignKeys}`)
    db.pragma(`legacy_alter_table = ${legacy}`)
  }
}

/** Prepared, not executed as a script: a step is one statement, whatever text was put into it. */
function runStep(db: Connection, step: Step): void {
  const statement = db.prepare(step.sql)
  if (statement.reader) statement.all()
  else statement.run()
}

function tryStep(db: Connection, step: Step): void {
  try {
    runStep(db, step)
  } catch (error) {
    // better-sqlite3 tells of a second statement in the text by a RangeError.
    const isSqlFault = error instanceof Database.SqliteError || error instanceof RangeError
    if (!isSqlFault) throw error
    refuse('schemaBroken', { reason: error.message, sql: step.sql }, { cause: error })
  }
}

function readBack(db: Connection, parsers: Parsers): Schema {
  try {
    return snapshotWith(db, parsers)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refuse('schemaBroken', { reason: error.message }, { cause: error })
  }
}

function checkForeignKeys(db: Connection, rebuilt: readonly string[]): void {
  if (rebuilt.length === 0) return
  const parents = new Set(rebuilt.map(foldName))
  const tables = db
    .prepare<[], { name: string }>(
      "select name from main.sqlite_schema where type = 'table' and sql not like 'create virtual%'",
    )
    .all()
  for (const { name } of tables) {
    const keys = db.prepare<[string], { table: string }>('select "table" from pragma_foreign_key_list(?)').all(name)
    const isAffected =
      keys.length > 0 && (parents.has(foldName(name)) || keys.some((key) => parents.has(foldName(key.table))))
    const rows = isAffected ? db.prepare(`pragma foreign_key_check(${quoteName(name)})`).all() : []
    if (rows.length > 0) throw new ForeignKeyViolation(name, rows)
  }
}

/** The names of these tables after the change. */
function namesAfter(change: Change, tables: readonly string[]): readonly string[] {
  if (change.kind === 'dropTable') return tables.filter((table) => !sameName(table, change.table))
  if (change.kind !== 'renameTable') return tables
  return tables.map((table) => (sameName(table, change.table) ? change.newName : table))
}

function requireReferences(before: Schema, after: Schema, changes: readonly Change[]): void {
  const known = new Set(brokenReferences(before))
  const reason = brokenReferences(after).find((fault) => !known.has(fault))
  if (reason !== undefined) refuse('invalidChange', { change: changes.at(-1)?.kind ?? 'none', reason })
}

/** The views that cannot be read, and the tables and views that cannot be written because of a trigger. */
export function findBroken(db: Connection, schema: Schema): Broken[] {
  const views = schema.views.flatMap((view) => {
    const reason = compileFault(db, `select * from ${quoteName(view.name)} limit 0`)
    return reason === undefined ? [] : [{ name: `view ${view.name}`, view: view.name, reason }]
  })
  const writes = [...schema.tables, ...schema.views]
    .filter(({ name }) => triggersOf(schema, name).length > 0)
    .flatMap(({ name }) =>
      writesTo(db, name).flatMap((sql) => {
        const reason = compileFault(db, sql)
        return reason === undefined ? [] : [{ name: `a trigger on ${name}`, triggersOn: name, reason }]
      }),
    )
  return [...views, ...writes]
}

export interface Broken {
  /** In people's words. */
  readonly name: string
  readonly view?: string
  /** The table or view whose triggers are looked at. */
  readonly triggersOn?: string
  readonly reason: string
}

/** One statement of each kind, which need every trigger of the table or view to compile. */
function writesTo(db: Connection, name: string): string[] {
  const rows = db
    .prepare<[string], { name: string }>('select name from pragma_table_xinfo(?) where hidden = 0')
    .all(name)
  const columns = rows.map((row) => quoteName(row.name))
  const target = quoteName(name)
  return [
    `insert into ${target} (${columns[0]}) values (null)`,
    `update ${target} set ${columns.map((column) => `${column} = ${column}`).join(', ')}`,
    `delete from ${target}`,
  ]
}

function compileFault(db: Connection, sql: string): string | undefined {
  try {
    db.prepare(sql)
    return undefined
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error
    // A view without a trigger for this kind of write is none the worse.
    return error.message.startsWith('cannot modify') ? undefined : error.message
  }
}
