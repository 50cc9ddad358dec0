import assert from 'node:assert/strict'
import { startBare } from './support/bare.mjs'
import { startCinch } from './support/cinch.mjs'
import { resultOf } from './support/line-client.mjs'
import { PgClient } from './support/pg-client.mjs'
import { interleaved } from './support/rounds.mjs'
import { assertRow, columnTypes, objectOf, postgresTable, rowOf, scattered, table } from './support/rows.mjs'

const sql = 'select id, name, amount, note from item where id = ?'
const connections = 16

/** One row by its key, out of many: one at a time, and 64 in flight. */
export async function pointRead(bench) {
  const { rounds, quick, report, postgres } = bench
  const count = quick ? 10_000 : 100_000
  const durationMs = quick ? 100 : 150
  const slices = quick ? 2 : 8
  const keyOf = (id) => scattered(id, count)

  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await fillCinch(client, count)
  const bare = await fillBare(count)
  const pg = postgres && (await fillPostgres(postgres, count))

  const run = {
    request: (id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"sql":"${sql}","params":[${keyOf(id)}]}}`,
    check: (answer, id) => assertRow(resultOf(answer).rows[0], keyOf(id)),
  }
  const get = {
    request: (id) => `{"jsonrpc":"2.0","id":${id},"method":"row.get","params":{"table":"item","id":${keyOf(id)}}}`,
    check(answer, id) {
      const { row } = resultOf(answer)
      assertRow([row?.id, row?.name, row?.amount, row?.note], keyOf(id))
    },
  }
  let nextPg = 1
  const fromPostgres = async (clients, inFlight, durationMs) => {
    const { perSecond, next } = await PgClient.loop(clients, {
      statement: 'read',
      first: nextPg,
      inFlight,
      durationMs,
      params: (id) => [keyOf(id)],
      check: (rows, id) => assertRow(rows[0], keyOf(id)),
    })
    nextPg = next
    return perSecond
  }
  const rate = async (client, inFlight, durationMs, calls) =>
    (await client.loop({ inFlight, durationMs, ...calls })).perSecond

  for (const inFlight of [1, 64]) {
    const contenders = {
      run: () => rate(client, inFlight, durationMs, run),
      get: () => rate(client, inFlight, durationMs, get),
      bare: () => rate(bare.client, inFlight, durationMs, run),
      ...(pg && {
        postgres: () =>
          inFlight === 1 ? fromPostgres(pg.slice(0, 1), 1, durationMs) : fromPostgres(pg, 1, durationMs),
        ...(inFlight > 1 && { pipelined: () => fromPostgres(pg, inFlight / connections, durationMs) }),
      }),
      inProcess: async () => bare.inProcess(durationMs / 3, keyOf),
    }
    // Everybody has compiled what it runs before anything counts.
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices })
    const peers = [
      {
        name: `PostgreSQL, ${inFlight === 1 ? 'one connection' : `${connections} connections, one query under way on each`}`,
        values: found.postgres,
        target: inFlight === 1 ? 0.9 : 2,
      },
      ...(inFlight === 1
        ? []
        : [{ name: `PostgreSQL, ${connections} connections, pipelined`, values: found.pipelined }]),
      { name: 'bare Node socket loop', values: found.bare, target: inFlight === 1 ? 0.9 : 0.7 },
      { name: 'better-sqlite3 in process', values: found.inProcess },
    ]
    const when = inFlight === 1 ? 'one at a time' : '64 in flight'
    report.add({ what: `query.run, ${when}`, unit: 'reads/s', cinch: found.run, peers })
    report.add({ what: `row.get, ${when}`, unit: 'reads/s', cinch: found.get, peers })
  }

  for (const each of pg ?? []) each.close()
  client.close()
  bare.stop()
  await cinch.stop()
}

export async function fillCinch(client, count, params = {}) {
  await client.call('table.create', table)
  await fillTenant(client, count, params)
}

/** The rows of a table that is there. */
export async function fillTenant(client, count, params = {}) {
  const step = 10_000
  for (let from = 1; from <= count; from += step) {
    const rows = Array.from({ length: Math.min(step, count - from + 1) }, (_, at) => objectOf(from + at))
    await client.call('row.insert', { table: 'item', rows, returning: 'none', ...params })
  }
  const { rows } = await client.call('query.run', { sql: 'select count(*), max(id) from item', ...params })
  assert.deepEqual(rows, [[count, count]])
}

/** The bare loop over the same rows, and reads of its file in this process. */
async function fillBare(count) {
  const bare = await startBare({ sql })
  const insert = bare.db.prepare('insert into item values (?, ?, ?, ?)')
  bare.db.transaction(() => {
    for (let id = 1; id <= count; id++) insert.run(rowOf(id))
  })()
  const statement = bare.db.prepare(sql).raw()
  return {
    ...bare,
    inProcess(durationMs, keyOf) {
      const startedAt = performance.now()
      let done = 0
      while (done % 64 !== 0 || performance.now() - startedAt < durationMs) {
        const key = keyOf(++done)
        assertRow(statement.get(key), key)
      }
      return (done * 1000) / (performance.now() - startedAt)
    },
  }
}

async function fillPostgres(postgres, count) {
  const clients = await Promise.all(Array.from({ length: connections }, () => postgres.connect()))
  const [first] = clients
  await first.query(`drop table if exists item; ${postgresTable}`)
  const step = 1_000
  const literal = (value) => (typeof value === 'string' ? `'${value}'` : value)
  for (let from = 1; from <= count; from += step) {
    const rows = Array.from({ length: Math.min(step, count - from + 1) }, (_, at) => rowOf(from + at))
    await first.query(`insert into item values ${rows.map((row) => `(${row.map(literal).join(',')})`).join(',')}`)
  }
  await first.query('vacuum analyze item')
  for (const client of clients) await client.prepare('read', sql.replace('?', '$1'), columnTypes)
  // Our own client of the protocol, held against psql.
  const told = postgres.psql(
    'select id, name, amount, note from item where id in (7, 8) order by id; select count(*) from item',
  )
  if (told !== undefined) {
    const rows = [await first.execute('read', [7]), await first.execute('read', [8])].map(([row]) => row.join('\t'))
    assert.equal([...rows, count].join('\n'), told)
  }
  return clients
}
