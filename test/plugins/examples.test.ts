import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RawClient } from '../support/client.ts'
import { places, startWithPlugins } from './support.ts'

const examples = path.resolve(import.meta.dirname, '../../protocol/examples/plugins')

describe.each(places)('in the %s', (runIn) => {
  test('the audit trail keeps every row that is inserted, updated or deleted', async () => {
    const { client } = await startWithPlugins()
    await makeTrail(client)
    await client.call('plugin.load', { path: path.join(examples, 'audit-trail.mjs'), runIn })

    expect(await client.call('query.execute', { sql: 'insert into t values (1), (2);' })).toEqual({ changes: 2 })
    const update = { sql: 'update t set a = a + :x -- more', params: { x: 10 } }
    expect(await client.call('query.execute', update)).toEqual({ changes: 2 })
    expect((await client.call('query.execute', { sql: 'delete from t where a = 11 returning a' })).rows).toEqual([[11]])
    const statements = [{ sql: 'insert into t values (3)' }, { sql: 'select count(*) from t' }]
    expect((await client.call('query.batch', { statements })).results).toMatchObject([{ changes: 1 }, { rows: [[2]] }])

    expect(await trail(client)).toEqual([
      'insert t {"a":1}',
      'insert t {"a":2}',
      'update t {"a":11}',
      'update t {"a":12}',
      'delete t {"a":11}',
      'insert t {"a":3}',
    ])
    expect(await client.refused('query.execute', { sql: 'delete from audit' })).toMatchObject({ kind: 'queryVetoed' })
    expect(await client.refused('query.execute', { sql: 'insert into nowhere values (1)' })).toBeDefined()
    expect(await trail(client)).toHaveLength(6)
  })

  test('the audit trail watches the tables that it is to watch', async () => {
    const { client } = await startWithPlugins()
    await makeTrail(client)
    await client.call('table.create', { name: 'u', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
    const settings = { tables: ['u'] }
    await client.call('plugin.load', { path: path.join(examples, 'audit-trail.mjs'), runIn, settings })

    await client.call('query.execute', { sql: 'insert into t values (1)' })
    await client.call('query.execute', { sql: 'insert into u values (2)' })
    expect(await trail(client)).toEqual(['insert u {"a":2}'])
  })

  test('the cost limiter refuses scans of many rows, and loops inside loops', async () => {
    const { client } = await startWithPlugins()
    await client.call('row.insert', { table: 't', rows: Array.from({ length: 200 }, (_, a) => ({ a })) })
    const settings = { maxRows: 1_000, knownMs: 0 }
    await client.call('plugin.load', { path: path.join(examples, 'query-cost.mjs'), runIn, settings })
    const run = (sql: string) => client.request('query.run', { sql })

    expect((await run('select count(*) from t')).result?.rows).toEqual([[200]])
    expect((await run('select count(*) from t x, t y where x.a < y.a')).error?.data).toMatchObject({
      kind: 'queryVetoed',
      reason: expect.stringContaining('about 40000 rows'),
    })
    expect((await run('select a from t where rowid = 7')).result?.rows).toEqual([[6]])
    await client.call('row.insert', { table: 't', rows: Array.from({ length: 900 }, (_, a) => ({ a })) })
    expect((await run('select count(*) from t')).error?.data.kind).toBe('queryVetoed')
    expect((await run('select a from t where rowid = 7')).result?.rows).toEqual([[6]])
  })
})

async function makeTrail(client: RawClient): Promise<void> {
  const columns = ['at', 'name', 'operation', 'row'].map((name) => ({ name, type: 'TEXT' }))
  await client.call('table.create', { name: 'audit', columns, systemColumns: false })
}

async function trail(client: RawClient): Promise<string[]> {
  const { rows } = await client.call('row.list', { table: 'audit' })
  return rows.map(({ name, operation, row }: Record<string, string>) => `${operation} ${name} ${row}`)
}
