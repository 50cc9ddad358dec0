-- # columns of two sides join, the target's first
-- base
create table t (a);
-- ours
alter table t add column p;
-- theirs
alter table t add column q;
-- merged
create table t (a, p, q);

-- # the same column on both sides is one
-- base
create table t (a);
-- ours
alter table t add column p text default 'x';
-- theirs
alter table t add column "P" TEXT DEFAULT 'x' /* the same */;
-- merged
create table t (a, p text default 'x');

-- # a column of one name, defined in two ways
-- base
create table t (a);
-- ours
alter table t add column p text;
-- theirs
alter table t add column p int;
-- conflicts
-- addAdd table:t/column:p
-- take ours
create table t (a, p text);
-- take theirs
create table t (a, p int);

-- # a new column with another constraint is another column
-- base
create table t (a);
-- ours
alter table t add column p check (p > 0);
-- theirs
alter table t add column p check (p > 1);
-- conflicts
-- addAdd table:t/column:p
-- take ours
create table t (a, p check (p > 0));
-- take theirs
create table t (a, p check (p > 1));

-- # a default here, nullability there
-- base
create table t (a int);
-- ours
create table t (a int default 1);
-- theirs
create table t (a int not null);
-- merged
create table t (a int not null default 1);

-- # the same attribute, changed to two values
-- base
create table t (a int default 1);
-- ours
create table t (a int default 2);
-- theirs
create table t (a int default 3);
-- conflicts
-- modifyModify table:t/column:a/default
-- take ours
create table t (a int default 2);
-- take theirs
create table t (a int default 3);

-- # the same attribute, changed to one value
-- base
create table t (a int default 1);
-- ours
create table t (a int default (2));
-- theirs
create table t (a INT default ( 2 ), b);
-- merged
create table t (a int default (2), b);

-- # a default changed here and taken away there
-- base
create table t (a int default 1);
-- ours
create table t (a int default 2);
-- theirs
create table t (a int);
-- conflicts
-- modifyModify table:t/column:a/default
-- take ours
create table t (a int default 2);
-- take theirs
create table t (a int);

-- # two types
-- base
create table t (a);
-- ours
create table t (a text);
-- theirs
create table t (a int);
-- conflicts
-- modifyModify table:t/column:a/type
-- take ours
create table t (a text);
-- take theirs
create table t (a int);

-- # type, collation, check, key and reference of one column join
-- base
create table p (x primary key);
create table t (a);
-- ours
create table t (a text collate nocase check (a <> ''));
-- theirs
create table t (a unique references p);
-- merged
create table p (x primary key);
create table t (a text collate nocase unique check (a <> '') references p);

-- # two collations and two ways of NOT NULL
-- base
create table t (a, b);
-- ours
create table t (a collate nocase, b not null);
-- theirs
create table t (a collate rtrim, b not null on conflict ignore);
-- conflicts
-- modifyModify table:t/column:a/collate
-- modifyModify table:t/column:b/nullable
-- take ours
create table t (a collate nocase, b not null);
-- take theirs
create table t (a collate rtrim, b not null on conflict ignore);

-- # two checks at one column
-- base
create table t (a check (a > 0));
-- ours
create table t (a check (a > 1));
-- theirs
create table t (a check (a > 2));
-- conflicts
-- modifyModify table:t/column:a/check
-- take ours
create table t (a check (a > 1));
-- take theirs
create table t (a check (a > 2));

-- # a reference to two tables, and one key with two conflict clauses
-- base
create table p (x primary key);
create table q (x primary key);
create table t (a, b);
-- ours
create table t (a references p, b unique);
-- theirs
create table t (a references q, b unique on conflict ignore);
-- conflicts
-- modifyModify table:t/column:a/references
-- modifyModify table:t/column:b/unique
-- take ours
create table p (x primary key);
create table q (x primary key);
create table t (a references p, b unique);
-- take theirs
create table p (x primary key);
create table q (x primary key);
create table t (a references q, b unique on conflict ignore);

-- # a generated column with two expressions
-- base
create table t (a, b as (a + 1));
-- ours
create table t (a, b as (a + 2));
-- theirs
create table t (a, b as (a + 1) stored);
-- conflicts
-- modifyModify table:t/column:b/generated
-- take ours
create table t (a, b as (a + 2));
-- take theirs
create table t (a, b as (a + 1) stored);

-- # the sides make something of a column that it cannot be at once
-- base
create table t (a, b);
-- ours
create table t (a, b as (a));
-- theirs
create table t (a, b default 1);
-- conflicts
-- replay schema

-- # a column dropped here and left alone there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
alter table t add column c;
-- merged
create table t (a, c);

-- # a column dropped on both sides
-- base
create table t (a, b);
-- ours
alter table t drop column b;
-- theirs
alter table t drop column b;
create index i on t (a);
-- merged
create table t (a);
create index i on t (a);

-- # two columns of one name are made anew on both sides
-- base
create table t (a, b);
-- ours
alter table t drop column b;
alter table t add column b int;
-- theirs
alter table t drop column b;
alter table t add column b int;
-- merged
create table t (a, b int);

-- # a column made anew here, edited there
-- base
create table t (a, b);
-- ours
alter table t drop column b;
alter table t add column b int;
-- theirs
create table t (a, b default 1);
-- conflicts
-- dropModify table:t/column:b
-- take ours
create table t (a, b int);
