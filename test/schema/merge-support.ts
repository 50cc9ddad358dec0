import { expect } from 'vitest'
import { carryIds } from '../../src/schema/carry.ts'
import type { Change } from '../../src/schema/change.ts'
import type { Conflict, Resolution } from '../../src/schema/conflicts.ts'
import { type MergeOptions, merge } from '../../src/schema/merge.ts'
import type { Schema, Table } from '../../src/schema/model.ts'
import { differences, emptySchema, findColumn, findTable } from '../../src/schema/model.ts'
import { createTemplate, snapshot } from '../../src/schema/snapshot.ts'
import { isOperator, isWord, quoteName, tokenize } from '../../src/schema/sql.ts'
import { counter } from './support.ts'

/** Texts are SQL. `ours` and `theirs` are edits of the base; CREATE of what there is already replaces it. */
export interface MergeCase {
  readonly base: string
  readonly ours: string
  readonly theirs: string
  /** The whole schema. */
  readonly merged?: string
  /** `kind path`, in any order. */
  readonly conflicts?: readonly string[]
  /** The whole schema if each conflict is resolved so. */
  readonly takeOurs?: string
  readonly takeTheirs?: string
}

/** Merge the one way and the other: the results are equal up to order, the conflicts the same with sides swapped. */
export function checkMerge({ base: sql, merged, conflicts, takeOurs, takeTheirs, ...edits }: MergeCase): void {
  const base = edited(emptySchema, sql, 'base')
  const [ours, theirs] = [edited(base, edits.ours, 'ours'), edited(base, edits.theirs, 'theirs')]
  if (merged !== undefined) {
    checkResult({ base, ours, theirs }, {}, merged)
    checkResult({ base, ours: theirs, theirs: ours }, {}, merged, { columnOrder: false })
    return
  }
  const found = conflictsOf({ base, ours, theirs })
  expect(found.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([...(conflicts ?? [])].sort())
  for (const conflict of found) expect(JSON.parse(JSON.stringify(conflict))).toEqual(conflict)
  const flipped = conflictsOf({ base, ours: theirs, theirs: ours })
  expect(byPath(flipped.map(swapped))).toEqual(byPath(found.map(withoutReason)))
  const takes = (take: 'ours' | 'theirs') => ({ resolutions: found.map(({ path }): Resolution => ({ path, take })) })
  if (takeOurs !== undefined) {
    checkResult({ base, ours, theirs }, takes('ours'), takeOurs, { columnOrder: false })
    checkResult({ base, ours: theirs, theirs: ours }, takes('theirs'), takeOurs, { columnOrder: false })
  }
  if (takeTheirs !== undefined) {
    checkResult({ base, ours, theirs }, takes('theirs'), takeTheirs, { columnOrder: false })
    checkResult({ base, ours: theirs, theirs: ours }, takes('ours'), takeTheirs, { columnOrder: false })
  }
}

interface Three {
  readonly base: Schema
  readonly ours: Schema
  readonly theirs: Schema
}

function checkResult({ base, ours, theirs }: Three, options: MergeOptions, sql: string, comparison = {}): void {
  const result = mergedOf(merge(base, ours, theirs, options))
  expect(differences(edited(emptySchema, sql, 'wanted'), result.schema, comparison)).toEqual([])
  // Once more, in either direction: there is nothing left to do.
  const { sameAs } = result
  expect(mergedOf(merge(theirs, result.schema, theirs, { sameAs })).changes).toEqual([])
  const pulled = mergedOf(merge(theirs, theirs, result.schema, { sameAs })).schema
  expect(differences(pulled, result.schema, { columnOrder: false })).toEqual([])
}

export function mergedOf(result: ReturnType<typeof merge>) {
  if (result.kind === 'conflicts') {
    throw new Error(result.conflicts.map(({ kind, path, reason }) => `${kind} ${path}: ${reason}`).join('\n'))
  }
  return result
}

function conflictsOf({ base, ours, theirs }: Three): readonly Conflict[] {
  const result = merge(base, ours, theirs)
  return result.kind === 'conflicts' ? result.conflicts : []
}

/** The reason is in words, which name the sides. */
export function withoutReason({ reason: _, ...conflict }: Conflict): Omit<Conflict, 'reason'> {
  return conflict
}

export function swapped(conflict: Conflict): Omit<Conflict, 'reason'> {
  return { ...withoutReason(conflict), ours: conflict.theirs, theirs: conflict.ours }
}

export function byPath<T extends { readonly path: string }>(conflicts: readonly T[]): T[] {
  return conflicts.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** The schema after these statements. What they rename keeps its id; new ids begin with `prefix`. */
export function edited(schema: Schema, sql: string, prefix: string): Schema {
  const newId = counter(`${prefix} `)
  return statementsOf(sql).reduce((current, statement) => editedOnce(current, statement, newId), schema)
}

function editedOnce(schema: Schema, sql: string, newId: () => string): Schema {
  const { kind, name } = createdBy(sql)
  const existing = kind === 'TABLE' ? findTable(schema, name) : undefined
  if (existing) return redefined(schema, existing, sql, newId)
  const db = createTemplate(schema)
  try {
    const isThere = db.prepare('select 1 from sqlite_schema where name = ? collate nocase').get(name)
    if (isThere) db.exec(`drop ${kind} ${quoteName(name)}`)
    db.exec(sql)
    return carryIds(schema, renameBy(sql) ?? noRename, snapshot(db, newId))
  } finally {
    db.close()
  }
}

const noRename: Change = { kind: 'dropIndex', index: '' }

function createdBy(sql: string): { readonly kind: string; readonly name: string } {
  const [create, ...rest] = tokenize(sql)
  if (!isWord(create, 'CREATE')) return { kind: '', name: '' }
  const at = rest.findIndex((token) => ['TABLE', 'INDEX', 'VIEW', 'TRIGGER'].some((word) => isWord(token, word)))
  return { kind: rest[at]?.text.toUpperCase() ?? '', name: rest[at + 1]?.value ?? '' }
}

function renameBy(sql: string): Change | undefined {
  const [alter, , table, rename, second, third, fourth] = tokenize(sql)
  if (!isWord(alter, 'ALTER') || !isWord(rename, 'RENAME') || !table || !third) return undefined
  if (isWord(second, 'TO')) return { kind: 'renameTable', table: table.value, newName: third.value }
  const column = fourth && isWord(second, 'COLUMN') ? third : second
  const newName = tokenize(sql).at(-1)
  return { kind: 'renameColumn', table: table.value, column: column?.value ?? '', newName: newName?.value ?? '' }
}

/** The table as the statement makes it; columns are known by their names. */
function redefined(schema: Schema, old: Table, sql: string, newId: () => string): Schema {
  const db = createTemplate(emptySchema)
  db.exec(sql)
  const [made] = snapshot(db, newId).tables
  db.close()
  if (!made) throw new Error(`no table: ${sql}`)
  const columns = made.columns.map((column) => ({ ...column, id: findColumn(old, column.name)?.id ?? column.id }))
  const table: Table = { ...made, id: old.id, columns, systemColumns: old.systemColumns }
  return { ...schema, tables: schema.tables.map((other) => (other === old ? table : other)) }
}

/** Statements end at a semicolon, those of CREATE TRIGGER at the one behind END. */
function statementsOf(sql: string): string[] {
  const statements: string[] = []
  let start: number | undefined
  let isTrigger = false
  let last: ReturnType<typeof tokenize>[number] | undefined
  for (const token of tokenize(sql)) {
    const isEnd = isOperator(token, ';') && (!isTrigger || isWord(last, 'END'))
    if (isEnd && start !== undefined) {
      statements.push(sql.slice(start, token.start))
      start = undefined
      isTrigger = false
    } else if (!isEnd) {
      start ??= token.start
      isTrigger ||= isWord(token, 'TRIGGER')
    }
    last = token
  }
  if (start !== undefined) statements.push(sql.slice(start, last?.end))
  return statements
}
