import { describe, expect, test } from 'vitest'
import { evolve, ForeignKeyViolation, runSteps } from '../../src/schema/apply.ts'
import type { AlterTable, Change } from '../../src/schema/change.ts'
import type { Column, Table } from '../../src/schema/model.ts'
import { emptySchema, findTable } from '../../src/schema/model.ts'
import { planChange } from '../../src/schema/plan.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'
import { counter, migrate, open, read, refusal, schemaOf, witnesses } from './support.ts'

const column = (name: string, more: Partial<Column> = {}): Column => ({
  id: `c_${name}`,
  name,
  type: 'TEXT',
  nullable: true,
  ...more,
})

const table = (name: string, columns: Column[], more: Partial<Table> = {}): Table => ({
  id: `t_${name}`,
  name,
  columns,
  uniques: [],
  checks: [],
  foreignKeys: [],
  strict: false,
  withoutRowid: false,
  systemColumns: false,
  ...more,
})

const reference = { table: 'p', onDelete: 'NO ACTION', onUpdate: 'NO ACTION' } as const
const alterTable = (to: AlterTable['to'], name = 't'): Change => ({ kind: 'alterTable', table: name, to })
const alterColumn = (name: string, to: Extract<Change, { kind: 'alterColumn' }>['to'], fill?: string): Change => ({
  kind: 'alterColumn',
  table: 't',
  column: name,
  to,
  ...(fill !== undefined && { fill }),
})

describe('a rebuild', () => {
  const rebuild = alterColumn('b', { default: "'new'" })

  test('keeps keys, constraints, indexes, triggers, views, rows and their rowids', () => {
    const db = open(`
      create table log (x);
      create table p (a primary key);
      create table t (a text primary key, b text unique, c int check (c > 0), d references p (a), e as (c * 2), unique (b, c));
      create index i on t (c desc) where b is not null;
      create trigger g after insert on t begin insert into log values (new.a); end;
      create trigger h after insert on log begin update t set c = c + 1; end;
      create view v as select a, e from t;
      insert into p values ('p');
      insert into t (rowid, a, b, c, d) values (7, 'x', 'b', 1, 'p'), (3, 'y', null, 2, null)`)
    const rows = () => db.prepare('select rowid, * from t order by rowid').raw().all()
    const before = rows()
    const schema = migrate(db, rebuild)
    expect(rows()).toEqual(before)
    expect(findTable(schema, 't')).toEqual({
      ...findTable(read(db), 't'),
      id: findTable(schema, 't')?.id,
      columns: findTable(schema, 't')?.columns,
    })
    for (const sql of [
      "insert into t (a, c) values ('x', 1)",
      "insert into t (a, b, c) values ('z', 'b', 1)",
      "insert into t (a, c) values ('z', -1)",
      "insert into t (a, c, d) values ('z', 1, 'no')",
    ]) {
      expect(() => db.exec(sql), sql).toThrow(/constraint failed/)
    }
    db.exec("insert into t (a, c) values ('z', 1)")
    expect(db.prepare('select x from log').pluck().all()).toEqual(['x', 'y', 'z'])
    expect(db.prepare("select c from t where a = 'z'").pluck().get()).toBe(2)
    expect(db.prepare('select count(*) from v').pluck().get()).toBe(3)
  })

  test('keeps the rows of children, whatever their foreign key does on delete', () => {
    const db = open(`
      create table t (a integer primary key, b);
      create table c (x references t on delete cascade);
      create table n (x references t on delete set null);
      create table r (x references t on delete restrict);
      insert into t values (1, 2); insert into c values (1); insert into n values (1); insert into r values (1)`)
    migrate(db, rebuild)
    expect(db.prepare('select c.x, n.x, r.x from c, n, r').raw().all()).toEqual([[1, 1, 1]])
    expect(() => db.exec('insert into c values (2)')).toThrow('FOREIGN KEY')
    db.exec('delete from r; delete from t')
    expect(db.prepare('select count(*) from c').pluck().get()).toBe(0)
  })

  test('keeps a table that refers to itself', () => {
    const db = open(`create table t (a integer primary key, b, p references t (a) on delete cascade);
      insert into t values (1, 2, null), (2, 2, 1)`)
    migrate(db, rebuild)
    expect(db.prepare('select a, p from t').raw().all()).toEqual([
      [1, null],
      [2, 1],
    ])
    db.exec('delete from t where a = 1')
    expect(db.prepare('select count(*) from t').pluck().get()).toBe(0)
  })

  test.each([
    ['with rows', ''],
    ['without rows', 'delete from t;'],
  ])('keeps the count of AUTOINCREMENT, %s', (_, sql) => {
    const db = open(`create table T (a integer primary key autoincrement, b); insert into T (b) values (1), (2), (3);
      delete from T where a > 1; ${sql}`)
    migrate(db, rebuild)
    expect(db.prepare('insert into t (b) values (1) returning a').pluck().get()).toBe(4)
    expect(db.prepare('select name from sqlite_sequence').pluck().all()).toEqual(['T'])
  })

  test('makes way for tables with any name', () => {
    const db = open(
      'create table t (a, b); create table __new_t (a); create table t_temp (a); insert into t values (1, 2)',
    )
    migrate(db, rebuild)
    expect(db.prepare('select * from t').raw().all()).toEqual([[1, 2]])
  })

  test('keeps CHECKs that name their own table', () => {
    const db = open('create table t (a check (t.a > 0), b, check ("T"."a" < 9)); insert into t values (1, 2)')
    migrate(db, rebuild)
    expect(() => db.exec('insert into t values (9, 1)')).toThrow('CHECK')
  })

  test('keeps columns that are called as the rowid is', () => {
    const db = open('create table t (rowid text, b); insert into t (_rowid_, rowid, b) values (5, 1, 2)')
    migrate(db, rebuild)
    expect(db.prepare('select _rowid_, * from t').raw().all()).toEqual([[5, '1', 2]])
    const all = open('create table t (rowid, _rowid_, oid, b); insert into t values (1, 2, 3, 4)')
    migrate(all, rebuild)
    expect(all.prepare('select * from t').raw().all()).toEqual([[1, 2, 3, 4]])
  })

  test('keeps the rows of an FTS table that lies over it', () => {
    const db = open(`create table t (a, b); create virtual table f using fts5 (b, content = t);
      create trigger g after insert on t begin insert into f (rowid, b) values (new.rowid, new.b); end;
      insert into t (rowid, b) values (40, 'needle')`)
    migrate(db, rebuild)
    expect(db.prepare("select rowid from f where f match 'needle'").pluck().all()).toEqual([40])
  })

  test('moves between rowid tables and WITHOUT ROWID and STRICT ones', () => {
    const db = open("create table t (a text primary key, b int); insert into t values ('x', 1)")
    migrate(db, alterTable({ withoutRowid: true, strict: true }))
    expect(db.prepare('select * from t').raw().all()).toEqual([['x', 1]])
    migrate(db, alterTable({ withoutRowid: false, strict: false }))
    expect(db.prepare('select rowid, * from t').raw().all()).toEqual([[1, 'x', 1]])
  })

  test('reorders, adds and drops columns at once', () => {
    const db = open('create table t (a, b, c); insert into t values (1, 2, 3)')
    const [a, , c] = read(db).tables[0]?.columns ?? []
    migrate(db, alterTable({ columns: [c as Column, column('d', { default: "'x'" }), a as Column] }))
    expect(db.prepare('select * from t').all()).toEqual([{ c: 3, d: 'x', a: 1 }])
  })

  test('leaves the file as it was when a step fails', () => {
    const db = open("create table t (a, b); insert into t values (1, 'x'), (1, 'y')")
    const { steps } = planChange(read(db), alterTable({ primaryKey: { columns: [{ name: 'a' }] } }))
    const dump = () => [db.prepare('select * from sqlite_schema').all(), db.prepare('select * from t').all()]
    const before = dump()
    expect(() => runSteps(db, steps)).toThrow('UNIQUE')
    expect(dump()).toEqual(before)
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1)
    expect(db.pragma('legacy_alter_table', { simple: true })).toBe(0)
  })

  test('is undone when its rows refer to nothing, or when the caller says so before the commit', () => {
    const db = open('create table p (a primary key); create table t (a, b); insert into t values (1, 2)')
    const { steps, rebuilt } = planChange(read(db), alterColumn('a', { references: reference }))
    expect(() => runSteps(db, steps, { rebuilt })).toThrow(ForeignKeyViolation)
    const beforeCommit = () => {
      throw new Error('no')
    }
    expect(() => runSteps(db, steps, { beforeCommit })).toThrow('no')
    expect(findTable(read(db), 't')?.foreignKeys).toEqual([])
  })
})

describe('native steps', () => {
  const kinds = (sql: string, change: Change) =>
    planChange(schemaOf(sql), change).steps.map((step) => step.sql.split('"')[0]?.trim())

  test.each<[string, Change]>([
    ['a nullable column', { kind: 'addColumn', table: 't', column: column('n') }],
    [
      'NOT NULL with a constant',
      { kind: 'addColumn', table: 't', column: column('n', { nullable: false, default: '1' }) },
    ],
    ['a reference', { kind: 'addColumn', table: 't', column: column('n'), references: { ...reference, table: 't' } }],
    ['a CHECK', { kind: 'addColumn', table: 't', column: column('n'), check: 'n > 0' }],
    [
      'a virtual column',
      { kind: 'addColumn', table: 't', column: column('n', { generated: { expression: 'a', stored: false } }) },
    ],
    ['no column', { kind: 'dropColumn', table: 't', column: 'b' }],
    ['NOT NULL', alterColumn('b', { nullable: false })],
    ['another name', { kind: 'renameTable', table: 't', newName: 'u' }],
    ['another name of a column', { kind: 'renameColumn', table: 't', column: 'b', newName: 'c' }],
  ])('%s takes one ALTER TABLE', (_, change) => {
    const sql = 'create table t (a primary key, b)'
    expect(kinds(sql, change)).toEqual(['ALTER TABLE'])
    migrate(open(sql), change)
  })

  test.each<[string, Change]>([
    ['a computed default', { kind: 'addColumn', table: 't', column: column('n', { default: '(1 + 1)' }) }],
    ['the time', { kind: 'addColumn', table: 't', column: column('n', { default: 'CURRENT_TIMESTAMP' }) }],
    ['UNIQUE', { kind: 'addColumn', table: 't', column: column('n'), unique: true }],
    [
      'a stored column',
      { kind: 'addColumn', table: 't', column: column('n', { generated: { expression: 'b', stored: true } }) },
    ],
    ['another type', alterColumn('b', { type: 'INTEGER' })],
  ])('%s takes a rebuild', (_, change) => {
    const sql = 'create table t (a primary key, b); insert into t values (1, 2)'
    expect(kinds(sql, change)).toContain('DROP TABLE')
    migrate(open(sql), change)
  })

  test.each([
    '1',
    '-1.5e3',
    '+ 2',
    "'it''s'",
    "x'00ff'",
    'null',
    'true',
    'word',
    '"quoted"',
    '0xff',
    '9e999',
  ])('a column with default %s is added to a table with rows as an insert fills it', (value) => {
    const db = open('create table t (a); insert into t values (1)')
    migrate(db, { kind: 'addColumn', table: 't', column: column('n', { type: '', default: value }) })
    db.exec('insert into t (a) values (2)')
    expect(db.prepare('select count(distinct quote(n)) from t').pluck().get()).toBe(1)
  })

  test('a rename is carried into views, triggers, checks, indexes and foreign keys', () => {
    const db = open(`create table t (a primary key check (a > 0), b); create index i on t (a + 1) where a > 2;
      create table c (x references t (a)); create view v as select t.a from t;
      create trigger g after delete on t begin update t set a = old.a; end`)
    migrate(
      db,
      { kind: 'renameTable', table: 't', newName: 'u' },
      { kind: 'renameColumn', table: 'u', column: 'a', newName: 'z' },
    )
    expect(findTable(read(db), 'c')?.foreignKeys).toMatchObject([{ table: 'u', parentColumns: ['z'] }])
    db.exec('select * from v; delete from u')
  })

  test('a name may change in case alone', () => {
    const db = open('create table T (A, b); insert into T values (1, 2)')
    migrate(
      db,
      { kind: 'renameTable', table: 'T', newName: 't' },
      { kind: 'renameColumn', table: 't', column: 'A', newName: 'a' },
    )
    expect(read(db).tables[0]).toMatchObject({ name: 't', columns: [{ name: 'a' }, { name: 'b' }] })
  })
})

describe('danger', () => {
  test.each<[string, Change, string[]]>([
    ['a table that goes', { kind: 'dropTable', table: 't' }, ['destroysData']],
    ['a column that goes', { kind: 'dropColumn', table: 't', column: 'b' }, ['destroysData', 'rewritesTable']],
    [
      'a column that goes with its key',
      { kind: 'dropColumn', table: 't', column: 'c' },
      ['destroysData', 'rewritesTable'],
    ],
    ['text that becomes a number', alterColumn('b', { type: 'INTEGER' }), ['destroysData', 'rewritesTable']],
    ['a number that becomes text', alterColumn('d', { type: 'TEXT' }), ['rewritesTable']],
    [
      'a column that is computed',
      alterColumn('b', { generated: { expression: 'a', stored: false } }),
      ['destroysData', 'rewritesTable'],
    ],
    ['another default', alterColumn('b', { default: '1' }), ['rewritesTable']],
    ['NOT NULL', alterColumn('b', { nullable: false }), ['needsProof']],
    ['UNIQUE', alterColumn('b', { unique: true }), ['rewritesTable', 'needsProof']],
    ['a nullable column', { kind: 'addColumn', table: 't', column: column('n') }, []],
  ])('%s is marked', (_, change, danger) => {
    const { steps } = planChange(schemaOf('create table t (a, b text, c unique, d int)'), change)
    expect(steps.flatMap((step) => step.danger ?? [])).toEqual(danger)
  })
})

describe('a copy', () => {
  test('has the keys, constraints, indexes and rows of its source', () => {
    const db = open(`create table p (a primary key); insert into p values (1);
      create table t (a integer primary key autoincrement, b unique check (b > 0), c references p, d references t);
      create index i on t (c); create unique index j on t (b, c) where c > 0; insert into t values (5, 1, 1, 5)`)
    const ids = { id: 'copy', columnIds: ['1', '2', '3', '4'] }
    const schema = migrate(db, { kind: 'copyTable', source: 't', table: 'u', ...ids, data: true })
    const copy = findTable(schema, 'u')
    expect(copy).toMatchObject({ id: 'copy', columns: [{ id: '1' }, { id: '2' }, { id: '3' }, { id: '4' }] })
    expect(copy?.foreignKeys.map((key) => key.table)).toEqual(['p', 'u'])
    expect(schema.indexes.map(({ name }) => name)).toEqual(['i', 'j', 'idx_u_c', 'uniq_u_b_c'])
    expect(db.prepare('select * from u').raw().all()).toEqual([[5, 1, 1, 5]])
  })

  test('without data is empty', () => {
    const db = open('create table t (a); insert into t values (1)')
    migrate(db, { kind: 'copyTable', source: 't', table: 'u', id: 'u', columnIds: ['x'], data: false })
    expect(db.prepare('select count(*) from u').pluck().get()).toBe(0)
  })
})

describe('names cannot break out', () => {
  const nasty = [
    'a b',
    'a"b',
    "a'b",
    'a`b',
    '[a]',
    'a;--',
    '"; drop table t; --',
    'select',
    'ünï ☃',
    'a\nb',
    ')',
    '?',
    ':x',
  ]

  test.each(nasty)('%s', (name) => {
    const db = open('create table t (a, b)')
    db.exec('insert into t values (1, 2)')
    migrate(
      db,
      {
        kind: 'createTable',
        table: table(name, [column(name), column('k')], { primaryKey: { name, columns: [{ name: 'k' }] } }),
      },
      {
        kind: 'addColumn',
        table: name,
        column: column(`${name}2`, { default: `'${name.replaceAll("'", "''")}'` }),
        unique: true,
      },
      { kind: 'createIndex', index: { name: `i${name}`, table: name, unique: true, columns: [{ name }] } },
      { kind: 'createView', view: { name: `v${name}`, sql: 'select 1' } },
      { kind: 'alterColumn', table: name, column: name, to: { nullable: false, default: '1' }, fill: name },
      { kind: 'renameColumn', table: 't', column: 'a', newName: name },
      { kind: 'renameTable', table: 't', newName: `t${name}` },
      { kind: 'copyTable', source: name, table: `c${name}`, id: 'c', columnIds: ['1', '2', '3'], data: true },
    )
    expect(read(db).tables.map((one) => one.name)).toEqual([`t${name}`, name, `c${name}`])
  })

  test('a NUL is refused', () => {
    const change: Change = { kind: 'createTable', table: table('a\0b', [column('a')]) }
    expect(refusal(() => planChange(emptySchema, change)).kind).toBe('invalidName')
  })

  test.each([
    '1); drop table t; --',
    'a) , x text, check (b',
    '1 --',
    '1 /*',
    "'",
    '(1',
    '1, 2',
    '?',
    '',
  ])('an expression %s', (expression) => {
    const change: Change = { kind: 'addColumn', table: 't', column: column('n'), check: expression }
    const schema = schemaOf('create table t (a, b)')
    const run = () => evolve(createTemplate(schema), schema, [change], counter())
    expect(refusal(run).kind).toBe('invalidChange')
  })
})

describe('refused', () => {
  const sql = `
    create table p (a integer primary key, b unique, c);
    create table t (a primary key, b, c as (b), d unique, e check (e > f), f references p (b), g, h, check (g), unique (g, h));
    create table k (x, y references t, foreign key (y) references t (a));
    create table n (x references t (d));
    create index i on t (lower(h)) where b > 0;
    create view v as select h, e from t;
    create trigger tg after insert on t begin select new.h; end`
  const drop = (name: string): Change => ({ kind: 'dropColumn', table: 't', column: name })
  const index = { name: 'j', table: 't', unique: false, columns: [{ name: 'a' }] }

  test.each<[string, object, ...Change[]]>([
    ['an unknown table', { kind: 'tableNotFound', table: 'x' }, { kind: 'dropTable', table: 'x' }],
    ['a table twice', { kind: 'tableExists' }, { kind: 'createTable', table: table('T', [column('a')]) }],
    ['a table named as a view', { kind: 'tableExists' }, { kind: 'createTable', table: table('v', [column('a')]) }],
    ['a table named as an index', { kind: 'indexExists' }, { kind: 'renameTable', table: 't', newName: 'i' }],
    ['a reserved name', { kind: 'invalidName' }, { kind: 'createTable', table: table('__x', [column('a')]) }],
    [
      'a column twice',
      { kind: 'columnExists' },
      { kind: 'createTable', table: table('x', [column('a'), column('A')]) },
    ],
    [
      'a table of generated columns alone',
      { kind: 'invalidChange' },
      { kind: 'createTable', table: table('x', [column('a', { generated: { expression: '1', stored: false } })]) },
    ],
    [
      'WITHOUT ROWID without a key',
      { kind: 'invalidChange' },
      { kind: 'createTable', table: table('x', [column('a')], { withoutRowid: true }) },
    ],
    [
      'a key of an unknown column',
      { kind: 'columnNotFound', table: 'x', column: 'z' },
      { kind: 'createTable', table: table('x', [column('a')], { primaryKey: { columns: [{ name: 'z' }] } }) },
    ],
    ['an added column that exists', { kind: 'columnExists' }, { kind: 'addColumn', table: 't', column: column('B') }],
    [
      'a renamed column that exists',
      { kind: 'columnExists' },
      { kind: 'renameColumn', table: 't', column: 'b', newName: 'a' },
    ],
    ['an unknown column', { kind: 'columnNotFound', column: 'x' }, drop('x')],
    ['a column of the primary key', { kind: 'invalidChange', reason: 'the primary key uses t.a' }, drop('a')],
    ['a column of a generated column', { kind: 'invalidChange', reason: 'generated column c uses t.b' }, drop('b')],
    ['a parent column', { kind: 'invalidChange', reason: 'foreign key (x) of n uses t.d' }, drop('d')],
    ['a column of another’s CHECK', { kind: 'invalidChange', reason: 'CHECK (e > f) uses t.f' }, drop('f')],
    ['a column of a composite key', { kind: 'invalidChange', reason: 'UNIQUE (g, h) uses t.g' }, drop('g')],
    [
      'a column of an index',
      { kind: 'invalidChange', reason: 'index i uses t.h' },
      alterTable({ uniques: [{ columns: [{ name: 'd' }] }] }),
      drop('h'),
    ],
    [
      'a parent',
      { kind: 'invalidChange', reason: 'foreign key (y) of k refers to t' },
      { kind: 'dropTable', table: 't' },
    ],
    [
      'the only column',
      { kind: 'invalidChange' },
      { kind: 'createTable', table: table('x', [column('a')]) },
      { kind: 'dropColumn', table: 'x', column: 'a' },
    ],
    [
      'a foreign key to a column that is not unique',
      { kind: 'invalidChange', reason: 'foreign key (g) of t: p (c) is not unique' },
      alterColumn('g', { references: { ...reference, parentColumns: ['c'] } }),
    ],
    [
      'a foreign key to no table',
      { kind: 'invalidChange', reason: 'foreign key (g) of t: there is no table q' },
      alterColumn('g', { references: { ...reference, table: 'q' } }),
    ],
    [
      'a foreign key to no column',
      { kind: 'invalidChange', reason: 'foreign key (g) of t: p has no column z' },
      alterColumn('g', { references: { ...reference, parentColumns: ['z'] } }),
    ],
    [
      'a key away that children need',
      { kind: 'invalidChange', reason: 'foreign key (x) of n: t (d) is not unique' },
      alterColumn('d', { unique: false }),
    ],
    [
      'a second index of a name',
      { kind: 'indexExists', index: 'i' },
      { kind: 'createIndex', index: { ...index, name: 'i' } },
    ],
    [
      'an index on an unknown column',
      { kind: 'columnNotFound' },
      { kind: 'createIndex', index: { ...index, columns: [{ name: 'x' }] } },
    ],
    ['an index on nothing', { kind: 'invalidChange' }, { kind: 'createIndex', index: { ...index, columns: [] } }],
    ['an unknown index', { kind: 'indexNotFound' }, { kind: 'dropIndex', index: 'x' }],
    ['a view twice', { kind: 'viewExists' }, { kind: 'createView', view: { name: 'v', sql: 'select 1' } }],
    ['an unknown view', { kind: 'viewNotFound' }, { kind: 'updateView', view: { name: 'x', sql: 'select 1' } }],
    ['an unknown trigger', { kind: 'triggerNotFound' }, { kind: 'dropTrigger', trigger: 'x' }],
    [
      'a trigger twice',
      { kind: 'triggerExists' },
      { kind: 'createTrigger', trigger: { name: 'tg', table: 't', sql: '' } },
    ],
    [
      'a type that is more than a type',
      { kind: 'invalidChange' },
      { kind: 'addColumn', table: 't', column: column('n', { type: 'text default 5' }) },
    ],
    [
      'a foreign key that is more than one',
      { kind: 'invalidChange' },
      alterColumn('g', { references: { ...reference, deferrable: 'CHECK (0)' } }),
    ],
    [
      'a trigger that is something else',
      { kind: 'notSupported' },
      { kind: 'createTrigger', trigger: { name: 'x', table: 't', sql: 'drop table t' } },
    ],
    [
      'a trigger that is another',
      { kind: 'invalidChange' },
      {
        kind: 'createTrigger',
        trigger: { name: 'x', table: 't', sql: 'create trigger y after insert on t begin select 1; end' },
      },
    ],
    ...['update __cinch set value = 1', 'delete from "__KV"'].map((statement): [string, object, Change] => [
      `a trigger that would ${statement}`,
      { kind: 'invalidChange' },
      {
        kind: 'createTrigger',
        trigger: { name: 'x', table: 't', sql: `create trigger x after insert on t begin ${statement}; end` },
      },
    ]),
    [
      'a default that is neither',
      { kind: 'invalidChange' },
      { kind: 'addColumn', table: 't', column: column('n', { default: '1 check (0)' }) },
    ],
  ])('%s', (_, expected, ...changes) => {
    const db = open(sql)
    const before = read(db)
    const run = () => {
      let schema = before
      for (const change of changes) {
        planChange(schema, change)
        schema = evolve(db, schema, [change], counter('x')).schema
      }
    }
    expect(refusal(run)).toMatchObject(expected)
  })

  test.each<[string, RegExp, ...Change[]]>([
    ['a column that a view reads', /v.*no such column: e/, drop('e')],
    [
      'a table that a view reads',
      /view v: no such table: main.t/,
      { kind: 'dropTable', table: 'k' },
      { kind: 'dropTable', table: 'n' },
      { kind: 'dropTable', table: 't' },
    ],
    [
      'a view over nothing',
      /view w: no such table: main.nowhere/,
      { kind: 'createView', view: { name: 'w', sql: 'select * from nowhere' } },
    ],
    [
      'a view that is two statements',
      /more than one statement/,
      { kind: 'createView', view: { name: 'w', sql: 'select 1; drop table t' } },
    ],
    ['a view with parameters', /parameters/, { kind: 'createView', view: { name: 'w', sql: 'select ?' } }],
    ['a view that reads itself', /circular/, { kind: 'updateView', view: { name: 'v', sql: 'select * from v' } }],
    [
      'a trigger that writes nowhere',
      /trigger on p: no such table: main.nowhere/,
      {
        kind: 'createTrigger',
        trigger: {
          name: 'g',
          table: 'p',
          sql: 'create trigger g after update of b on p begin delete from nowhere; end',
        },
      },
    ],
    [
      'a trigger on a view that writes nowhere',
      /trigger on v: no such table: main.nowhere/,
      {
        kind: 'createTrigger',
        trigger: {
          name: 'g',
          table: 'v',
          sql: 'create trigger g instead of delete on v begin delete from nowhere; end',
        },
      },
    ],
    ['an unknown collation', /no such collation/, alterColumn('g', { collate: 'x' })],
    ['an unknown function', /no such function/, alterColumn('g', { check: 'x(g)' })],
  ])('%s breaks the schema, and nothing is changed', (_, reason, ...changes) => {
    const db = open(sql)
    const before = read(db)
    const answer = refusal(() => evolve(db, before, changes, counter('x')))
    expect(answer.kind).toBe('schemaBroken')
    expect(answer.reason).toMatch(reason)
    expect(read(db)).toEqual(before)
  })

  test('what was broken before does not stand in the way', () => {
    const db = open('create table t (a, b); create view v as select nowhere from t')
    migrate(db, { kind: 'addColumn', table: 't', column: column('n') })
  })
})

describe('proofs', () => {
  test.each<[string, string, object[], ...Change[]]>([
    [
      'duplicates of a unique index',
      "create table t (a, b); insert into t values (1, 'x'), (1, 'y'), (null, 1), (null, 1)",
      [
        {
          reason: '(a) is not unique',
          rows: [
            { rowid: 1, rows: 2, a: 1 },
            { rowid: 2, rows: 2, a: 1 },
          ],
        },
      ],
      { kind: 'createIndex', index: { name: 'i', table: 't', unique: true, columns: [{ name: 'a' }] } },
    ],
    [
      'duplicates by collation, in a part of the table',
      "create table t (a); insert into t values ('X'), ('x'), ('Y')",
      [{ reason: '(a) is not unique', rows: [{ rowid: 1 }, { rowid: 2, rows: 2, a: 'X' }] }],
      {
        kind: 'createIndex',
        index: { name: 'i', table: 't', unique: true, columns: [{ name: 'a', collate: 'nocase' }], where: "a <> 'z'" },
      },
    ],
    [
      'duplicates of an expression',
      "create table t (a); insert into t values ('X'), ('x')",
      [{ reason: '(lower(a)) is not unique', rows: [{ rowid: 1, 'lower(a)': 'x' }, { rowid: 2 }] }],
      { kind: 'createIndex', index: { name: 'i', table: 't', unique: true, columns: [{ expression: 'lower(a)' }] } },
    ],
    [
      'duplicates in a table whose rows are known by their key, part of which is their value',
      'create table t (k, a, b, primary key (k, a)) without rowid; insert into t values (1, 5, 0), (2, 5, 0), (3, 6, 0)',
      [
        {
          rows: [
            { k: 1, a: 5, b: 0, rows: 2 },
            { k: 2, a: 5, b: 0, rows: 2 },
          ],
        },
      ],
      {
        kind: 'createIndex',
        index: { name: 'i', table: 't', unique: true, columns: [{ name: 'a' }, { name: 'b' }], where: 'k < 3' },
      },
    ],
    [
      'ten rows of however many duplicates',
      'create table t (a); with recursive c (x) as (select 1 union all select x + 1 from c where x < 50) insert into t select 7 from c',
      [{ rows: Array.from({ length: 10 }, (_, at) => ({ rowid: at + 1, a: 7, rows: 50 })) }],
      { kind: 'createIndex', index: { name: 'i', table: 't', unique: true, columns: [{ name: 'a' }] } },
    ],
    [
      'duplicates of a constraint',
      'create table t (a, b); insert into t values (1, 2), (1, 2)',
      [{ rows: [{ rowid: 1, rows: 2, a: 1, b: 2 }, { rowid: 2 }] }],
      alterTable({ uniques: [{ columns: [{ name: 'a' }, { name: 'b' }] }] }),
    ],
    [
      'duplicates of a new primary key',
      'create table t (a, b); insert into t values (1, 2), (1, 3)',
      [{ rows: [{ rowid: 1, rows: 2, a: 1 }, { rowid: 2 }] }],
      alterTable({ primaryKey: { columns: [{ name: 'a' }] } }),
    ],
    [
      'values that are no rowid',
      "create table t (a integer); insert into t values ('x'), (2)",
      [{ reason: 'a is not an integer', rows: [{ rowid: 1 }] }],
      alterTable({ primaryKey: { columns: [{ name: 'a' }] } }),
    ],
    [
      'NULL',
      'create table t (a primary key, b); insert into t values (7, null), (8, 1)',
      [{ reason: 'b is NULL', rows: [{ rowid: 1, a: 7 }] }],
      alterColumn('b', { nullable: false }),
    ],
    [
      'any row, for a column that must be given',
      'create table t (a); insert into t values (7)',
      [{ reason: 'n is NULL', rows: [{ rowid: 1 }] }],
      { kind: 'addColumn', table: 't', column: column('n', { nullable: false }) },
    ],
    [
      'orphans',
      'create table p (a primary key); insert into p values (1); create table t (a, b); insert into t values (1, 1), (2, 2), (null, 3)',
      [{ reason: '(a) is not in p', rows: [{ rowid: 2 }] }],
      alterColumn('a', { references: reference }),
    ],
    [
      'rows that break a CHECK',
      'create table t (a); insert into t values (1), (null), (-1)',
      [{ reason: 'breaks CHECK (a > 0)', rows: [{ rowid: 3 }] }],
      alterTable({ checks: [{ expression: 'a > 0' }] }),
    ],
    [
      'values of another type in a STRICT table',
      "create table t (a int, b text) ; insert into t values (1, 2), ('x', 3), (1.5, null), ('4', x'00')",
      [
        { reason: 'a is not INT', rows: [{ rowid: 2 }, { rowid: 3 }] },
        { reason: 'b is not TEXT', rows: [{ rowid: 4 }] },
      ],
      alterTable({ strict: true }),
    ],
    [
      'text that becomes one number',
      "create table t (a text unique, b); insert into t values ('1', 0), ('01', 0), ('x', 0)",
      [{ reason: '(a) is not unique', rows: [{ rowid: 1, rows: 2, a: 1 }, { rowid: 2 }] }],
      alterColumn('a', { type: 'INTEGER' }),
    ],
    [
      'children whose parent key changes',
      'create table t (a primary key, b unique); create table c (x references t); insert into t values (1, 9); insert into c values (1)',
      [{ reason: '(x) is not in t', rows: [{ rowid: 1 }] }],
      alterTable({ primaryKey: { columns: [{ name: 'b' }] } }),
    ],
    [
      'through renames, new columns and fills of the same batch',
      'create table t (a, b); insert into t values (1, null), (1, null)',
      [{ reason: '(z, d, b) is not unique', rows: [{ rowid: 1, rows: 2, z: 1, d: 'x', b: 'f' }, { rowid: 2 }] }],
      { kind: 'renameTable', table: 't', newName: 'u' },
      { kind: 'renameColumn', table: 'u', column: 'a', newName: 'z' },
      { kind: 'addColumn', table: 'u', column: column('d', { default: "'x'" }) },
      { kind: 'alterColumn', table: 'u', column: 'b', to: { nullable: false }, fill: 'f' },
      {
        kind: 'createIndex',
        index: { name: 'i', table: 'u', unique: true, columns: [{ name: 'z' }, { name: 'd' }, { name: 'b' }] },
      },
    ],
    [
      'children of a table that comes back empty',
      'create table p (a primary key); insert into p values (1); create table t (a references p); insert into t values (1)',
      [{ reason: '(a) is not in p', rows: [{ rowid: 1 }] }],
      { kind: 'dropTable', table: 'p' },
      { kind: 'createTable', table: table('p', [column('a')], { primaryKey: { columns: [{ name: 'a' }] } }) },
    ],
  ])('find %s', (_, sql, expected, ...changes) => {
    expect(witnesses(sql, ...changes)).toMatchObject(expected)
  })

  test.each<[string, string, ...Change[]]>([
    [
      'NULL that is filled',
      'create table t (a); insert into t values (null)',
      alterColumn('a', { nullable: false }, 'x'),
    ],
    [
      'a new column with a default',
      'create table t (a); insert into t values (null)',
      { kind: 'addColumn', table: 't', column: column('n', { nullable: false, default: '1' }) },
    ],
    [
      'a foreign key to its own rows',
      'create table t (a primary key, b); insert into t values (1, 1)',
      alterColumn('b', { references: { ...reference, table: 't' } }),
    ],
    ['a table without rows', 'create table t (a, b)', alterColumn('a', { nullable: false, unique: true })],
    [
      'other spellings of a key',
      'create table t (a unique); insert into t values (1)',
      alterColumn('a', { default: '1' }),
    ],
  ])('find nothing against %s', (_, sql, ...changes) => {
    expect(witnesses(sql, ...changes)).toEqual([])
    migrate(open(sql), ...changes)
  })

  test('are asked only where rows can matter', () => {
    const schema = schemaOf('create table t (a, b unique); create table u (x references t (b))')
    const proofs = (change: Change) => planChange(schema, change).proofs.length
    expect(proofs(alterColumn('a', { default: '1' }))).toBe(0)
    expect(proofs(alterColumn('b', { default: '1' }))).toBe(0)
    expect(proofs({ kind: 'addColumn', table: 't', column: column('n') })).toBe(0)
    expect(
      proofs({ kind: 'createIndex', index: { name: 'i', table: 't', unique: false, columns: [{ name: 'a' }] } }),
    ).toBe(0)
  })
})
