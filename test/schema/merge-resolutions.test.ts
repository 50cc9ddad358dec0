import { expect, test } from 'vitest'
import type { Take } from '../../src/schema/conflicts.ts'
import type { SameAs } from '../../src/schema/identities.ts'
import { merge } from '../../src/schema/merge.ts'
import { differences, emptySchema, type Schema } from '../../src/schema/model.ts'
import { edited, mergedOf } from './merge-support.ts'
import { counter, refusal } from './support.ts'

function three(base: string, ours: string, theirs: string) {
  const schema = edited(emptySchema, base, 'base')
  return { base: schema, ours: edited(schema, ours, 'ours'), theirs: edited(schema, theirs, 'theirs') }
}

interface Resolved {
  readonly base: string
  readonly ours: string
  readonly theirs: string
  readonly takes: Readonly<Record<string, Take>>
  readonly merged: string
}

function checkResolved({ takes, merged, ...texts }: Resolved): Schema {
  const { base, ours, theirs } = three(texts.base, texts.ours, texts.theirs)
  const resolutions = Object.entries(takes).map(([path, take]) => ({ path, take }))
  const { schema } = mergedOf(merge(base, ours, theirs, { resolutions, newId: counter('given ') }))
  expect(differences(schema, edited(emptySchema, merged, 'wanted'))).toEqual([])
  return schema
}

const column = { type: '', nullable: true }
const plain = { uniques: [], checks: [], foreignKeys: [], strict: false, withoutRowid: false, systemColumns: false }

test.each<[string, Resolved]>([
  [
    'a default',
    {
      base: 'create table t (a)',
      ours: 'create table t (a default 1)',
      theirs: 'create table t (a default 2)',
      takes: { 'table:t/column:a/default': { definition: '3' } },
      merged: 'create table t (a default 3)',
    },
  ],
  [
    'no default',
    {
      base: 'create table t (a)',
      ours: 'create table t (a default 1)',
      theirs: 'create table t (a default 2)',
      takes: { 'table:t/column:a/default': { definition: null } },
      merged: 'create table t (a)',
    },
  ],
  [
    'nullability, and a list of checks in the names of the result',
    {
      base: 'create table t (a check (a > 0))',
      ours: 'create table t (a not null check (a > 1)); alter table t rename column a to b',
      theirs: 'create table t (a not null on conflict fail check (a > 2))',
      takes: {
        'table:t/column:a/nullable': { definition: { nullable: true } },
        'table:t/column:a/check': { definition: [{ expression: 'b > 3', column: 'b' }] },
      },
      merged: 'create table t (b check (b > 3))',
    },
  ],
  [
    'a name',
    {
      base: 'create table t (a)',
      ours: 'alter table t rename to u',
      theirs: 'alter table t rename to v; create view w as select a from v',
      takes: { 'table:t/name': { definition: 'x' } },
      merged: 'create table x (a); create view w as select a from x',
    },
  ],
  [
    'a primary key',
    {
      base: 'create table t (a, b)',
      ours: 'create table t (a primary key, b)',
      theirs: 'create table t (a, b primary key)',
      takes: { 'table:t/primaryKey': { definition: { columns: [{ name: 'a' }, { name: 'b' }] } } },
      merged: 'create table t (a, b, primary key (a, b))',
    },
  ],
  [
    'a column with its constraints',
    {
      base: 'create table t (a)',
      ours: 'alter table t add column b int',
      theirs: 'alter table t add column b text',
      takes: {
        'table:t/column:b': {
          definition: { ...column, name: 'b', type: 'REAL', checks: [{ expression: 'b > 0', column: 'b' }] },
        },
      },
      merged: 'create table t (a, b real check (b > 0))',
    },
  ],
  [
    'a table; what speaks of columns that it does not have is left out',
    {
      base: '',
      ours: 'create table t (a); create index i on t (a)',
      theirs: 'create table t (b); create index j on t (b)',
      takes: {
        'table:t': { definition: { ...plain, name: 't', columns: ['b', 'c'].map((name) => ({ ...column, name })) } },
      },
      merged: 'create table t (b, c); create index j on t (b)',
    },
  ],
  [
    'a column that was dropped',
    {
      base: 'create table t (a, b)',
      ours: 'alter table t drop column b',
      theirs: 'create table t (a, b default 1)',
      takes: { 'table:t/column:b': { definition: { ...column, name: 'b', default: '2' } } },
      merged: 'create table t (a, b default 2)',
    },
  ],
  [
    'an index, a view and a trigger',
    {
      base: 'create table t (a)',
      ours: 'create index i on t (a); create view v as select 1; create trigger g after insert on t begin select 1; end',
      theirs:
        'create index i on t (a desc); create view v as select 2; create trigger g after insert on t begin select 2; end',
      takes: {
        'index:i': { definition: { name: 'i', table: 't', unique: true, columns: [{ expression: 'lower(a)' }] } },
        'view:v': { definition: { name: 'v', sql: 'select 3' } },
        'trigger:g': { definition: { sql: 'create trigger g after delete on t begin select 3; end' } },
      },
      merged:
        'create table t (a); create unique index i on t (lower(a)); create view v as select 3; create trigger g after delete on t begin select 3; end',
    },
  ],
  [
    'a view that does not compile any more',
    {
      base: 'create view v as select 1 as a, 2 as b',
      ours: 'create view v as select 1 as a',
      theirs: 'create view w as select b from v',
      takes: { 'view:w': { definition: { name: 'w', sql: 'select a from v' } } },
      merged: 'create view v as select 1 as a; create view w as select a from v',
    },
  ],
  [
    'nothing, where both made something',
    {
      base: '',
      ours: 'create table t (a)',
      theirs: 'create table t (b)',
      takes: { 'table:t': { definition: null } },
      merged: '',
    },
  ],
  [
    'one side here and the other one there',
    {
      base: 'create table t (a default 1, b default 1)',
      ours: 'create table t (a default 2, b default 2)',
      theirs: 'create table t (a default 3, b default 3)',
      takes: { 'table:t/column:a/default': 'ours', 'table:t/column:b/default': 'theirs' },
      merged: 'create table t (a default 2, b default 3)',
    },
  ],
])('a given definition is taken: %s', (_name, resolved) => {
  checkResolved(resolved)
})

test('a given table keeps the columns that it has by name, and new ones get new ids', () => {
  const schema = checkResolved({
    base: '',
    ours: 'create table t (a)',
    theirs: 'create table t (b)',
    takes: {
      'table:t': { definition: { ...plain, name: 't', columns: ['b', 'a', 'c'].map((name) => ({ ...column, name })) } },
    },
    merged: 'create table t (a, b, c)',
  })
  expect(schema.tables[0]?.columns.map(({ id }) => id).sort()).toEqual(['given 1', 'ours 1', 'theirs 1'])
})

test.each<[string, string, Take, string]>([
  ['an unknown path', 'table:x', 'ours', 'table:x: there is no conflict'],
  ['a path without a conflict', 'table:t/column:a/type', 'theirs', 'table:t/column:a/type: there is no conflict'],
  [
    'another shape',
    'table:t/column:a/default',
    { definition: 1 },
    'table:t/column:a/default: the definition is not text',
  ],
])('a resolution is refused: %s', (_name, path, take, reason) => {
  const { base, ours, theirs } = three(
    'create table t (a)',
    'create table t (a default 1)',
    'create table t (a default 2)',
  )
  const merging = () => merge(base, ours, theirs, { resolutions: [{ path, take }] })
  expect(refusal(merging)).toEqual({ kind: 'invalidChange', change: 'merge', reason })
})

test.each<[string, string, string, Take, string]>([
  [
    'a table',
    'create table t (a)',
    'create table t (b)',
    { definition: { name: 't' } },
    'the definition.columns is not a list',
  ],
  [
    'an index',
    'create table t (a); create index i on t (a)',
    'create table t (a); create index i on t (a desc)',
    { definition: { name: 'i', table: 't', unique: false, columns: [{}] } },
    'the definition.columns.0.name is not text',
  ],
  [
    'a column without an id',
    'create table t (a)',
    'create table t (b)',
    { definition: { ...plain, name: 't', columns: [{ ...column, name: 'c' }] } },
    'needs an id',
  ],
  ['a clash of names', 'create table x (a)', 'create view x as select 1', { definition: 'y' }, 'take ours or theirs'],
])('a definition of another shape is refused: %s', (name, ours, theirs, take, reason) => {
  const sides = three('', ours, theirs)
  const path = { 'an index': 'index:i', 'a clash of names': 'name:x' }[name] ?? 'table:t'
  const merging = () => merge(sides.base, sides.ours, sides.theirs, { resolutions: [{ path, take }] })
  expect(refusal(merging)).toMatchObject({ kind: 'invalidChange', reason: expect.stringContaining(reason) })
})

test('two resolutions of one conflict are refused', () => {
  const { base } = three('create table t (a)', '', '')
  const twice = ['ours' as const, 'theirs' as const].map((take) => ({ path: 'table:t', take }))
  expect(refusal(() => merge(base, base, base, { resolutions: twice })).kind).toBe('invalidChange')
})

test('conflicts show the definitions of each side as plain JSON, under the names of each side', () => {
  const { base, ours, theirs } = three(
    'create table t (a, b)',
    'alter table t drop column b',
    'alter table t rename column b to c; create table t (a, c int unique)',
  )
  const shown = { name: 'b', type: '', nullable: true }
  expect(merge(base, ours, theirs)).toEqual({
    kind: 'conflicts',
    conflicts: [
      {
        path: 'table:t/column:b',
        kind: 'dropModify',
        base: shown,
        ours: null,
        theirs: { ...shown, name: 'c', type: 'int', uniques: [{ columns: [{ name: 'c' }] }] },
        reason: 'ours dropped it and theirs changed it',
      },
    ],
  })
})

test('what both made is one, and later merges know it', () => {
  const { base, ours, theirs } = three('', 'create table t (a)', 'create table t (a)')
  const first = mergedOf(merge(base, ours, theirs))
  expect(first.changes).toEqual([])
  expect(first.schema).toEqual(ours)
  const pair = (i: number): SameAs => ({ ours: `ours ${i}`, theirs: `theirs ${i}` })
  expect(first.sameAs).toEqual([pair(2), pair(1)])

  // Both go on: a column here, a rename there.
  const here = edited(first.schema, 'alter table t add column b', 'here')
  const there = edited(theirs, 'alter table t rename to u', 'there')
  const second = mergedOf(merge(theirs, here, there, { sameAs: first.sameAs }))
  expect(differences(second.schema, edited(emptySchema, 'create table u (a, b)', 'wanted'))).toEqual([])
  expect(second.schema.tables[0]?.id).toBe('ours 2')

  // And back: the branch keeps its own id.
  const back = mergedOf(merge(there, there, second.schema, { sameAs: first.sameAs }))
  expect(differences(back.schema, second.schema)).toEqual([])
  expect(back.schema.tables[0]?.id).toBe('theirs 2')
})

test('without being told, a later merge takes them for two', () => {
  const { base, ours, theirs } = three('', 'create table t (a)', 'create table t (a)')
  const first = mergedOf(merge(base, ours, theirs))
  const there = edited(theirs, 'alter table t rename to u', 'there')
  expect(merge(theirs, first.schema, there).kind).toBe('conflicts')
})

test('pairs lead on from one to the next', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((prefix) => edited(emptySchema, 'create table t (x)', prefix))
  if (!a || !b || !c) throw new Error('three schemas')
  const sameAs = [1, 2].flatMap((i) => [
    { ours: `a ${i}`, theirs: `b ${i}` },
    { ours: `b ${i}`, theirs: `c ${i}` },
  ])
  const there = edited(c, 'alter table t rename to u', 'there')
  const { schema } = mergedOf(merge(c, a, there, { sameAs }))
  expect(schema.tables.map(({ id, name }) => [id, name])).toEqual([['a 2', 'u']])
})

test('a schema that has both ids of a pair keeps two tables', () => {
  const both = edited(edited(emptySchema, 'create table t (x)', 'a'), 'create table u (x)', 'b')
  const sameAs = [1, 2].map((i) => ({ ours: `a ${i}`, theirs: `b ${i}` }))
  expect(mergedOf(merge(both, both, both, { sameAs })).changes).toEqual([])
})
