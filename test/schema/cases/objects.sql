-- # indexes join
-- base
create table t (a);
create index i on t (a);
-- ours
create index j on t (a desc);
-- theirs
drop index i;
create index k on t (a collate nocase);
-- merged
create table t (a);
create index j on t (a desc);
create index k on t (a collate nocase);

-- # an index made on both sides is one
-- base
create table t (a);
-- ours
create index i on t (a) where a > 0;
-- theirs
create index I on "t" ("a" asc) where "a">0;
-- merged
create table t (a);
create index i on t (a) where a > 0;

-- # an index of one name, defined in two ways
-- base
create table t (a, b);
-- ours
create index i on t (a);
-- theirs
create unique index i on t (a);
-- conflicts
-- addAdd index:i
-- take ours
create table t (a, b);
create index i on t (a);
-- take theirs
create table t (a, b);
create unique index i on t (a);

-- # an index changed in two ways
-- base
create table t (a, b);
create index i on t (a);
-- ours
create index i on t (b);
-- theirs
create index i on t (a, b);
-- conflicts
-- modifyModify index:i
-- take ours
create table t (a, b);
create index i on t (b);
-- take theirs
create table t (a, b);
create index i on t (a, b);

-- # an index dropped here, changed there
-- base
create table t (a, b);
create index i on t (a);
-- ours
drop index i;
-- theirs
create index i on t (b);
-- conflicts
-- dropModify index:i
-- take ours
create table t (a, b);
-- take theirs
create table t (a, b);
create index i on t (b);

-- # views join
-- base
create table t (a);
create view v as select a from t;
-- ours
create view v as select a, 1 as one from t;
create view w as select 1;
-- theirs
create view x as select a from v;
-- merged
create table t (a);
create view v as select a, 1 as one from t;
create view w as select 1;
create view x as select a from v;

-- # a view changed on both sides in one way
-- base
create view v as select 1 as a;
-- ours
create view v as select 2 as a;
-- theirs
create view v as SELECT 2 AS "a" -- two
;
-- merged
create view v as select 2 as a;

-- # a view of one name, defined in two ways
-- base
-- ours
create view v as select 1 as a;
-- theirs
create view v as select 2 as a;
-- conflicts
-- addAdd view:v
-- take ours
create view v as select 1 as a;
-- take theirs
create view v as select 2 as a;

-- # a view changed in two ways
-- base
create view v as select 1 as a;
-- ours
create view v as select 2 as a;
-- theirs
create view v (a) as select 1;
-- conflicts
-- modifyModify view:v
-- take ours
create view v as select 2 as a;
-- take theirs
create view v (a) as select 1;

-- # a view dropped here, changed there
-- base
create view v as select 1 as a;
-- ours
drop view v;
-- theirs
create view v as select 2 as a;
-- conflicts
-- dropModify view:v
-- take ours
-- take theirs
create view v as select 2 as a;

-- # a view loses a column here that a new view reads there
-- base
create view v as select 1 as a, 2 as b;
-- ours
create view v as select 1 as a;
-- theirs
create view w as select b from v;
-- conflicts
-- broken view:w
-- take ours
create view v as select 1 as a;

-- # triggers join
-- base
create table t (a);
create trigger g after insert on t begin select 1; end;
-- ours
create trigger h after delete on t begin select 1; end;
-- theirs
drop trigger g;
create trigger k before insert on t begin select 1; end;
-- merged
create table t (a);
create trigger h after delete on t begin select 1; end;
create trigger k before insert on t begin select 1; end;

-- # a trigger made on both sides is one
-- base
create table t (a);
-- ours
create trigger g after insert on t begin select 1; end;
-- theirs
CREATE TRIGGER "g" AFTER INSERT ON "t" BEGIN SELECT 1; END;
-- merged
create table t (a);
create trigger g after insert on t begin select 1; end;

-- # a trigger of one name, defined in two ways
-- base
create table t (a);
-- ours
create trigger g after insert on t begin select 1; end;
-- theirs
create trigger g after delete on t begin select 1; end;
-- conflicts
-- addAdd trigger:g
-- take ours
create table t (a);
create trigger g after insert on t begin select 1; end;
-- take theirs
create table t (a);
create trigger g after delete on t begin select 1; end;

-- # a trigger changed in two ways
-- base
create table t (a);
create trigger g after insert on t begin select 1; end;
-- ours
create trigger g after insert on t begin select 2; end;
-- theirs
create trigger g after insert on t begin select 3; end;
-- conflicts
-- modifyModify trigger:g
-- take ours
create table t (a);
create trigger g after insert on t begin select 2; end;
-- take theirs
create table t (a);
create trigger g after insert on t begin select 3; end;

-- # a trigger dropped here, changed there
-- base
create table t (a);
create trigger g after insert on t begin select 1; end;
-- ours
drop trigger g;
-- theirs
create trigger g after insert on t begin select 3; end;
-- conflicts
-- dropModify trigger:g
-- take ours
create table t (a);
-- take theirs
create table t (a);
create trigger g after insert on t begin select 3; end;

-- # a trigger on a view that was dropped
-- base
create table t (a);
create view v as select a from t;
-- ours
drop view v;
-- theirs
create trigger g instead of insert on v begin insert into t values (new.a); end;
-- conflicts
-- dropModify view:v
-- take ours
create table t (a);
-- take theirs
create table t (a);
create view v as select a from t;
create trigger g instead of insert on v begin insert into t values (new.a); end;

-- # a view is changed here, the trigger on it stays
-- base
create table t (a, b);
create view v as select a from t;
create trigger g instead of insert on v begin insert into t (a) values (new.a); end;
-- ours
create view v as select a, b from t;
create trigger g instead of insert on v begin insert into t (a) values (new.a); end;
-- theirs
alter table t rename to u;
-- merged
create table u (a, b);
create view v as select a, b from u;
create trigger g instead of insert on v begin insert into u (a) values (new.a); end;

-- # several conflicts are told at once
-- base
create table t (a, b, c);
create view v as select 1 as a;
-- ours
create table t (a default 1, c);
create view v as select 2 as a;
alter table t rename to u;
-- theirs
create table t (a default 2, b text, c);
create view v as select 3 as a;
alter table t rename to w;
-- conflicts
-- renameRename table:t/name
-- modifyModify table:t/column:a/default
-- dropModify table:t/column:b
-- modifyModify view:v
-- take ours
create table u (a default 1, c);
create view v as select 2 as a;
-- take theirs
create table w (a default 2, b text, c);
create view v as select 3 as a;
