-- # tables of two sides join
-- base
create table t (a);
-- ours
create table u (a);
-- theirs
create table v (a);
-- merged
create table t (a);
create table u (a);
create table v (a);

-- # one table made on both sides is one, whatever its columns' order
-- base
-- ours
create table t (a primary key, b text, unique (b, a));
-- theirs
create table T (b TEXT, "a" primary key, unique (b, a));
-- merged
create table t (a primary key, b text, unique (b, a));

-- # a table of one name, defined in two ways
-- base
-- ours
create table t (a);
-- theirs
create table t (a, b);
create index i on t (b);
-- conflicts
-- addAdd table:t
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create index i on t (b);

-- # a table made by both, and an index of each
-- base
-- ours
create table t (a);
create index i on t (a);
-- theirs
create table t (a);
create index j on t (a desc);
-- merged
create table t (a);
create index i on t (a);
create index j on t (a desc);

-- # a foreign key to a table that both made
-- base
create table t (a);
-- ours
create table p (x primary key);
-- theirs
create table p (x primary key);
create table t (a references p);
-- merged
create table p (x primary key);
create table t (a references p);

-- # a table dropped here and left alone there
-- base
create table t (a);
create table u (a);
create index i on t (a);
-- ours
drop table t;
-- theirs
alter table u add column b;
-- merged
create table u (a, b);

-- # a table dropped on both sides, with an index taken away before on one
-- base
create table t (a);
create index i on t (a);
-- ours
drop table t;
-- theirs
drop index i;
drop table t;
-- merged

-- # a table dropped here, and an index of it there
-- base
create table t (a);
create index i on t (a);
-- ours
drop table t;
-- theirs
drop index i;
-- merged

-- # a table made anew here and left alone there
-- base
create table t (a);
-- ours
drop table t;
create table t (b);
-- theirs
create table u (a);
-- merged
create table t (b);
create table u (a);

-- # STRICT here, WITHOUT ROWID there
-- base
create table t (a text primary key, b text);
-- ours
create table t (a text primary key, b text) strict;
-- theirs
create table t (a text primary key, b text) without rowid;
-- merged
create table t (a text primary key, b text) strict, without rowid;

-- # STRICT here, a column of a type that STRICT tables do not have there
-- base
create table t (a text);
-- ours
create table t (a text) strict;
-- theirs
alter table t add column b varchar;
-- conflicts
-- replay schema

-- # two primary keys
-- base
create table t (a, b);
-- ours
create table t (a primary key, b);
-- theirs
create table t (a, b primary key);
-- conflicts
-- modifyModify table:t/primaryKey
-- take ours
create table t (a primary key, b);
-- take theirs
create table t (a, b primary key);

-- # one primary key, and a column beside it
-- base
create table t (a, b);
-- ours
create table t (a, b, primary key (a, b));
-- theirs
create table t (a, b, c, primary key ("a", "b"));
-- merged
create table t (a, b, c, primary key (a, b));

-- # AUTOINCREMENT on one side, a default on the other
-- base
create table t (a integer primary key, b);
-- ours
create table t (a integer primary key autoincrement, b);
-- theirs
create table t (a integer primary key, b default 1);
-- merged
create table t (a integer primary key autoincrement, b default 1);

-- # uniques, checks and foreign keys of a table are sets
-- base
create table p (x, y, unique (x, y));
create table t (a, b, c, unique (a, b), check (a > b));
-- ours
create table t (a, b, c, unique (a, b), unique (b, c), check (a > b), check (b > c));
-- theirs
create table t (a, b, c, check (a > b), check (a > c), foreign key (a, b) references p (x, y));
-- merged
create table p (x, y, unique (x, y));
create table t (a, b, c, unique (b, c), check (a > b), check (b > c), check (a > c), foreign key (a, b) references p (x, y));

-- # one check of a table, taken away here and replaced there
-- base
create table t (a, b, check (a > b));
-- ours
create table t (a, b);
-- theirs
create table t (a, b, check (a >= b));
-- merged
create table t (a, b, check (a >= b));

-- # a named check, changed in two ways
-- base
create table t (a, b, constraint c check (a > b));
-- ours
create table t (a, b, constraint c check (a > b + 1));
-- theirs
create table t (a, b, constraint c check (a > b + 2));
-- conflicts
-- modifyModify table:t/check:c
-- take ours
create table t (a, b, constraint c check (a > b + 1));
-- take theirs
create table t (a, b, constraint c check (a > b + 2));

-- # a key over two columns with two conflict clauses
-- base
create table t (a, b);
-- ours
create table t (a, b, unique (a, b));
-- theirs
create table t (a, b, unique (a, b) on conflict replace);
-- conflicts
-- modifyModify table:t/unique:a,b
-- take ours
create table t (a, b, unique (a, b));
-- take theirs
create table t (a, b, unique (a, b) on conflict replace);

-- # a foreign key over two columns to two tables
-- base
create table p (x, y, unique (x, y));
create table t (a, b);
-- ours
create table t (a, b, foreign key (a, b) references p (x, y));
-- theirs
create table t (a, b, foreign key (a, b) references p (x, y) on delete cascade);
-- conflicts
-- modifyModify table:t/foreignKey:a,b
-- take ours
create table p (x, y, unique (x, y));
create table t (a, b, foreign key (a, b) references p (x, y));
-- take theirs
create table p (x, y, unique (x, y));
create table t (a, b, foreign key (a, b) references p (x, y) on delete cascade);

-- # a table and a view of one name
-- base
-- ours
create table x (a);
-- theirs
create view x as select 1 as a;
-- conflicts
-- addAdd name:x
-- take ours
create table x (a);
-- take theirs
create view x as select 1 as a;

-- # a table and an index of one name
-- base
create table t (a);
-- ours
create table x (a);
-- theirs
create index x on t (a);
-- conflicts
-- addAdd name:x
-- take ours
create table t (a);
create table x (a);
-- take theirs
create table t (a);
create index x on t (a);

-- # nothing changed
-- base
create table t (a);
-- ours
-- theirs
-- merged
create table t (a);

-- # only one side changed
-- base
create table t (a);
create view v as select a from t;
-- ours
-- theirs
alter table t rename to u;
alter table u rename column a to b;
create table t (x);
-- merged
create table u (b);
create view v as select b from u;
create table t (x);

-- # virtual tables join
-- base
create virtual table f using fts5 (a);
-- ours
create virtual table g using fts5 (a);
-- theirs
create virtual table h using rtree (id, x0, x1);
-- merged
create virtual table f using fts5 (a);
create virtual table g using fts5 (a);
create virtual table h using rtree (id, x0, x1);

-- # a virtual table of one name, defined in two ways
-- base
-- ours
create virtual table f using fts5 (a);
-- theirs
create virtual table f using fts5 (a, b);
-- conflicts
-- addAdd virtualTable:f
-- take ours
create virtual table f using fts5 (a);
-- take theirs
create virtual table f using fts5 (a, b);

-- # a virtual table made on both sides is one
-- base
-- ours
create virtual table f using fts5 (a);
-- theirs
create virtual table f using fts5 ( a );
-- merged
create virtual table f using fts5 (a);

-- # a virtual table dropped here, made anew there
-- base
create virtual table f using fts5 (a);
-- ours
drop table f;
-- theirs
drop table f;
create virtual table f using fts5 (b);
-- conflicts
-- dropModify virtualTable:f
-- take ours
-- take theirs
create virtual table f using fts5 (b);
