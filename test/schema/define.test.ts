import { describe, expect, test } from 'vitest'
import { evolve } from '../../src/schema/apply.ts'
import type { Change } from '../../src/schema/change.ts'
import { toChange } from '../../src/schema/change-spec.ts'
import type { ColumnSpec, TableSpec } from '../../src/schema/define.ts'
import {
  checkName,
  columnType,
  defineAlteration,
  defineColumn,
  defineIndex,
  defineTable,
  defineView,
  describeTable,
} from '../../src/schema/define.ts'
import type { Table } from '../../src/schema/model.ts'
import { emptySchema, findTable } from '../../src/schema/model.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'
import type { Connection } from './support.ts'
import { counter, migrate, open, read, refusal } from './support.ts'

const newId = counter()

function create(spec: TableSpec): Change {
  return { kind: 'createTable', ...defineTable(emptySchema, spec, newId) }
}

function column(spec: Partial<ColumnSpec>, options = {}) {
  return defineColumn({ name: 'a', type: 'text', ...spec }, newId, options).column
}

describe('system columns', () => {
  const made = (): Connection => {
    const db = open()
    migrate(db, create({ name: 't', columns: [{ name: 'a', type: 'text' }] }))
    return db
  }

  test('an INSERT of plain SQL gets a UUID of version 7 and the time', () => {
    const db = made()
    const before = Date.now()
    db.exec("insert into t (a) values ('x'), ('y')")
    const rows = db.prepare<[], Record<string, string>>('select * from t order by rowid').all()
    for (const { id = '', created_at: created = '', updated_at: updated } of rows) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      const ms = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
      expect(ms).toBeGreaterThanOrEqual(before - 1)
      expect(ms).toBeLessThanOrEqual(Date.now() + 1)
      expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(Math.abs(Date.parse(created) - ms)).toBeLessThanOrEqual(1)
      expect(updated).toBe(created)
    }
    expect(rows[0]?.id).not.toBe(rows[1]?.id)
  })

  test('ten thousand ids are ten thousand, and every digit of the random part moves', () => {
    const db = made()
    db.exec(
      'insert into t (a) with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000) select i from n',
    )
    const ids = db.prepare<[], string>('select id from t').pluck().all()
    expect(new Set(ids).size).toBe(10_000)
    for (let at = 15; at < 36; at++) {
      const digits = new Set(ids.map((id) => id[at]))
      if (at === 18 || at === 23) expect([...digits]).toEqual(['-'])
      else expect(digits.size, `digit ${at}`).toBe(at === 19 ? 4 : 16)
    }
  })

  test('an UPDATE moves updated_at and nothing else, unless it sets it itself', () => {
    const db = made()
    db.exec("insert into t (a, created_at, updated_at) values ('x', 'c', 'u')")
    const row = () => db.prepare<[], Record<string, string>>('select * from t').get() ?? {}
    const id = row().id
    db.exec("update t set a = 'y'")
    expect(row()).toMatchObject({ id, a: 'y', created_at: 'c' })
    expect(Date.parse(row().updated_at ?? '')).toBeGreaterThan(Date.now() - 1000)
    db.exec("update t set updated_at = 'mine'")
    expect(row().updated_at).toBe('mine')
  })

  test.each(['OFF', 'ON'])('one UPDATE changes one row once, with recursive triggers %s', (setting) => {
    const db = made()
    db.pragma(`recursive_triggers = ${setting}`)
    db.exec("insert into t (a) values ('x'), ('y'), ('z')")
    expect(db.prepare("update t set a = 'n' where a = 'y'").run().changes).toBe(1)
    const again = db.prepare("update t set a = a || 'm'")
    for (let i = 0; i < 100; i++) expect(again.run().changes).toBe(3)
  })

  test('survive renames, rebuilds and copies', () => {
    const db = made()
    db.exec("insert into t (a) values ('x')")
    const schema = migrate(
      db,
      { kind: 'renameTable', table: 't', newName: 'u' },
      { kind: 'alterColumn', table: 'u', column: 'a', to: { default: "'d'", nullable: false } },
      { kind: 'copyTable', source: 'u', table: 'w', id: 'copy', columnIds: ['1', '2', '3', '4'], data: true },
      { kind: 'dropTable', table: 'u' },
      { kind: 'renameTable', table: 'w', newName: 'u' },
      { kind: 'copyTable', source: 'u', table: 'v', id: 'other', columnIds: ['5', '6', '7', '8'], data: true },
    )
    expect(schema.tables.map((one) => [one.name, one.id, one.systemColumns])).toEqual([
      ['u', 'copy', true],
      ['v', 'other', true],
    ])
    expect(schema.triggers).toEqual([])
    db.exec(
      "update u set updated_at = 'old'; update u set a = 'y'; update v set updated_at = 'old'; update v set a = 'y'",
    )
    expect(db.prepare("select 1 from u, v where u.updated_at = 'old' or v.updated_at = 'old'").all()).toEqual([])
  })

  test('can be taken off a table, and a template made from the model has them', () => {
    const db = made()
    const template = createTemplate(read(db))
    template.exec("insert into t (a) values ('x'); update t set updated_at = 'old'; update t set a = 'y'")
    expect(template.prepare('select updated_at from t').pluck().get()).not.toBe('old')
    const schema = migrate(db, { kind: 'alterTable', table: 't', to: { systemColumns: false } })
    expect(schema.tables[0]?.systemColumns).toBe(false)
  })

  test.each<[string, Change]>([
    ['renamed', { kind: 'renameColumn', table: 't', column: 'id', newName: 'x' }],
    ['dropped', { kind: 'dropColumn', table: 't', column: 'updated_at' }],
    ['altered', { kind: 'alterColumn', table: 't', column: 'created_at', to: { type: 'INTEGER' } }],
    ['replaced as the key', { kind: 'alterTable', table: 't', to: { primaryKey: { columns: [{ name: 'a' }] } } }],
  ])('are not %s', (_, change) => {
    const db = made()
    expect(refusal(() => evolve(db, read(db), [change], newId)).kind).toBe('invalidChange')
  })

  test('are not the user’s to define', () => {
    for (const name of ['id', 'created_at', 'updated_at']) {
      const columns = [{ name, type: 'text' }]
      expect(refusal(() => create({ name: 't', columns })).kind).toBe('invalidChange')
      expect(create({ name: 't', columns, systemColumns: false }).kind).toBe('createTable')
    }
    expect(refusal(() => create({ name: 't', columns: [], primaryKey: ['a'] })).kind).toBe('invalidChange')
  })
})

describe('types', () => {
  test.each([
    ['text', 'TEXT'],
    ['Integer', 'INTEGER'],
    ['int', 'INTEGER'],
    [' bool ', 'BOOLEAN'],
    ['VarChar', 'TEXT'],
    ['double', 'REAL'],
    ['bytes', 'BLOB'],
    ['numeric', 'NUMERIC'],
  ])('%s is %s', (name, type) => {
    expect(columnType(name, false, 'x')).toBe(type)
  })

  test.each([
    ['', false],
    ['date', false],
    ['text); drop table t', false],
    ['any', false],
    ['constructor', false],
    ['numeric', true],
  ])('"%s" is refused, strict: %s', (name, strict) => {
    expect(refusal(() => columnType(name, strict, 'x'))).toMatchObject({ kind: 'invalidChange', change: 'x' })
  })

  test('a STRICT table has ANY, and says why it has no BOOLEAN', () => {
    expect(columnType('any', true, 'x')).toBe('ANY')
    expect(refusal(() => columnType('bool', true, 'x')).reason).toMatch(/STRICT.*BOOLEAN/)
  })
})

describe('defaults', () => {
  test.each<[ColumnSpec['default'], string, unknown]>([
    ["it's", "'it''s'", "it's"],
    ['1); drop table t; --', "'1); drop table t; --'", '1); drop table t; --'],
    ['current_timestamp', "'current_timestamp'", 'current_timestamp'],
    [5, '5', 5],
    [-1.5, '-1.5', -1.5],
    [1e21, '1e+21', 1e21],
    [true, '1', 1],
    [{ sql: 'abs(-3) -- three' }, '(abs(-3))', 3],
  ])('%j is stored as %s', (value, sql, stored) => {
    const db = open()
    const made = column({ type: 'blob', default: value })
    expect(made.default).toBe(sql)
    migrate(
      db,
      create({
        name: 't',
        systemColumns: false,
        columns: [
          { name: 'k', type: 'int' },
          { name: 'a', type: 'blob', default: value ?? null },
        ],
      }),
    )
    expect(db.prepare('insert into t (k) values (1) returning a').pluck().get()).toEqual(stored)
  })

  test('null is no default; an expression that is two is refused', () => {
    expect(column({ default: null }).default).toBeUndefined()
    expect(refusal(() => column({ default: { sql: '1) check (0' } })).kind).toBe('invalidChange')
  })
})

test('names are checked, with a suggestion', () => {
  expect(refusal(() => checkName('table', 'My Table'))).toMatchObject({
    kind: 'invalidName',
    noun: 'table',
    suggestion: 'my_table',
  })
  expect(refusal(() => create({ name: 'Bad', columns: [] })).kind).toBe('invalidName')
  expect(refusal(() => column({ name: 'a-b' })).kind).toBe('invalidName')
  expect(refusal(() => defineIndex(emptySchema, { name: 'x(y)', table: 't', columns: ['a'] })).kind).toBe('invalidName')
  expect(refusal(() => defineView('a;b', 'select 1')).kind).toBe('invalidName')
})

test('a trigger has no name of the daemon’s own', () => {
  const spec = (name: string) => ({
    kind: 'createTrigger' as const,
    sql: `create trigger ${name} after insert on t begin delete from t; end`,
  })
  expect(refusal(() => toChange(emptySchema, spec('__x'), counter()))).toMatchObject({
    kind: 'invalidName',
    name: '__x',
  })
  expect(toChange(emptySchema, spec('X'), counter())).toMatchObject({ trigger: { name: 'X', table: 't' } })
})

test('an index without a name is called after its table and columns', () => {
  expect(defineIndex(emptySchema, { table: 't', columns: ['a', 'b'] }).name).toBe('idx_t_a_b')
  expect(defineIndex(emptySchema, { table: 't', columns: ['a'], unique: true }).name).toBe('uniq_t_a')
})

test.each([
  'delete from t',
  'select 1; select 2',
  'select ?',
  "select '",
  'create table t (a)',
  '',
])('a view is no %s', (sql) => {
  expect(refusal(() => defineView('v', sql)).kind).toBe('invalidChange')
})

test('a view’s text keeps its words, without the last semicolon', () => {
  expect(defineView('v', '/* x */ select 1 -- one\n, 2 ; -- end').sql).toBe('select 1 -- one\n, 2')
})

test('a reference is RESTRICT unless it says otherwise, and SQLite is told so', () => {
  const { references } = defineColumn(
    { name: 'a', type: 'text', references: { table: 't', onUpdate: 'set_null' } },
    newId,
  )
  expect(references).toEqual({ table: 't', onDelete: 'RESTRICT', onUpdate: 'SET NULL' })
  const bad = { table: 't', onDelete: 'explode' }
  expect(refusal(() => defineColumn({ name: 'a', type: 'text', references: bad }, newId)).kind).toBe('invalidChange')
})

test('an alteration says only what changes; null takes away', () => {
  expect(defineAlteration({ nullable: false })).toEqual({ nullable: false })
  expect(defineAlteration({ default: null, check: null, collate: null })).toEqual({
    default: null,
    check: null,
    collate: null,
  })
})

test('a table is described as its client wrote it', () => {
  const db = open()
  const columns: ColumnSpec[] = [
    { name: 'email', type: 'text', nullable: false, unique: true, check: "email like '%@%'", collate: 'NOCASE' },
    {
      name: 'parent',
      type: 'text',
      references: { table: 't', column: 'id', onDelete: 'CASCADE', onUpdate: 'RESTRICT' },
    },
    { name: 'done', type: 'boolean', default: false },
    { name: 'age', type: 'int', default: -1 },
    { name: 'half', type: 'real', generated: 'age / 2.0' },
    { name: 'made', type: 'text', default: { sql: "date('now')" } },
  ]
  const schema = migrate(db, create({ name: 't', columns, indexes: [{ columns: ['age'] }], checks: ['age < 200'] }))
  const description = describeTable(schema, findTable(schema, 't') as Table)
  expect(description.columns.slice(3)).toMatchObject([
    { name: 'email', type: 'TEXT', nullable: false, unique: true, check: "email like '%@%'", collate: 'NOCASE' },
    { name: 'parent', unique: false, references: columns[1]?.references },
    { name: 'done', type: 'BOOLEAN', default: false },
    { name: 'age', type: 'INTEGER', default: -1 },
    { name: 'half', generated: { expression: 'age / 2.0', stored: false } },
    { name: 'made', default: { sql: "(date('now'))" } },
  ])
  expect(description.columns[0]).toMatchObject({
    name: 'id',
    primaryKey: true,
    system: true,
    unique: true,
    nullable: false,
  })
  expect(description).toMatchObject({ primaryKey: ['id'], indexes: [{ name: 'idx_t_age' }] })
  expect(JSON.parse(JSON.stringify(description))).toEqual(description)
})
