import type { Answers, Conflict, ConflictKind, Take } from './conflicts.ts'
import { refuseResolution } from './conflicts.ts'
import { readAttribute, readThings, readWhole } from './definition.ts'
import type { Sides } from './identities.ts'
import type { Schema } from './model.ts'
import type { Paths } from './paths.ts'
import {
  changedAttributes,
  family,
  formOf,
  restored,
  type Thing,
  type ThingKind,
  type Things,
  whole,
  withAttribute,
  without,
} from './things.ts'

/** What the parts of a merge share. */
export interface Merging {
  readonly schemas: Sides<Schema>
  /** The same taken apart, under the names that each side has: people see their definitions in conflicts. */
  readonly given: Sides<Things>
  readonly paths: Paths
  readonly answers: Answers
  readonly newId: () => string
}

export type Side = 'ours' | 'theirs'

export interface Joined {
  readonly things: Things
  /** The sides as they were joined: where one had dropped what stays, it has it again. */
  readonly sides: Sides<Things>
  readonly conflicts: readonly Conflict[]
}

/**
 * Lay three schemas over each other. All of them call things by the same names. Where a conflict has no resolution,
 * what was dropped stays and ours is taken, so that the rest can be looked at all the same.
 */
export function join(sides: Sides<Things>, merging: Merging): Joined {
  const drops = settleDrops(sides, merging)
  const additions = settleAdditions(drops.sides, merging)
  const { base, ours, theirs } = additions.sides
  const conflicts: Conflict[] = [...drops.conflicts, ...additions.conflicts]
  const things = new Map<string, Thing>()
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const [old, mine, other] = [base.get(key), ours.get(key), theirs.get(key)]
    if (mine && other) {
      const joined = old
        ? joinAttributes({ base: old, ours: mine, theirs: other }, merging)
        : { thing: mine, conflicts: [] }
      things.set(key, joined.thing)
      conflicts.push(...joined.conflicts)
    } else if (!old) {
      const added = mine ?? other
      if (added) things.set(key, added)
    }
  }
  return { things, sides: additions.sides, conflicts }
}

function joinAttributes({ base, ours, theirs }: Sides<Thing>, merging: Merging) {
  const conflicts: Conflict[] = []
  let thing = ours
  for (const name of changedAttributes(ours, theirs)) {
    const [old, mine, other] = [formOf(base, name), formOf(ours, name), formOf(theirs, name)]
    if (other === old) continue
    const path = merging.paths.of(ours.key, name)
    const take = mine === old ? 'theirs' : merging.answers.at(path)
    if (take === undefined) {
      conflicts.push(conflict(ours.key, name, { kind: 'modifyModify', reason: 'both changed it' }, merging))
    } else if (take === 'theirs') {
      thing = withAttribute(thing, name, theirs.attributes.get(name))
    } else if (take !== 'ours') {
      const given = { path, definition: take.definition }
      if (name !== whole) thing = withAttribute(thing, name, readAttribute(name, given))
      else if (take.definition === null) refuseResolution(path, 'both kept it')
      else thing = readWhole(thing, given)
    }
  }
  return { thing, conflicts }
}

interface Settled {
  readonly sides: Sides<Things>
  readonly conflicts: readonly Conflict[]
}

/** What goes with others comes after them. */
const order: readonly ThingKind[] = ['table', 'virtualTable', 'view', 'column', 'trigger', 'index']

/** What one side dropped and the other one changed or speaks of either stays on both or goes on both. */
function settleDrops(sides: Sides<Things>, merging: Merging): Settled {
  const conflicts: Conflict[] = []
  const { base } = sides
  let { ours, theirs } = sides
  const keys = order.flatMap((kind) => [...base.values()].filter((thing) => thing.kind === kind).map(({ key }) => key))
  for (const key of keys) {
    if (ours.has(key) === theirs.has(key)) continue
    const keeper: Side = ours.has(key) ? 'ours' : 'theirs'
    const dropper: Side = keeper === 'ours' ? 'theirs' : 'ours'
    const clash = clashOfDrop(key, { base, kept: keeper === 'ours' ? ours : theirs, keeper, dropper }, merging)
    if (!clash) continue
    const path = merging.paths.of(key)
    const take = merging.answers.at(path)
    if (take === undefined) conflicts.push(conflict(key, whole, clash, merging))
    const settled = settleDrop(key, { base, ours, theirs }, { take, dropper, merging })
    ours = settled.ours
    theirs = settled.theirs
  }
  return { sides: { base, ours, theirs }, conflicts }
}

/** The sides after what one of them dropped was decided on; undecided, it stays. */
export function settleDrop(
  key: string,
  { base, ours, theirs }: Sides<Things>,
  { take, dropper, merging }: { readonly take: Take | undefined; readonly dropper: Side; readonly merging: Merging },
): Sides<Things> {
  const [kept, dropped] = dropper === 'ours' ? [theirs, ours] : [ours, theirs]
  const both = (keeper: Things, other: Things): Sides<Things> =>
    dropper === 'ours' ? { base, ours: other, theirs: keeper } : { base, ours: keeper, theirs: other }
  const isNothing = typeof take === 'object' && take.definition === null
  if (take === dropper || isNothing) return both(without(kept, key, dropped), dropped)
  const back = both(kept, restored(dropped, key, base))
  if (typeof take !== 'object') return back
  const given = readGiven(key, back, { path: merging.paths.of(key), definition: take.definition }, merging)
  return { base, ours: replaced(back.ours, key, given), theirs: replaced(back.theirs, key, given) }
}

function clashOfDrop(
  key: string,
  { base, kept, keeper, dropper }: { base: Things; kept: Things; keeper: Side; dropper: Side },
  { given, paths }: Merging,
): Clash | undefined {
  const gone = new Set([...family(base, key), ...family(kept, key)])
  const isRenamed = (other: string) => {
    const [old, now] = [given.base.get(other), given[keeper].get(other)]
    return old !== undefined && now !== undefined && old.name !== now.name
  }
  const isEdited = [...gone].some((other) => {
    const [old, now] = [base.get(other), kept.get(other)]
    if (old && now) return isRenamed(other) || changedAttributes(old, now).length > 0
    return now !== undefined || old?.kind === 'column'
  })
  if (isEdited) return { kind: 'dropModify', reason: `${dropper} dropped it and ${keeper} changed it` }
  const users = [...kept.values()]
    .filter((thing) => !gone.has(thing.key))
    .flatMap((thing) =>
      changedAttributes(base.get(thing.key), thing)
        .filter((name) => thing.attributes.get(name)?.uses.some((use) => gone.has(use)))
        .map((name) => paths.of(thing.key, name)),
    )
  if (users.length === 0) return undefined
  return { kind: 'dropUse', reason: `${dropper} dropped it and it is used in ${keeper} by ${users.join(', ')}` }
}

/** What both sides made under one name is one thing. */
function settleAdditions(sides: Sides<Things>, merging: Merging): Settled {
  const conflicts: Conflict[] = []
  const { base } = sides
  let { ours, theirs } = sides
  for (const key of order.flatMap((kind) => keysOfKind(ours, kind))) {
    if (base.has(key) || !theirs.has(key) || isSame(key, ours, theirs)) continue
    const path = merging.paths.of(key)
    const take = merging.answers.at(path)
    if (take === undefined) {
      conflicts.push(conflict(key, whole, { kind: 'addAdd', reason: 'both made one of this name' }, merging))
      continue
    }
    if (typeof take === 'object' && take.definition === null) {
      ours = without(ours, key, base)
      theirs = without(theirs, key, base)
    } else if (typeof take === 'object') {
      const given = readGiven(key, { base, ours, theirs }, { path, definition: take.definition }, merging)
      ours = replaced(ours, key, given)
      theirs = replaced(theirs, key, given)
    } else if (take === 'theirs') {
      ours = replaced(ours, key, ownFamily(theirs, key))
    } else {
      theirs = replaced(theirs, key, ownFamily(ours, key))
    }
  }
  return { sides: { base, ours, theirs }, conflicts }
}

function keysOfKind(things: Things, kind: ThingKind): string[] {
  return [...things.values()].filter((thing) => thing.kind === kind).map(({ key }) => key)
}

/** The thing and its columns: indexes and triggers have names of their own. */
function ownFamily(things: Things, key: string): Things {
  const isOwn = (thing: Thing) => thing.key === key || (thing.kind === 'column' && thing.owner === key)
  return new Map([...things].filter(([, thing]) => isOwn(thing)))
}

function isSame(key: string, a: Things, b: Things): boolean {
  const [one, other] = [ownFamily(a, key), ownFamily(b, key)]
  const isIn = (thing: Thing) => other.has(thing.key) && changedAttributes(thing, other.get(thing.key)).length === 0
  return one.size === other.size && [...one.values()].every(isIn)
}

/** With this definition of the thing, and without what speaks of columns that it does not have. */
function replaced(things: Things, key: string, by: Things): Things {
  const lost = [...ownFamily(things, key).keys()].filter((other) => !by.has(other))
  const rest = new Map(lost.reduce((left: Things, column) => without(left, column, new Map()), things))
  for (const [other, thing] of by) rest.set(other, thing)
  return rest
}

function readGiven(
  key: string,
  { base, ours, theirs }: Sides<Things>,
  given: { readonly path: string; readonly definition: unknown },
  { newId }: Merging,
): Things {
  const thing = ours.get(key) ?? theirs.get(key)
  if (!thing) refuseResolution(given.path, 'there is nothing')
  if (thing.kind !== 'table' && thing.kind !== 'column') return new Map([[key, readWhole(thing, given)]])
  const known = [ours, theirs, base].flatMap((things) => [...ownFamily(things, key).values()])
  return readThings(thing, given, { known, newId })
}

interface Clash {
  readonly kind: ConflictKind
  readonly reason: string
}

export function conflict(key: string, attribute: string, clash: Clash, { given, paths }: Merging): Conflict {
  const shown = (things: Things): unknown => {
    const thing = things.get(key)
    return (attribute === whole ? thing?.definition : thing?.attributes.get(attribute)?.value) ?? null
  }
  return {
    path: paths.of(key, attribute),
    kind: clash.kind,
    base: shown(given.base),
    ours: shown(given.ours),
    theirs: shown(given.theirs),
    reason: clash.reason,
  }
}
