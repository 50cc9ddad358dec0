import type { Answers, Conflict, ConflictKind } from './conflicts.ts'
import { refuseResolution } from './conflicts.ts'
import { checkName } from './define.ts'
import type { Sides } from './identities.ts'
import type { Paths } from './paths.ts'
import { foldName, sameName } from './sql.ts'
import { family, spaceOf, type Thing, type Things } from './things.ts'

/** How the tables and columns of all three schemas are called in the result. */
export interface Names {
  /** By key. */
  readonly names: ReadonlyMap<string, string>
  /** Keys of things that give way to another one of their name, by the side that made them. */
  readonly gone: { readonly ours: readonly string[]; readonly theirs: readonly string[] }
  readonly conflicts: readonly Conflict[]
}

/**
 * Agree on one name for each table and column before anything else is compared: under the same names, what one side's
 * renames did to expressions, views and triggers is no difference any more.
 */
export function agreeOnNames(sides: Sides<Things>, paths: Paths, answers: Answers): Names {
  const conflicts: Conflict[] = []
  const names = new Map<string, string>()
  const undecided = new Set<string>()
  for (const key of paths.keys) {
    const { name, conflict } = commonName(key, sides, paths, answers)
    names.set(key, name)
    if (!conflict) continue
    conflicts.push(conflict)
    undecided.add(key)
  }
  // Neither of its names is its own yet.
  for (const key of undecided) names.set(key, freeName(names.get(key) ?? '', names))
  const gone = { ours: new Set<string>(), theirs: new Set<string>() }
  const stays = (key: string) => !gone.ours.has(key) && !gone.theirs.has(key)
  for (;;) {
    const clashes = findClashes({ sides, paths, answers, names, stays })
    if (clashes.length === 0) break
    const moved = clashes.filter((clash) => giveWay(clash, { sides, paths, answers, names, gone }))
    if (moved.length > 0) continue
    for (const clash of clashes) {
      const isTold = conflicts.some(({ path }) => path === clash.path)
      if (!isTold) conflicts.push(conflictOf(clash, sides))
      putAside(clash, { sides, names, gone })
    }
  }
  moveDropped({ sides, paths, answers, names, stays })
  return { names, gone: { ours: [...gone.ours], theirs: [...gone.theirs] }, conflicts }
}

function commonName(key: string, sides: Sides<Things>, paths: Paths, answers: Answers) {
  const [base, ours, theirs] = [sides.base.get(key), sides.ours.get(key), sides.theirs.get(key)]
  const [a, b] = [ours?.name, theirs?.name]
  const name = a ?? b ?? base?.name ?? ''
  if (a === undefined || b === undefined || a === b || b === base?.name) return { name }
  if (a === base?.name) return { name: b }
  if (sameName(a, b)) return { name }
  const path = paths.of(key, 'name')
  const take = answers.at(path)
  if (take === 'ours' || take === 'theirs') return { name: take === 'ours' ? a : b }
  if (take) return { name: newName(path, take.definition, key) }
  const reason = `it became ${a} in ours and ${b} in theirs`
  const conflict: Conflict = { path, kind: 'renameRename', base: base?.name ?? null, ours: a, theirs: b, reason }
  return { name, conflict }
}

function newName(path: string, definition: unknown, key: string): string {
  if (typeof definition !== 'string') refuseResolution(path, 'the definition is a name')
  checkName(key.startsWith('column:') ? 'column' : 'table', definition)
  return definition
}

interface Naming {
  readonly sides: Sides<Things>
  readonly paths: Paths
  readonly answers: Answers
  readonly names: Map<string, string>
}

/** Two things that want one name: the one that has it in ours, and the one that has it in theirs. */
interface Clash {
  readonly path: string
  readonly name: string
  readonly ours: string
  readonly theirs: string
}

function findClashes({ sides, paths, answers, names, stays }: Naming & { stays: (key: string) => boolean }): Clash[] {
  const byName = new Map<string, string[]>()
  for (const key of paths.keys) {
    const space = spaceOfKey(sides, key)
    if (!stays(key) || !survives(key, sides, paths, answers)) continue
    const slot = `${space} ${foldName(names.get(key) ?? '')}`
    byName.set(slot, [...(byName.get(slot) ?? []), key])
  }
  return [...byName.values()].flatMap(([first, second]) => {
    if (first === undefined || second === undefined) return []
    const name = names.get(first) ?? ''
    const hasIt = (things: Things, key: string) => sameName(things.get(key)?.name ?? '', name)
    const isSecondOurs = hasIt(sides.ours, second) && !hasIt(sides.ours, first)
    const isFirstTheirs = hasIt(sides.theirs, first) && !hasIt(sides.theirs, second)
    const [ours, theirs] = isSecondOurs || isFirstTheirs ? [second, first] : [first, second]
    return [{ path: paths.ofName(ours, name), name, ours, theirs }]
  })
}

function spaceOfKey(sides: Sides<Things>, key: string): string {
  const thing = anyOf(sides, key)
  return thing ? spaceOf(thing) : ''
}

function anyOf({ base, ours, theirs }: Sides<Things>, key: string): Thing | undefined {
  return base.get(key) ?? ours.get(key) ?? theirs.get(key)
}

/** What one side dropped is gone, unless the client said that it stays. */
function survives(key: string, { base, ours, theirs }: Sides<Things>, paths: Paths, answers: Answers): boolean {
  if (!base.has(key) || (ours.has(key) && theirs.has(key))) return true
  const take = answers.peek(paths.of(key))
  return typeof take === 'object' || (take === 'ours' && ours.has(key)) || (take === 'theirs' && theirs.has(key))
}

/** Whether the resolution of the clash changed something: a rename is taken back, an addition left out. */
function giveWay(
  { path, ours, theirs, name }: Clash,
  { sides, answers, names, gone }: Naming & { gone: Record<'ours' | 'theirs', Set<string>> },
): boolean {
  const take = answers.at(path)
  if (take === undefined) return false
  if (typeof take === 'object') refuseResolution(path, 'one of the two gets the name: take ours or theirs')
  const side = take === 'ours' ? 'theirs' : 'ours'
  const loser = take === 'ours' ? theirs : ours
  const old = sides.base.get(loser)
  if (old === undefined) {
    for (const key of family(sides[side], loser)) gone[side].add(key)
    return true
  }
  if (sameName(old.name, name)) return false
  names.set(loser, old.name)
  return true
}

function conflictOf({ path, name, ours, theirs }: Clash, sides: Sides<Things>): Conflict {
  const isAdded = (key: string) => !sides.base.has(key)
  const kinds: ConflictKind[] = ['renameRename', 'renameAdd', 'addAdd']
  const kind = kinds[[ours, theirs].filter(isAdded).length] ?? 'renameAdd'
  const [mine, other] = [anyOf({ ...sides, base: sides.ours }, ours), anyOf({ ...sides, base: sides.theirs }, theirs)]
  return {
    path,
    kind,
    base: null,
    ours: mine?.definition ?? null,
    theirs: other?.definition ?? null,
    reason: `two things would be called ${name}`,
  }
}

/** So that the rest can be looked at all the same. */
function putAside(
  { ours, theirs, name }: Clash,
  { sides, names, gone }: Pick<Naming, 'sides' | 'names'> & { gone: Record<'ours' | 'theirs', Set<string>> },
): void {
  const isRenamable = (key: string) => key.startsWith('table:') || key.startsWith('column:')
  const loser = [theirs, ours].find(isRenamable)
  if (loser !== undefined) names.set(loser, freeName(name, names))
  else for (const key of family(sides.theirs, theirs)) gone.theirs.add(key)
}

/** What was dropped on one side and is still there on the others makes way for what took its name. */
function moveDropped({ sides, paths, answers, names, stays }: Naming & { stays: (key: string) => boolean }): void {
  const isGone = (key: string) => !stays(key) || !survives(key, sides, paths, answers)
  const slot = (key: string) => `${spaceOfKey(sides, key)} ${foldName(names.get(key) ?? '')}`
  const taken = new Set([...paths.keys].filter((key) => !isGone(key)).map(slot))
  for (const key of paths.keys) {
    const isMovable = key.startsWith('table:') || key.startsWith('column:')
    if (!isMovable || !isGone(key)) continue
    if (taken.has(slot(key))) names.set(key, freeName(names.get(key) ?? '', names))
    taken.add(slot(key))
  }
}

function freeName(name: string, names: ReadonlyMap<string, string>): string {
  const taken = new Set([...names.values()].map(foldName))
  for (let i = 1; ; i++) {
    const candidate = `${name}_old${i === 1 ? '' : i}`
    if (!taken.has(foldName(candidate))) return candidate
  }
}
