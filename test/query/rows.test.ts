import { beforeEach, describe, expect, test } from 'vitest'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'

let client: RawClient

beforeEach(async () => {
  client = (await startDaemon()).client
})

const column = (name: string, type: string, more: object = {}) => ({ name, type, ...more })

async function create(name: string, columns: object[], more: object = {}): Promise<void> {
  await client.call('table.create', { name, columns, systemColumns: false, ...more })
}

const apply = (...changes: object[]) => client.call('schema.apply', { changes })
const rowsOf = async (sql: string) => (await client.call('query.run', { sql })).rows

describe('upsert', () => {
  const columns = [
    column('k', 'INTEGER'),
    column('a', 'TEXT', { default: 'd' }),
    column('b', 'INTEGER'),
    column('c', 'TEXT', { unique: true }),
  ]
  const upsert = (rows: Json, more: object = {}) => client.call('row.upsert', { table: 't', rows, ...more })

  test('inserts what is new and updates what is there, each row by the columns that it names', async () => {
    await create('t', columns, { primaryKey: ['k'] })
    await client.call('row.insert', { table: 't', rows: [{ k: 1, a: 'x', b: 1, c: 'one' }] })
    const done = await upsert([{ k: 1, b: 2 }, { k: 2 }, { b: null, k: 1, a: null }, { k: 3, c: 'three' }, { k: 1 }])
    expect(done).toMatchObject({ count: 5, inserted: 2, updated: 3 })
    const one = { k: 1, a: null, b: null, c: 'one' }
    expect(done.rows).toEqual([
      one,
      { k: 2, a: 'd', b: null, c: null },
      one,
      { k: 3, a: 'd', b: null, c: 'three' },
      one,
    ])
    expect(await rowsOf('select * from t order by k')).toEqual([
      [1, null, null, 'one'],
      [2, 'd', null, null],
      [3, 'd', null, 'three'],
    ])
  })

  test('goes by any unique key, in any order of its columns', async () => {
    await create('t', columns, { primaryKey: ['k'] })
    await apply({ kind: 'createIndex', name: 'i', table: 't', columns: [{ name: 'a' }, { name: 'b' }], unique: true })
    await upsert([{ k: 1, a: 'x', b: 1, c: 'one' }])
    expect(await upsert([{ c: 'one', b: 5, k: 9 }], { on: ['c'] })).toMatchObject({
      inserted: 0,
      updated: 1,
      rows: [{ k: 1, a: 'x', b: 5, c: 'one' }],
    })
    expect(
      await upsert(
        [
          { a: 'x', b: 5, c: 'two' },
          { a: 'x', b: 6 },
        ],
        { on: ['b', 'a'] },
      ),
    ).toMatchObject({
      inserted: 1,
      updated: 1,
    })
    expect(await rowsOf('select * from t order by k')).toEqual([
      [1, 'x', 5, 'two'],
      [2, 'x', 6, null],
    ])
    // nulls are never alike
    expect(await upsert([{ c: null, b: 7, a: 'n' }], { on: ['c'] })).toMatchObject({ inserted: 1 })
  })

  test('compares as the unique index does', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'TEXT'), column('b', 'TEXT')], { primaryKey: ['k'] })
    const columns = [{ name: 'a', collate: 'NOCASE' }]
    await apply({ kind: 'createIndex', name: 'i', table: 't', columns, unique: true })
    await upsert([{ a: 'Ada', b: '1' }], { on: ['a'] })
    expect(await upsert([{ a: 'ADA', b: '2' }], { on: ['a'] })).toMatchObject({
      inserted: 0,
      rows: [{ a: 'Ada', b: '2' }],
    })
  })

  test('keeps id and created_at of the row that is there, and moves updated_at', async () => {
    await client.call('table.create', {
      name: 't',
      columns: [column('a', 'TEXT', { unique: true }), column('b', 'TEXT')],
    })
    const old = '2020-01-01T00:00:00.000Z'
    const rows = [{ id: 'first', a: 'x', b: '1', created_at: old, updated_at: old }]
    await client.call('row.insert', { table: 't', rows })
    const [row] = (await upsert([{ id: 'second', a: 'x', b: '2', created_at: 'now' }], { on: ['a'] })).rows
    expect(row).toMatchObject({ id: 'first', created_at: old, b: '2' })
    expect(row.updated_at > old).toBe(true)
    const fresh = await upsert([{ a: 'y' }])
    expect(fresh).toMatchObject({ inserted: 1, rows: [{ a: 'y', b: null }] })
    expect(fresh.rows[0].id).toMatch(/^[0-9a-f-]{36}$/)
    // a row that names nothing to set is left alone
    expect((await upsert([{ a: 'x' }], { on: ['a'] })).rows[0]).toEqual(row)
  })

  test('takes tables without row numbers, and keys of several columns', async () => {
    const columns = ['a', 'b', 'c'].map((name) => column(name, 'INTEGER', { nullable: name === 'c' }))
    await create('t', columns, { primaryKey: ['a', 'b'], withoutRowid: true })
    const done = await upsert([
      { a: 1, b: 1, c: 1 },
      { b: 1, a: 1, c: 2 },
      { a: 1, b: 2 },
    ])
    expect(done).toMatchObject({ inserted: 2, updated: 1 })
    expect(done.rows.at(-1)).toEqual({ a: 1, b: 2, c: null })
    expect(await rowsOf('select * from t')).toEqual([
      [1, 1, 2],
      [1, 2, null],
    ])
  })

  test('is all or nothing, and answers without rows where none are wanted', async () => {
    await create('t', columns, { primaryKey: ['k'] })
    await upsert([{ k: 1, c: 'one' }])
    const bad = [
      { k: 2, c: 'two' },
      { k: 3, c: 'one' },
    ]
    expect(await client.refused('row.upsert', { table: 't', rows: bad })).toMatchObject({
      kind: 'constraintFailed',
      constraint: 'unique',
      columns: ['c'],
    })
    expect(await rowsOf('select k from t')).toEqual([[1]])
    expect(await upsert([{ k: 2 }], { returning: 'none' })).toEqual({ rows: [], count: 1, inserted: 1, updated: 0 })
  })

  test.each<[string, object, object]>([
    [
      'columns that are no unique key',
      { rows: [{ k: 1, b: 1 }], on: ['b'] },
      { kind: 'uniqueKeyNotFound', keys: [['k'], ['c']] },
    ],
    ['part of a key and more', { rows: [{ k: 1, b: 1 }], on: ['k', 'b'] }, { kind: 'uniqueKeyNotFound' }],
    ['an index over some rows', { rows: [{ a: 'x' }], on: ['a'] }, { kind: 'uniqueKeyNotFound' }],
    ['a column that is none', { rows: [{ k: 1 }], on: ['z'] }, { kind: 'columnNotFound' }],
    ['a row with a column that is none', { rows: [{ k: 1, bb: 1 }] }, { kind: 'columnNotFound', suggestion: 'b' }],
    ['a row that does not name the key', { rows: [{ a: 'x' }], on: ['c'] }, { kind: 'invalidValue', where: 'c' }],
    ['a value that is none', { rows: [{ k: 1 }, { k: 2, b: [1] }] }, { kind: 'invalidValue', where: 'rows[1].b' }],
  ])('refuses %s', async (_, params, expected) => {
    await create('t', columns, { primaryKey: ['k'] })
    await apply({ kind: 'createIndex', name: 'p', table: 't', columns: [{ name: 'a' }], unique: true, where: 'b > 1' })
    expect(await client.refused('row.upsert', { table: 't', ...params })).toMatchObject(expected)
    expect(await rowsOf('select count(*) from t')).toEqual([[0]])
  })
})

describe('rows that meet a condition', () => {
  beforeEach(async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
    await client.call('row.insert', { table: 't', rows: [1, 2, 3, 4].map((k) => ({ k, a: k * 10 })) })
  })

  test('are updated and deleted, and counted', async () => {
    const set = { a: { $int: '9007199254740993' } }
    expect(await client.call('row.updateWhere', { table: 't', where: { k: { gte: 3 } }, set })).toEqual({ count: 2 })
    expect(await client.call('row.deleteWhere', { table: 't', where: { or: [{ k: 1 }, { a: 20 }] } })).toEqual({
      count: 2,
    })
    expect(await rowsOf('select k, a from t')).toEqual([
      [3, set.a],
      [4, set.a],
    ])
    expect(await client.call('row.deleteWhere', { table: 't', where: { k: { in: [] } } })).toEqual({ count: 0 })
  })

  test.each<Json>([
    {},
    { and: [] },
    { a: {} },
    { not: { or: [] } },
    { or: [{ k: 1 }, {}] },
    { k: { notIn: [] } },
    { and: [{}, { not: { k: { in: [] } } }] },
  ])('are not all of them by the form of the condition: %j', async (where) => {
    const empty = { kind: 'conditionEmpty', table: 't' }
    expect(await client.refused('row.deleteWhere', { table: 't', where })).toMatchObject(empty)
    expect(await client.refused('row.updateWhere', { table: 't', where, set: { a: 1 } })).toMatchObject(empty)
    expect((await client.call('row.count', { table: 't', where })).count).toBe(4)
  })

  test('keep parts of a condition that decide nothing from taking the values of others', async () => {
    const where = { and: [{ or: [{ a: 1 }, {}] }, { k: 2 }, { not: { and: [{ a: 5 }, { or: [] }] } }] }
    expect((await client.call('row.list', { table: 't', where })).rows).toEqual([{ k: 2, a: 20 }])
  })

  test('need something to set, and columns that are there', async () => {
    const where = { k: 1 }
    expect(await client.refused('row.updateWhere', { table: 't', where, set: {} })).toMatchObject({ where: 'set' })
    expect(await client.refused('row.updateWhere', { table: 't', where, set: { z: 1 } })).toMatchObject({
      kind: 'columnNotFound',
    })
    expect(await client.refused('row.updateWhere', { table: 't', where, set: { a: [] } })).toMatchObject({
      kind: 'invalidValue',
      where: 'set.a',
    })
    expect(await client.refused('row.updateWhere', { table: 't', where: { kk: 1 }, set: { a: 1 } })).toMatchObject({
      kind: 'columnNotFound',
      suggestion: 'k',
    })
    expect(await client.refused('row.count', { table: 't', where: { k: { gtt: 1 } } })).toMatchObject({
      reason: 'gtt is no operator; gt is one',
    })
  })

  test('are changed in a process where there are many, and others are answered meanwhile', async () => {
    const { client, daemon } = await startDaemon()
    await client.call('table.create', { name: 't', columns: [column('a', 'INTEGER'), column('b', 'TEXT')] })
    const rows = Array.from({ length: 20_000 }, (_, a) => ({ a, b: 'some text that takes up room' }))
    await client.call('row.insert', { table: 't', rows, returning: 'none' })
    const updated = client.call('row.updateWhere', { table: 't', where: { a: { gte: 0 } }, set: { b: 'new' } })
    expect(await client.call('ping')).toEqual({})
    expect(await updated).toEqual({ count: 20_000 })
    expect(daemon.engine.parts.processLane.processes.busy).toBe(0)
    expect((await client.call('row.count', { table: 't', where: { b: 'new' } })).count).toBe(20_000)
  })
})

describe('updated_at moves', () => {
  const old = '2020-01-01T00:00:00.000Z'

  beforeEach(async () => {
    await client.call('table.create', {
      name: 't',
      columns: [column('a', 'INTEGER'), column('b', 'INTEGER', { unique: true })],
    })
    await apply({ kind: 'createView', name: 'v', sql: 'select id, a from t' })
    await apply({
      kind: 'createTrigger',
      sql: 'create trigger i instead of update on v begin update t set a = new.a where id = new.id; end',
    })
    const rows = ['1', '2'].map((id) => ({ id, a: 1, b: Number(id), created_at: old, updated_at: old }))
    await client.call('row.insert', { table: 't', rows })
  })

  const times = async () => {
    const rows = await rowsOf("select id, updated_at > '2020-01-02', created_at from t order by id")
    return rows.map(([id, isMoved, created]: [string, number, string]) => [id, isMoved === 1, created === old])
  }

  test.each<[string, string, object]>([
    ['row.update', 'row.update', { table: 't', rows: [{ id: '1', a: 2 }] }],
    ['row.updateWhere', 'row.updateWhere', { table: 't', where: { id: '1' }, set: { a: 2 } }],
    ['row.upsert', 'row.upsert', { table: 't', rows: [{ id: '1', a: 2 }] }],
    ['UPDATE', 'query.execute', { sql: "update t set a = 2 where id = '1'" }],
    ['UPDATE OR REPLACE', 'query.execute', { sql: "update or replace t set a = 2 where id = '1'" }],
    [
      'an upsert in SQL',
      'query.execute',
      { sql: "insert into t (id, a) values ('1', 2) on conflict (id) do update set a = excluded.a" },
    ],
    ['a trigger of a view', 'query.execute', { sql: "update v set a = 2 where id = '1'" }],
    ['a batch', 'query.batch', { statements: [{ sql: "update t set a = 2 where id = '1'" }] }],
  ])('by %s', async (_, method, params) => {
    await client.call(method, params)
    expect(await times()).toEqual([
      ['1', true, true],
      ['2', false, true],
    ])
    expect(await rowsOf("select a from t where id = '1'")).toEqual([[2]])
  })

  test('unless it is set', async () => {
    const at = '2030-01-01T00:00:00.000Z'
    await client.call('query.execute', { sql: 'update t set updated_at = ?', params: [at] })
    await client.call('row.updateWhere', { table: 't', where: { id: '2' }, set: { updated_at: `${at}2`, a: 3 } })
    await client.call('row.update', { table: 't', rows: [{ id: '1', updated_at: `${at}1` }] })
    expect(await rowsOf('select updated_at from t order by id')).toEqual([[`${at}1`], [`${at}2`]])
  })
})

describe('pages', () => {
  type Row = Record<string, Json>

  async function all(params: object): Promise<Row[]> {
    const rows: Row[] = []
    let cursor: string | undefined
    do {
      const page = await client.call('row.list', { table: 't', limit: 3, ...params, cursor })
      rows.push(...page.rows)
      cursor = page.nextCursor
      expect(page.rows.length).toBe(cursor === undefined ? Math.min(3, page.rows.length) : 3)
    } while (cursor !== undefined)
    return rows
  }

  test('follow each other without a gap, whatever the order, and the last one says so', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'BLOB'), column('b', 'TEXT', { collate: 'NOCASE' })], {
      primaryKey: ['k'],
    })
    const values = [
      null,
      1,
      'x',
      { $blob: 'AA==' },
      1.5,
      null,
      { $int: '9007199254740993' },
      'X',
      1,
      { $real: '-Infinity' },
    ]
    const rows = values.map((a, k) => ({ k, a, b: k % 3 === 0 ? null : k % 2 ? 'p' : 'P' }))
    await client.call('row.insert', { table: 't', rows })
    const sqlOf: Record<string, string> = {
      a: 'a, k',
      '-a': 'a desc, k',
      'b,-a': 'b, a desc, k',
      '-b,-k': 'b desc, k desc',
      '': 'k',
      '-k': 'k desc',
      'a,a': 'a, k',
    }
    for (const [order, sql] of Object.entries(sqlOf)) {
      const expected = (await rowsOf(`select k from t order by ${sql}`)).flat()
      const orderBy = order === '' ? [] : order.split(',')
      expect((await all({ orderBy })).map(({ k }) => k)).toEqual(expected)
      expect(await all({ orderBy, columns: ['b'] })).toEqual(expected.map((k: number) => ({ b: rows[k]?.b })))
    }
    const exact = await client.call('row.list', { table: 't', limit: 10 })
    expect(exact.rows).toHaveLength(10)
    expect(exact).not.toHaveProperty('nextCursor')
  })

  test('are steady while rows before and behind come and go', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
    await client.call('row.insert', { table: 't', rows: [1, 2, 3, 4, 5, 6].map((k) => ({ k: k * 10, a: k })) })
    const first = await client.call('row.list', { table: 't', limit: 2 })
    expect(first.rows.map(({ k }: { k: number }) => k)).toEqual([10, 20])
    await client.call('row.delete', { table: 't', ids: [10, 20, 40] })
    await client.call('row.insert', { table: 't', rows: [{ k: 5 }, { k: 25 }] })
    const second = await client.call('row.list', { table: 't', limit: 2, cursor: first.nextCursor })
    expect(second.rows.map(({ k }: { k: number }) => k)).toEqual([25, 30])
  })

  test('go through tables without a key, and keys that may be null', async () => {
    await create('t', [column('a', 'INTEGER')])
    await client.call('row.insert', { table: 't', rows: [1, 1, 1, null, null, 1, 2].map((a) => ({ a })) })
    expect((await all({ orderBy: ['a'] })).map(({ a }) => a)).toEqual([null, null, 1, 1, 1, 1, 2])
    await create('u', [column('a', 'TEXT')], { primaryKey: ['a'] })
    await client.call('query.execute', { sql: 'insert into u values (null), (null), (null), (null), (1)' })
    expect(await all({ table: 'u' })).toHaveLength(5)
  })

  test('come from a process alike', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'TEXT')], { primaryKey: ['k'] })
    const rows = Array.from({ length: 9_000 }, (_, k) => ({ k, a: `${k % 7} ${'x'.repeat(150)}` }))
    await client.call('row.insert', { table: 't', rows, returning: 'none' })
    expect((await client.call('query.explain', { sql: 'select * from t order by a' })).lane.name).toBe('process')
    const expected = (await rowsOf('select k from t order by a desc, k limit 12')).flat()
    const pages: Row[] = []
    let cursor: string | undefined
    for (let page = 0; page < 4; page++) {
      const answer = await client.call('row.list', { table: 't', orderBy: ['-a'], limit: 3, cursor, columns: ['k'] })
      pages.push(...answer.rows)
      cursor = answer.nextCursor
    }
    expect(pages).toEqual(expected.map((k: number) => ({ k })))
  })

  test('say that there is more where the daemon’s own limit cuts them', async () => {
    const { client } = await startDaemon({ config: { limits: { maxResultRows: 2 } } })
    await client.call('table.create', { name: 't', columns: [column('a', 'INTEGER')] })
    await client.call('row.insert', { table: 't', rows: [1, 2, 3].map((a) => ({ a })) })
    const { rows, nextCursor } = await client.call('row.list', { table: 't', limit: 100 })
    expect(rows).toHaveLength(2)
    expect((await client.call('row.list', { table: 't', cursor: nextCursor })).rows).toMatchObject([{ a: 3 }])
  })

  test('are refused by the cursor of another query, or one that is none', async () => {
    for (const name of ['t', 'u']) {
      await create(name, [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
      await client.call('row.insert', { table: name, rows: [1, 2, 3].map((k) => ({ k, a: k })) })
    }
    const { nextCursor: cursor } = await client.call('row.list', { table: 't', limit: 1, where: { a: { gt: 0 } } })
    const same = { table: 't', where: { a: { gt: 1 } }, cursor }
    expect((await client.call('row.list', same)).rows).toHaveLength(2)
    const [mark] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const forged = (value: Json) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const [params, kind] of [
      [{ ...same, table: 'u' }, 'cursorRefused'],
      [{ ...same, where: undefined }, 'cursorRefused'],
      [{ ...same, where: { a: { gte: 1 } } }, 'cursorRefused'],
      [{ ...same, orderBy: ['a'] }, 'cursorRefused'],
      [{ ...same, orderBy: ['-k'] }, 'cursorRefused'],
      [{ ...same, offset: 1 }, 'invalidValue'],
      ...[
        '',
        'x',
        '!!',
        forged(null),
        forged({}),
        forged([mark]),
        forged([mark, [[1]]]),
        forged([mark, [1, 2]]),
        forged([mark, [{ $int: 'x' }]]),
      ].map((cursor) => [{ ...same, cursor }, 'cursorRefused'] as const),
    ] as const) {
      expect((await client.refused('row.list', params)).kind).toBe(kind)
    }
  })
})

describe('rows come back as they are stored', () => {
  test('after an insert of many, with numbers that jump', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
    const keys = [5, 6, 7, 1, 2, 9, 3, 8]
    const { rows } = await client.call('row.insert', { table: 't', rows: keys.map((k) => ({ k, a: `${k}` })) })
    expect(rows).toEqual(keys.map((k) => ({ k, a: k })))
  })

  test('with what triggers did to them, after an update too', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
    for (const event of ['insert', 'update of a']) {
      const sql = `create trigger "on ${event}" after ${event} on t begin update t set a = new.a + 1 where k = new.k; end`
      await apply({ kind: 'createTrigger', sql })
    }
    expect((await client.call('row.insert', { table: 't', rows: [{ k: 1, a: 1 }] })).rows).toMatchObject([{ k: 1 }])
    const [stored] = (await client.call('row.update', { table: 't', rows: [{ k: 1, a: 10 }] })).rows
    expect(await rowsOf('select a from t')).toEqual([[stored.a]])
    expect(stored.a).toBe(11)
  })

  test('not at all where none are wanted', async () => {
    await create('t', [column('k', 'INTEGER'), column('a', 'INTEGER')], { primaryKey: ['k'] })
    await client.call('row.insert', { table: 't', rows: [{ k: 1 }], returning: 'none' })
    expect(await client.call('row.update', { table: 't', rows: [{ k: 1, a: 2 }], returning: 'none' })).toEqual({
      rows: [],
      count: 1,
    })
  })
})

test('columns called and, or and not can be asked for beside the connectives', async () => {
  await create(
    't',
    ['and', 'or', 'not', 'a'].map((name) => column(name, 'INTEGER')),
  )
  await client.call('row.insert', { table: 't', rows: [1, 2, 3].map((n) => ({ and: n, or: n, not: n, a: n })) })
  const found = async (where: object) =>
    (await client.call('row.list', { table: 't', where })).rows.map(({ a }: { a: number }) => a)
  expect(await found({ and: 1 })).toEqual([1])
  expect(await found({ or: { gt: 1 } })).toEqual([2, 3])
  expect(await found({ not: 2 })).toEqual([2])
  expect(await found({ not: { lt: 3 }, and: [{ a: { gt: 1 } }] })).toEqual([2])
  expect(await found({ not: { a: 2 } })).toEqual([1, 3])
  expect(await found({ not: { not: 2 } })).toEqual([1, 3])
})

test('lists of many lengths are few statements, and long conditions are no deep ones', async () => {
  await create('t', [column('k', 'INTEGER')], { primaryKey: ['k'] })
  await client.call('row.insert', { table: 't', rows: Array.from({ length: 300 }, (_, k) => ({ k })) })
  for (const length of [1, 2, 3, 5, 17, 300, 1_024, 1_025, 20_000, 32_000]) {
    const list = Array.from({ length }, (_, k) => k)
    const { count } = await client.call('row.count', { table: 't', where: { k: { in: list } } })
    expect(count).toBe(Math.min(length, 300))
    expect((await client.call('row.count', { table: 't', where: { k: { notIn: list } } })).count).toBe(300 - count)
  }
  const any = Array.from({ length: 2_000 }, (_, k) => ({ k }))
  expect((await client.call('row.count', { table: 't', where: { or: any } })).count).toBe(300)
  const tooMany = Array.from({ length: 6_000 }, () => ({ k: { isNull: true } }))
  expect(await client.refused('row.count', { table: 't', where: { or: tooMany } })).toMatchObject({
    kind: 'limitExceeded',
  })
  expect(await client.call('ping')).toEqual({})
})
