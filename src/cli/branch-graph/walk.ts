import type { ResultOf } from '../../client/client.ts'
import type { Context } from '../context.ts'

export type Branch = ResultOf<'branch.list'>['branches'][number]
export type ChangeSet = ResultOf<'branch.history'>['changeSets'][number]

/** The branches of a database, and the change sets that led to them. */
export interface History {
  readonly branches: readonly Branch[]
  readonly changeSets: ReadonlyMap<string, ChangeSet>
  /** The empty schema, from which every history comes. */
  readonly isRoot: (id: string) => boolean
}

const pageSize = 100
/** Of each line, so many change sets are looked at. */
const maxLine = 1_000

/** Fetch what led to the branches' heads: of each line as far as it is not known from another one. */
export async function fetchHistory(context: Context): Promise<History> {
  const { branches } = await context.call('branch.list', {})
  const changeSets = new Map<string, ChangeSet>()
  const roots = new Set<string>()

  const walk = async (name: string, from: string): Promise<void> => {
    let cursor: string | undefined = from
    for (let count = 0; cursor !== undefined && count < maxLine; count += pageSize) {
      const page: ResultOf<'branch.history'> = await context.call('branch.history', { name, cursor, limit: pageSize })
      const known = page.changeSets.findIndex(({ id }) => changeSets.has(id))
      const unknown = known < 0 ? page.changeSets : page.changeSets.slice(0, known)
      for (const changeSet of unknown) changeSets.set(changeSet.id, changeSet)
      if (known >= 0) return
      cursor = page.nextCursor
      if (cursor === undefined) roots.add(page.changeSets.at(-1)?.parents[0] ?? from)
    }
  }

  for (const { name, head } of branches) if (!changeSets.has(head)) await walk(name, head)
  // What was merged from branches that are gone is known by its merges alone.
  const name = branches[0]?.name ?? 'main'
  for (let merged = unknownMerged(changeSets); merged !== undefined; merged = unknownMerged(changeSets)) {
    await walk(name, merged)
    if (!changeSets.has(merged)) break
  }
  return { branches, changeSets, isRoot: (id) => roots.has(id) }
}

function unknownMerged(changeSets: ReadonlyMap<string, ChangeSet>): string | undefined {
  for (const { parents } of changeSets.values()) {
    const [, merged] = parents
    if (merged !== undefined && !changeSets.has(merged)) return merged
  }
  return undefined
}

/** How many change sets one line has that the other has not. */
export interface Distance {
  readonly ahead: number
  readonly behind: number
  /** Both were followed to where they part: else there may be more. */
  readonly isExact: boolean
}

export function distance({ changeSets, isRoot }: History, head: string, base: string): Distance {
  const [ofHead, ofBase] = [ancestors(head), ancestors(base)]
  const beyond = (a: ReadonlySet<string>, b: ReadonlySet<string>) =>
    [...a].filter((id) => changeSets.has(id) && !b.has(id)).length
  const isExact = [...ofHead].some((id) => ofBase.has(id))
  return { ahead: beyond(ofHead, ofBase), behind: beyond(ofBase, ofHead), isExact }

  /** With the root, if they reach it; without what was not fetched. */
  function ancestors(from: string): ReadonlySet<string> {
    const found = new Set<string>()
    const left = [from]
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      if (found.has(id) || !(changeSets.has(id) || isRoot(id))) continue
      found.add(id)
      left.push(...(changeSets.get(id)?.parents ?? []))
    }
    return found
  }
}
