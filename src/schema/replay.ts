import Database from 'better-sqlite3'
import { Refusal } from '../base/refusal.ts'
import { evolve, findBroken } from './apply.ts'
import type { Change } from './change.ts'
import { diff, findRenames } from './diff.ts'
import type { Sides } from './identities.ts'
import type { Schema } from './model.ts'
import { findTrigger, findView, triggersOf } from './model.ts'
import { createTemplate } from './snapshot.ts'
import { foldName, quoteName, sameName } from './sql.ts'
import { changedAttributes, takeApart, triggerKey, viewKey } from './things.ts'

/** What `merge` asks SQLite, each time with an empty database in memory that is gone afterwards. */

export interface Renamed {
  readonly schema: Schema
  /** Keys of the views and triggers that SQLite could not rewrite. */
  readonly asWritten: ReadonlySet<string>
}

/**
 * The schema with its tables and columns called as `target` calls them, everything that names them rewritten by SQLite.
 * Views and triggers that do not compile under the new names stay as they are written.
 */
export function renamed(schema: Schema, target: Schema): Renamed {
  const renames = findRenames(schema, target)
  if (renames.length === 0) return { schema, asWritten: new Set() }
  const newNames = new Set(renames.map(({ newName }) => foldName(newName)))
  const views = schema.views.filter(({ name }) => newNames.has(foldName(name)))
  const asWritten = new Set(views.map(({ name }) => viewKey(name)))
  for (;;) {
    const result = tryRenames(schema, renames, asWritten)
    if ('tables' in result) return { schema: withAll(schema, result, asWritten), asWritten }
    const size = asWritten.size
    for (const { name } of schema.views) {
      if (isNamedIn(result.reason, 'view', name)) asWritten.add(viewKey(name))
    }
    for (const { name } of schema.triggers) {
      if (isNamedIn(result.reason, 'trigger', name)) asWritten.add(triggerKey(name))
    }
    if (asWritten.size > size) continue
    // Not one view or trigger that it names: without all of them it has to work.
    for (const { name } of schema.views) asWritten.add(viewKey(name))
    for (const { name } of schema.triggers) asWritten.add(triggerKey(name))
    if (asWritten.size === size) throw new Error(`tables or columns cannot be renamed: ${result.reason}`)
  }
}

/** `error in view v after rename: …` is SQLite's, `view v: …` is that of `evolve`. */
function isNamedIn(reason: string, noun: 'view' | 'trigger', name: string): boolean {
  return [`error in ${noun} `, `${noun} `].some((start) => {
    const rest = reason.startsWith(start + name) ? reason.slice(start.length + name.length) : ''
    return rest.startsWith(':') || rest.startsWith(' after ')
  })
}

function tryRenames(
  schema: Schema,
  renames: readonly Change[],
  leftOut: ReadonlySet<string>,
): Schema | { readonly reason: string } {
  const views = schema.views.filter(({ name }) => !leftOut.has(viewKey(name)))
  const isGone = (name: string) => schema.views.some((view) => sameName(view.name, name) && !views.includes(view))
  const reduced: Schema = {
    ...schema,
    // The daemon's own columns may be renamed here, where they have been given up on the other side.
    tables: schema.tables.map((table) => ({ ...table, systemColumns: false })),
    // Nothing names an index, and the name may be wanted.
    indexes: schema.indexes.map((index, i) => ({ ...index, name: indexAlias(i) })),
    views,
    triggers: schema.triggers.filter(({ name, table }) => !leftOut.has(triggerKey(name)) && !isGone(table)),
  }
  const outcome = tryChanges(reduced, renames)
  return 'schema' in outcome ? outcome.schema : outcome
}

function indexAlias(i: number): string {
  return `index ${i} of a merge`
}

function withAll(schema: Schema, result: Schema, asWritten: ReadonlySet<string>): Schema {
  const isRewritten = (key: string) => !asWritten.has(key)
  return {
    ...result,
    tables: result.tables.map((table) => ({
      ...table,
      systemColumns: schema.tables.find(({ id }) => id === table.id)?.systemColumns ?? false,
    })),
    indexes: schema.indexes.map((index, i) => ({
      ...(result.indexes.find(({ name }) => name === indexAlias(i)) ?? index),
      name: index.name,
    })),
    views: schema.views.map((view) => (isRewritten(viewKey(view.name)) && findView(result, view.name)) || view),
    triggers: schema.triggers.map(
      (trigger) => (isRewritten(triggerKey(trigger.name)) && findTrigger(result, trigger.name)) || trigger,
    ),
  }
}

export interface BrokenThing {
  readonly key: string
  readonly reason: string
}

/** The views and triggers that do not compile; or why there cannot be such a database at all. */
export function brokenThings(schema: Schema): readonly BrokenThing[] | { readonly reason: string } {
  let db: Database.Database
  try {
    db = createTemplate(schema)
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error
    return { reason: error.message }
  }
  try {
    const faults = findBroken(db, schema)
    const views = faults.flatMap(({ view, reason }) => (view === undefined ? [] : [{ key: viewKey(view), reason }]))
    const relations = new Set(faults.flatMap(({ triggersOn }) => triggersOn ?? []))
    return [...views, ...[...relations].flatMap((relation) => brokenTriggers(db, schema, relation))]
  } finally {
    db.close()
  }
}

/** Each trigger of the table or view by itself, to see which one it is. */
function brokenTriggers(db: Database.Database, schema: Schema, relation: string): BrokenThing[] {
  const triggers = triggersOf(schema, relation)
  return triggers.flatMap((trigger) => {
    db.exec('begin')
    for (const other of triggers) if (other !== trigger) db.exec(`drop trigger ${quoteName(other.name)}`)
    const fault = findBroken(db, { ...schema, views: [], triggers: [trigger] }).at(0)
    db.exec('rollback')
    return fault ? [{ key: triggerKey(trigger.name), reason: fault.reason }] : []
  })
}

export type Replayed =
  | { readonly kind: 'equal'; readonly changes: Change[]; readonly schema: Schema }
  /** The key of a thing and its attribute, where it is one that differs. */
  | { readonly kind: 'unequal'; readonly key?: string; readonly attribute?: string; readonly reason: string }

/**
 * Go from the base to the wanted schema by way of ours, and by way of theirs, on empty databases.
 *
 * @returns the changes that turn ours into it, and what they make of it
 */
export function replay({ base, ours, theirs }: Sides<Schema>, wanted: Schema): Replayed {
  for (const side of [ours, theirs]) {
    const there = step(base, side)
    if ('reason' in there) return { kind: 'unequal', reason: there.reason }
    const end = step(there.schema, wanted)
    const difference = 'reason' in end ? end : firstDifference(end.schema, wanted)
    if (difference) return { kind: 'unequal', ...difference }
  }
  return reach(ours, wanted, { changes: [], schema: ours })
}

/** Go from ours to the wanted schema by way of changes that come first, and of what they make of it. */
export function reach(
  ours: Schema,
  wanted: Schema,
  first: { readonly changes: readonly Change[]; readonly schema: Schema },
): Replayed {
  const changes = [...first.changes, ...diff(first.schema, wanted, { byId: true })]
  const end = tryChanges(ours, changes)
  const difference = 'reason' in end ? end : firstDifference(end.schema, wanted)
  if (difference || 'reason' in end) return { kind: 'unequal', reason: 'it does not come out', ...difference }
  return { kind: 'equal', changes, schema: end.schema }
}

function step(from: Schema, to: Schema): { readonly schema: Schema } | { readonly reason: string } {
  return tryChanges(from, diff(from, to, { byId: true }))
}

function tryChanges(
  schema: Schema,
  changes: readonly Change[],
): { readonly schema: Schema } | { readonly reason: string } {
  const template = createTemplate(schema)
  try {
    let unexpected = 0
    return { schema: evolve(template, schema, changes, () => `unexpected ${++unexpected}`).schema }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { reason } = error.data
    return { reason: typeof reason === 'string' ? reason : `${error.kind} ${JSON.stringify(error.data)}` }
  } finally {
    template.close()
  }
}

function firstDifference(a: Schema, b: Schema) {
  const [things, wanted] = [takeApart(a), takeApart(b)]
  for (const key of new Set([...things.keys(), ...wanted.keys()])) {
    const [thing, other] = [things.get(key), wanted.get(key)]
    if (thing === undefined || other === undefined) return { key, reason: `${key} is there in one order only` }
    if (!sameName(thing.name, other.name)) return { key, reason: `it is called ${thing.name} and ${other.name}` }
    const attribute = changedAttributes(thing, other).at(0)
    if (attribute !== undefined) return { key, attribute, reason: 'it depends on which side comes first' }
  }
  return undefined
}
