import fs from 'node:fs'
import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'

interface Vector {
  readonly name: string
  readonly sql: string
  readonly typeof: string
  readonly wire: unknown
}

interface Refused {
  readonly name: string
  readonly by: 'client' | 'daemon'
  readonly wire?: unknown
}

const { values, refused } = JSON.parse(fs.readFileSync('protocol/vectors/values.json', 'utf8')) as {
  values: readonly Vector[]
  refused: readonly Refused[]
}

test.each([
  'lines',
  'headers',
] as const)('the daemon answers every value as the vectors tell, over %s', async (framing) => {
  const { connect } = await startDaemon()
  const client = await connect(framing)
  for (const { name, sql, wire, typeof: type } of values) {
    const { rows } = await client.call('query.run', { sql: `select ${sql}, typeof(${sql})` })
    expect(rows, name).toEqual([[wire, type]])
  }
})

test('the daemon takes every value as it answers it', async () => {
  const { client } = await startDaemon()
  for (const { name, sql, wire } of values) {
    const { rows } = await client.call('query.run', { sql: `select ?1 = ${sql} or ${sql} is null, ?1`, params: [wire] })
    expect(rows, name).toEqual([[1, wire]])
  }
})

test('the daemon refuses what is no value', async () => {
  const { client } = await startDaemon()
  for (const { name, by, wire } of refused) {
    if (by !== 'daemon') continue
    expect(await client.refused('query.run', { sql: 'select ?', params: [wire] }), name).toMatchObject({
      kind: 'invalidValue',
    })
  }
})
