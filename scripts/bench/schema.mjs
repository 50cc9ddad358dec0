import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { resultOf } from './support/line-client.mjs'
import { assertRow, openBare, rowOf, sqliteTable, table } from './support/rows.mjs'

const insertSql = 'insert into item (id, name, amount, note) values (?, ?, ?, ?)'

/**
 * A column added to a fleet of tenants that have files: how soon it is answered, whether every tenant shows it at once,
 * how fast the drain brings the files along, and what a tenant's readers notice meanwhile.
 */
export async function schema(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 200 : 2_000
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await client.call('table.create', table)
  for (let each = 0; each < count; each++) {
    await client.call('tenant.create', { name: `t${each}` })
    await client.call('query.execute', { sql: insertSql, params: rowOf(each + 1), tenant: `t${each}` })
  }
  const files = async () => (await client.call('branch.status', {})).files
  assert.deepEqual(await files(), { total: count, atHead: count, behind: 0, locked: 0, failed: 0, shared: 0 })

  let columns = 0
  const addColumn = async () => {
    const name = `c${++columns}`
    const startedAt = performance.now()
    const { changeSet } = await client.call('column.add', {
      table: 'item',
      column: { name, type: 'TEXT', default: name },
    })
    assert.ok(changeSet)
    return { name, ms: performance.now() - startedAt }
  }
  const settled = async () => {
    for (;;) {
      const { behind, failed } = await files()
      assert.equal(failed, 0)
      if (behind === 0) return
      await sleep(5)
    }
  }

  const answers = []
  const touched = []
  const drained = []
  const bare = []
  const meanwhile = { quiet: [], during: [] }
  for (let round = 0; round < rounds; round++) {
    // At once after the answer, every tenant has the column, whether the drain was there or not.
    const first = await addColumn()
    const touchedAt = performance.now()
    await client.loop({
      inFlight: 16,
      count,
      // From the end: the drain starts at the other one.
      request: (id) =>
        `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"tenant":"t${count - id}","sql":"select id, ${first.name} from item"}}`,
      check: (answer, id) => assert.deepEqual(resultOf(answer).rows, [[count - id + 1, first.name]]),
    })
    touched.push((count * 1000) / (performance.now() - touchedAt))
    await settled()

    // Left to the drain alone.
    const second = await addColumn()
    const drainedAt = performance.now()
    await settled()
    drained.push((count * 1000) / (performance.now() - drainedAt))
    answers.push(first.ms, second.ms)

    bare.push(alterByHand(quick ? 50 : 300))

    // One tenant read while the drain is at work on the others.
    const read = {
      inFlight: 64,
      request: (id) =>
        `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"tenant":"t7","sql":"select id, name, amount, note from item where id = ?","params":[8]}}`,
      check: (answer) => assertRow(resultOf(answer).rows[0], 8),
    }
    const durationMs = quick ? 100 : 1_000
    await client.loop({ ...read, durationMs })
    const quiet = await client.loop({ ...read, durationMs })
    await addColumn()
    const during = await client.loop({ ...read, durationMs })
    const { behind } = await files()
    // Where the drain was through before the second was over, that second says nothing of it.
    if (behind > 0 || quick) {
      meanwhile.quiet.push(quiet.perSecond)
      meanwhile.during.push(during.perSecond)
    } else report.note(`schema, round ${round + 1}: the drain ended before the reads beside it did; left out`)
    await settled()
  }

  const what = count.toLocaleString('en')
  report.add({
    what: `column.add with ${what} files, answered in`,
    unit: 'ms',
    better: 'lower',
    cinch: answers,
    target: { atMost: 20 },
  })
  report.add({ what: 'then every tenant read, all showing the column', unit: 'tenants/s', cinch: touched })
  report.add({
    what: 'the drain by itself',
    unit: 'files/s',
    cinch: drained,
    target: { atLeast: 400 },
    peers: [{ name: 'by hand in process: open, alter, mark, commit, close', values: bare }],
  })
  if (meanwhile.during.length > 0) {
    report.add({
      what: 'point reads of one tenant beside the drain, 64 in flight',
      unit: 'reads/s',
      cinch: meanwhile.during,
      peers: [{ name: 'the same when it is quiet', values: meanwhile.quiet }],
    })
  }
  client.close()
  await cinch.stop()
}

/** Files that no daemon keeps: what the alteration costs by itself, in files a second. */
function alterByHand(count) {
  const folder = temporaryFolder('alter')
  const file = (each) => path.join(folder, `${each}.db`)
  for (let each = 0; each < count; each++) {
    const db = openBare(file(each))
    db.exec(`${sqliteTable}; create table mark (key text primary key, value text) strict, without rowid`)
    db.prepare(insertSql).run(rowOf(each + 1))
    db.close()
  }
  const startedAt = performance.now()
  for (let each = 0; each < count; each++) {
    const db = openBare(file(each))
    db.exec(
      `begin immediate; alter table item add column c text default 'c'; insert or replace into mark values ('changeSet', 'c'); commit`,
    )
    db.close()
  }
  const perSecond = (count * 1000) / (performance.now() - startedAt)
  fs.rmSync(folder, { recursive: true })
  return perSecond
}
