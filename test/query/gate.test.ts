import Database from 'better-sqlite3'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Refusal } from '../../src/base/refusal.ts'
import { inspect, isRefusedFunction, type Verdict } from '../../src/query/gate.ts'
import { grownSize } from '../../src/query/growth.ts'
import { type Instruction, reachOf } from '../../src/query/opcodes.ts'

let db: Database.Database

beforeEach(() => {
  db = new Database(':memory:')
  db.exec(schema)
})
afterEach(() => {
  db.close()
})

const schema = `
  create table t (id integer primary key, a, b unique, check (a <> 'no'));
  create index t_a on t (a) where a is not null;
  create index t_lower on t (lower(b));
  create table u (id integer primary key, t_id references t on delete cascade on update set null);
  create index u_t on u (t_id);
  create table w (k text primary key, v) without rowid;
  create table ai (id integer primary key autoincrement, a);
  create table g (a int, c int as (a + 1) virtual, d int as (a * 2) stored) strict;
  create table "odd ""name" (a);
  create table docs_archive (a);
  create table logged (a);
  create table log (a);
  create trigger logged_insert after insert on logged begin insert into log values (new.a); end;
  create table touched (id integer primary key, a, updated_at);
  create trigger __touch_touched after update of a on touched begin
    update touched set updated_at = 'now' where id = new.id;
  end;
  create view v as select t.id, u.id as u_id from t left join u on u.t_id = t.id;
  create trigger v_insert instead of insert on v begin insert into w values (new.id, new.u_id); end;
  create virtual table f using fts5 (x, y);
  create virtual table docs using fts5 (x, content = 't', content_rowid = 'id');
  create virtual table f4 using fts4 (x);
  create virtual table "odd using" using "rtree" (id, x0, x1);
  create virtual table r using rtree (id, x0, x1);

  create table rb (a unique on conflict rollback, b);
  create table raising (a);
  create trigger raising_insert before insert on raising when new.a = 1 begin select raise(rollback, 'no'); end;
  create table __cinch (key, value);
  create table __kv (key text primary key, value) without rowid;
  create index kv_value on __kv (value);
  create virtual table __f using fts5 (x);
  create virtual table vocab using fts5vocab (f, row);
  create virtual table aux using fts4aux (f4);
  create virtual table mirror using fts5 (name, content = 'sqlite_schema');
  create view v_schema as select name from sqlite_schema;
  create view v_deep as select * from (select name as n from v_schema) where n > '';
  create view v_columns as select name from pragma_table_info('t');
  create view v_kv as select * from __kv;
  create view v_config as select sqlite3mc_config('cipher') as c;
  create table spy (a);
  create trigger spy_insert after insert on spy begin insert into __kv values (new.a, 1); end;
  create trigger spy_update after update on spy begin select name from sqlite_schema; end;
  create trigger spy_delete after delete on spy begin update sqlite_sequence set seq = 0; end;
  create table trick (a check (sqlite3mc_config('cipher') is not a));
  create table owner (id integer primary key);
  create table __owned (id references owner on delete cascade);
  attach ':memory:' as other;
  create table other.o (a);
  create temp table tt (a);
  insert into t values (1, 2, 3), (2, 3, 4);
  insert into ai (a) values (1);
  analyze;
`

const systemTables = [
  ['sqlite_schema', 'systemTable'],
  ['sqlite_master', 'systemTable'],
  ['main.sqlite_schema', 'systemTable'],
  ['"SQLITE_Master"', 'systemTable'],
  ['sqlite_temp_schema', 'systemTable'],
  ['sqlite_temp_master', 'systemTable'],
  ['temp.sqlite_schema', 'systemTable'],
  ['other.sqlite_schema', 'systemTable'],
  ['sqlite_sequence', 'systemTable'],
  ['[sqlite_sequence]', 'systemTable'],
  ['sqlite_stat1', 'systemTable'],
  ['sqlite_stat4', 'systemTable'],
  ['__cinch', 'systemTable'],
  ['__kv', 'systemTable'],
  ['`__KV`', 'systemTable'],
  ["'__kv'", 'systemTable'],
  ['f_data', 'shadowTable'],
  ['f_idx', 'shadowTable'],
  ['f_content', 'shadowTable'],
  ['f_docsize', 'shadowTable'],
  ['f_config', 'shadowTable'],
  ['docs_data', 'shadowTable'],
  ['f4_segments', 'shadowTable'],
  ['f4_segdir', 'shadowTable'],
  ['f4_stat', 'shadowTable'],
  ['r_node', 'shadowTable'],
  ['r_parent', 'shadowTable'],
  ['r_rowid', 'shadowTable'],
  ['"odd using_node"', 'shadowTable'],
  ['__f', 'virtualTable'],
  ['vocab', 'virtualTable'],
  ['aux', 'virtualTable'],
  ['mirror', 'virtualTable'],
  ['dbstat', 'virtualTable'],
  ['fts3tokenize', 'virtualTable'],
  ["pragma_table_info('t')", 'virtualTable'],
  ["PRAGMA_Table_XInfo('t')", 'virtualTable'],
  ['"pragma_table_list"', 'virtualTable'],
  ['pragma_database_list', 'virtualTable'],
  ['[pragma_function_list]', 'virtualTable'],
  ['main.pragma_module_list', 'virtualTable'],
  ['pragma_compile_options', 'virtualTable'],
  ['v_schema', 'systemTable'],
  ['v_deep', 'systemTable'],
  ['v_columns', 'virtualTable'],
  ['v_kv', 'systemTable'],
  ['other.o', 'otherDatabase'],
  ['tt', 'otherDatabase'],
] as const

const readings = [
  (table: string) => `select * from ${table}`,
  (table: string) => `select 1 from t where exists (select 1 from ${table} limit 1)`,
  (table: string) => `with x as (select * from ${table}) insert into log select count(*) from x`,
  (table: string) => `explain query plan select * from t, (select count(*) from ${table} as y)`,
]

const sqlNotAllowed: readonly (readonly [sql: string, rule: string])[] = [
  ...systemTables.flatMap(([table, rule]) => readings.map((reading) => [reading(table), rule] as const)),
  ['', 'emptyStatement'],
  [' \n ', 'emptyStatement'],
  [';;', 'emptyStatement'],
  ['-- nothing', 'emptyStatement'],
  ['/* unterminated', 'emptyStatement'],
  ['select 1; select 2', 'severalStatements'],
  ['select 1; drop table t', 'severalStatements'],
  ['select 1;; -- x\n select 2', 'severalStatements'],
  ["select ';'; pragma user_version = 7", 'severalStatements'],
  ['insert into t default values; commit', 'severalStatements'],
  ['select 1\0; drop table t', 'nulCharacter'],
  ["select 'a\0b'", 'nulCharacter'],
  ['begin', 'transactionControl'],
  ['BEGIN immediate', 'transactionControl'],
  ['begin exclusive transaction', 'transactionControl'],
  ['commit', 'transactionControl'],
  ['end transaction', 'transactionControl'],
  ['rollback', 'transactionControl'],
  ['rollback to x', 'transactionControl'],
  ['savepoint x', 'transactionControl'],
  ['release x', 'transactionControl'],
  ['explain begin', 'transactionControl'],
  ['begin; drop table t; commit', 'transactionControl'],
  ['pragma user_version = 7', 'pragma'],
  ['pragma user_version', 'pragma'],
  ['PRAGMA foreign_keys = off', 'pragma'],
  ['pragma foreign_keys(0)', 'pragma'],
  ['; ; pragma recursive_triggers = 1', 'pragma'],
  ['\ufeffpragma foreign_keys = 0', 'pragma'],
  ['/**/pragma/**/foreign_keys/**/=/**/0', 'pragma'],
  ['-- x\r\n\tpragma main.journal_mode = off', 'pragma'],
  ['/*/ x */ pragma writable_schema = 1', 'pragma'],
  ['explain pragma foreign_keys = 0', 'pragma'],
  ['explain query plan pragma foreign_keys = 0', 'pragma'],
  ['explain /* x */ query -- y\n plan pragma case_sensitive_like = 1', 'pragma'],
  ["pragma key = 'x'", 'pragma'],
  ["pragma rekey = 'x'", 'pragma'],
  ['pragma table_info(t)', 'pragma'],
  ['pragma defer_foreign_keys = 1', 'pragma'],
  ['pragma trusted_schema = 1', 'pragma'],
  ["pragma temp_store_directory = '/'", 'pragma'],
  ['pragma wal_checkpoint(truncate)', 'pragma'],
  ['pragma cache_size = -1000000; select 1', 'pragma'],
  ["attach ':memory:' as x", 'attach'],
  ["attach database '/tmp/x.db' as x key 'k'", 'attach'],
  ['detach other', 'attach'],
  ['explain detach database other', 'attach'],
  ['vacuum', 'vacuum'],
  ["vacuum into '/tmp/x.db'", 'vacuum'],
  ['explain vacuum', 'vacuum'],
  ['create table x (a)', 'ddl'],
  ['create table x as select 1', 'ddl'],
  ['create temp table x (a)', 'ddl'],
  ['create temporary view x as select 1', 'ddl'],
  ['create table if not exists t (a)', 'ddl'],
  ['create unique index x on t (a)', 'ddl'],
  ['create view x as select 1', 'ddl'],
  ['create trigger x after insert on t begin select 1; end', 'ddl'],
  ['create virtual table x using fts5 (a)', 'ddl'],
  ['create virtual table temp.x using dbstat', 'ddl'],
  ['drop table t', 'ddl'],
  ['drop table if exists nothing', 'ddl'],
  ['drop index t_a', 'ddl'],
  ['drop view v', 'ddl'],
  ['drop trigger __touch_touched', 'ddl'],
  ['alter table t rename to x', 'ddl'],
  ['alter table t add column c', 'ddl'],
  ['alter table t drop column b', 'ddl'],
  ['alter table t rename column a to c', 'ddl'],
  ['reindex', 'ddl'],
  ['reindex t', 'ddl'],
  ['analyze', 'ddl'],
  ['analyze t', 'ddl'],
  ['explain create table x (a)', 'ddl'],
  ['explain query plan drop table t', 'ddl'],
  ["insert into __cinch values ('a', 1)", 'systemTable'],
  ['delete from __cinch', 'systemTable'],
  ['delete from __kv', 'systemTable'],
  ["delete from __kv where key = 'a'", 'systemTable'],
  ['update __kv set value = 1', 'systemTable'],
  ["replace into __kv values ('a', 1)", 'systemTable'],
  ["insert into __kv values ('a', 1) on conflict do nothing returning *", 'systemTable'],
  ["insert into sqlite_sequence values ('t', 1)", 'systemTable'],
  ['update sqlite_sequence set seq = 99', 'systemTable'],
  ["update sqlite_sequence set seq = 99 where name = 'ai'", 'systemTable'],
  ['delete from sqlite_sequence', 'systemTable'],
  ["delete from sqlite_sequence where name = 'ai'", 'systemTable'],
  ['insert into ai (a) select seq from sqlite_sequence', 'systemTable'],
  ['insert into ai (a) values ((select max(seq) from sqlite_sequence))', 'systemTable'],
  ['insert into ai (a) values (1) returning (select seq from sqlite_sequence)', 'systemTable'],
  ['delete from sqlite_stat1', 'systemTable'],
  ['insert into sqlite_stat1 values (1, 2, 3)', 'systemTable'],
  ['insert into __f values (1)', 'virtualTable'],
  ['delete from __f', 'virtualTable'],
  ['insert into mirror (mirror) values (1)', 'virtualTable'],
  ['insert into spy values (1)', 'systemTable'],
  ['update spy set a = 1', 'systemTable'],
  ['delete from spy', 'systemTable'],
  ['delete from owner where id = 1', 'systemTable'],
  ['update t set a = (select value from __kv)', 'systemTable'],
  ['update t set a = k.value from __kv as k where k.key = t.b', 'systemTable'],
  ['insert into t (a) select name from sqlite_schema', 'systemTable'],
  ['delete from t where a in (select name from sqlite_schema)', 'systemTable'],
  ['delete from t where a in sqlite_master', 'sqlError'],
  ['select value from __kv where value = 1', 'systemTable'],
  ['select count(*) from __kv', 'systemTable'],
  ['select 1 union select 2 from __cinch', 'systemTable'],
  ['select (select (select name from sqlite_schema limit 1))', 'systemTable'],
  ['with recursive x (n) as (select 1 union all select rowid from sqlite_schema, x) select * from x', 'systemTable'],
  ['select rank() over (order by (select count(*) from __kv)) from t', 'systemTable'],
  ['select * from t natural join sqlite_schema', 'systemTable'],
  ['select * from t left join pragma_table_info as p on p.cid = t.id', 'virtualTable'],
  ['select * from t, pragma_index_list(t.a) x', 'virtualTable'],
  ["select name from pragma_table_info where arg = 't'", 'virtualTable'],
  ["select * from json_each('[1]') j, pragma_table_info(j.value)", 'virtualTable'],
  ['select * from pragma_user_version', 'virtualTable'],
  ['select * from sqlite_dbpage', 'sqlError'],
  ["select * from bytecode('select 1')", 'sqlError'],
  ["select * from tables_used('select 1')", 'sqlError'],
  ['select * from sqlite_stmt', 'sqlError'],
  ['select * from v_config', 'function'],
  ['select 1 from v_config where c is null', 'function'],
  ["select * from fts5vocab('main', 'f', 'row')", 'sqlError'],
  ["select * from temp.pragma_table_info('t')", 'virtualTable'],
  ["select load_extension('x')", 'function'],
  ["select \"load_extension\" ('x', 'y')", 'function'],
  ["select 1 where load_extension('x')", 'function'],
  ["select * from t order by load_extension('x')", 'function'],
  ["insert into t (a) values (load_extension('x'))", 'function'],
  ["update t set a = 1 returning load_extension('x')", 'function'],
  ["select case when 1 then load_extension('x') end", 'function'],
  ["select sqlite3mc_config('cipher', 'aes256cbc')", 'function'],
  ["select a from t where b = sqlite3mc_config('cipher', 'aes256cbc')", 'function'],
  ["select sqlite3mc_config('cipher')", 'function'],
  ["select sqlite3mc_codec_data('salt')", 'function'],
  ["select sqlite3mc_codec_data('salt', 'main')", 'function'],
  ['select sqlite3mc_version()', 'function'],
  ["select fts3_tokenizer('simple')", 'function'],
  ["select fts3_tokenizer('simple', x'00')", 'function'],
  ["select sqlite_log(1, 'x')", 'function'],
  ['select optimize(f4) from f4', 'function'],
  ["select rtreecheck('r')", 'function'],
  ["select rtreecheck('main', 'r')", 'function'],
  ['insert into trick values (1)', 'function'],
  ["select sqlite_rename_table('main', 'x', 'y', 'z', 'a', 'b', 1)", 'sqlError'],
  ["select readfile('/etc/passwd')", 'sqlError'],
  ["select writefile('/tmp/x', 'y')", 'sqlError'],
  ["select edit('x')", 'sqlError'],
  ["select sqlcipher_export('x')", 'sqlError'],
  ["select sqlite_attach('x', 'y', 'z')", 'sqlError'],
  ['selec 1', 'sqlError'],
  ['explain', 'sqlError'],
  ['explain explain select 1', 'sqlError'],
  ['select * from nothing', 'sqlError'],
  ['select "no column" from t', 'sqlError'],
  ['(select 1)', 'sqlError'],
  ['\u00a0pragma user_version = 7', 'pragma'],
  ['select raise(rollback, 1)', 'sqlError'],
]

/** What passes: kind, whether rows come back, reads, writes; `solo` where it must run alone. */
type Allowed = [sql: string, kind: Verdict['kind'], returnsRows: boolean, reads: string, writes: string, solo?: 'solo']

const sqlAllowed: readonly Allowed[] = [
  ['select 1', 'read', true, '', ''],
  ['  select 1 ; ', 'read', true, '', ''],
  ['select 1; -- the end', 'read', true, '', ''],
  ['select 1;;/* the end', 'read', true, '', ''],
  ['-- hello\n/* ; */ select 1', 'read', true, '', ''],
  [';select 1', 'read', true, '', ''],
  ['\ufeffselect 1', 'read', true, '', ''],
  ["select ';' || 'pragma user_version = 1; drop table t' as \"a;b\"", 'read', true, '', ''],
  ["select 'sqlite_schema', \"a\" from t where b = '__kv' -- from sqlite_schema", 'read', true, 't', ''],
  ['values (1, 2), (3, 4)', 'read', true, '', ''],
  ['select * from t', 'read', true, 't', ''],
  ['select * from main.T as "__kv"', 'read', true, 't', ''],
  ['select a from t where a = ?', 'read', true, 't', ''],
  ['select a from t indexed by t_a where a > :a and a < @b and b <> $c', 'read', true, 't', ''],
  ['select ?5, ?, ?2, :a', 'read', true, '', ''],
  ['select count(*) from t', 'read', true, 't', ''],
  ['select lower(b) from t where lower(b) = ?', 'read', true, 't', ''],
  ['select * from w where k in (?, ?, ?)', 'read', true, 'w', ''],
  ['select a, c, d from g', 'read', true, 'g', ''],
  ['select * from "odd ""name"', 'read', true, 'odd "name', ''],
  ['select * from docs_archive', 'read', true, 'docs_archive', ''],
  ['select * from v', 'read', true, 't u', ''],
  ['select * from t join u on u.t_id = t.id order by t.a desc limit 3 offset 1', 'read', true, 't u', ''],
  ['select * from t full join u on u.t_id = t.id', 'read', true, 't u', ''],
  ['select * from t where a = 1 or b = 2', 'read', true, 't', ''],
  ['select a, count(*) from t group by a having count(*) > 1', 'read', true, 't', ''],
  ['select distinct a from t union select k from w except select 1 intersect select 2', 'read', true, 't w', ''],
  ['select * from (select * from (select a from t))', 'read', true, 't', ''],
  ['select a, sum(b) over (partition by a order by b rows 2 preceding) from t', 'read', true, 't', ''],
  ['select row_number() over w, lag(a) over w from t window w as (order by a)', 'read', true, 't', ''],
  ['with x as (select a from t) select * from x, x as y', 'read', true, 't', ''],
  ['with x as materialized (select a from t) select * from x', 'read', true, 't', ''],
  [
    'with recursive n (i) as (values (1) union all select i + 1 from n where i < 9) select * from n, w',
    'read',
    true,
    'w',
    '',
  ],
  ['select (select max(id) from u), exists (select 1 from w)', 'read', true, 'u w', ''],
  ["select json_extract(a, '$.x'), a ->> 'y', json_group_array(b) from t", 'read', true, 't', ''],
  ['select * from json_each(?)', 'read', true, '', ''],
  ["select t.a, j.value from t, json_tree(t.b, '$.x') as j", 'read', true, 't', ''],
  ["select * from jsonb_each('[1]'), jsonb_tree('[1]')", 'read', true, '', ''],
  ["select highlight(f, 0, '<', '>'), bm25(f) from f where f match ? order by rank", 'read', true, 'f', ''],
  ["select * from f('word')", 'read', true, 'f', ''],
  ["select snippet(f4) from f4 where x match 'a'", 'read', true, 'f4', ''],
  ["select * from docs where docs match 'x'", 'read', true, 'docs', ''],
  ['select * from r where x0 > ?', 'read', true, 'r', ''],
  ['select * from "odd using"', 'read', true, 'odd using', ''],
  [
    'select sqlite_version(), sqlite_compileoption_used(1), random(), changes(), hex(randomblob(4))',
    'read',
    true,
    '',
    '',
  ],
  ["select strftime('%s', 'now'), sqrt(2), printf('%d', 1), coalesce(null, 1), iif(1, 2, 3)", 'read', true, '', ''],
  ['select a collate nocase, cast(a as text), a like ?, a glob ?, a between 1 and 2 from t', 'read', true, 't', ''],
  ['select rowid, * from t where rowid = 1', 'read', true, 't', ''],
  ['explain select * from t', 'read', true, '', ''],
  ['EXPLAIN /* x */ QUERY PLAN select * from t where a = ?', 'read', true, '', ''],
  ['explain delete from t', 'read', true, '', ''],
  ["insert into t (a, b) values (?, ';')", 'write', false, '', 't'],
  ['insert into t default values', 'write', false, '', 't'],
  ['insert into t (a) select v from w', 'write', false, 'u w', 't'],
  ['insert into t (a) values (1) returning id, a', 'write', true, 'u', 't'],
  ['insert into t (a, b) values (1, 2) on conflict (b) do update set a = excluded.a', 'write', false, '', 't'],
  ['insert or ignore into t (b) values (1)', 'write', false, '', 't'],
  ['insert or fail into t (b) values (1)', 'write', false, '', 't'],
  ['insert into ai (a) values (1)', 'write', false, '', 'ai'],
  ['insert into ai (a) select a from t returning *', 'write', true, 't', 'ai'],
  ['replace into ai (id, a) values (7, 1)', 'write', false, '', 'ai'],
  ['insert into w values (1, 2)', 'write', false, '', 'w'],
  ['insert into g (a) values (1)', 'write', false, '', 'g'],
  ['insert into u (t_id) values (?)', 'write', false, 't', 'u'],
  ['insert into logged values (1)', 'write', false, '', 'logged log'],
  ['insert into v (id, u_id) values (1, 2)', 'write', false, '', 'w'],
  ['insert into docs_archive values (1)', 'write', false, '', 'docs_archive'],
  ['with x as (select 1 as n) insert into log select n from x', 'write', false, '', 'log'],
  ['update touched set a = 1 where id = ?', 'write', false, '', 'touched'],
  ['update t set a = a + 1 where id = 1', 'write', false, '', 't'],
  ['update t set a = w.v from w where w.k = t.b returning t.a', 'write', true, 't w', 't'],
  ['update w set v = 1 order by k limit 1', 'write', false, 'w', 'w'],
  ['delete from log', 'write', false, '', 'log'],
  ['delete from w', 'write', false, '', 'w'],
  ['delete from t where id = 1', 'write', false, 't u', 't u'],
  ['delete from log where a in (select a from t) returning *', 'write', true, 'log t', 'log'],
  ['insert into f values (1, 2)', 'write', false, '', 'f'],
  ["insert into f (f) values ('rebuild')", 'write', false, '', 'f'],
  ['update f set x = 1 where rowid = 1', 'write', false, 'f', 'f'],
  ['delete from r where id = 1', 'write', false, 'r', 'r'],
  ['insert into r values (1, 2, 3)', 'write', false, '', 'r'],
  ['insert or rollback into t (b) values (1)', 'write', false, '', 't', 'solo'],
  ['update or rollback t set b = 1', 'write', false, '', 't', 'solo'],
  ['insert or rollback into r values (1, 2, 3)', 'write', false, '', 'r', 'solo'],
  ['insert into rb values (1, 2)', 'write', false, '', 'rb', 'solo'],
  ['insert into raising values (1)', 'write', false, '', 'raising', 'solo'],
  ['explain insert or rollback into t (b) values (1)', 'read', true, '', ''],
]

test('the bundled SQLite is the one that the opcodes were read of', () => {
  // If this fails: see src/query/opcodes.ts, review functions, modules and opcodes, run this file, then move the version.
  expect(db.prepare('select sqlite_version()').pluck().get()).toBe('3.53.2')
})

describe('refused, and nothing has changed', () => {
  test.each(sqlNotAllowed)('%j: %s', (sql, rule) => {
    const before = stateOf(db)
    expect(ruleOf(sql)).toBe(rule)
    expect(stateOf(db)).toEqual(before)
  })

  test('there are enough of them', () => expect(sqlNotAllowed.length).toBeGreaterThan(150))
})

describe('allowed', () => {
  test.each<Allowed>(sqlAllowed)('%s', (sql, kind, returnsRows, reads, writes, solo) => {
    const before = stateOf(db)
    const { loops: _, inflates: __, ...verdict } = inspect(db, sql)
    expect({ ...verdict, reads: sorted(verdict.reads), writes: sorted(verdict.writes) }).toEqual({
      kind,
      returnsRows,
      reads: sorted(tableNames(reads)),
      writes: sorted(tableNames(writes)),
      solo: solo === 'solo',
    })
    expect(stateOf(db)).toEqual(before)
  })

  test('there are enough of them', () => expect(sqlAllowed.length).toBeGreaterThan(60))

  test.each([
    ['select a from t where id = ?', false],
    ['select 1', false],
    ['select 1 union all select 2', false],
    ['select a from t', true],
    ['select a from t where a = ?', true],
    ['select a from t where id in (1, 2)', true],
    ['select count(*) from t where a > 1', true],
    ['values (1), (2)', true],
    ['with recursive c (x) as (select 1 union all select x + 1 from c) select x from c', true],
    ['select value from json_each(?)', true],
  ])('%s: goes through rows: %s', (sql, loops) => {
    expect(inspect(db, sql).loops).toBe(loops)
  })

  test('a pipeline of CTEs, as analysts write them', () => {
    const step = (n: number) => `s${n} as (
      select p.id, case when p.x > ${n} then p.x - 1 when p.y is null then p.y else p.x end as x, coalesce(p.y, q.y) as y
      from s${n - 1} p left join t on t.id = p.id join (select id, max(b) y from t group by id) q on q.id = p.id
      where p.id in (select t_id from u))`
    const steps = [1, 2, 3, 4, 5].map(step).join(', ')
    const sql = `with s0 as (select id, a as x, b as y from t), ${steps} select * from s5 union all select * from s5`
    expect(sorted(inspect(db, sql).reads)).toEqual(['t', 'u'])
  })
})

test('comments, space, case and quotes do not open the gate', () => {
  const space = fc.constantFrom(' ', '\n', '\t\r\n', '\f', '/**/', '/* ; select 1 */', '-- select 1;\n', ' /*/ -- */ ')
  const lead = fc.constantFrom(
    '',
    ';',
    ' ; ;',
    '\ufeff',
    '-- x\n',
    '/* pragma */',
    'explain ',
    'EXPLAIN/**/query\nPLAN ',
  )
  const tail = fc.constantFrom('', ';', ' ; -- x', '/* x', ';;\n')
  const quote = fc.constantFrom('', '"', '`', '[', "'")
  const statement = fc.constantFrom(...mixable)
  const mixed = fc.record({
    statement,
    lead,
    tail,
    quote,
    spaces: fc.array(space, { minLength: 12, maxLength: 12 }),
    upper: fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
  })
  const before = stateOf(db)
  fc.assert(
    fc.property(mixed, ({ statement: [sql, rule], lead, tail, quote, spaces, upper }) => {
      const words = sql.split(' ').map((word) => {
        const cased = [...word].map((c, i) => (upper[i % upper.length] ? c.toUpperCase() : c)).join('')
        return cased.replace(/\{(\w+)\}/, (_, name) => `${quote}${name}${quote === '[' ? ']' : quote}`)
      })
      const text = lead + words.map((word, i) => word + (i + 1 < words.length ? spaces[i % 12] : '')).join('') + tail
      expect([text, ruleOf(text)]).toEqual([text, rule])
    }),
    { numRuns: 3000 },
  )
  expect(stateOf(db)).toEqual(before)
})

/** Words apart by one blank; `{name}` may be quoted. */
const mixable: readonly (readonly [string, string])[] = [
  ['pragma foreign_keys = 0', 'pragma'],
  ['pragma main . user_version = 7', 'pragma'],
  ['pragma case_sensitive_like ( 1 )', 'pragma'],
  ['begin immediate', 'transactionControl'],
  ['rollback to x', 'transactionControl'],
  ['vacuum main', 'vacuum'],
  ["attach ':memory:' as x", 'attach'],
  ['create temp table x ( a )', 'ddl'],
  ['drop table if exists {t}', 'ddl'],
  ['alter table {t} add column c', 'ddl'],
  ['select * from {sqlite_schema} limit 1', 'systemTable'],
  ['select * from main . {sqlite_master}', 'systemTable'],
  ['select 1 where exists ( select 1 from {__kv} as x )', 'systemTable'],
  ['with x as ( select * from {__cinch} ) select * from x', 'systemTable'],
  ['delete from {sqlite_sequence}', 'systemTable'],
  ['insert into {__kv} values ( 1 , 2 )', 'systemTable'],
  ['update {t} set a = ( select 1 from {v_kv} )', 'systemTable'],
  ['insert into {spy} values ( 1 )', 'systemTable'],
  ['select * from {pragma_table_list} as p', 'virtualTable'],
  ['select * from {dbstat} x', 'virtualTable'],
  ['select * from {f_data}', 'shadowTable'],
  ['select load_extension ( 1 )', 'function'],
  ['select sqlite3mc_config ( 1 ) from {t}', 'function'],
]

test('the opcodes alone refuse what the first word refuses, except PRAGMA and REINDEX', () => {
  const told = sqlNotAllowed.filter(
    ([sql, rule]) =>
      ['ddl', 'vacuum', 'transactionControl'].includes(rule) &&
      !/;|explain|if (not )?exists|drop column|reindex/.test(sql),
  )
  expect(told.length).toBeGreaterThan(25)
  for (const [sql, rule] of told) {
    const program = db.prepare<unknown[], Instruction>(`explain ${sql}`).raw().all()
    expect([sql, reachOf(program)]).toEqual([sql, expect.objectContaining({ rule })])
  }
  const attach = reachOf(db.prepare<unknown[], Instruction>("explain attach ':memory:' as x").raw().all())
  expect(attach).toMatchObject({ rule: 'attach' })
})

test('every shadow table that SQLite knows is refused', () => {
  const shadows = db.prepare<[], string>("select name from pragma_table_list where type = 'shadow'").pluck().all()
  expect(shadows.length).toBeGreaterThan(15)
  for (const name of shadows) {
    expect([name, ruleOf(`select * from "${name}"`)]).toEqual([
      name,
      name.startsWith('__') ? 'systemTable' : 'shadowTable',
    ])
  }
})

test('every module and function of the bundled SQLite has been looked at', () => {
  const modules = db.prepare<[], string>('select name from pragma_module_list').pluck().all()
  expect(sorted(modules.filter((name) => !name.startsWith('pragma_')))).toEqual(reviewedModules.split(' '))

  const functions = new Set(db.prepare<[], string>('select name from pragma_function_list').pluck().all())
  expect(sorted([...functions].filter((name) => !isRefusedFunction(name)))).toEqual(
    reviewedFunctions.trim().split(/\s+/),
  )
})

test('virtual tables are known by the connection’s present pointers, after DDL and its rollback too', () => {
  inspect(db, 'select * from f, r')
  db.exec('alter table t add column c; create table later (a); drop table later')
  expect(sorted(inspect(db, 'select * from f, r').reads)).toEqual(['f', 'r'])
  db.exec('begin; create virtual table f2 using fts5 (x)')
  expect(inspect(db, 'select * from f2').reads).toEqual(['f2'])
  db.exec('rollback; create view json_each as select * from pragma_table_info(1)')
  expect(ruleOf('select * from json_each')).toBe('virtualTable')
  expect(ruleOf("select * from pragma_table_info('t')")).toBe('virtualTable')
  expect(inspect(db, "select * from f, json_tree('1')").reads).toEqual(['f'])
  db.exec('alter table f rename to renamed')
  expect(inspect(db, 'delete from renamed').writes).toEqual(['renamed'])
})

describe('a full-text table reads its content only where clients may', () => {
  test.each([
    ["fts5 (id, content = 'v_schema')", 'virtualTable'],
    ["fts5 (id, c = 'V_Schema')", 'virtualTable'],
    ['fts5 (id, content = "v_schema")', 'virtualTable'],
    ['fts5 (id, content=[v_schema])', 'virtualTable'],
    ['fts5 (id, content=v_schema, content_rowid=id)', 'virtualTable'],
    ["fts5 (id, content = 'v_deep')", 'virtualTable'],
    ["fts5 (id, content = 'v_columns')", 'virtualTable'],
    ["fts5 (id, content = 'v_config')", 'virtualTable'],
    ["fts5 (id, content = 'mirror')", 'virtualTable'],
    ["fts5 (id, content = '__kv')", 'virtualTable'],
    ["fts5 (id, content = 'f_data')", 'virtualTable'],
    ["fts5 (id, content = 'pragma_table_list')", 'virtualTable'],
    ["fts5 (id, content = 'a ''view')", 'virtualTable'],
    ['fts4 (id, content="v_schema")', 'virtualTable'],
    ["fts4 (id, content='sqlite_sequence')", 'virtualTable'],
    ["fts5 (id, content = 't')", undefined],
    ["fts5 (id, content = 'v', content_rowid = 'id')", undefined],
    ["fts5 (id, content = '')", undefined],
    ["fts5 (id, content = 'nothing yet')", undefined],
    ["fts5 (id, content = 'm')", undefined],
    ["fts5 (id, tokenize = 'porter ascii', prefix = '2 3')", undefined],
    ['fts4 (id, content="t", tokenize=porter)', undefined],
  ])('%s: %s', (module, rule) => {
    db.exec(`create view "a 'view" as select * from sqlite_schema; create virtual table m using ${module}`)
    expect(ruleOf('select * from m')).toBe(rule)
    expect(ruleOf("insert into m (m) values ('rebuild')")).toBe(rule)
    expect(ruleOf('select * from f')).toBeUndefined()
  })

  test('two that name one another', () => {
    db.exec(
      "create virtual table m using fts5 (x, content = 'n'); create virtual table n using fts5 (x, content = 'm')",
    )
    expect(ruleOf('select * from m')).toBeUndefined()
  })
})

describe('values made out of nothing', () => {
  test.each([
    ['select randomblob(500000000)', 'tooLarge'],
    ['select zeroblob(5e8)', 'tooLarge'],
    ['select zeroblob(9999999999)', 'tooLarge'],
    ['select length(hex(zeroblob(100000000)))', 'tooLarge'],
    ['select zeroblob(40000000), zeroblob(40000001)', 'tooLarge'],
    ['insert into log values (zeroblob(67108865))', 'tooLarge'],
    ['select a from t where b = randomblob(100000000)', 'tooLarge'],
    ['insert into inflating values (1)', 'tooLarge'],
    ['explain select zeroblob(500000000)', 'read'],
    ['select zeroblob(67108864)', 'read'],
    ["select hex(randomblob(16)), 'randomblob(500000000)'", 'read'],
    ['insert into log values (lower(hex(randomblob(16))))', 'write'],
    ["select printf('%d', 500000000), 500000000 from t", 'read'],
    ['select zeroblob(a), 500000000 from t', 'read'],
  ])('%s: %s', (sql, outcome) => {
    db.exec(
      'create table inflating (a); create trigger i after insert on inflating begin insert into log values (zeroblob(1e8)); end',
    )
    expect(outcomeOf(sql)).toBe(outcome)
  })

  test.each([
    ['select hex(randomblob(16)), zeroblob(1000) from t', false],
    ["select upper(a) || 'x', substr(a, 1, 500000000) from t", false],
    ['insert into log values (zeroblob(16))', false],
    ['select randomblob(?)', true],
    ['select zeroblob(a) from t', true],
    ['select zeroblob(16), zeroblob(1000 * 1000 * 500)', true],
    ["select printf('%.2f', a), format('%-10s|%5d', a, b) from t", false],
    ["select printf('%*c', 500000000, 'x')", true],
    ["select printf('%500000000d', 1)", true],
    ['select printf(a, 1) from t', true],
    ['select printf(?, 1)', true],
    ["select replace(a, ' ', '_') from t", false],
    ["select replace(a, '\"', '&quot;') from t where b = ?", false],
    ["select replace(a, 'x', b) from t", true],
    ["select replace(a, 'x', ?) from t", true],
    ["select replace(a, 'x', 'a text of more than a dozen letters') from t", true],
    ['select group_concat(a), string_agg(a, char(10)) from t', true],
    ["select group_concat(a), group_concat(distinct a), group_concat(a, ', '), string_agg(a, '; ') from t", false],
    ['select group_concat(a, ?) from t', true],
    ['select group_concat(a, b) from t', true],
    ["select highlight(f, 0, '<b>', '</b>'), snippet(f, 0, '<b>', '</b>', '…', 10) from f where f match 'x'", false],
    ["select highlight(f, 0, ?, '</b>') from f where f match 'x'", true],
    ["select snippet(f4, '<b>', '</b>', '…') from f4 where x match 'a'", false],
    ["select concat_ws(', ', a, b) from t", false],
    ['select concat_ws(?, a, b) from t', true],
    ['insert into log values (replace(?, ?, ?))', true],
  ])('%s may make more than it is given: %s', (sql, inflates) => {
    expect(inspect(db, sql).inflates).toBe(inflates)
  })
})

test('the schema may change between inspections, and roll back', () => {
  db.exec('begin; create table x (a); create table y (a)')
  expect(inspect(db, 'select * from y').reads).toEqual(['y'])
  db.exec('rollback; create table __x (a); create table y (a)')
  expect(ruleOf('select * from __x')).toBe('systemTable')
  expect(inspect(db, 'select * from y').reads).toEqual(['y'])
})

describe('statements that are large, or become so', () => {
  const many = (n: number, item: (i: number) => string, between = ',') =>
    Array.from({ length: n }, (_, i) => item(i)).join(between)
  const doubling = (n: number, as = 'as') =>
    `with c0 as (select 1 as x), ${many(n, (i) => `c${i + 1} ${as} (select 1 from c${i} p, c${i} q)`)} select 1 from c${n}`
  const substituting = (n: number, where = '') => {
    let sql = 'select a as x from t'
    for (let i = 0; i < n; i++) sql = `select x + x as x from (${sql})${where}`
    return sql
  }
  const compared = (tables: number, n: number) =>
    many(n, (i) => `t${i % tables}.${'ab'[i % 2]} = t${(i * 7 + 1) % tables}.${'ab'[(i % 3) % 2]}`, ' and ')
  const chain = (n: number) =>
    `with c0 as (select a from t), ${many(n, (i) => `c${i + 1} as (select a from c${i} limit 5)`)} select * from c${n}`

  test.each([
    ['a text of 1 MB', `select '${'x'.repeat(1_000_000)}'`, 'read'],
    ['a comment of 1 MB', `select 1 -- ${'x'.repeat(1_000_000)}`, 'read'],
    ['a blob of 1 MB', `select x'${'00'.repeat(500_000)}'`, 'read'],
    ['10,000 rows', `insert into log values ${many(10_000, (i) => `(${i})`)}`, 'write'],
    ['10,000 values in a list', `select * from t where a in (${many(10_000, String)})`, 'read'],
    ['30,000 parameters', `select * from t where a in (${many(30_000, () => '?')})`, 'read'],
    ['10,000 columns', `select ${many(10_000, String)}`, 'sqlError'],
    ['2,000 columns', `select ${many(2_000, String)}`, 'read'],
    ['10,000 terms of a sum', `select ${many(10_000, String, '+')}`, 'tooComplex'],
    ['2,000 terms of a sum', `select ${many(2_000, String, '+')}`, 'sqlError'],
    ['10,000 terms of a union', many(10_000, (i) => `select ${i}`, ' union '), 'sqlError'],
    ['500 terms of a union', many(500, (i) => `select ${i}`, ' union '), 'read'],
    ['100,000 parentheses', `select ${'('.repeat(100_000)}1${')'.repeat(100_000)}`, 'sqlError'],
    ['100 subqueries in one another', `${'select * from ('.repeat(100)}select 1${')'.repeat(100)}`, 'read'],
    [
      '100,000 subqueries in one another',
      `${'select * from ('.repeat(100_000)}select 1${')'.repeat(100_000)}`,
      'tooComplex',
    ],
    ['10 subqueries as values', `select ${'(select '.repeat(10)}1${')'.repeat(10)}`, 'read'],
    ['500 subqueries as values', `select ${'(select '.repeat(500)}1${')'.repeat(500)}`, 'tooComplex'],
    ['deep cases', `select ${'case when 1 then '.repeat(900)}1${' end'.repeat(900)}`, 'sqlError'],
    ['a chain of 100 CTEs', chain(100), 'read'],
    ['a chain of 20,000 CTEs, which overflows the stack', chain(20_000), 'tooComplex'],
    ['20,000 CTEs', `with ${many(20_000, (i) => `c${i} as (select 1)`)} select 1`, 'tooComplex'],
    ['few doubling CTEs', doubling(5), 'read'],
    ['30 doubling CTEs', doubling(30), 'tooComplex'],
    ['30 doubling CTEs, materialized', doubling(30, 'as materialized'), 'tooComplex'],
    ['30 doubling CTEs, quoted', doubling(30).replaceAll(/c(\d+)/g, '"C$1"'), 'tooComplex'],
    ['30 doubling CTEs, as strings', doubling(30).replaceAll(/c(\d+)/g, "'c$1'"), 'tooComplex'],
    ['a few columns doubled by name', substituting(10), 'read'],
    ['40 columns doubled by name', substituting(40), 'tooComplex'],
    ['40 conditions doubled by name', substituting(40, ' where x > 0 or x < 5'), 'tooComplex'],
    [
      'a wide select over a long union',
      `select ${many(1900, (i) => `x + ${i}`)} from (${many(490, (i) => `select a + ${i} as x from t`, ' union all ')})`,
      'tooComplex',
    ],
    ['10,000 numbers with a sign', `insert into log values ${many(10_000, (i) => `(-${i})`)}`, 'write'],
    [
      '10,000 rows of a call and parameters',
      `insert into log values ${many(10_000, () => "(datetime('now', ?))")}`,
      'write',
    ],
    ['2,000 whens', `update t set a = case id ${many(2_000, () => 'when ? then ?', ' ')} end`, 'write'],
    ['20,000 sums', `insert into log values ${many(20_000, (i) => `(${i} + ?)`)}`, 'tooComplex'],
    [
      '20,000 numbers beside a column in a list',
      `select * from t where a in (b, ${many(20_000, String)})`,
      'tooComplex',
    ],
    ['60 tables looked up', `select 1 from t ${many(60, (i) => `left join u u${i} on u${i}.id = t.a`, ' ')}`, 'read'],
    ['60 tables joined by a key', `select 1 from t ${many(60, (i) => `join u u${i} using (id)`, ' ')}`, 'read'],
    ['20 tables joined by many', `select 1 from ${many(20, (i) => `t t${i}`)} where ${compared(20, 200)}`, 'read'],
    [
      '60 tables joined by many',
      `select 1 from ${many(60, (i) => `t t${i}`)} where ${compared(60, 200)}`,
      'tooComplex',
    ],
    [
      '60 tables joined by many, in parentheses',
      `select 1 from (${many(60, (i) => `t t${i}`)}) where ${compared(60, 200)}`,
      'tooComplex',
    ],
    ['60 natural joins', `select 1 from t ${many(60, (i) => `natural join t t${i}`, ' ')}`, 'tooComplex'],
    [
      '60 tables joined by pairs',
      `select 1 from t ${many(60, (i) => `join t t${i} on (t.a, t.b, t.id) = (t${i}.a, t${i}.b, t${i}.id)`, ' ')}`,
      'tooComplex',
    ],
    ['1,000 windows', `select ${many(1000, (i) => `sum(a) over (order by a + ${i})`)} from t`, 'tooComplex'],
    ['nested with of one name', nestedWith(30), 'tooComplex'],
  ])('%s', (_, sql, expected) => {
    const start = performance.now()
    expect(outcomeOf(sql)).toBe(expected)
    // A guard against the minutes that some of them would take.
    expect(performance.now() - start).toBeLessThan(3000)
  })

  test('views that double', () => {
    db.exec('create view v0 as select 1 as x')
    for (let i = 0; i < 30; i++) db.exec(`create view v${i + 1} (x) as select p.x from v${i} p, main.v${i} q`)
    expect(outcomeOf('select * from v3')).toBe('read')
    expect(outcomeOf('select * from v30')).toBe('tooComplex')
    expect(outcomeOf('select 1 from t where a in v30')).toBe('tooComplex')
  })

  test('an ordinary statement has the size of its text', () => {
    expect(grownSize('select a, b from t where a = 1 and b in (select k from w)', new Map())).toBeLessThan(20)
  })

  function nestedWith(n: number): string {
    let sql = 'select 1 as x'
    for (let i = 0; i < n; i++) sql = `with a as (${sql}) select 1 from a p, a q`
    return sql
  }
})

test('random text is answered, never with a crash', () => {
  const word = fc.constantFrom(
    ...'select from where t u w v f r a b ( ) , * with as recursive insert into values update set delete 1 ? :x \' " [ ] -- /* */ ; . = join on union all order by limit over case when then end explain pragma_table_info json_each __kv sqlite_schema'.split(
      ' ',
    ),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 25 }), (words) => {
      const sql = words.join(' ')
      try {
        const verdict = inspect(db, sql)
        for (const table of [...verdict.reads, ...verdict.writes]) expect(table).not.toMatch(/^(sqlite_|__)/)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
      }
    }),
    { numRuns: 3000 },
  )
})

test('a statement that SQLite does not understand is answered with its code', () => {
  expect(refusalOf('selec 1')).toMatchObject({
    kind: 'sqlError',
    data: { reason: 'near "selec": syntax error', sqliteCode: 'SQLITE_ERROR' },
  })
})

function refusalOf(sql: string): Refusal | undefined {
  try {
    inspect(db, sql)
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** The rule it is refused by, `sqlError`, or undefined if it passes. */
function ruleOf(sql: string): unknown {
  const refusal = refusalOf(sql)
  return refusal?.kind === 'sqlRefused' ? refusal.data.rule : refusal?.kind
}

function outcomeOf(sql: string): unknown {
  return ruleOf(sql) ?? inspect(db, sql).kind
}

/** What a statement that took effect would show in. */
function stateOf(db: Database.Database): unknown {
  const pragmas = [
    'user_version',
    'schema_version',
    'foreign_keys',
    'recursive_triggers',
    'writable_schema',
    'journal_mode',
    'trusted_schema',
    'cache_size',
    'defer_foreign_keys',
    'database_list',
  ]
  return {
    pragmas: pragmas.map((name) => db.pragma(name)),
    like: db.prepare("select 'a' like 'A'").pluck().get(),
    schema: db.prepare('select * from sqlite_schema').all(),
    temp: db.prepare('select * from sqlite_temp_schema').all(),
    cipher: db.pragma('cipher'),
    changes: db.prepare('select total_changes()').pluck().get(),
    inTransaction: db.inTransaction,
  }
}

function tableNames(text: string): string[] {
  const withBlank = ['odd "name', 'odd using']
  if (withBlank.includes(text)) return [text]
  return text === '' ? [] : text.split(' ')
}

function sorted(names: readonly string[]): string[] {
  return [...names].sort()
}

const reviewedModules = 'dbstat fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab geopoly rtree rtree_i32'

const reviewedFunctions = `
  -> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce concat concat_ws cos
  cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value
  floor format fts5_get_locale fts5_insttoken fts5_locale fts5_source_id geopoly_area geopoly_bbox geopoly_blob
  geopoly_ccw geopoly_contains_point geopoly_debug geopoly_group_bbox geopoly_json geopoly_overlap geopoly_regular
  geopoly_svg geopoly_within geopoly_xform glob group_concat hex highlight if ifnull iif instr json json_array
  json_array_insert json_array_length json_error_position json_extract json_group_array json_group_object
  json_insert json_object json_patch json_pretty json_quote json_remove json_replace json_set json_type json_valid
  jsonb jsonb_array jsonb_array_insert jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object
  jsonb_patch jsonb_remove jsonb_replace jsonb_set julianday lag last_insert_rowid last_value lead length like
  likelihood likely ln log log10 log2 lower ltrim match matchinfo max median min mod nth_value ntile nullif
  octet_length offsets percent_rank percentile percentile_cont percentile_disc pi pow power printf quote radians
  random randomblob rank replace round row_number rtreedepth rtreenode rtrim sign sin sinh snippet soundex
  sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version sqrt strftime string_agg substr
  substring subtype sum tan tanh time timediff total total_changes trim trunc typeof unhex unicode unistr
  unistr_quote unixepoch unlikely upper zeroblob
`
