import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { startBare } from './support/bare.mjs'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { resultOf } from './support/line-client.mjs'
import { PgClient } from './support/pg-client.mjs'
import { interleaved } from './support/rounds.mjs'
import { assertRow, objectOf, openBare, postgresTable, rowOf, sqliteTable, table } from './support/rows.mjs'

const connections = 16
const insertSql = 'insert into item (id, name, amount, note) values (?, ?, ?, ?)'

/** Rows written and acknowledged: one a call, and 100,000 in one. */
export async function insert(bench) {
  for (const durability of ['normal', 'full']) await oneRow(bench, durability)
  await bulk(bench)
}

async function oneRow(bench, durability) {
  const { rounds, quick, report, postgres } = bench
  const durationMs = quick ? 100 : 150
  const slices = quick ? 2 : 8
  const cinch = await startCinch(bench, { durability })
  const client = await cinch.connect()
  await client.call('table.create', table)
  const bare = await startBare({ sql: insertSql, synchronous: durability })

  let next = 1
  const rate = async (inFlight, calls) => {
    const { perSecond, next: after } = await client.loop({ inFlight, durationMs, first: next, ...calls })
    next = after
    return perSecond
  }
  const execute = {
    request: (id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"query.execute","params":{"sql":"${insertSql}","params":${JSON.stringify(rowOf(id))}}}`,
    check: (answer) => assert.equal(resultOf(answer).changes, 1),
  }
  const rowInsert = {
    request: (id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"row.insert","params":{"table":"item","rows":[${JSON.stringify(objectOf(id))}]}}`,
    check(answer, id) {
      const [row] = resultOf(answer).rows
      assertRow([row?.id, row?.name, row?.amount, row?.note], id)
    },
  }
  let nextBare = 1
  const bareRate = async () => {
    const { perSecond, next: after } = await bare.client.loop({ inFlight: 1, durationMs, first: nextBare, ...execute })
    nextBare = after
    return perSecond
  }
  const setting = `synchronous_commit=${durability === 'full' ? 'on' : 'off'}`
  const pg =
    postgres && (await Promise.all(Array.from({ length: connections }, () => postgres.connect(`-c ${setting}`))))
  let nextPg = 1
  if (pg) {
    await pg[0].query(`drop table if exists item; ${postgresTable}`)
    for (const each of pg)
      await each.prepare('write', 'insert into item (id, name, amount, note) values ($1, $2, $3, $4)', [])
  }
  const intoPostgres = async (clients, inFlight) => {
    const { perSecond, next } = await PgClient.loop(clients, {
      statement: 'write',
      first: nextPg,
      inFlight,
      durationMs,
      params: rowOf,
      check: (rows) => assert.equal(rows.length, 0),
    })
    nextPg = next
    return perSecond
  }

  for (const inFlight of [1, 64]) {
    const contenders = {
      execute: () => rate(inFlight, execute),
      rowInsert: () => rate(inFlight, rowInsert),
      ...(inFlight === 1 && { bare: bareRate }),
      ...(pg && { postgres: () => intoPostgres(inFlight === 1 ? pg.slice(0, 1) : pg, 1) }),
      ...(pg && inFlight > 1 && { pipelined: () => intoPostgres(pg, inFlight / connections) }),
    }
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices })
    const target = inFlight === 1 || durability === 'full' ? 1 : 1.8
    const peers =
      inFlight === 1
        ? [
            { name: `PostgreSQL, ${setting}`, values: found.postgres, target },
            { name: 'bare Node socket loop, one commit an insert', values: found.bare },
          ]
        : [
            { name: `PostgreSQL, ${setting}, ${connections} connections`, values: found.postgres, target },
            { name: 'the same, pipelined', values: found.pipelined },
          ]
    const when = `${inFlight === 1 ? 'one at a time' : '64 in flight'}, durability ${durability}`
    report.add({ what: `query.execute, ${when}`, unit: 'inserts/s', cinch: found.execute, peers })
    report.add({ what: `row.insert, ${when}`, unit: 'inserts/s', cinch: found.rowInsert, peers })
  }

  const { rows } = await client.call('query.run', { sql: 'select count(*), max(id) from item' })
  assert.deepEqual(rows, [[next - 1, next - 1]], 'rows that were acknowledged are missing')
  if (pg) {
    const counted = postgres.psql('select count(*) from item')
    if (counted !== undefined) assert.equal(Number(counted), nextPg - 1)
    for (const each of pg) each.close()
  }
  client.close()
  bare.stop()
  await cinch.stop()
}

async function bulk(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 10_000 : 100_000
  const objects = Array.from({ length: count }, (_, at) => objectOf(at + 1))
  const text = JSON.stringify(objects)
  const folder = temporaryFolder('bulk')
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await client.call('table.create', table)
  await client.call('table.create', {
    name: 'kept',
    columns: table.columns.filter(({ name }) => name !== 'id'),
  })

  let tenants = 0
  /** A tenant of its own each time, whose file is there before the time runs. */
  const timed = async (lines, sum) => {
    const tenant = `b${++tenants}`
    await client.call('tenant.create', { name: tenant })
    await client.call('query.execute', { sql: 'delete from item', tenant })
    const texts = lines(tenant)
    const startedAt = performance.now()
    for (const line of texts) sum(await client.exchange(line))
    const perSecond = (count * 1000) / (performance.now() - startedAt)
    const from = texts[0].includes('"kept"') ? 'kept' : 'item'
    const { rows } = await client.call('query.run', { sql: `select count(*), sum(amount) from ${from}`, tenant })
    assert.deepEqual(rows, [[count, objects.reduce((total, { amount }) => total + amount, 0)]])
    await client.call('tenant.delete', { name: tenant })
    return perSecond
  }
  const call = (method, params) => `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`
  const inserted = (answer) => assert.equal(resultOf(answer).count, count)
  const keptText = JSON.stringify(objects.map(({ id: _, ...row }) => row))
  const statements = objects.map(({ id }) => ({ sql: insertSql, params: rowOf(id) }))
  const batchTexts = []
  for (let from = 0; from < count; from += 10_000)
    batchTexts.push(JSON.stringify(statements.slice(from, from + 10_000)))

  const bare = (rowsOf) => async (round) => {
    const file = path.join(folder, `bare-${round}.db`)
    const db = openBare(file)
    db.exec(sqliteTable)
    const startedAt = performance.now()
    const rows = rowsOf()
    const statement = db.prepare('insert into item values (?, ?, ?, ?)')
    db.transaction(() => {
      for (const { id, name, amount, note } of rows) statement.run(id, name, amount, note)
    })()
    const perSecond = (count * 1000) / (performance.now() - startedAt)
    assert.equal(db.prepare('select count(*) from item').pluck().get(), count)
    db.close()
    fs.rmSync(file)
    return perSecond
  }

  const contenders = {
    none: () =>
      timed(
        (tenant) => [call('row.insert', `{"tenant":"${tenant}","table":"item","returning":"none","rows":${text}}`)],
        inserted,
      ),
    rows: () =>
      timed(
        (tenant) => [call('row.insert', `{"tenant":"${tenant}","table":"item","rows":${text}}`)],
        (answer) => {
          inserted(answer)
          assert.deepEqual(resultOf(answer).rows[count - 1], objects[count - 1])
        },
      ),
    system: () =>
      timed(
        (tenant) => [call('row.insert', `{"tenant":"${tenant}","table":"kept","returning":"none","rows":${keptText}}`)],
        inserted,
      ),
    batch: () =>
      timed(
        (tenant) =>
          batchTexts.map((statements) => call('query.batch', `{"tenant":"${tenant}","statements":${statements}}`)),
        (answer) => assert.ok(resultOf(answer).results.every(({ changes }) => changes === 1)),
      ),
    loop: bare(() => objects),
    parsed: bare(() => JSON.parse(text)),
  }
  for (const contend of Object.values(contenders)) await contend('warm')
  const found = await interleaved(rounds, contenders)
  const peers = (target) => [
    { name: 'better-sqlite3 in process, one transaction', values: found.loop, target },
    { name: 'the same, and JSON.parse of the text', values: found.parsed },
  ]
  const rows = count.toLocaleString('en')
  report.add({
    what: `row.insert of ${rows} rows, returning none`,
    unit: 'rows/s',
    cinch: found.none,
    peers: peers(0.4),
  })
  report.add({
    what: `row.insert of ${rows} rows, rows returned`,
    unit: 'rows/s',
    cinch: found.rows,
    peers: peers(0.4),
  })
  report.add({
    what: `row.insert of ${rows} rows with system columns, returning none`,
    unit: 'rows/s',
    cinch: found.system,
    peers: peers(),
  })
  report.add({
    what: `query.batch of ${rows} inserts, 10,000 a call`,
    unit: 'rows/s',
    cinch: found.batch,
    peers: peers(0.4),
  })
  client.close()
  await cinch.stop()
}
