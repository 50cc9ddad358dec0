-- # a table dropped here, a column added there
-- base
create table t (a);
create index i on t (a);
-- ours
drop table t;
-- theirs
alter table t add column b;
-- conflicts
-- dropModify table:t
-- take ours
-- take theirs
create table t (a, b);
create index i on t (a);

-- # a table dropped here, renamed there
-- base
create table t (a);
-- ours
drop table t;
-- theirs
alter table t rename to u;
-- conflicts
-- dropModify table:t
-- take ours
-- take theirs
create table u (a);

-- # a table dropped here, a column of it dropped there
-- base
create table t (a, b);
-- ours
drop table t;
-- theirs
alter table t drop column b;
-- conflicts
-- dropModify table:t
-- take ours
-- take theirs
create table t (a);

-- # a table dropped here, indexed there
-- base
create table t (a);
-- ours
drop table t;
-- theirs
create index i on t (a);
-- conflicts
-- dropModify table:t
-- take ours
-- take theirs
create table t (a);
create index i on t (a);

-- # a table dropped here, a trigger on it changed there
-- base
create table t (a);
create trigger g after insert on t begin select 1; end;
-- ours
drop table t;
-- theirs
create trigger g after insert on t begin select 2; end;
-- conflicts
-- dropModify table:t
-- take ours
-- take theirs
create table t (a);
create trigger g after insert on t begin select 2; end;

-- # a table dropped here, a view of it made there
-- base
create table t (a);
-- ours
drop table t;
-- theirs
create view v as select a from t;
-- conflicts
-- dropUse table:t
-- take ours
-- take theirs
create table t (a);
create view v as select a from t;

-- # a table dropped here with its view, the view changed there
-- base
create table t (a);
create view v as select a from t;
-- ours
drop view v;
drop table t;
-- theirs
create view v as select a + 1 as a from t;
-- conflicts
-- dropModify view:v
-- dropUse table:t
-- take ours
-- take theirs
create table t (a);
create view v as select a + 1 as a from t;

-- # a table dropped here, written by a new trigger there
-- base
create table t (a);
create table u (a);
-- ours
drop table t;
-- theirs
create trigger g after insert on u begin insert into t values (new.a); end;
-- conflicts
-- dropUse table:t
-- take ours
create table u (a);
-- take theirs
create table t (a);
create table u (a);
create trigger g after insert on u begin insert into t values (new.a); end;

-- # a table dropped here, referred to there
-- base
create table t (a primary key);
create table u (a);
-- ours
drop table t;
-- theirs
create table u (a references t);
-- conflicts
-- dropUse table:t
-- take ours
create table u (a);
-- take theirs
create table t (a primary key);
create table u (a references t);

-- # a table dropped here, referred to by a new table there
-- base
create table t (a primary key);
-- ours
drop table t;
-- theirs
create table u (a references t, b);
-- conflicts
-- dropUse table:t
-- take ours
create table u (a, b);
-- take theirs
create table t (a primary key);
create table u (a references t, b);

-- # a table dropped here with the key to it, edited there
-- base
create table t (a primary key);
create table u (a references t);
-- ours
create table u (a);
drop table t;
-- theirs
alter table t add column b;
-- conflicts
-- dropModify table:t
-- take ours
create table u (a);
-- take theirs
create table t (a primary key, b);
create table u (a references t);

-- # a column dropped here, altered there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create table t (a, b default 1);
-- conflicts
-- dropModify table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b default 1);

-- # a column dropped here, renamed there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
alter table t rename column b to c;
-- conflicts
-- dropModify table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, c);

-- # a column dropped here, made unique and checked there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create table t (a, b unique check (b > 0));
-- conflicts
-- dropModify table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b unique check (b > 0));

-- # a column dropped here, indexed there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create index i on t (a, lower(b));
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create index i on t (a, lower(b));

-- # a column dropped here with its index, the index changed there
-- base
create table t (a, b);
create index i on t (b);
-- ours
drop index i;
alter table t drop column b;
-- theirs
create index i on t (b desc);
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create index i on t (b desc);

-- # a column dropped here, in a partial index there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create index i on t (a) where b > 0;
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create index i on t (a) where b > 0;

-- # a column dropped here, in a key, a check and a generated column there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create table t (a, b, c as (b + 1), unique (a, b), check (a > b));
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b, c as (b + 1), unique (a, b), check (a > b));

-- # a column dropped here, in the primary key there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create table t (a, b, primary key (a, b));
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b, primary key (a, b));

-- # a column dropped here, referred to there
-- base
create table p (x unique, y unique);
create table t (a);
-- ours
create table p (y unique);
-- theirs
create table t (a references p (x));
-- conflicts
-- dropUse table:p/column:x
-- take ours
create table p (y unique);
create table t (a);
-- take theirs
create table p (x unique, y unique);
create table t (a references p (x));

-- # a foreign key added at a column that was dropped
-- base
create table p (x primary key);
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create table t (a, b references p);
-- conflicts
-- dropModify table:t/column:b
-- take ours
create table p (x primary key);
create table t (a);
-- take theirs
create table p (x primary key);
create table t (a, b references p);

-- # a column dropped here, read by a new view there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create view v as select b from t;
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create view v as select b from t;

-- # a column dropped here; a view that takes what columns there are
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create view v as select * from t;
-- merged
create table t (a);
create view v as select * from t;

-- # a column dropped here, another one of its name read there
-- base
create table t (a, b);
create table u (b);
-- ours
alter table t drop column b;
-- theirs
create view v as select u.b from t, u;
-- merged
create table t (a);
create table u (b);
create view v as select u.b from t, u;

-- # a column dropped here, watched by a trigger there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
create trigger g after update of b on t begin select 1; end;
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
-- take theirs
create table t (a, b);
create trigger g after update of b on t begin select 1; end;

-- # a column dropped here, written by a trigger there
-- base
create table t (a, b);
create table u (a);
-- ours
alter table t drop column b;
-- theirs
create trigger g after insert on u begin update t set b = new.a; end;
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (a);
create table u (a);
-- take theirs
create table t (a, b);
create table u (a);
create trigger g after insert on u begin update t set b = new.a; end;

-- # a key dropped here, referred to there
-- base
create table p (x unique);
create table t (a);
-- ours
create table p (x);
-- theirs
create table t (a references p (x));
-- conflicts
-- broken table:t/column:a/references
-- take ours
create table p (x);
create table t (a);

-- # a view dropped here, read by a new view there
-- base
create table t (a);
create view v as select a from t;
-- ours
drop view v;
-- theirs
create view w as select a from v;
-- conflicts
-- dropUse view:v
-- take ours
create table t (a);
-- take theirs
create table t (a);
create view v as select a from t;
create view w as select a from v;

-- # a virtual table dropped here, read by a new view there
-- base
create virtual table f using fts5 (a);
-- ours
drop table f;
-- theirs
create view v as select a from f;
-- conflicts
-- dropUse virtualTable:f
-- take ours
-- take theirs
create virtual table f using fts5 (a);
create view v as select a from f;

-- # a table dropped here, a column of it there, beside a trigger that only seems to mention it
-- base
create table "v v" (a text);
create table u ("end" text);
-- ours
alter table "v v" rename to t;
alter table u rename to "v v";
create table "v v" (b integer references t (a));
create table t (a integer primary key);
-- theirs
drop table u;
alter table "v v" rename to "order";
create table "v v" (a integer primary key);
create table "order" (a text references "v v" (a) on delete cascade, c varchar, primary key (a, c));
create trigger g after update of a on "v v" begin update "v v" set a = a where 0; end;
-- conflicts
-- renameRename table:v v/name
-- dropModify table:u
-- modifyModify table:v v/primaryKey
