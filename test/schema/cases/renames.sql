-- # a table renamed here, a column added there
-- base
create table t (a);
-- ours
alter table t rename to u;
-- theirs
alter table t add column b;
-- merged
create table u (a, b);

-- # a column renamed here, altered there
-- base
create table t (a);
-- ours
alter table t rename column a to b;
-- theirs
create table t (a int not null default 1 check (a > 0));
-- merged
create table t (b int not null default 1 check (b > 0));

-- # one name given on both sides
-- base
create table t (a);
-- ours
alter table t rename to u;
alter table u rename column a to b;
-- theirs
alter table t rename column a to b;
alter table t rename to U;
-- merged
create table u (b);

-- # two names for one table
-- base
create table t (a);
-- ours
alter table t rename to u;
-- theirs
alter table t rename to v;
-- conflicts
-- renameRename table:t/name
-- take ours
create table u (a);
-- take theirs
create table v (a);

-- # two names for one column
-- base
create table t (a);
-- ours
alter table t rename column a to b;
-- theirs
alter table t rename column a to c;
-- conflicts
-- renameRename table:t/column:a/name
-- take ours
create table t (b);
-- take theirs
create table t (c);

-- # two tables renamed to one name
-- base
create table t (a);
create table u (b);
-- ours
alter table t rename to x;
-- theirs
alter table u rename to x;
-- conflicts
-- renameRename name:x
-- take ours
create table x (a);
create table u (b);
-- take theirs
create table t (a);
create table x (b);

-- # two columns renamed to one name
-- base
create table t (a, b);
-- ours
alter table t rename column a to x;
-- theirs
alter table t rename column b to x;
-- conflicts
-- renameRename table:t/name:x
-- take ours
create table t (x, b);
-- take theirs
create table t (a, x);

-- # a table renamed to what the other side made
-- base
create table t (a);
-- ours
alter table t rename to x;
-- theirs
create table x (b);
create index i on x (b);
-- conflicts
-- renameAdd name:x
-- take ours
create table x (a);
-- take theirs
create table t (a);
create table x (b);
create index i on x (b);

-- # a table renamed to the name of a new view
-- base
create table t (a);
-- ours
alter table t rename to x;
-- theirs
create view x as select 1 as one;
-- conflicts
-- renameAdd name:x
-- take ours
create table x (a);
-- take theirs
create table t (a);
create view x as select 1 as one;

-- # a column renamed to what the other side added
-- base
create table t (a);
-- ours
alter table t rename column a to x;
-- theirs
alter table t add column x int;
create index i on t (x);
-- conflicts
-- renameAdd table:t/name:x
-- take ours
create table t (x);
-- take theirs
create table t (a, x int);
create index i on t (x);

-- # tables that change places, with edits of both
-- base
create table t (a);
create table u (b);
-- ours
alter table t rename to tmp;
alter table u rename to t;
alter table tmp rename to u;
-- theirs
alter table t add column c;
create index i on u (b);
-- merged
create table u (a, c);
create table t (b);
create index i on t (b);

-- # columns that change places, with an index on one
-- base
create table t (a, b);
-- ours
alter table t rename column a to tmp;
alter table t rename column b to a;
alter table t rename column tmp to b;
-- theirs
create index i on t (a);
-- merged
create table t (b, a);
create index i on t (b);

-- # a rename in case alone
-- base
create table t (a);
-- ours
alter table t rename column a to "A";
-- theirs
create index i on t (a);
-- merged
create table t ("A");
create index i on t ("A");

-- # a name that the other side gave up
-- base
create table t (a);
create table u (b);
-- ours
drop table u;
alter table t rename to u;
-- theirs
alter table t add column c;
-- merged
create table u (a, c);

-- # a column takes the name of one that was dropped
-- base
create table t (a, b);
-- ours
alter table t drop column b;
alter table t rename column a to b;
-- theirs
create index i on t (a);
-- merged
create table t (b);
create index i on t (b);

-- # a column takes the name of one that was dropped and is used
-- base
create table t (a, b);
-- ours
alter table t drop column b;
alter table t rename column a to b;
-- theirs
create index i on t (b);
-- conflicts
-- dropUse table:t/column:b
-- take ours
create table t (b);

-- # a table takes the name of one that was dropped and that a new view reads
-- base
create table t (a);
create table u (a);
-- ours
drop table u;
alter table t rename to u;
-- theirs
create view v as select a from u;
-- conflicts
-- dropUse table:u
-- take ours
create table u (a);

-- # an index on a column that was renamed
-- base
create table t (a, b);
-- ours
alter table t rename column a to x;
-- theirs
create unique index i on t (a, lower(a)) where a is not null;
-- merged
create table t (x, b);
create unique index i on t (x, lower(x)) where x is not null;

-- # checks, keys and generated columns over a column that was renamed
-- base
create table t (a, b);
-- ours
alter table t rename column a to x;
-- theirs
create table t (a, b, c as (a || b), primary key (a, b), unique (b, a), check (a <> b));
-- merged
create table t (x, b, c as (x || b), primary key (x, b), unique (b, x), check (x <> b));

-- # foreign keys to a table and a column that were renamed
-- base
create table p (x primary key);
create table t (a);
-- ours
alter table p rename to q;
alter table q rename column x to y;
-- theirs
create table t (a references p (x));
create table u (b references p);
-- merged
create table q (y primary key);
create table t (a references q (y));
create table u (b references q);

-- # a view of a table that was renamed
-- base
create table t (a);
-- ours
alter table t rename to u;
-- theirs
create view v as select t.a from t;
-- merged
create table u (a);
create view v as select u.a from u;

-- # a view that was changed reads a column that was renamed
-- base
create table t (a, b);
create view v as select a from t;
-- ours
alter table t rename column a to x;
-- theirs
create view v as select a, b from t where a > 0;
-- merged
create table t (x, b);
create view v as select x, b from t where x > 0;

-- # a trigger of a table that was renamed
-- base
create table t (a);
create table log (a);
-- ours
alter table t rename to u;
alter table log rename to history;
-- theirs
create trigger g after update of a on t begin insert into log select new.a from t; end;
-- merged
create table u (a);
create table history (a);
create trigger g after update of a on u begin insert into history select new.a from u; end;

-- # a trigger left alone, over renames of both sides
-- base
create table t (a);
create table u (b);
create trigger g after insert on t begin update u set b = new.a; end;
-- ours
alter table t rename to t2;
alter table u rename column b to b2;
-- theirs
alter table u rename to u2;
alter table t rename column a to a2;
-- merged
create table t2 (a2);
create table u2 (b2);
create trigger g after insert on t2 begin update u2 set b2 = new.a2; end;

-- # a view on a view whose column takes its name from a table
-- base
create table t (a);
create view v as select * from t;
create view w as select a from v;
-- ours
drop view w;
alter table t rename column a to b;
create view w as select b from v;
-- theirs
alter table t add column c;
-- merged
create table t (b, c);
create view v as select * from t;
create view w as select b from v;

-- # a rename against a view of the other side that needs the old name
-- base
create table t (a);
create view v as select * from t;
-- ours
alter table t rename column a to b;
-- theirs
create view w as select a from v;
-- conflicts
-- broken view:w
-- take ours
create table t (b);
create view v as select * from t;
