import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder } from '../support/project.ts'

/** A real database; null where it is not there. */
const chinook = ((file) => (fs.existsSync(file) ? file : null))(path.resolve('../shared/data/chinook/chinook.sqlite'))

/** What makes generators of code stumble: words of languages, names that clash, no key or a key of two, every kind of column. */
const nasty = `
  create table "class" (
    "id" integer primary key,
    "type" text not null,
    "select" integer default 7,
    "func" real,
    "match" blob,
    "self" boolean not null default 0,
    "impl" numeric,
    "None" text,
    "new" any
  );
  create table "order line" ("order" integer not null, "line" integer not null, "note" text, primary key ("order", "line"));
  create table "OrderLine" ("orderLine" text, "order_line" text, "order-line" integer);
  create table "2nd" ("1st" integer primary key, "größe" real not null, "漢字" text, "class" integer references "class" ("id"));
  create table "list" ("get" text primary key, "insert" text, "count" integer, "hash" text, "cinch" text, "string" text) without rowid;
  create table "strict types" ("i" integer not null, "r" real not null, "t" text not null, "b" blob not null, "a" any) strict;
  create table "computed" ("a" integer, "b" integer as ("a" * 2) stored, "c" text as ('x' || "a"));
  create table "defaults" (
    "id" text primary key not null,
    "at" text not null default current_timestamp,
    "price" real not null default 1.5,
    "label" text not null default 'it''s */ """ \\',
    "flag" boolean not null default true
  );
  create view "class view" as select "id", "type" as "Type", count(*) as "count(*)", "func" from "class" group by "id";
  insert into "class" ("id", "type") values (1, 'first');
  insert into "2nd" values (1, 1.5, 'x', 1);
`

/** Make the branch’s schema what makes generators stumble, in the tenant `main`. */
export async function makeNasty(client: RawClient): Promise<void> {
  const file = path.join(temporaryFolder(), 'nasty.db')
  const db = new Database(file)
  db.exec(nasty)
  db.close()
  await client.call('tenant.import', { name: 'main', path: file })
}

/** Compare generated files with those under `golden/LANGUAGE/NAME`; `vitest --update` writes them. */
export async function expectGolden(client: RawClient, language: string, name: string, options: object = {}) {
  const { files } = await client.call('codegen.generate', { language, options })
  for (const { path: file, text } of files) {
    await expect(text).toMatchFileSnapshot(path.resolve('test/codegen/golden', language, name, file))
  }
  const again = await client.call('codegen.generate', { language, options })
  expect(again.files).toEqual(files)
}

/**
 * What every generator promises: its code for these schemas is as it was, with these options. A name begins with that of its
 * schema: `nasty` or `chinook`.
 */
export function testGolden(
  language: string,
  variants: { readonly [name: string]: object } = { nasty: {}, chinook: {} },
): void {
  for (const [name, options] of Object.entries(variants)) {
    const isChinook = name.startsWith('chinook')
    test.runIf(!isChinook || chinook !== null)(`the ${language} code of ${name} is as it was`, async () => {
      const { client } = await startDaemon()
      if (isChinook) await client.call('tenant.import', { name: 'main', path: chinook })
      else await makeNasty(client)
      await expectGolden(client, language, name, options)
    })
  }
}
