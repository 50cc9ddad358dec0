import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../src/base/refusal.ts'
import { evolve, runSteps } from '../../src/schema/apply.ts'
import type { Recorded } from '../../src/schema/carry-rows.ts'
import type { Change } from '../../src/schema/change.ts'
import { type Merge, merge } from '../../src/schema/merge.ts'
import type { Column, Schema, Table } from '../../src/schema/model.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'
import { quoteName } from '../../src/schema/sql.ts'
import { mergedOf } from './merge-support.ts'
import { type Connection, counter, open, read } from './support.ts'

const base = `
  create table t (a integer primary key, b text, c text);
  create table u (a integer primary key, b text);
  insert into t values (1, 'x', null), (2, null, 'y'), (3, null, null), (5, '7', '1.5');
  insert into u values (1, null), (4, 'z');`

/** A branch on its way: its schema, and a file of it with rows. */
class Side {
  readonly file: Connection
  readonly history: Recorded[] = []
  readonly newId: () => string
  schema: Schema

  constructor(schema: Schema, prefix: string) {
    this.file = open(base)
    this.schema = schema
    this.newId = counter(prefix)
  }

  /** Edit the schema and bring the file along; refused edits change nothing. */
  edit(...changes: Change[]): boolean {
    const template = createTemplate(this.schema)
    try {
      const { schema, stages, steps, rebuilt, proofs } = evolve(template, this.schema, changes, this.newId)
      if (proofs.some(({ sql }) => this.file.prepare(sql).get() !== undefined)) return false
      runSteps(this.file, steps, { rebuilt })
      this.history.push(...changes.map((change, at) => ({ change, before: stages[at] as Schema })))
      this.schema = schema
      return true
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return false
    } finally {
      template.close()
    }
  }

  column(name: string, more: Partial<Column> = {}): Column {
    return { id: this.newId(), name, type: 'TEXT', nullable: true, ...more }
  }
}

function start() {
  const schema = read(open(base))
  return { schema, ours: new Side(schema, 'ours'), theirs: new Side(schema, 'theirs') }
}

type Started = ReturnType<typeof start>

function merged({ schema, ours, theirs }: Started, options: Parameters<typeof merge>[3] = {}): Merge {
  const { history } = theirs
  return merge(schema, ours.schema, theirs.schema, { history, newId: counter('merge'), ...options })
}

/** The rows of ours after the merge; of a table by its id, each as an object by the ids of its columns. */
function rowsAfter(started: Started, options: Parameters<typeof merge>[3] = {}) {
  const { changes, schema } = mergedOf(merged(started, options))
  expect(started.ours.edit(...changes)).toBe(true)
  return { rows: rowsOf(started.ours.file, schema), schema }
}

type Rows = ReadonlyMap<string, readonly ReadonlyMap<string, unknown>[]>

function rowsOf(file: Connection, { tables }: Schema): Rows {
  return new Map(tables.map((table) => [table.id, rowsOfTable(file, table)]))
}

function rowsOfTable(file: Connection, { name, columns }: Table) {
  const rows = file.prepare(`select * from ${quoteName(name)} order by rowid`).all() as Record<string, unknown>[]
  return rows.map((row) => new Map(columns.map((column) => [column.id, row[column.name]])))
}

/** The rows of one table as plain lists, in the order of its columns. */
function plain(file: Connection, table: string): unknown[] {
  return file
    .prepare(`select * from ${quoteName(table)} order by rowid`)
    .raw()
    .all()
}

const rename = (table: string, column: string, newName: string): Change => ({
  kind: 'renameColumn',
  table,
  column,
  newName,
})
const fill = (table: string, column: string, value: string | { sql: string }, to: object = {}): Change => ({
  kind: 'alterColumn',
  table,
  column,
  to,
  fill: value,
})

const copy = (side: Side, source: string, table: string): Change => {
  const columns = side.schema.tables.find(({ name }) => name === source)?.columns ?? []
  return { kind: 'copyTable', source, table, id: side.newId(), columnIds: columns.map(side.newId), data: true }
}

describe('a merge of three does to the target’s rows what was done to the source’s', () => {
  test('NULL is filled before NOT NULL, in a column that is called otherwise', () => {
    const started = start()
    started.ours.edit(rename('t', 'b', 'z'), { kind: 'renameTable', table: 't', newName: 'tt' })
    started.theirs.edit(fill('t', 'b', 'none', { nullable: false }))
    rowsAfter(started)
    expect(plain(started.ours.file, 'tt').map((row) => (row as unknown[])[1])).toEqual(['x', 'none', 'none', '7'])
  })

  test('a column is computed from others, which are dropped', () => {
    const started = start()
    const { ours, theirs } = started
    ours.edit({ kind: 'addColumn', table: 't', column: ours.column('o', { default: "'o'" }) }, rename('t', 'a', 'k'))
    ours.edit({ kind: 'renameTable', table: 't', newName: 'tt' })
    theirs.edit({ kind: 'addColumn', table: 't', column: theirs.column('n') })
    theirs.edit(fill('t', 'n', { sql: `coalesce("b", 'no') || t.a || t.c` }))
    theirs.edit({ kind: 'dropColumn', table: 't', column: 'b' }, { kind: 'dropColumn', table: 't', column: 'c' })
    // The name of a column that is on its way out here.
    theirs.edit({ kind: 'addColumn', table: 't', column: theirs.column('c', { default: "'new'" }) })
    theirs.edit(fill('t', 'n', 'rest'), { kind: 'alterColumn', table: 't', column: 'c', to: { default: "'newer'" } })
    rowsAfter(started)
    expect(ours.file.prepare('select k, n, c, o from tt order by k').raw().all()).toEqual([
      [1, 'rest', 'new', 'o'],
      [2, 'no2y', 'new', 'o'],
      [3, 'rest', 'new', 'o'],
      [5, '751.5', 'new', 'o'],
    ])
  })

  test('a table is copied with the target’s rows and the source’s columns, and what it was copied from goes', () => {
    const started = start()
    const { ours, theirs } = started
    ours.edit({ kind: 'addColumn', table: 't', column: ours.column('o') }, rename('t', 'c', 'd'))
    ours.edit({ kind: 'createIndex', index: { name: 'copy', table: 't', unique: false, columns: [{ name: 'o' }] } })
    theirs.edit(copy(theirs, 't', 'between'))
    theirs.edit(fill('between', 'c', 'filled'))
    theirs.edit(copy(theirs, 'between', 'after'), { kind: 'dropTable', table: 'between' })
    const { schema } = rowsAfter(started)
    expect(schema.tables.map(({ name }) => name)).toEqual(['t', 'u', 'after'])
    expect(plain(ours.file, 'after')).toEqual([
      [1, 'x', 'filled'],
      [2, null, 'y'],
      [3, null, 'filled'],
      [5, '7', '1.5'],
    ])
  })

  test('what is NOT NULL here already is not looked at', () => {
    const started = start()
    started.ours.edit(fill('t', 'b', 'mine', { nullable: false }))
    started.theirs.edit(fill('t', 'b', 'theirs', { nullable: false }))
    expect(mergedOf(merged(started)).changes).toEqual([])
  })

  test('what only one row’s schema tells costs no more than before', () => {
    const started = start()
    started.ours.edit({ kind: 'addColumn', table: 't', column: started.ours.column('o') })
    started.theirs.edit({ kind: 'addColumn', table: 't', column: started.theirs.column('n', { default: "'d'" }) })
    expect(mergedOf(merged(started)).changes).toMatchObject([{ kind: 'addColumn', column: { name: 'n' } }])
  })
})

describe('what cannot be done to the target’s rows is a conflict', () => {
  const cases: [string, string, (ours: Side) => Change[], (theirs: Side) => Change[]][] = [
    [
      'a fill from a column that the target dropped',
      'table:t/column:b/rows',
      () => [{ kind: 'dropColumn', table: 't', column: 'c' }],
      () => [fill('t', 'b', { sql: 'c' })],
    ],
    [
      'a fill by a query of a table that is called otherwise',
      'table:t/column:b/rows',
      () => [{ kind: 'renameTable', table: 'u', newName: 'w' }],
      () => [fill('t', 'b', { sql: '(select max(b) from u)' })],
    ],
    [
      'a fill in which a new column of the target would be meant',
      'table:t/column:b/rows',
      (ours) => [{ kind: 'addColumn', table: 't', column: ours.column('rowid') }],
      () => [fill('t', 'b', { sql: 'rowid' })],
    ],
    [
      'a copy of a table that the target dropped',
      'table:v/rows',
      () => [{ kind: 'dropTable', table: 'u' }],
      (theirs) => [copy(theirs, 'u', 'v')],
    ],
    [
      'a copy of a column that the target dropped',
      'table:v/rows',
      () => [{ kind: 'dropColumn', table: 't', column: 'c' }],
      (theirs) => [copy(theirs, 't', 'v')],
    ],
  ]

  test.each(cases)('%s', (_, path, ofOurs, ofTheirs) => {
    const started = start()
    expect(started.ours.edit(...ofOurs(started.ours))).toBe(true)
    expect(started.theirs.edit(...ofTheirs(started.theirs))).toBe(true)
    expect(merged(started)).toMatchObject({ kind: 'conflicts', conflicts: [{ kind: 'rows', path }] })
    // Rows can be left as they are, and that is all.
    const take = (take: 'ours' | 'theirs') => merged(started, { resolutions: [{ path, take }] })
    expect(take('ours')).toMatchObject({
      kind: 'merged',
      changes: mergedOf(merged(started, { history: [], resolutions: [] })).changes,
    })
    expect(() => take('theirs')).toThrow('take ours')
  })

  test('and there is none to resolve where it can be done', () => {
    const started = start()
    started.ours.edit({ kind: 'addColumn', table: 't', column: started.ours.column('o') })
    started.theirs.edit(fill('t', 'b', 'x'))
    expect(() => merged(started, { resolutions: [{ path: 'table:t/column:b/rows', take: 'ours' }] })).toThrow(
      'there is no conflict',
    )
  })
})

/** An edit of whatever schema it meets: numbers choose among its tables and columns. */
const edit = (kinds: readonly string[]) =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    table: fc.nat({ max: 3 }),
    column: fc.nat({ max: 4 }),
    other: fc.nat({ max: 4 }),
    name: fc.constantFrom('b', 'c', 'd', 'e', 'v', 'w'),
  })

const ofTheirs = ['addColumn', 'addColumn', 'fill', 'fill', 'compute', 'copy', 'copy', 'default', 'type'].concat([
  'notNull',
  'rename',
  'renameTable',
  'drop',
  'dropTable',
  'index',
  'count',
])
const ofOurs = ['addColumn', 'rename', 'renameTable', 'index', 'create', 'drop']

type RandomEdit = ReturnType<typeof edit> extends fc.Arbitrary<infer E> ? E : never

function changesOf(side: Side, { kind, table: i, column: j, other: k, name }: RandomEdit): Change[] {
  const { tables } = side.schema
  const found = tables[i % tables.length]
  if (!found) return []
  const table = found.name
  const at = (n: number) => found.columns[n % found.columns.length] as Column
  const column = at(j)
  const alter = (to: object, value?: string | { sql: string }): Change[] => [
    { kind: 'alterColumn', table, column: column.name, to, ...(value !== undefined && { fill: value }) },
  ]
  switch (kind) {
    case 'addColumn':
      return [{ kind, table, column: side.column(name, k % 2 ? { default: `'${name}'` } : {}) }]
    case 'create': {
      const constraints = { uniques: [], checks: [], foreignKeys: [], strict: false, withoutRowid: false }
      const made = { ...constraints, id: side.newId(), name, columns: [side.column('a')], systemColumns: false }
      return [{ kind: 'createTable', table: made }]
    }
    case 'fill':
      return alter({}, `fill ${name}`)
    case 'compute':
      return alter({}, { sql: `coalesce(${quoteName(at(k).name)}, 'none') || '${name}'` })
    case 'count': {
      // Not of a table that is new: what is proved on files as they are knows nothing of it.
      const counted = tables.find(({ id }, at) => at === k && !id.startsWith('theirs'))
      return counted ? alter({}, { sql: `(select count(*) from ${quoteName(counted.name)})` }) : []
    }
    case 'copy':
      return [copy(side, table, name)]
    case 'default':
      return alter({ default: `'late ${name}'` })
    case 'type':
      // Only of columns that are new: what another type did to old ones is not done again if it is taken back.
      return column.id.startsWith('theirs') ? alter({ type: k % 2 ? 'INTEGER' : 'BLOB' }) : []
    case 'notNull':
      return alter({ nullable: false }, `not null ${name}`)
    case 'rename':
      return [rename(table, column.name, name)]
    case 'renameTable':
      return [{ kind, table, newName: name }]
    case 'drop':
      return [{ kind: 'dropColumn', table, column: column.name }]
    case 'dropTable':
      return [{ kind, table }]
    case 'index':
      return [
        { kind: 'createIndex', index: { name: `i_${name}`, table, unique: false, columns: [{ name: column.name }] } },
      ]
    default:
      return []
  }
}

test('rows come out of a merge of three as they come out of a fast-forward', () => {
  const count = { merged: 0, rows: 0, conflicts: 0 }
  const lists = fc.tuple(
    fc.array(edit(ofTheirs), { minLength: 1, maxLength: 8 }),
    fc.array(edit(ofOurs), { minLength: 1, maxLength: 3 }),
  )
  fc.assert(
    fc.property(lists, ([ofTheirs, ofOurs]) => {
      const started = start()
      const { ours, theirs } = started
      for (const each of ofTheirs) theirs.edit(...changesOf(theirs, each))
      for (const each of ofOurs) ours.edit(...changesOf(ours, each))
      const result = merged(started)
      if (result.kind === 'conflicts') {
        if (result.conflicts.some(({ kind }) => kind === 'rows')) count.rows++
        else count.conflicts++
        return
      }
      count.merged++
      // What the fast-forward of a target that did not move has.
      const forward = rowsOf(theirs.file, theirs.schema)
      const { rows, schema } = rowsAfter(started)
      const sameAs = new Map(result.sameAs.map((pair) => [pair.theirs, pair.ours]))
      for (const table of theirs.schema.tables) {
        const other = schema.tables.find(({ id }) => id === (sameAs.get(table.id) ?? table.id))
        if (!other) continue
        const [expected, found] = [forward.get(table.id) ?? [], rows.get(other.id) ?? []]
        expect(found.length, table.name).toBe(expected.length)
        for (const column of table.columns) {
          const id = sameAs.get(column.id) ?? column.id
          if (!other.columns.some((each) => each.id === id)) continue
          const values = (list: typeof found, key: string) => list.map((row) => row.get(key))
          expect(values(found, id), `${table.name}.${column.name}`).toEqual(values(expected, column.id))
        }
      }
    }),
    { numRuns: 120 * Number(process.env.MERGE_RUNS ?? 1) },
  )
  if (process.env.MERGE_COUNTS) console.log(count)
  expect(count.merged).toBeGreaterThan(20)
}, 600_000)
