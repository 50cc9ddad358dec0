import { assert } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import { carryRows, type Recorded } from './carry-rows.ts'
import type { Change } from './change.ts'
import { Answers, type Conflict, type Resolution, refuseResolution } from './conflicts.ts'
import { alignIds, eachSide, idsByOldOnes, type SameAs, type Sides } from './identities.ts'
import { conflict, join, type Merging, type Side } from './join.ts'
import { mend } from './mend.ts'
import type { Schema } from './model.ts'
import { agreeOnNames, type Names } from './names.ts'
import { Paths } from './paths.ts'
import { type Replayed, reach, renamed, replay } from './replay.ts'
import { findTwice, formOf, putTogether, revert, type Things, takeApart, whole, without } from './things.ts'

export interface MergeOptions {
  /** Each has to be for a conflict that there is without them, or that the others bring about. */
  readonly resolutions?: readonly Resolution[]
  /** What earlier merges found, on the way to either side. */
  readonly sameAs?: readonly SameAs[]
  /** What was done to theirs since the base, oldest first: where rows were filled or copied, those of ours will be. */
  readonly history?: readonly Recorded[]
  /** Ids for columns that a given definition adds. */
  readonly newId?: () => string
}

export type Merge =
  | {
      readonly kind: 'merged'
      /** What `changes` make of ours: with its ids and its order, and what theirs adds behind it. */
      readonly schema: Schema
      readonly changes: readonly Change[]
      /** To be recorded with the merge, and given to later ones. */
      readonly sameAs: readonly SameAs[]
    }
  | {
      readonly kind: 'conflicts'
      /** All that there are without those that a resolution may bring about. */
      readonly conflicts: readonly Conflict[]
    }

/**
 * Join what two branches made of `base`: what only one of them changed is taken, and the same change on both is one.
 * `ours` is the target.
 *
 *     one id for what is the same ─▶ one name for each id ─▶ join, attribute by attribute ─▶ does it compile? ─▶ replay
 *
 * Names are agreed on first, and SQLite itself renames on all three sides: so an edit of one side can be laid over a
 * rename of the other one. The last step goes to the result from the base by way of either side; if the two do not come
 * out equal, that is a conflict too.
 */
export function merge(base: Schema, ours: Schema, theirs: Schema, options: MergeOptions = {}): Merge {
  const answers = new Answers(options.resolutions ?? [])
  const { sides, found } = alignIds({ base, ours, theirs }, options.sameAs ?? [])
  const given = eachSide(sides, takeApart)
  const merging: Merging = {
    schemas: sides,
    given,
    paths: new Paths(given),
    answers,
    newId: options.newId ?? refuseNewId,
  }

  const names = agreeOnNames(given, merging.paths, answers)
  let start = underNames(given, names)
  // Each round settles a drop or a fault by its resolution, and there are only so many of these.
  for (let round = 0; ; round++) {
    assert(round <= merging.paths.keys.size, 'resolutions of a merge go round in a circle')
    const joined = join(start, merging)
    const conflicts = [...names.conflicts, ...joined.conflicts]
    const mended = mend(joined, start, { open: conflicts, merging })
    if (mended.sides !== start) {
      start = mended.sides
      continue
    }
    conflicts.push(...mended.conflicts)
    const finished = conflicts.length > 0 ? undefined : finish(joined.things, { base, theirs, found, merging, options })
    // One resolution may settle another conflict that was shown with it.
    const shown = answers.unasked.length > 0 ? merge(base, ours, theirs, { ...options, resolutions: [] }) : undefined
    const isShown = (path: string) => shown?.kind === 'conflicts' && shown.conflicts.some((one) => one.path === path)
    for (const path of answers.unasked) if (!isShown(path)) refuseResolution(path, 'there is no conflict')
    return finished ?? { kind: 'conflicts', conflicts }
  }
}

function finish(
  things: Things,
  { found, merging, ...given }: Finishing & { readonly found: readonly SameAs[]; readonly merging: Merging },
): Merge {
  const twice = findTwice(things)
  const replayed = twice
    ? ({ kind: 'unequal', key: twice, reason: 'two things would have its name' } as const)
    : replay(merging.schemas, putTogether(things))
  if (replayed.kind === 'unequal') {
    const { key = 'schema', attribute = whole, reason } = replayed
    return { kind: 'conflicts', conflicts: [conflict(key, attribute, { kind: 'replay', reason }, merging)] }
  }
  const carried = withRows(replayed, merging, given)
  if (carried.kind === 'conflicts') return carried
  const { changes, schema } = carried
  const ids = new Set(schema.tables.flatMap(({ id, columns }) => [id, ...columns.map((column) => column.id)]))
  return { kind: 'merged', schema, changes, sameAs: found.filter((pair) => ids.has(pair.ours)) }
}

/** The schemas as they were given, and the options. */
interface Finishing {
  readonly base: Schema
  readonly theirs: Schema
  readonly options: MergeOptions
}

type Reached = Extract<Replayed, { kind: 'equal' }>

/** The same, by way of what theirs did to rows. */
function withRows(
  reached: Reached,
  merging: Merging,
  { base, theirs, options: { history = [] } }: Finishing,
): Reached | { readonly kind: 'conflicts'; readonly conflicts: readonly Conflict[] } {
  if (history.length === 0) return reached
  const { schemas, answers, paths, newId } = merging
  const ids = new Map([...idsByOldOnes(base, schemas.base), ...idsByOldOnes(theirs, schemas.theirs)])
  const idOf = (id: string) => ids.get(id) ?? id
  const left = new Set<string>()
  for (;;) {
    const wanted = reached.schema
    const { lost, carried, ...first } = carryRows({ ...schemas, wanted, history, idOf, newId, left })
    const result = carried.length === 0 ? reached : reach(schemas.ours, wanted, first)
    const reason = result.kind === 'equal' ? '' : `the result has no place for it: ${result.reason}`
    const all = result.kind === 'equal' ? lost : [...lost, ...carried.map((key) => ({ key, reason }))]
    const open = all.filter(({ key }) => {
      const path = paths.of(key, 'rows')
      const take = answers.at(path)
      if (take !== undefined && take !== 'ours') refuseResolution(path, 'rows can only be left as they are: take ours')
      if (take === 'ours') left.add(key)
      return take === undefined
    })
    const conflicts = open.map(({ key, reason }) => conflict(key, 'rows', { kind: 'rows', reason }, merging))
    if (conflicts.length > 0) return { kind: 'conflicts', conflicts }
    if (all.length === 0 && result.kind === 'equal') return result
  }
}

/**
 * All three sides with the names that were agreed on. A view or trigger that a side left as it was is no edit of it, also
 * where it now reads another table of the same name; where both left it, each has what fits it.
 */
function underNames(given: Sides<Things>, { names, gone }: Names): Sides<Things> {
  const all = {
    base: given.base,
    ours: gone.ours.reduce((things: Things, key) => without(things, key, given.base), given.ours),
    theirs: gone.theirs.reduce((things: Things, key) => without(things, key, given.base), given.theirs),
  }
  const schemas = eachSide(all, (things) => {
    const target = new Map([...things].map(([key, thing]) => [key, { ...thing, name: names.get(key) ?? thing.name }]))
    return renamed(putTogether(things), putTogether(target))
  })
  const { base, ours, theirs } = eachSide(schemas, ({ schema }) => takeApart(schema))
  const forms = { base, ours, theirs }
  const settled = (side: Side, things: Things) => {
    const other = side === 'ours' ? 'theirs' : 'ours'
    const isWritten = (key: string) => schemas.base.asWritten.has(key) || schemas[side].asWritten.has(key)
    const hasRenamed = [...given.base.values()].some(({ key, name }) => (given[side].get(key)?.name ?? name) !== name)
    return [...base.values()].reduce((left, { key, kind }) => {
      if (kind !== 'view' && kind !== 'trigger') return left
      const isChanged = (name: Side, from: Sides<Things>) =>
        formOf(from[name].get(key), whole) !== formOf(from.base.get(key), whole)
      const isAsBefore = !isChanged(side, given) && (isWritten(key) || !hasRenamed)
      const isElse = formOf(ours.get(key), whole) !== formOf(theirs.get(key), whole)
      return isAsBefore && isElse && isChanged(other, forms) ? revert(left, key, whole, base) : left
    }, things)
  }
  return { base, ours: settled('ours', ours), theirs: settled('theirs', theirs) }
}

function refuseNewId(): never {
  return refuse('invalidChange', { change: 'merge', reason: 'a given definition adds a column, which needs an id' })
}
