import type { Column, Schema, Table } from './model.ts'
import { findColumn, findTable } from './model.ts'

/** The three schemas of a merge, or what belongs to them. */
export interface Sides<T> {
  readonly base: T
  readonly ours: T
  readonly theirs: T
}

export function eachSide<A, B>({ base, ours, theirs }: Sides<A>, body: (value: A) => B): Sides<B> {
  return { base: body(base), ours: body(ours), theirs: body(theirs) }
}

/**
 * Two ids of one table or column: both branches had made it, and a merge made it one. The target keeps its id, so that
 * its files need no change; the two branches go on with different ids and later merges have to be told.
 */
export interface SameAs {
  readonly ours: string
  readonly theirs: string
}

/**
 * Give what is the same on two sides one id, that of ours. The same is what earlier merges found to be, and what both
 * sides have made since the base under one name.
 *
 * @returns the schemas, with `ours` as it was, and the pairs that are new
 */
export function alignIds(sides: Sides<Schema>, known: readonly SameAs[]): { sides: Sides<Schema>; found: SameAs[] } {
  const { ours } = sides
  const classes = idClasses(known)
  const [inOurs, inTheirs] = [idsOf(ours), idsOf(sides.theirs)]
  const common = (id: string) => {
    const members = classes.get(id) ?? [id]
    return (
      members.find((member) => inOurs.has(member)) ?? members.find((member) => inTheirs.has(member)) ?? members[0] ?? id
    )
  }
  const base = withIds(sides.base, common)
  const theirs = withIds(sides.theirs, common)
  const found = madeTwice({ base, ours, theirs })
  const pairs = new Map(found.map((pair) => [pair.theirs, pair.ours]))
  return { sides: { base, ours, theirs: withIds(theirs, (id) => pairs.get(id) ?? id) }, found }
}

/** The ids that tables and columns have in `aligned`, by those that they had before. */
export function idsByOldOnes(before: Schema, aligned: Schema): Map<string, string> {
  const ids = new Map<string, string>()
  for (const [i, table] of before.tables.entries()) {
    const same = aligned.tables[i]
    ids.set(table.id, same?.id ?? table.id)
    for (const [j, column] of table.columns.entries()) ids.set(column.id, same?.columns[j]?.id ?? column.id)
  }
  return ids
}

function idClasses(pairs: readonly SameAs[]): Map<string, string[]> {
  const classes = new Map<string, string[]>()
  for (const { ours, theirs } of pairs) {
    const members = [...new Set([...(classes.get(ours) ?? [ours]), ...(classes.get(theirs) ?? [theirs])])].sort()
    for (const id of members) classes.set(id, members)
  }
  return classes
}

function idsOf({ tables }: Schema): Set<string> {
  return new Set(tables.flatMap(({ id, columns }) => [id, ...columns.map((column) => column.id)]))
}

/** Two things of one schema never get one id: where it holds both ids of a pair, they stay two. */
function withIds(schema: Schema, common: (id: string) => string): Schema {
  const taken = idsOf(schema)
  const newId = (id: string) => {
    const wanted = common(id)
    if (wanted === id || taken.has(wanted)) return id
    taken.add(wanted)
    return wanted
  }
  const tables = schema.tables.map((table) => ({
    ...table,
    id: newId(table.id),
    columns: table.columns.map((column) => ({ ...column, id: newId(column.id) })),
  }))
  return { ...schema, tables }
}

function madeTwice({ base, ours, theirs }: Sides<Schema>): SameAs[] {
  const pairs: SameAs[] = []
  for (const table of theirs.tables) {
    const byId = findId(ours.tables, table.id)
    const twin = byId ?? twinOf(table, findTable(ours, table.name), { base: base.tables, theirs: theirs.tables })
    if (!twin) continue
    if (twin !== byId) pairs.push({ ours: twin.id, theirs: table.id })
    const lists = { base: findId(base.tables, table.id)?.columns ?? [], theirs: table.columns }
    for (const column of table.columns) {
      if (findId(twin.columns, column.id)) continue
      const other = twinOf(column, findColumn(twin, column.name), lists)
      if (other) pairs.push({ ours: other.id, theirs: column.id })
    }
  }
  return pairs
}

/** The thing of ours that has the name, if both are additions. */
function twinOf<T extends Table | Column>(
  thing: T,
  namesake: T | undefined,
  { base, theirs }: { readonly base: readonly T[]; readonly theirs: readonly T[] },
): T | undefined {
  const isAddition = (id: string) => findId(base, id) === undefined
  return namesake && isAddition(thing.id) && isAddition(namesake.id) && !findId(theirs, namesake.id)
    ? namesake
    : undefined
}

function findId<T extends { readonly id: string }>(list: readonly T[], id: string): T | undefined {
  return list.find((item) => item.id === id)
}
