import type { Conflict } from './conflicts.ts'
import { readAttribute, readWhole } from './definition.ts'
import type { Sides } from './identities.ts'
import { conflict, type Joined, type Merging, type Side, settleDrop } from './join.ts'
import type { ForeignKey, Schema } from './model.ts'
import { referenceFault } from './proofs.ts'
import { brokenThings } from './replay.ts'
import { formOf, mentions, putTogether, revert, type Thing, type Things, whole, withAttribute } from './things.ts'

export interface Mended {
  /** Other than those given if a resolution changed them: they have to be joined again. */
  readonly sides: Sides<Things>
  readonly conflicts: readonly Conflict[]
}

/**
 * Look for what no longer holds in the joined schema, though it did on its side: views and triggers that do not compile,
 * foreign keys that point at nothing. Where it speaks of something that the other side dropped, the drop is the conflict.
 *
 * @param sides as they were before they were joined
 * @param options.open the conflicts that there are already: what stands in for their results may be what is broken
 */
export function mend(
  joined: Joined,
  sides: Sides<Things>,
  { open, merging }: { readonly open: readonly Conflict[]; readonly merging: Merging },
): Mended {
  const conflicts: Conflict[] = []
  let mended = sides
  const users = new Map<string, Fault[]>()
  const undecided = new Set(
    open.filter(({ kind }) => kind !== 'dropModify' && kind !== 'dropUse').map(({ path }) => path),
  )
  for (const fault of findFaults(joined, merging)) {
    if (undecided.has(merging.paths.of(fault.key, fault.attribute))) continue
    const dropped = fault.keeper === undefined ? [] : droppedNames(fault, joined, { keeper: fault.keeper, merging })
    for (const key of dropped) users.set(key, [...(users.get(key) ?? []), fault])
    if (dropped.length > 0 || open.length > 0) continue
    const next = mendFault(fault, mended, merging)
    if (next) mended = next
    else conflicts.push(conflict(fault.key, fault.attribute, { kind: 'broken', reason: fault.reason }, merging))
  }
  for (const [key, faults] of users) {
    const keeper: Side = joined.sides.ours.has(key) ? 'ours' : 'theirs'
    const dropper: Side = keeper === 'ours' ? 'theirs' : 'ours'
    const take = merging.answers.at(merging.paths.of(key))
    const isGone = take === dropper || (typeof take === 'object' && take.definition === null)
    if (take === undefined) {
      const list = faults.map((fault) => merging.paths.of(fault.key, fault.attribute)).join(', ')
      const reason = `${dropper} dropped it and it is used in ${keeper} by ${list}`
      conflicts.push(conflict(key, whole, { kind: 'dropUse', reason }, merging))
    } else if (isGone) {
      for (const fault of faults) mended = taken(fault, mended, dropper)
    } else {
      mended = settleDrop(key, mended, { take, dropper, merging })
    }
  }
  return { sides: mended, conflicts }
}

interface Fault {
  readonly key: string
  readonly attribute: string
  readonly reason: string
  /** The side that has it so, if the other one has it otherwise. */
  readonly keeper: Side | undefined
}

function findFaults({ things, sides }: Joined, { schemas }: Merging): Fault[] {
  const schema = putTogether(things)
  const found = [...brokenKeys(things, schema), ...brokenViews(schema)]
  if (found.length === 0) return []
  const before = new Set([sides.ours, sides.theirs].flatMap((side) => brokenKeys(side, putTogether(side)).map(placeOf)))
  for (const side of [schemas.ours, schemas.theirs]) for (const fault of brokenViews(side)) before.add(placeOf(fault))
  return found
    .filter((fault) => !before.has(placeOf(fault)))
    .map(({ key, attribute, reason }) => {
      const form = formOf(things.get(key), attribute)
      const [isOurs, isTheirs] = [sides.ours, sides.theirs].map((side) => formOf(side.get(key), attribute) === form)
      return { key, attribute, reason, keeper: isOurs === isTheirs ? undefined : isOurs ? 'ours' : 'theirs' }
    })
}

type Found = Omit<Fault, 'keeper'>

function placeOf({ key, attribute }: Found): string {
  return `${key} ${attribute}`
}

function brokenViews(schema: Schema): Found[] {
  const broken = brokenThings(schema)
  // There cannot be such a database: the replay will say why.
  if ('reason' in broken) return []
  return broken.map(({ key, reason }) => ({ key, attribute: whole, reason }))
}

function brokenKeys(things: Things, schema: Schema): Found[] {
  return [...things.values()].flatMap((thing) =>
    [...thing.attributes].flatMap(([attribute, { value }]) => {
      if (attribute !== 'references' && !attribute.startsWith('foreignKey:')) return []
      // These attributes are lists of foreign keys.
      const reason = (value as readonly ForeignKey[]).map((key) => referenceFault(schema, key)).find(Boolean)
      return reason ? [{ key: thing.key, attribute, reason }] : []
    }),
  )
}

/**
 * What the other side dropped that the broken view or trigger may mean; what SQLite names before all else. What the
 * keeper has only because its own drop of it is open is not among them.
 */
function droppedNames(
  { key, reason }: Fault,
  { things, sides }: Joined,
  { keeper, merging }: { readonly keeper: Side; readonly merging: Merging },
): string[] {
  const kept = sides[keeper]
  const user = kept.get(key)
  const isKept = (other: string) => kept.has(other) && merging.given[keeper].has(other)
  const dropped = [...sides.base.values()].filter(
    (thing) => !things.has(thing.key) && isKept(thing.key) && (thing.owner === undefined || things.has(thing.owner)),
  )
  const mentioned = dropped.filter((thing) => user !== undefined && mentions(user, kept.get(thing.key)))
  const named = mentioned.filter((thing) => reason.endsWith(`${kept.get(thing.key)?.name}`))
  return (named.length > 0 ? named : mentioned).map((thing) => thing.key)
}

/** The sides after the resolution of a fault; undefined where there is none, or where it changes nothing. */
function mendFault({ key, attribute }: Fault, sides: Sides<Things>, merging: Merging): Sides<Things> | undefined {
  const path = merging.paths.of(key, attribute)
  const take = merging.answers.at(path)
  if (take === undefined) return undefined
  if (take === 'ours' || take === 'theirs') {
    const [mine, other] = [formOf(sides.ours.get(key), attribute), formOf(sides.theirs.get(key), attribute)]
    return mine === other ? undefined : taken({ key, attribute }, sides, take)
  }
  const thing = sides.ours.get(key) ?? sides.theirs.get(key)
  if (!thing) return undefined
  const given = { path, definition: take.definition }
  const next =
    attribute === whole ? nextWhole(thing, given) : withAttribute(thing, attribute, readAttribute(attribute, given))
  const isSo = (things: Things) => formOf(things.get(key), attribute) === formOf(next, attribute)
  if (isSo(sides.ours) && isSo(sides.theirs)) return undefined
  const from: Things = next ? new Map([[key, next]]) : new Map()
  const put = (things: Things) => revert(things, key, attribute, from)
  return { ...sides, ours: put(sides.ours), theirs: put(sides.theirs) }
}

function nextWhole(thing: Thing, given: { readonly path: string; readonly definition: unknown }): Thing | undefined {
  return given.definition === null ? undefined : readWhole(thing, given)
}

/** Both as the one side has it. */
function taken({ key, attribute }: Pick<Fault, 'key' | 'attribute'>, sides: Sides<Things>, side: Side): Sides<Things> {
  const other: Side = side === 'ours' ? 'theirs' : 'ours'
  return { ...sides, [other]: revert(sides[other], key, attribute, sides[side]) }
}
