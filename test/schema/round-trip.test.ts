import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { equalSchemas } from '../../src/schema/model.ts'
import { createStatements } from '../../src/schema/print.ts'
import { createTemplate, snapshot, verifySnapshot } from '../../src/schema/snapshot.ts'
import { open, read, refusal, schemaOf } from './support.ts'

const statements = [
  'create table t (a)',
  'create table t (a, b text, c integer, d real, e blob, f numeric)',
  'create table "a ""b"" c" ("x y" text, [p q] int, `r``s` blob, \'str\' text)',
  'create table t (id integer primary key)',
  'create table t (id integer primary key asc)',
  'create table t (id integer primary key desc)',
  'create table t (id INTEGER primary key autoincrement, a)',
  'create table t (id int primary key)',
  'create table t (id integer, a, primary key (id desc))',
  'create table t (id integer, a, primary key (id collate nocase))',
  'create table t (id integer, a, primary key (id autoincrement))',
  'create table t (a text, b text, primary key (a, b desc))',
  'create table t (a text collate nocase primary key on conflict replace)',
  'create table t (a text, primary key (a collate nocase))',
  'create table t (a text primary key desc)',
  'create table t (a, b, primary key (b, a)) without rowid',
  'create table t (a text primary key, b) without rowid',
  'create table t (a int, b integer, c text, d any, e blob, f real) strict',
  'create table t (a int primary key, b any) strict, without rowid',
  'create table t (a int primary key, b any) without rowid, strict',
  'create table t (a not null on conflict ignore, b unique on conflict fail, c null)',
  'create table t (a, b, constraint u unique (a, b collate rtrim desc) on conflict rollback)',
  'create table t (a unique, b unique, unique (a, b))',
  'create table t (a check (a > 0) check (a < 9) constraint odd check (a % 2), b, check (a + b > 1), constraint c check (b))',
  'create table t (a constraint n not null constraint d default 1 constraint x)',
  'create table t (a check (t.a > 0 and "t"."a" < 5 and main.t.a <> 3), b generated always as (a * 2))',
  'create table t (a, b as (a + 1), c int generated always as (a || b) stored unique, d text as (upper(a)) virtual not null)',
  "create table t (a default 1, b default -1.5e3, c default + 2, d default 'it''s', e default x'00ff', f default null)",
  'create table t (a default true, b default current_timestamp, c default (1 + 2), d default word, e default "quoted")',
  "create table t (a default (strftime('%Y', 'now')), b text default ('x' || ')'), c default ((1)))",
  'create table t (a varchar(10), b decimal(10, 2), c double precision, d unsigned big int, e "my type", f varying character(-1,+2))',
  'create table t ("primary" text, "check" int, "constraint" blob, "unique" default 1, "foreign" text)',
  'create table t (key text, action int, "order" text, abort, cascade int, rowid text, oid text, _rowid_ text)',
  'create table t (generated int, always text, stored generated always as (generated), virtual text)',
  'create table t (a -- the first, with ) and \' and "\n, /* b, */ c text /* ) */, check (a /* > */ <> c -- end\n))',
  'create table t (id integer primary key, p references t, q references t (id) on delete cascade on update set null)',
  'create table u (a primary key, b, unique (a, b)); create table t (x, y, foreign key (x, y) references u (a, b) on delete set default match full deferrable initially deferred)',
  'create table u (a primary key); create table t (x references u on delete restrict on update no action not deferrable initially immediate unique)',
  'create table t (x references later (a)); create table later (a primary key)',
  'create table t (x constraint fk references u deferrable initially deferred, constraint named foreign key (x) references u); create table u (a primary key)',
  'create table t (a, b, unique (a) check (b) foreign key (a) references t (a))',
  'create table t (a, b); create index i on t (a); create unique index j on t (a collate nocase desc, b asc)',
  "create table t (a, b); create index i on t (lower(a), a || b collate nocase desc, (b)) where a is not null and b <> ')'",
  'create table t (a, b); create index i on t ((a + b) collate nocase desc, "a", [b]) where t.a > 0',
  "create table t (a, b); create index \"i 'x\" on t ('a')",
  'create table t (a, b); create view v as select a, b from t where a > 1; create view w (x, "y z") as with c as (select 1) select a, b from v, c -- end',
  "create table t (a, b); create trigger g after update of a, b on t for each row when new.a is not old.a begin update t set b = ';' where a = new.a; end",
  'create table t (a); create view v as select a from t; create trigger g instead of insert on v begin insert into t values (new.a); end',
  'create table t (a); create trigger "g g" before delete on t begin select raise(abort, \'no\'); end',
  "create virtual table f using fts5 (a, b, tokenize = 'porter ascii'); create table t (a)",
  'create virtual table r using rtree (id, x0, x1)',
  'create table t (a); create virtual table f using fts5 (a, content = t); create trigger g after insert on t begin insert into f (rowid, a) values (new.rowid, new.a); end',
  'create table if not exists main.t (a); create index if not exists main.i on t (a); create view if not exists main.v as select 1',
  'create table t as select 1 as a, \'x\' as "b c"',
  'create table "select" ("from" text, "where" text references "select" ("from"), unique ("from")); create index "group" on "select" ("where")',
  'create table t ("a""; drop table t; --" text default \'\'\'); drop table t; --\')',
  'create table "naïve ☃" ("été" text, "日本" int)',
]

describe('SQL → model → SQL → SQLite → model', () => {
  test.each(statements)('%s', (sql) => {
    const db = open(sql)
    const schema = snapshot(db, () => 'id')
    expect(verifySnapshot(db, schema)).toEqual([])
    const again = snapshot(createTemplate(schema), () => 'id')
    expect(again).toEqual(schema)
    expect(createStatements(again)).toEqual(createStatements(schema))
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  })
})

test('a table altered by SQLite itself reads as one written so', () => {
  const altered = schemaOf(`create table t (a, b text);
    alter table t add column c integer not null default 5 references u (x) check (c > 0);
    alter table t rename column a to "new a"; alter table t drop column b;
    create table u (x primary key); alter table u rename to "p q";`)
  const written = schemaOf(`create table t ("new a", c integer not null default 5 check (c > 0) references "p q" (x));
    create table "p q" (x primary key)`)
  expect(equalSchemas(altered, written)).toBe(true)
})

test('quotes, comments, case and space make no difference between schemas; words do', () => {
  const a = schemaOf(`create table T ("A" Text check ("A" > 0 -- why
    )); create view v as SELECT "A" /* all */ from [T]`)
  expect(equalSchemas(a, schemaOf('create table t (a TEXT CHECK(a>0)); create view V as select a from t'))).toBe(true)
  expect(equalSchemas(a, schemaOf("create table t (a text check (a > '0')); create view v as select a from t"))).toBe(
    false,
  )
  expect(equalSchemas(a, schemaOf('create table t (a text check (a > 0)); create view v as select t.a from t'))).toBe(
    false,
  )
})

test('the order of columns counts unless it is asked not to', () => {
  const [a, b] = [schemaOf('create table t (a, b)'), schemaOf('create table t (b, a)')]
  expect(equalSchemas(a, b)).toBe(false)
  expect(equalSchemas(a, b, { columnOrder: false })).toBe(true)
})

test('system tables and their like are not part of the schema', () => {
  const schema = schemaOf(`create table __cinch (a); create index __i on __cinch (a); create table t (a primary key);
    create trigger __g after insert on t begin select 1; end; create virtual table f using fts5 (a); analyze`)
  expect(
    [schema.tables, schema.indexes, schema.triggers, schema.virtualTables].map((list) => list.map((x) => x.name)),
  ).toEqual([['t'], [], [], ['f']])
})

test('what the parser does not understand is refused', () => {
  expect(refusal(() => schemaOf('create table t (a, unique ((a)))')).kind).toBe('notSupported')
})

test('verifySnapshot tells what a schema leaves out', () => {
  const db = open('create table t (a text unique, b int)')
  const schema = schemaOf('create table t (a text, b int)')
  expect(verifySnapshot(db, schema)).not.toEqual([])
})

test.each([
  'create trigger __g after insert on t begin select 1; end',
  'create index __i on t (a)',
])('verifySnapshot tells of what a reserved name hides: %s', (sql) => {
  const db = open(`create table t (a); ${sql}`)
  expect(verifySnapshot(db, read(db))).toHaveLength(1)
})

test('verifySnapshot tells of a collation that only the file’s own program has', () => {
  const schema = schemaOf('create table t (a)')
  const [t] = schema.tables
  const odd = {
    ...schema,
    tables: t ? [{ ...t, columns: t.columns.map((column) => ({ ...column, collate: 'mine' })) }] : [],
  }
  expect(
    verifySnapshot(open('create table t (a)'), {
      ...odd,
      indexes: [{ name: 'i', table: 't', unique: false, columns: [{ name: 'a' }] }],
    }),
  ).toEqual(['cannot be made again: no such collation sequence: mine'])
})

const chinook = new URL('../../../shared/data/chinook/chinook.sqlite', import.meta.url).pathname

test.skipIf(!existsSync(chinook))('the chinook database survives the round trip', () => {
  const db = new Database(chinook, { readonly: true })
  const schema = read(db)
  expect(schema.tables).toHaveLength(11)
  expect(verifySnapshot(db, schema)).toEqual([])
})
