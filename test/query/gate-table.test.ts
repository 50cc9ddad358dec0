import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { beforeAll, describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { tenantPath } from '../support/project.ts'

/**
 * What clients may say in SQL, asked of a daemon over its socket. The tenant is an SQLite file that was adopted as it was,
 * with views, triggers and virtual tables that lead where clients may not go.
 */
const adopted = `
  create table t (id integer primary key, a, b unique);
  create table log (a);
  create table ai (id integer primary key autoincrement, a);
  create virtual table f using fts5 (x);
  create virtual table r using rtree (id, x0, x1);
  create virtual table vocabulary using fts5vocab (f, row);
  create virtual table sizes using dbstat;
  create view v as select id, a from t;
  create view v_schema as select rowid as id, name from sqlite_schema;
  create view v_deep as select * from (select name as n from v_schema) where n > '';
  create virtual table mirror using fts5 (name, content = 'v_schema', content_rowid = 'id');
  create table spy (a);
  create trigger spy_insert after insert on spy begin insert into log select count(*) from sqlite_schema; end;
  create trigger spy_update after update on spy begin update sqlite_sequence set seq = 0; end;
  create trigger spy_delete after delete on spy begin insert into log select count(*) from f_data; end;
  insert into t values (1, 'one', 'x'), (2, 'two', 'y');
  insert into ai (a) values (1);
  insert into f values ('hello world');
`

let client: RawClient
let file: string

beforeAll(async () => {
  const daemon = await startDaemon({ keep: deferToEnd })
  client = daemon.client
  const source = path.join(daemon.layout.project, 'adopted.db')
  const db = new Database(source)
  db.exec(adopted)
  db.close()
  await client.call('tenant.import', { name: 'main', path: source })
  file = tenantPath(daemon.layout)
})

/** SQL, and words of the reason it is refused with. */
type Refused = readonly [sql: string, reason: RegExp]

const refused: Record<
  string,
  { readonly kind: string; readonly rule?: string; readonly statements: readonly Refused[] }
> = {
  'the schema': {
    kind: 'sqlRefused',
    rule: 'ddl',
    statements: [
      ['create table x (a)', /CREATE.*schema\.apply/],
      ['CREATE TABLE x AS SELECT * FROM t', /CREATE/],
      ['create table if not exists t (a)', /CREATE/],
      ['create temp table x (a)', /CREATE/],
      ['create temporary view x as select 1', /CREATE/],
      ['create view x as select 1', /CREATE/],
      ['create unique index x on t (a)', /CREATE/],
      ['create index if not exists x on t (a)', /CREATE/],
      ['create trigger x after insert on t begin delete from t; end', /CREATE/],
      ['create temp trigger x after insert on t begin delete from t; end', /CREATE/],
      ['create virtual table x using fts5 (a)', /CREATE/],
      ['create virtual table temp.x using dbstat', /CREATE/],
      ['drop table t', /DROP.*schema/],
      ['drop table if exists t', /DROP/],
      ['DROP\nVIEW\nv', /DROP/],
      ['drop trigger spy_insert', /DROP/],
      ['drop index if exists nothing', /DROP/],
      ['alter table t rename to x', /ALTER/],
      ['alter table t rename column a to c', /ALTER/],
      ['alter table t add column c', /ALTER/],
      ['alter table t drop column a', /ALTER/],
      ['reindex', /REINDEX/],
      ['reindex t', /REINDEX/],
      ['analyze', /ANALYZE/],
      ['analyze main', /ANALYZE/],
      ['explain drop table t', /DROP/],
      ['explain query plan create table x (a)', /CREATE/],
      ['/* harmless */ drop table t -- really', /DROP/],
    ],
  },
  pragmas: {
    kind: 'sqlRefused',
    rule: 'pragma',
    statements: [
      ['pragma user_version', /PRAGMA.*daemon keeps/],
      ['pragma user_version = 7', /PRAGMA/],
      ['PRAGMA foreign_keys = off', /PRAGMA/],
      ['pragma foreign_keys(0)', /PRAGMA/],
      ['pragma writable_schema = on', /PRAGMA/],
      ['pragma trusted_schema = on', /PRAGMA/],
      ['pragma main.journal_mode = delete', /PRAGMA/],
      ['pragma locking_mode = exclusive', /PRAGMA/],
      ['pragma synchronous = off', /PRAGMA/],
      ['pragma wal_checkpoint(truncate)', /PRAGMA/],
      ['pragma table_info(t)', /PRAGMA/],
      ['pragma table_xinfo("t")', /PRAGMA/],
      ['pragma database_list', /PRAGMA/],
      ['pragma integrity_check', /PRAGMA/],
      ['pragma optimize', /PRAGMA/],
      ['pragma incremental_vacuum(10)', /PRAGMA/],
      ["pragma key = 'secret'", /PRAGMA/],
      ["pragma rekey = 'secret'", /PRAGMA/],
      ["pragma hexkey = '00'", /PRAGMA/],
      ["pragma temp_store_directory = '/tmp'", /PRAGMA/],
      ['pragma mmap_size = 1000000000', /PRAGMA/],
      ['pragma cache_size = -10000000', /PRAGMA/],
      ['pragma hard_heap_limit = 1', /PRAGMA/],
      ['pragma case_sensitive_like = on', /PRAGMA/],
      ['pragma query_only = on', /PRAGMA/],
      ['pragma threads = 100', /PRAGMA/],
      [';;pragma recursive_triggers = on', /PRAGMA/],
      ['\ufeffpragma foreign_keys = 0', /PRAGMA/],
      ['/**/pragma/**/foreign_keys/**/=/**/0', /PRAGMA/],
      ['-- x\r\n\tpragma user_version = 1', /PRAGMA/],
      ['explain pragma foreign_keys = 0', /PRAGMA/],
      ['EXPLAIN /* x */ QUERY -- y\nPLAN PRAGMA user_version = 3', /PRAGMA/],
    ],
  },
  'other files': {
    kind: 'sqlRefused',
    rule: 'attach',
    statements: [
      ["attach ':memory:' as x", /ATTACH.*one tenant/],
      ["attach database '/tmp/x.db' as x", /ATTACH/],
      ["attach '/tmp/x.db' as x key 'secret'", /ATTACH/],
      ["ATTACH 'file:/etc/passwd?mode=ro' AS x", /ATTACH/],
      ['attach ? as ?', /ATTACH/],
      ['detach main', /DETACH/],
      ['detach database x', /DETACH/],
      ["explain attach ':memory:' as x", /ATTACH/],
    ],
  },
  vacuum: {
    kind: 'sqlRefused',
    rule: 'vacuum',
    statements: [
      ['vacuum', /VACUUM.*tenant\.vacuum/],
      ['vacuum main', /VACUUM/],
      ["vacuum into '/tmp/cinch-stolen.db'", /VACUUM/],
      ['VACUUM main INTO ?', /VACUUM/],
      ['explain vacuum', /VACUUM/],
    ],
  },
  transactions: {
    kind: 'sqlRefused',
    rule: 'transactionControl',
    statements: [
      ['begin', /BEGIN.*query\.batch/],
      ['BEGIN IMMEDIATE', /BEGIN/],
      ['begin exclusive transaction', /BEGIN/],
      ['begin deferred', /BEGIN/],
      ['commit', /COMMIT/],
      ['commit transaction', /COMMIT/],
      ['end', /END/],
      ['rollback', /ROLLBACK/],
      ['rollback to member', /ROLLBACK/],
      ['savepoint x', /SAVEPOINT/],
      ['release member', /RELEASE/],
      ['release savepoint x', /RELEASE/],
      ['explain commit', /COMMIT/],
    ],
  },
  'several statements': {
    kind: 'sqlRefused',
    rule: 'severalStatements',
    statements: [
      ['select 1; select 2', /one statement/],
      ['select 1; drop table t', /one statement/],
      ["select ';'; pragma user_version = 7", /one statement/],
      ['select 1;; -- x\n select 2', /one statement/],
      ['select 1 /* ; */; delete from t', /one statement/],
      ['insert into log values (1); insert into log values (2)', /one statement/],
      ['insert into log values (1); commit', /one statement/],
      ['delete from t where 1; begin', /one statement/],
      ['update t set a = 1; select * from sqlite_schema', /one statement/],
      ['values (1); values (2)', /one statement/],
    ],
  },
  'no statement': {
    kind: 'sqlRefused',
    rule: 'emptyStatement',
    statements: [
      [' ', /no statement/],
      [';', /no statement/],
      ['\n;;\t;', /no statement/],
      ['-- nothing', /no statement/],
      ['/* unterminated', /no statement/],
    ],
  },
  'what hides behind a NUL': {
    kind: 'sqlRefused',
    rule: 'nulCharacter',
    statements: [
      ['select 1\0; drop table t', /NUL/],
      ["select 'a\0b'", /NUL/],
      ['\0', /NUL/],
    ],
  },
  'system tables': {
    kind: 'sqlRefused',
    rule: 'systemTable',
    statements: [
      ['select * from sqlite_schema', /sqlite_schema is a system table/],
      ['select * from sqlite_master', /sqlite_schema/],
      ['select * from main.sqlite_schema', /sqlite_schema/],
      ['select sql from "SQLITE_Master"', /sqlite_schema/],
      ['select * from [sqlite_schema]', /sqlite_schema/],
      ["select * from 'sqlite_schema'", /sqlite_schema/],
      ['select * from sqlite_temp_schema', /sqlite_schema/],
      ['select * from temp.sqlite_master', /sqlite_schema/],
      ['select count(*) from sqlite_schema', /sqlite_schema/],
      ['select max(rootpage) from sqlite_schema where 0', /sqlite_schema/],
      ['select * from sqlite_sequence', /sqlite_sequence/],
      ['select seq from `sqlite_sequence` where name = ?', /sqlite_sequence/],
      ['select * from __cinch', /__cinch/],
      ['select value from main."__CINCH"', /__cinch/],
      ['select * from v_schema', /sqlite_schema/],
      ['select n from v_deep limit 1', /sqlite_schema/],
      ['select * from t, v_deep', /sqlite_schema/],
      ['with x as (select * from sqlite_schema) select 1 from x', /sqlite_schema/],
      ['with x as materialized (select * from v_deep) select * from t, x', /sqlite_schema/],
      [
        'with recursive x (n) as (select 1 union all select rowid from sqlite_schema, x) select * from x',
        /sqlite_schema/,
      ],
      ['select (select (select name from sqlite_schema limit 1))', /sqlite_schema/],
      ['select 1 where exists (select 1 from __cinch)', /__cinch/],
      ['select 1 union select value from __cinch', /__cinch/],
      ['select * from t where a in (select name from sqlite_schema)', /sqlite_schema/],
      ['select rank() over (order by (select count(*) from __cinch)) from t', /__cinch/],
      ['select * from t order by (select key from __cinch)', /__cinch/],
      ['select * from t natural join sqlite_schema', /sqlite_schema/],
      ['explain select * from sqlite_schema', /sqlite_schema/],
      ['explain query plan select * from __cinch', /__cinch/],
      ["insert into __cinch values ('changeSet', 'x')", /__cinch/],
      ["replace into __cinch values ('changeSet', 'x')", /__cinch/],
      ["update __cinch set value = 'x'", /__cinch/],
      ['delete from __cinch', /__cinch/],
      ["delete from __cinch where key = 'changeSet'", /__cinch/],
      ['update sqlite_sequence set seq = 99', /sqlite_sequence/],
      ['delete from sqlite_sequence', /sqlite_sequence/],
      ["insert into sqlite_sequence values ('t', 9)", /sqlite_sequence/],
      ['insert into t (a) select sql from sqlite_schema', /sqlite_schema/],
      ['insert into ai (a) values ((select max(seq) from sqlite_sequence))', /sqlite_sequence/],
      ['update t set a = c.value from __cinch as c', /__cinch/],
      ['delete from t where a in (select value from __cinch)', /__cinch/],
      ['insert into t (a) values (1) returning (select value from __cinch)', /__cinch/],
      ['insert into spy values (1)', /sqlite_schema/],
      ['update spy set a = 1', /sqlite_sequence/],
    ],
  },
  'what virtual tables keep': {
    kind: 'sqlRefused',
    rule: 'shadowTable',
    statements: [
      ['select * from f_data', /f_data.*virtual table/],
      ['select * from f_idx', /f_idx/],
      ['select * from f_content', /f_content/],
      ['select * from f_docsize', /f_docsize/],
      ['select * from "F_Config"', /f_config/],
      ['select * from r_node', /r_node/],
      ['select * from r_parent', /r_parent/],
      ['select * from mirror_data', /mirror_data/],
      ['delete from spy', /f_data/],
    ],
  },
  'tables that tell of the file, the schema or the connection': {
    kind: 'sqlRefused',
    rule: 'virtualTable',
    statements: [
      ["select * from pragma_table_info('t')", /table-valued function/],
      ["select * from PRAGMA_Table_XInfo('t')", /table-valued function/],
      ['select * from "pragma_table_list"', /virtual table/],
      ['select * from pragma_database_list', /virtual table/],
      ['select * from [pragma_function_list]', /virtual table/],
      ['select * from main.pragma_module_list', /virtual table/],
      ['select * from pragma_compile_options', /virtual table/],
      ['select * from pragma_user_version', /virtual table/],
      ["select * from pragma_index_list('t')", /virtual table/],
      ['select * from pragma_foreign_key_check', /virtual table/],
      ["select name from pragma_table_info where arg = 't'", /virtual table/],
      ['select * from t, pragma_index_info(t.a) x', /virtual table/],
      ["select * from json_each('[1]') j, pragma_table_info(j.value)", /virtual table/],
      ['insert into log select name from pragma_table_list', /virtual table/],
      ['select * from dbstat', /virtual table/],
      ["select * from dbstat('main', 1)", /virtual table/],
      ['select * from sizes', /virtual table/],
      ['select * from vocabulary', /virtual table/],
      ['select * from fts3tokenize', /virtual table/],
      ['select * from mirror', /virtual table/],
      ["select name from mirror where mirror match 'x'", /virtual table/],
      ["insert into mirror (mirror) values ('rebuild')", /virtual table/],
      ["insert into mirror (rowid, name) values (1, 'x')", /virtual table/],
    ],
  },
  'what virtual tables keep, written': {
    kind: 'sqlError',
    statements: [
      ['delete from f_data', /f_data may not be modified/],
      ['update f_config set v = 0', /f_config may not be modified/],
      ['insert into r_rowid values (1, 1)', /r_rowid may not be modified/],
      ['replace into mirror_docsize values (1, 1)', /mirror_docsize may not be modified/],
    ],
  },
  functions: {
    kind: 'sqlRefused',
    rule: 'function',
    statements: [
      ["select load_extension('/tmp/x.so')", /load_extension/],
      ["select load_extension('/tmp/x.so', 'entry')", /load_extension/],
      ["select LOAD_EXTENSION('x')", /load_extension/],
      ['select "load_extension" (?)', /load_extension/],
      ["select 1 where load_extension('x')", /load_extension/],
      ["select * from t order by load_extension('x')", /load_extension/],
      ["select case when 1 then load_extension('x') end", /load_extension/],
      ["insert into log values (load_extension('x'))", /load_extension/],
      ["update t set a = 1 returning load_extension('x')", /load_extension/],
      ["select fts3_tokenizer('simple')", /fts3_tokenizer/],
      ["select fts3_tokenizer('simple', x'00')", /fts3_tokenizer/],
      ["select sqlite_log(1, 'x')", /sqlite_log/],
      ["select rtreecheck('r')", /rtreecheck/],
      ["select sqlite3mc_config('cipher', 'aes256cbc')", /sqlite3mc_config/],
      ["select sqlite3mc_codec_data('salt')", /sqlite3mc_codec_data/],
    ],
  },
  'functions and tables that are not there': {
    kind: 'sqlError',
    statements: [
      ["select writefile('/tmp/x', 'y')", /no such function: writefile/],
      ["select readfile('/etc/passwd')", /no such function: readfile/],
      ["select edit('x')", /no such function: edit/],
      ["select fsdir('/')", /no such function: fsdir/],
      ["select * from fsdir('/')", /no such table: fsdir/],
      ["select sqlcipher_export('x')", /no such function/],
      ["select sqlite_attach('x', 'y', 'z')", /no such function/],
      ["select sqlite_rename_table('main', 'x', 'y', 'z', 'a', 'b', 1)", /no such function|unsafe use/],
      ["select eval('delete from t')", /no such function: eval/],
      ["select shell_exec('id')", /no such function/],
      ['select * from sqlite_dbpage', /no such table/],
      ["select * from bytecode('select 1')", /no such table/],
      ["select * from tables_used('select 1')", /no such table/],
      ['select * from sqlite_stmt', /no such table/],
      ["select * from zipfile('x')", /no such table/],
      ['select * from other.t', /no such table/],
      ['select * from temp.t', /no such table/],
      ['delete from t where a in sqlite_master', /1/],
      ['selec 1', /syntax error/],
      ['explain', /incomplete input/],
      ['explain explain select 1', /syntax error/],
      ['(select 1)', /syntax error/],
      ['.tables', /syntax error/],
      ['select raise(rollback, 1)', /RAISE\(\)/],
    ],
  },
}

describe('refused by query.run and query.execute, in a batch, and by query.explain', () => {
  for (const [what, { kind, rule, statements }] of Object.entries(refused)) {
    describe(what, () => {
      test.each(statements.map(([sql, reason]) => [sql, reason] as const))('%j: %s', async (sql, reason) => {
        const before = stateOf(file)
        const expected = { kind, ...(rule && { rule }), reason: expect.stringMatching(reason) }
        for (const method of ['query.run', 'query.execute', 'query.explain']) {
          expect(await client.refused(method, { sql })).toMatchObject(expected)
        }
        const statements = [{ sql: "insert into log values ('of the batch')" }, { sql }]
        expect(await client.refused('query.batch', { statements })).toMatchObject(expected)
        expect(stateOf(file)).toEqual(before)
      })
    })
  }

  test('had one of them changed something, it would show', async () => {
    const before = stateOf(file)
    await client.call('query.execute', { sql: 'insert into log values (1)' })
    expect(stateOf(file)).not.toEqual(before)
  })

  test('there are enough of them', () => {
    expect(Object.values(refused).flatMap(({ statements }) => statements).length).toBeGreaterThan(150)
  })
})

describe('a method for reads does not write, and one for writes does', () => {
  test.each([
    'insert into t (a) values (1)',
    'replace into t (id, a) values (1, 1)',
    'update t set a = 1',
    'update t set a = 1 where 0',
    'delete from t',
    'with x as (select 1 as n) insert into log select n from x',
    'insert into t (a) values (1) returning *',
    "insert into f values ('x')",
    "insert into f (f) values ('optimize')",
    'delete from r',
  ])('%s', async (sql) => {
    const before = stateOf(file)
    expect(await client.refused('query.run', { sql })).toMatchObject({
      kind: 'sqlRefused',
      rule: 'write',
      reason: expect.stringMatching(/query\.execute/),
    })
    expect(stateOf(file)).toEqual(before)
  })

  test.each([
    'select 1',
    'values (1)',
    'explain delete from t',
    'with x as (select 1) select * from x',
  ])('%s', async (sql) => {
    expect(await client.refused('query.execute', { sql })).toMatchObject({
      kind: 'sqlRefused',
      rule: 'read',
      reason: expect.stringMatching(/query\.run/),
    })
  })
})

describe('harmless, and answered', () => {
  test.each<[sql: string, rows: Json, params?: Json]>([
    ['select 1', [[1]]],
    ['  select 1 ;  ', [[1]]],
    ['select 1;;; -- the end', [[1]]],
    ['select 1; /* the end', [[1]]],
    ['-- leading\n-- comments\nselect 1', [[1]]],
    ['/* leading; */ /* comments */ select 1', [[1]]],
    [';select 1', [[1]]],
    ['\ufeffselect 1', [[1]]],
    ['\r\n\t\fselect 1', [[1]]],
    ["select ';'", [[';']]],
    ["select 'drop table t; --'", [['drop table t; --']]],
    ["select '/* ' || ?", [['/* ;']], [';']],
    ['select 1 as ";"', [[1]]],
    [
      "select 'pragma', 'sqlite_schema', '__cinch', 'load_extension(1)'",
      [['pragma', 'sqlite_schema', '__cinch', 'load_extension(1)']],
    ],
    ['select a as "sqlite_master" from t where id = 1', [['one']]],
    [
      'values (1, 2), (3, 4)',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['VALUES (?)', [['x']], ['x']],
    ['with x (n) as (values (1), (2)) select sum(n) from x', [[3]]],
    ['WITH x AS (SELECT a FROM t) SELECT count(*) FROM x', [[2]]],
    ['with recursive n (i) as (select 1 union all select i + 1 from n where i < 4) select max(i) from n', [[4]]],
    ['with x as not materialized (select 1) select * from x', [[1]]],
    ['explain query plan select * from t', expect.anything()],
    ['EXPLAIN SELECT 1', expect.anything()],
    ['explain insert into t (a) values (1)', expect.anything()],
    ['select * from v where id = 2', [[2, 'two']]],
    ['select x from f where f match ?', [['hello world']], ['hello']],
    ['select count(*) from r', [[0]]],
    ['select a from t where id in (1, 2) order by a desc limit 1 offset 1', [['one']]],
    [
      'select a, row_number() over (order by id) from t',
      [
        ['one', 1],
        ['two', 2],
      ],
    ],
    ["select json_extract('{\"a\": 1}', '$.a'), '[1]' ->> 0", [[1, 1]]],
    ["select key, value from json_each('[7]')", [[0, 7]]],
    ['select 1 union all select 2 except select 3', [[1], [2]]],
    ['select t.a from t left join log on log.a = t.a where t.id = 1', [['one']]],
    ['select main.t.a from main.t where main.t.id = 1', [['one']]],
    ['select case when 1 then 2 end, iif(0, 1, 2), cast(1 as text), 1 between 0 and 2', [[2, 2, '1', 1]]],
    ['select length(hex(randomblob(16))), length(zeroblob(10))', [[32, 10]]],
    [
      "select strftime('%Y', 0, 'unixepoch'), upper('a'), round(1.5), abs(-1), typeof(sqlite_version())",
      [['1970', 'A', 2, 1, 'text']],
    ],
    ["select 'begin', 'commit' as [end]", [['begin', 'commit']]],
    ['select "begin" from (select 1 as "begin")', [[1]]],
    ['select count(*) from t as pragma_table_info', [[2]]],
  ])('%s', async (sql, rows, params = []) => {
    expect((await client.call('query.run', { sql, params })).rows).toEqual(rows)
  })

  test.each<[sql: string, changes: number]>([
    ["insert into log values (';'), ('-- x')", 2],
    ['-- leading\ninsert into log values (1) -- trailing', 1],
    [';insert into log values (1);', 1],
    ["insert into log values ('drop table log')", 1],
    ['with x as (select a from t) insert into log select a from x', 2],
    ['insert into log values (1) returning a', 1],
    ['insert or ignore into t (id) values (1)', 0],
    ["insert into t (id, a) values (1, 'two') on conflict (id) do update set a = t.a", 1],
    ['replace into t (id, a) values (9, 9)', 1],
    ['update t set a = a where id = 1', 1],
    ['update t set a = v.a from v where v.id = t.id and t.id = 1', 1],
    ['delete from t where id = 9', 1],
    ['insert into ai (a) values (5)', 1],
    ["insert into f values ('x')", 1],
    ['insert into r values (1, 2, 3)', 1],
    ['delete from r where id = 1', 1],
    ['delete from log', expect.any(Number)],
  ])('%s', async (sql, changes) => {
    expect((await client.call('query.execute', { sql })).changes).toEqual(changes)
  })
})

describe('bounded, and the daemon goes on', () => {
  const many = (n: number, item: (i: number) => string, between = ',') =>
    Array.from({ length: n }, (_, i) => item(i)).join(between)

  test.each<[what: string, sql: string, kind: string, reason?: RegExp]>([
    ['randomblob of a gigabyte', 'select randomblob(1e9)', 'sqlRefused', /bytes out of nothing/],
    ['randomblob within what SQLite can hold', 'select randomblob(500000000)', 'sqlRefused', /500000000 bytes/],
    ['zeroblob of a gigabyte', 'select zeroblob(1000000000)', 'sqlRefused', /bytes out of nothing/],
    ['a hundred zeroblobs', `select ${many(100, () => 'zeroblob(50000000)')}`, 'sqlRefused', /5000000000 bytes/],
    ['zeroblob written', 'insert into log values (zeroblob(500000000))', 'sqlRefused', /bytes out of nothing/],
    ['a length beyond SQLite’s', 'select length(randomblob(10000 * 1000000))', 'limitExceeded'],
    [
      'text without end',
      `select replace(replace(hex(zeroblob(50000)), '0', hex(zeroblob(5000))), '0', 'xx')`,
      'limitExceeded',
    ],
    ['a result that is too large', 'select zeroblob(67108864), 1', 'limitExceeded'],
    ['a sum of 10,000 terms', `select ${many(10_000, String, '+')}`, 'sqlRefused', /too long to compile/],
    ['a sum of 2,000 terms', `select ${many(2_000, String, '+')}`, 'sqlError', /too large|depth 1000/],
    ['a select of 10,000 columns', `select ${many(10_000, String)}`, 'sqlError', /too many columns/],
    ['a union of 10,000 selects', many(10_000, (i) => `select ${i}`, ' union all '), 'sqlError', /too many terms/],
    ['10,000 conditions', `select 1 from t where ${many(10_000, (i) => `a = ${i}`, ' or ')}`, 'sqlRefused', /compile/],
    ['10,000 arguments', `select max(${many(10_000, String)})`, 'sqlError', /too many arguments/],
    ['10,000 tables', `select 1 from ${many(10_000, (i) => `t t${i}`)}`, 'sqlError', /too many FROM clause terms/],
    ['10,000 CTEs', `with ${many(10_000, (i) => `c${i} as (select 1)`)} select 1`, 'sqlRefused', /compile/],
    ['10,000 parentheses', `select ${'('.repeat(10_000)}1${')'.repeat(10_000)}`, 'sqlError', /Recursion limit/],
    [
      '10,000 subqueries in one another',
      `${'select * from ('.repeat(10_000)}select 1${')'.repeat(10_000)}`,
      'sqlRefused',
      /compile/,
    ],
    ['10,000 nots', `select ${'not '.repeat(10_000)}1`, 'sqlError', /Recursion limit/],
    [
      'doubling CTEs',
      `with c0 as (select 1 as x), ${many(40, (i) => `c${i + 1} as (select p.x from c${i} p, c${i} q)`)} select * from c40`,
      'sqlRefused',
      /compile/,
    ],
    ['60 natural joins', `select 1 from t ${many(60, (i) => `natural join t t${i}`, ' ')}`, 'sqlRefused', /compile/],
    ['a long pattern', `select 'a' like '${'%a'.repeat(30_000)}'`, 'sqlError', /LIKE or GLOB pattern too complex/],
  ])('%s', async (_, sql, kind, reason) => {
    const method = sql.startsWith('insert') ? 'query.execute' : 'query.run'
    const data = await client.refused(method, { sql })
    expect(data).toMatchObject({ kind, ...(reason && { reason: expect.stringMatching(reason) }) })
    expect(await client.call('query.run', { sql: 'select 1' })).toMatchObject({ rows: [[1]] })
  })

  test.each<[what: string, sql: string, firstRow: Json]>([
    ['2,000 columns', `select ${many(2_000, String)}`, expect.arrayContaining([1_999])],
    ['a union of 500 selects', many(500, (i) => `select ${i}`, ' union all '), [0]],
    ['10,000 rows', `values ${many(10_000, (i) => `(${i})`)}`, [0]],
    ['10,000 constants in a list', `select a from t where id in (${many(10_000, String)})`, ['one']],
    ['a sum of 900 terms', `select ${many(900, () => '1', '+')}`, [900]],
    ['60 tables in a join', `select 1 from t ${many(60, (i) => `join t t${i} using (id)`, ' ')}`, [1]],
    ['a string of a megabyte', `select length('${'x'.repeat(1_000_000)}')`, [1_000_000]],
    ['a comment of a megabyte', `select 1 -- ${'x'.repeat(1_000_000)}`, [1]],
    ['64 megabytes of nothing', 'select length(zeroblob(67108864))', [67_108_864]],
  ])('%s is answered', async (_, sql, firstRow) => {
    expect((await client.call('query.run', { sql })).rows[0]).toEqual(firstRow)
  })
})

/** What a statement that took effect would show in: the file as another program sees it, and a file beside it. */
function stateOf(file: string): unknown {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 2_000 })
  try {
    const content = createHash('sha256').update(db.serialize()).digest('hex')
    return { content, isStolen: fs.existsSync('/tmp/cinch-stolen.db') }
  } finally {
    db.close()
  }
}
