import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evolve, runSteps } from '../../src/schema/apply.ts'
import type { Change } from '../../src/schema/change.ts'
import { adopt, diff } from '../../src/schema/diff.ts'
import type { Schema } from '../../src/schema/model.ts'
import { differences, emptySchema } from '../../src/schema/model.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'
import { quoteName } from '../../src/schema/sql.ts'
import { schemas } from './random.ts'
import { counter, open, read, schemaOf } from './support.ts'

const kinds = (changes: readonly Change[]) => changes.map(({ kind }) => kind)

function evolved(a: Schema, b: Schema): Schema {
  const template = createTemplate(a)
  try {
    return evolve(template, a, diff(a, b), counter('unexpected')).schema
  } finally {
    template.close()
  }
}

describe('the plainest change', () => {
  test.each<[string, string, string[]]>([
    ['create table t (a)', 'create table t (a)', []],
    ['create table t (a)', 'create table t (b)', ['alterTable']],
    ['create table t (a)', 'create table T ("A")', ['renameTable', 'renameColumn']],
    ['create table t (a)', 'create table t (a, b unique check (b > 0) references t (b))', ['addColumn']],
    ['create table t (a, b unique)', 'create table t (a)', ['dropColumn']],
    ['create table t (a, b)', 'create table t (a, b int)', ['alterColumn']],
    ['create table t (a, b)', 'create table t (a int primary key, b int)', ['alterTable']],
    ['create table t (a, b)', 'create table t (b, a)', []],
    ['create table t (a)', '', ['dropTable']],
    ['', 'create table t (a); create index i on t (a)', ['createTable']],
    [
      'create table t (a); create index i on t (a)',
      'create table t (a); create index i on t (a desc)',
      ['dropIndex', 'createIndex'],
    ],
    ['create view v as select 1', 'create view v as select 2', ['updateView']],
    ['create view v as select 1 -- one', 'create view v as SELECT  1', []],
    [
      'create virtual table f using fts5 (a)',
      'create virtual table f using fts5 (b)',
      ['dropVirtualTable', 'createVirtualTable'],
    ],
    [
      'create table p (a primary key); create table t (a references p)',
      'create table q (a primary key); create table t (a references q)',
      ['dropTable', 'createTable', 'alterTable'],
    ],
  ])('%s → %s', (a, b, expected) => {
    const byName = (sql: string): Schema => {
      const schema = schemaOf(sql)
      const id = counter(sql)
      const tables = schema.tables.map((table) => ({
        ...table,
        id: id(),
        columns: table.columns.map((column) => ({ ...column, id: id() })),
      }))
      return { ...schema, tables }
    }
    const [from, to] = [byName(a), byName(b)]
    expect(kinds(diff(from, to))).toEqual(expected)
    expect(differences(evolved(from, to), to, { columnOrder: false })).toEqual([])
  })
})

test('what has the same id is renamed, also in a circle', () => {
  const a = schemaOf('create table t (a, b); create table u (c)')
  const [t, u] = a.tables
  if (!t || !u) throw new Error('two tables')
  const [x, y] = t.columns
  if (!x || !y) throw new Error('two columns')
  const b: Schema = {
    ...a,
    tables: [
      {
        ...t,
        name: 'u',
        columns: [
          { ...x, name: 'b' },
          { ...y, name: 'a' },
        ],
      },
      { ...u, name: 't' },
    ],
  }
  expect(new Set(kinds(diff(a, b)))).toEqual(new Set(['renameTable', 'renameColumn']))
  expect(evolved(a, b).tables).toEqual(b.tables)
})

test('adopt makes a schema from nothing, ids and all', () => {
  const schema = schemaOf(`create table c (x references p); create table p (a primary key); create index i on p (a);
    create view v as select * from w; create view w as select 1; create trigger g after insert on p begin select 1; end`)
  expect(evolve(createTemplate(emptySchema), emptySchema, adopt(schema), counter('unexpected')).schema).toEqual(schema)
})

test('any schema evolves into any other by the changes between them', () => {
  fc.assert(
    fc.property(schemas, schemas, (a, b) => {
      const start = evolved(emptySchema, a)
      expect(differences(start, a)).toEqual([])
      const end = evolved(start, b)
      expect(differences(end, b, { columnOrder: false })).toEqual([])
      const kept = b.tables.filter(({ id }) => a.tables.some((table) => table.id === id))
      expect(end.tables.map(({ id }) => id)).toEqual(expect.arrayContaining(kept.map(({ id }) => id)))
      expect(diff(end, b)).toEqual([])
    }),
    { numRuns: 400 },
  )
})

test('a file with rows comes to the template’s schema, or its proofs say why not', () => {
  let migrated = 0
  let refused = 0
  fc.assert(
    fc.property(
      schemas,
      schemas,
      fc.array(fc.constantFrom('x', 'X', '1', '01', null), { maxLength: 5 }),
      (a, b, values) => {
        const start = evolved(emptySchema, a)
        const file = fill(start, values)
        const template = createTemplate(start)
        const { schema, steps, proofs, rebuilt } = evolve(template, start, diff(start, b), counter('unexpected'))
        const before = file.serialize()
        const witnesses = proofs.flatMap((proof) => file.prepare(proof.sql).all())
        expect(file.serialize().equals(before)).toBe(true)
        if (witnesses.length > 0) {
          refused++
          return
        }
        runSteps(file, steps, { rebuilt })
        migrated++
        expect(differences(read(file), schema)).toEqual([])
        expect(file.pragma('foreign_key_check')).toEqual([])
        expect(file.pragma('integrity_check', { simple: true })).toBe('ok')
        template.close()
        file.close()
      },
    ),
    { numRuns: 400 },
  )
  expect(Math.min(migrated, refused)).toBeGreaterThan(20)
})

/** A file with as many of these rows as it takes. */
function fill(schema: Schema, values: readonly (string | null)[]) {
  const file = open()
  file.exec('begin')
  const template = createTemplate(schema)
  for (const { sql } of template
    .prepare<[], { sql: string }>(
      "select sql from sqlite_schema where sql is not null and name not like 'f!_%' escape '!' and name not like 'sqlite%'",
    )
    .all()) {
    file.exec(sql)
  }
  file.exec('commit')
  for (const table of schema.tables) {
    const columns = table.columns.filter((column) => !column.generated)
    const names = columns.map((column) => quoteName(column.name)).join(', ')
    const insert = file.prepare(
      `insert or ignore into ${quoteName(table.name)} (${names}) values (${columns.map(() => '?').join(', ')})`,
    )
    values.forEach((value, i) => {
      try {
        insert.run(columns.map((column) => (column.type === 'INTEGER' ? i : value)))
      } catch {
        // A foreign key or a type that this row cannot satisfy: one row fewer.
      }
    })
  }
  return file
}
