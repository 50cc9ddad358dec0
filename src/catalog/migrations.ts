import type Database from 'better-sqlite3'
import { refuse } from '../base/refusal.ts'

/** Marks `metadata.db` as ours (`pragma application_id`): "cnch". */
const applicationId = 0x636e6368

/**
 * The catalog's format, one step a version. A step is never changed once it is out: a new one is added.
 * `pragma user_version` tells how many of them a file has had.
 */
const migrations: readonly string[] = [
  `
  create table project (
    id integer primary key check (id = 1),
    seq integer not null,
    created_at text not null
  ) strict;

  create table change_set (
    id text primary key,
    parent text references change_set (id),
    merged text references change_set (id),
    depth integer not null,
    seq integer not null,
    message text,
    client text,
    created_at text not null,
    changes text not null,
    steps text not null,
    model text,
    same_as text
  ) strict, without rowid;

  create table database (
    id integer primary key,
    name text not null unique,
    description text,
    created_at text not null,
    maintenance text
  ) strict;

  create table branch (
    id integer primary key,
    database_id integer not null references database (id),
    name text not null,
    parent_id integer references branch (id),
    forked_at integer not null,
    last_fork integer not null,
    head text not null references change_set (id),
    read_only integer not null default 0,
    with_data integer not null default 1,
    description text,
    created_at text not null,
    maintenance text,
    unique (database_id, name)
  ) strict;
  create index branch_by_parent on branch (parent_id);

  create table file (
    id integer primary key autoincrement,
    branch_id integer not null references branch (id),
    path text not null unique,
    private_since integer not null,
    change_set text not null references change_set (id),
    fault text,
    cipher text
  ) strict;
  create index file_by_branch on file (branch_id, change_set);

  create table plan (
    id integer primary key,
    kind text not null,
    data text not null
  ) strict;

  create table tenant (
    branch_id integer not null references branch (id),
    name text not null,
    created integer not null,
    deleted integer not null default 0,
    file_id integer references file (id),
    description text,
    created_at text not null,
    primary key (branch_id, name, created)
  ) strict, without rowid;
  create index tenant_by_file on tenant (file_id) where file_id is not null;
  `,
  `
  alter table tenant add column cipher text;
  `,
]

/** Bring the catalog to the format of this version. Refuses one that a newer version wrote. */
export function migrate(db: Database.Database): void {
  const found = db.pragma('user_version', { simple: true }) as number
  const owner = db.pragma('application_id', { simple: true }) as number
  const isEmpty = db.prepare('select count(*) from sqlite_schema').pluck().get() === 0
  if (!isEmpty && owner !== applicationId) refuse('notADatabase', { what: 'metadata.db' })
  if (found > migrations.length) refuse('formatTooNew', { found, supported: migrations.length })
  for (let version = found; version < migrations.length; version++) {
    db.transaction(() => {
      db.exec(migrations[version] ?? '')
      db.pragma(`application_id = ${applicationId}`)
      db.pragma(`user_version = ${version + 1}`)
    })()
  }
}
