import { beforeAll, describe, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'

let client: RawClient

beforeAll(async () => {
  client = (await startDaemon({ keep: deferToEnd })).client
  const columns = [
    { name: 'a', type: 'NUMERIC' },
    { name: 'k', type: 'INTEGER' },
    { name: 'f', type: 'BOOLEAN' },
  ]
  await client.call('table.create', { name: 't', columns, primaryKey: ['k'], systemColumns: false })
  await client.call('table.create', { name: 'u', columns: [{ name: 'a', type: 'BLOB' }], systemColumns: false })
})

const blob = (bytes: number[]) => ({ $blob: Buffer.from(bytes).toString('base64') })

describe('a value comes back as it went in', () => {
  test.each<[string, Json, string, Json?]>([
    ['null', null, 'null'],
    ['zero', 0, 'integer'],
    ['one', 1, 'integer'],
    ['the largest exact number', 2 ** 53 - 1, 'integer'],
    ['the smallest exact number', -(2 ** 53) + 1, 'integer'],
    ['2^53', { $int: '9007199254740992' }, 'integer'],
    ['2^53 + 1', { $int: '9007199254740993' }, 'integer'],
    ['-2^53 - 1', { $int: '-9007199254740993' }, 'integer'],
    ['the largest integer', { $int: '9223372036854775807' }, 'integer'],
    ['the smallest integer', { $int: '-9223372036854775808' }, 'integer'],
    ['a small integer with a tag', { $int: '-5' }, 'integer', -5],
    ['a fraction', 0.1, 'real'],
    ['the smallest number', 5e-324, 'real'],
    ['the largest number', { $real: '1.7976931348623157e+308' }, 'real'],
    ['a large whole number that is real', { $real: '1e+300' }, 'real'],
    ['infinity', { $real: 'Infinity' }, 'real'],
    ['minus infinity', { $real: '-Infinity' }, 'real'],
    ['minus zero', { $real: '-0' }, 'real'],
    ['an empty text', '', 'text'],
    ['a text with NUL', 'a\u0000b\u0000', 'text'],
    ['a text of many scripts', 'ä€😀\u{10ffff}\u200d\ufeff', 'text'],
    ['a text that looks like a tag', '{"$int":"1"}', 'text'],
    ['an empty blob', blob([]), 'blob'],
    ['a blob of every byte', blob([...Array(256).keys()]), 'blob'],
    ['true', true, 'integer', 1],
    ['false', false, 'integer', 0],
  ])('%s', async (_, value, type, back = value) => {
    const stored = await client.call('query.execute', { sql: 'insert into u values (?) returning a', params: [value] })
    expect(stored.rows).toEqual([[back]])
    const found = await client.call('query.run', {
      sql: 'select a, typeof(a), typeof(:v), :v from u',
      params: { v: value },
    })
    expect(found.rows).toEqual([[back, type, type, back]])
    expect((await client.call('row.list', { table: 'u' })).rows).toEqual([{ a: back }])
    expect((await client.call('row.list', { table: 'u', where: { a: value } })).rows).toEqual([{ a: back }])
    await client.call('query.execute', { sql: 'delete from u' })
  })

  test('beyond 2^53 beside others in one result', async () => {
    const sql = "values (1, 0.5, 'a', null, x'00'), (9223372036854775807, -0.0, '', 9007199254740993, 2)"
    const { rows } = await client.call('query.run', { sql })
    expect(rows).toEqual([
      [1, 0.5, 'a', null, blob([0])],
      [{ $int: '9223372036854775807' }, expect.anything(), '', { $int: '9007199254740993' }, 2],
    ])
  })

  test('a large real is a number, not an integer', async () => {
    const { rows } = await client.call('query.run', { sql: 'select 9007199254740994.0, 1e18, 9007199254740993' })
    expect(rows).toEqual([
      [{ $real: '9007199254740994' }, { $real: '1000000000000000000' }, { $int: '9007199254740993' }],
    ])
  })

  test('as the key of a row', async () => {
    const key = { $int: '9007199254740993' }
    await client.call('row.insert', {
      table: 't',
      rows: [
        { k: key, a: 1 },
        { k: { $int: '9007199254740992' }, a: 2 },
      ],
    })
    expect((await client.call('row.get', { table: 't', id: key })).row).toEqual({ k: key, a: 1, f: null })
    await client.call('row.delete', { table: 't', ids: [key, { $int: '9007199254740992' }] })
  })

  test('in a BOOLEAN column 0 and 1 are false and true, and nothing else is', async () => {
    const rows = [true, false, null, 2, 'x'].map((f, k) => ({ k, f }))
    const stored = await client.call('row.insert', { table: 't', rows })
    expect(stored.rows.map(({ f }: { f: Json }) => f)).toEqual([true, false, null, 2, 'x'])
    expect((await client.call('query.run', { sql: 'select f, f + 0 from t where k = 0' })).rows).toEqual([[true, 1]])
    expect((await client.call('row.count', { table: 't', where: { f: true } })).count).toBe(1)
    await client.call('row.delete', { table: 't', ids: [0, 1, 2, 3, 4] })
  })
})

describe('a value that would have to be guessed is refused', () => {
  test.each<[string, string]>([
    ['a number beyond 2^53', '9007199254740992'],
    ['a real beyond 2^53', '1e300'],

    ['half of a surrogate pair', '"\\ud800"'],
    ['a list', '[1]'],
    ['an object', '{"a":1}'],
    ['an empty object', '{}'],
    ['two tags', '{"$int":"1","$real":"1"}'],
    ['an unknown tag', '{"$date":"2020-01-01"}'],
    ['an integer beyond 64 bits', '{"$int":"9223372036854775808"}'],
    ['an integer that is a fraction', '{"$int":"1.5"}'],
    ['an integer that is a number', '{"$int":1}'],
    ['a blob that is no base64', '{"$blob":"?"}'],
    ['base64 without padding', '{"$blob":"AA"}'],
    ['NaN', '{"$real":"NaN"}'],
    ['an empty real', '{"$real":""}'],
  ])('%s', async (_, json) => {
    const send = (method: string, params: string) => {
      client.send(`{"jsonrpc":"2.0","id":"raw","method":"${method}","params":${params}}`)
      return client.answerTo('raw')
    }
    for (const answer of [
      await send('query.run', `{"sql":"select ?","params":[${json}]}`),
      await send('query.run', `{"sql":"select :a","params":{"a":${json}}}`),
      await send('row.insert', `{"table":"u","rows":[{"a":${json}}]}`),
      await send('row.list', `{"table":"u","where":{"a":{"gt":${json}}}}`),
    ]) {
      expect(answer.error?.data.kind).toBe('invalidValue')
      expect(answer.error?.data.where).toMatch(/^(params\[0\]|params\.a|rows\[0\]\.a|where)$/)
    }
  })
})
