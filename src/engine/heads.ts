import type Database from 'better-sqlite3'
import { assert } from '../base/assert.ts'
import { Lru } from '../base/lru.ts'
import { refuse } from '../base/refusal.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { inspect, type Verdict } from '../query/gate.ts'
import { type PlanStep, queryPlan } from '../query/query-plan.ts'
import { shapeOf, type TableShape } from '../query/table-shape.ts'
import { evolve, runSteps } from '../schema/apply.ts'
import { type Recorded, touchesRows } from '../schema/carry-rows.ts'
import type { Change } from '../schema/change.ts'
import { emptySchema, findTable, type Schema } from '../schema/model.ts'
import type { Step } from '../schema/plan.ts'
import { createStatements } from '../schema/print.ts'
import { openMemory, withJournal } from '../storage/connection.ts'
import { Statements } from '../storage/statements.ts'
import { markTable, writeChangeSet } from '../storage/tenant-file.ts'

/** The change set from which every history starts: no changes, an empty schema. */
export const rootChangeSet = '00000000-0000-7000-8000-000000000000'

/** Every so many change sets the whole schema is kept, so that no history is replayed from its beginning. */
export const modelInterval = 16

/** What a change set's steps are, as recorded: how a file of its parent's schema becomes one of its own. */
export interface Migration {
  /** The change set that the file stands at afterwards. */
  readonly id: string
  readonly steps: readonly Step[]
  /** Tables that were made anew: their foreign keys are checked before the commit. */
  readonly rebuilt: readonly string[]
}

/**
 * A change set at which branches stand: its schema, and the template, an empty database in memory that has it.
 * The template answers reads of tenants without a file, proves schema edits, tells what a statement may do, and is
 * what a new file is made from.
 */
export class Head {
  readonly id: string
  readonly schema: Schema
  readonly #verdicts = new Lru<string, Verdict>(1_000)
  readonly #shapes = new Map<string, TableShape>()
  #template: Database.Database | undefined
  #statements: Statements | undefined
  #image: Buffer | undefined

  constructor(id: string, schema: Schema, template?: Database.Database) {
    this.id = id
    this.schema = schema
    this.#template = template
  }

  /** What a statement may do; refuses what may not pass. Found out once for all tenants. */
  verdict(sql: string): Verdict {
    const known = this.#verdicts.get(sql)
    if (known) return known
    const verdict = inspect(this.template, sql)
    this.#verdicts.set(sql, verdict)
    return verdict
  }

  /** How SQLite would run a statement that passed the gate; a file that brought statistics of its own may differ. */
  plan(sql: string): PlanStep[] {
    return queryPlan(this, sql)
  }

  /** A table as rows are read and written; refuses where there is none. */
  shape(name: string): TableShape {
    const known = this.#shapes.get(name)
    if (known) return known
    const table = findTable(this.schema, name) ?? refuse('tableNotFound', { table: name })
    const shape = shapeOf(this.schema, table)
    this.#shapes.set(name, shape)
    return shape
  }

  get template(): Database.Database {
    this.#template ??= buildTemplate(this.id, this.schema)
    return this.#template
  }

  /** The statements of the template, for reads of tenants without a file. */
  get statements(): Statements {
    this.#statements ??= new Statements(this.template)
    return this.#statements
  }

  /** The bytes of an empty database at this head. */
  get image(): Buffer {
    this.#image ??= this.template.serialize()
    return this.#image
  }

  /** The bytes of a new tenant file. */
  newFile(): Buffer {
    return withJournal(Buffer.from(this.image), 'wal')
  }
}

function buildTemplate(id: string, schema: Schema): Database.Database {
  const template = openMemory()
  template.exec(markTable)
  for (const statement of createStatements(schema)) template.exec(statement)
  writeChangeSet(template, id)
  return template
}

/** The heads in use, and the way from one change set to a later one. */
export class Heads {
  readonly #catalog: Catalog
  readonly #heads = new Lru<string, Head>(16)
  readonly #paths = new Lru<string, readonly Migration[]>(256)

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  get(id: string): Head {
    const known = this.#heads.get(id)
    if (known) return known
    const head = this.#load(id)
    this.#heads.set(id, head)
    return head
  }

  add(head: Head): void {
    this.#heads.set(head.id, head)
  }

  /** The changes that led from one change set to a later one of the same line. */
  changesBetween(from: string, to: string): Change[] {
    const batches: Change[][] = []
    for (let at = to; at !== from; ) {
      const changeSet = this.#catalog.changeSets.get(at)
      assert(changeSet?.parent, `no way leads from change set ${from} to ${to}`)
      batches.push(JSON.parse(changeSet.changes) as Change[])
      at = changeSet.parent
    }
    return batches.reverse().flat()
  }

  /**
   * What was done to a branch that stands at `theirs`, oldest first, and is not in the history of `ours`: if it may have
   * done something to rows, else nothing.
   */
  history(ours: string, theirs: string): Recorded[] {
    const line = this.#catalog.changeSets.lineSince(ours, theirs).map(({ changeSet, isOwn }) => {
      return { parent: changeSet.parent as string, changes: JSON.parse(changeSet.changes) as Change[], isOwn }
    })
    const [first] = line
    if (!first || !line.some(({ changes, isOwn }) => isOwn && changes.some(touchesRows))) return []
    const from = this.get(first.parent)
    const template = openMemory(from.image)
    try {
      let schema = from.schema
      const newId = placeholders()
      return line.flatMap(({ changes, isOwn }) => {
        const evolved = evolve(template, schema, changes, newId)
        schema = evolved.schema
        if (!isOwn) return []
        return changes.map((change, at) => ({ change, before: evolved.stages[at] as Schema }))
      })
    } finally {
      template.close()
    }
  }

  /** What brings a file from the schema of `from` to that of `to`, a later one of the same line. */
  migrations(from: string, to: string): readonly Migration[] {
    const key = `${from} ${to}`
    const known = this.#paths.get(key)
    if (known) return known
    const path: Migration[] = []
    for (let at = to; at !== from; ) {
      const changeSet = this.#catalog.changeSets.get(at)
      assert(changeSet?.parent, `no way leads from change set ${from} to ${to}`)
      path.push({ id: at, ...(JSON.parse(changeSet.steps) as Omit<Migration, 'id'>) })
      at = changeSet.parent
    }
    path.reverse()
    this.#paths.set(key, path)
    return path
  }

  /** Whether to bring a large file from the schema of `from` to that of a head takes long: it reads or writes its rows. */
  isLong(from: string, { id, schema }: Head): boolean {
    // SQLite reads a whole strict table that gets a column.
    const hasStrict = schema.tables.some(({ strict }) => strict)
    return this.migrations(from, id).some(({ steps, rebuilt }) => {
      return rebuilt.length > 0 || steps.some(({ sql }) => !isQuick(sql, hasStrict))
    })
  }

  /** Bring a database in memory from one change set to a later one of its line. */
  bringForward(image: Database.Database, from: string, to: string): void {
    for (const { id, steps, rebuilt } of this.migrations(from, to)) {
      runSteps(image, steps, { rebuilt, beforeCommit: () => writeChangeSet(image, id) })
    }
  }

  /** Start from the nearest kept model and replay the changes since. */
  #load(id: string): Head {
    const pending: string[] = []
    let model: Schema | undefined
    for (let at: string | null = id; model === undefined; ) {
      if (at === rootChangeSet || at === null) {
        model = emptySchema
        break
      }
      const changeSet = this.#catalog.changeSets.get(at)
      assert(changeSet, `change set ${at} is missing`)
      if (changeSet.model !== null) model = JSON.parse(changeSet.model) as Schema
      else pending.push(changeSet.changes)
      at = changeSet.parent
    }
    if (pending.length === 0) return new Head(id, model)
    const template = buildTemplate(id, model)
    const newId = placeholders()
    const schema = pending.reduceRight((before, changes) => {
      return evolve(template, before, JSON.parse(changes) as Change[], newId).schema
    }, model)
    writeChangeSet(template, id)
    return new Head(id, schema, template)
  }
}

/** Whether a step is done with the schema alone. */
function isQuick(sql: string, hasStrict: boolean): boolean {
  if (/^alter table .* add column /i.test(sql)) return !hasStrict && !/\b(check|generated)\b/i.test(sql)
  return /^(create (table|virtual table|view|trigger)|drop (view|trigger)|alter table .* rename) /i.test(sql)
}

/** Ids where there should be nothing to give one to: recorded changes carry the ids of everything they make. */
function placeholders(): () => string {
  let count = 0
  return () => `placeholder-${++count}`
}
