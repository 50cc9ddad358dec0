import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { seed } from '../support/seed.ts'

let client: RawClient

beforeAll(async () => {
  client = (await startDaemon({ keep: deferToEnd })).client
  const columns = [
    { name: 'k', type: 'INTEGER' },
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ]
  await client.call('table.create', { name: 't', columns, primaryKey: ['k'], systemColumns: false })
  await client.call('table.create', { name: 'empty', columns, primaryKey: ['k'], systemColumns: false })
  const rows = [
    [1, 1, 'x'],
    [2, 2, 'X'],
    [3, null, 'xy'],
    [4, 4, null],
  ]
  await client.call('row.insert', { table: 't', rows: rows.map(([k, a, b]) => ({ k, a, b })) })
})

async function keys(where: Json): Promise<number[]> {
  const { rows } = await client.call('row.list', { table: 't', where: where as object, orderBy: ['k'], columns: ['k'] })
  expect((await client.call('row.count', { table: 't', where: where as object })).count).toBe(rows.length)
  return rows.map(({ k }: { k: number }) => k)
}

test.each<[Json, number[]]>([
  [{}, [1, 2, 3, 4]],
  [{ a: 1 }, [1]],
  [{ a: null }, [3]],
  [{ a: { eq: null } }, [3]],
  [{ a: { ne: 1 } }, [2, 3, 4]],
  [{ a: { gt: 1 } }, [2, 4]],
  [{ a: { gte: 2, lt: 4 } }, [2]],
  [{ a: { lte: 2 }, b: 'x' }, [1]],
  [{ b: { like: 'x%' } }, [1, 2, 3]],
  [{ a: { in: [1, 4, 9] } }, [1, 4]],
  [{ a: { in: [] } }, []],
  [{ a: { notIn: [1] } }, [2, 4]],
  [{ a: { notIn: [] } }, [1, 2, 3, 4]],
  [{ a: { between: [2, 4] } }, [2, 4]],
  [{ a: { isNull: true } }, [3]],
  [{ b: { isNull: false } }, [1, 2, 3]],
  [{ or: [{ a: 1 }, { b: null }] }, [1, 4]],
  [{ and: [{ a: { gt: 0 } }, { or: [{ b: 'x' }, { b: 'X' }] }] }, [1, 2]],
  [{ not: { a: { eq: 1 } } }, [2, 3, 4]],
  [{ not: { or: [{ a: 1 }, { a: 2 }] }, k: { lt: 4 } }, [3]],
  [{ and: [] }, [1, 2, 3, 4]],
  [{ or: [] }, []],
  [{ not: {} }, []],
  [{ a: {} }, [1, 2, 3, 4]],
  [{ a: { $int: '1' } }, [1]],
  [{ k: { in: [{ $int: '2' }] } }, [2]],
])('%j finds rows %j', async (where, found) => {
  expect(await keys(where)).toEqual(found)
})

describe('refused', () => {
  test.each<[string, string]>([
    ['{"z":1}', 'columnNotFound'],
    ['{"a\\" = 1 or 1=1 --":1}', 'columnNotFound'],
    ['{"a; drop table t":1}', 'columnNotFound'],
    ['{"rowid":1}', 'columnNotFound'],
    ['{"A":1}', 'columnNotFound'],
    ['{"":1}', 'columnNotFound'],
    ['{"constructor":1}', 'columnNotFound'],
    ['{"not":{"__proto__":1}}', 'columnNotFound'],
    ['{"a":{"=":1}}', 'invalidValue'],
    ['{"a":{"constructor":1}}', 'invalidValue'],
    ['{"a":{"__proto__":1}}', 'invalidValue'],
    ['{"a":{"eq":[1]}}', 'invalidValue'],
    ['{"a":{"eq":{"eq":1}}}', 'invalidValue'],
    ['{"a":[1]}', 'invalidValue'],
    ['{"a":{"in":1}}', 'invalidValue'],
    ['{"a":{"in":[[1]]}}', 'invalidValue'],
    ['{"a":{"between":[1]}}', 'invalidValue'],
    ['{"a":{"between":[1,2,3]}}', 'invalidValue'],
    ['{"a":{"isNull":1}}', 'invalidValue'],
    ['{"and":{"a":1}}', 'invalidValue'],
    ['{"or":[1]}', 'invalidValue'],
    ['{"not":[]}', 'invalidValue'],
    ['{"not":null}', 'invalidValue'],
    ['[]', 'invalidParams'],
  ])('%s', async (where, kind) => {
    for (const method of ['row.list', 'row.count']) {
      client.send(`{"jsonrpc":"2.0","id":"raw","method":"${method}","params":{"table":"t","where":${where}}}`)
      expect((await client.answerTo('raw')).error?.data.kind).toBe(kind)
    }
  })

  test('a condition on __proto__', async () => {
    client.send('{"jsonrpc":"2.0","id":"raw","method":"row.count","params":{"table":"t","where":{"__proto__":1}}}')
    expect((await client.answerTo('raw')).error?.data.kind).toBe('columnNotFound')
  })

  test('conditions that nest too deep', async () => {
    for (const depth of [40, 10_000]) {
      const where = `${'{"not":'.repeat(depth)}{"a":1}${'}'.repeat(depth)}`
      client.send(`{"jsonrpc":"2.0","id":"raw","method":"row.count","params":{"table":"t","where":${where}}}`)
      expect((await client.answerTo('raw')).error?.data.kind).toBe('invalidValue')
    }
  })

  test('lists that are too long for SQLite', async () => {
    for (const length of [40_000, 300_000]) {
      const { kind } = await client.refused('row.count', { table: 't', where: { a: { in: Array(length).fill(1) } } })
      expect(kind).toMatch(/^(sqlError|invalidValue|limitExceeded)$/)
    }
  })

  test.each([['a desc'], ['a; drop table t'], ['a"'], ['--a'], ['rowid'], ['1']])('an order by %j', async (column) => {
    expect((await client.refused('row.list', { table: 't', orderBy: [column] })).kind).toBe('columnNotFound')
  })

  test('columns that are none', async () => {
    for (const column of ['z', 'a" from t --', '*', 'count(*)']) {
      expect((await client.refused('row.list', { table: 't', columns: [column] })).kind).toBe('columnNotFound')
    }
  })
})

test(`any other shape is taken or refused by a named kind, and the daemon goes on (seed ${seed})`, async () => {
  const name = fc.constantFrom(
    'a',
    'b',
    'k',
    'and',
    'or',
    'not',
    '__proto__',
    'constructor',
    'toString',
    '',
    '$int',
    'a\0',
  )
  const operator = fc.constantFrom('eq', 'in', 'between', 'like', 'isNull', '__proto__', 'hasOwnProperty', '$real', '=')
  const leaf = fc.oneof(
    fc.constantFrom<Json>(
      null,
      true,
      0,
      1e300,
      '',
      { $real: 'NaN' },
      { $int: '1e5' },
      { $blob: '!' },
      { $int: '1', $real: '1' },
    ),
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
  )
  const shape = fc.letrec<{ shape: Json }>((tie) => ({
    shape: fc.oneof(
      { depthSize: 'medium' },
      leaf,
      fc.array(tie('shape'), { maxLength: 4 }) as fc.Arbitrary<Json>,
      fc.array(fc.tuple(fc.oneof(name, operator), tie('shape')), { maxLength: 4 }).map(Object.fromEntries),
    ),
  })).shape
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, shape), { maxLength: 3 }), async (entries) => {
      const where = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
      for (const method of ['row.list', 'row.count', 'row.deleteWhere']) {
        client.send(`{"jsonrpc":"2.0","id":"raw","method":"${method}","params":{"table":"empty","where":${where}}}`)
        const { error } = await client.answerTo('raw')
        expect(error?.data.kind ?? 'invalidValue').toMatch(
          /^(invalidValue|columnNotFound|conditionEmpty|limitExceeded)$/,
        )
      }
    }),
    { numRuns: 150, seed },
  )
  expect(await client.call('ping')).toEqual({})
})

test('columns that are called like operators, parameters and words of the condition', async () => {
  const names = ['a', 'a_gt', 'a_1', 'operator', 'and', 'where', 'limit']
  await client.call('table.create', {
    name: 'odd',
    columns: names.map((name) => ({ name, type: 'INTEGER' })),
    systemColumns: false,
  })
  const row = (from: number) => Object.fromEntries(names.map((name, at) => [name, from + at]))
  await client.call('row.insert', { table: 'odd', rows: [row(0), row(10)] })
  const found = async (where: object) =>
    (await client.call('row.list', { table: 'odd', where, columns: ['a'] })).rows.map(({ a }: { a: number }) => a)
  expect(await found({ a: { gt: 5 }, a_gt: 11, a_1: { in: [12] } })).toEqual([10])
  expect(await found({ a: { gt: 5 }, a_gt: 1 })).toEqual([])
  expect(await found({ operator: 3, where: 5, limit: { lt: 10 } })).toEqual([0])
  expect(await found({ or: [{ operator: 3 }, { a: 10 }] })).toEqual([0, 10])
})

test('text that looks like SQL is only text', async () => {
  for (const attack of ["' or 1=1 --", '"; drop table t; --', "x'; delete from t; --", '?1', ':a', '%']) {
    expect(await keys({ b: attack })).toEqual([])
  }
  expect(await keys({})).toEqual([1, 2, 3, 4])
})
