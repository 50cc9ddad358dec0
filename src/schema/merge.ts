import { assert } from '../base/assert.ts'
import { refuse } from '../base/refusal.ts'
import type { Change } from './change.ts'
import { Answers, type Conflict, type Resolution, refuseResolution } from './conflicts.ts'
import { alignIds, eachSide, type SameAs, type Sides } from './identities.ts'
import { conflict, join, type Merging, type Side } from './join.ts'
import { mend } from './mend.ts'
import type { Schema } from './model.ts'
import { agreeOnNames, type Names } from './names.ts'
import { Paths } from './paths.ts'
import { renamed, replay } from './replay.ts'
import { findTwice, formOf, putTogether, revert, type Things, takeApart, whole, without } from './things.ts'

export interface MergeOptions {
  /** Each has to be for a conflict that there is without them, or that the others bring about. */
  readonly resolutions?: readonly Resolution[]
  /** What earlier merges found, on the way to either side. */
  readonly sameAs?: readonly SameAs[]
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
    // One resolution may settle another conflict that was shown with it.
    const shown = answers.unasked.length > 0 ? merge(base, ours, theirs, { ...options, resolutions: [] }) : undefined
    const isShown = (path: string) => shown?.kind === 'conflicts' && shown.conflicts.some((one) => one.path === path)
    for (const path of answers.unasked) if (!isShown(path)) refuseResolution(path, 'there is no conflict')
    if (conflicts.length > 0) return { kind: 'conflicts', conflicts }
    return finish(sides, joined.things, { found, merging })
  }
}

function finish(
  sides: Sides<Schema>,
  things: Things,
  { found, merging }: { readonly found: readonly SameAs[]; readonly merging: Merging },
): Merge {
  const twice = findTwice(things)
  const replayed = twice
    ? ({ kind: 'unequal', key: twice, reason: 'two things would have its name' } as const)
    : replay(sides, putTogether(things))
  if (replayed.kind === 'unequal') {
    const { key = 'schema', attribute = whole, reason } = replayed
    return { kind: 'conflicts', conflicts: [conflict(key, attribute, { kind: 'replay', reason }, merging)] }
  }
  const ids = new Set(replayed.schema.tables.flatMap(({ id, columns }) => [id, ...columns.map((column) => column.id)]))
  return {
    kind: 'merged',
    schema: replayed.schema,
    changes: replayed.changes,
    sameAs: found.filter((pair) => ids.has(pair.ours)),
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
