import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { everyOf, insertSql, makeFleet, tenantFiles, timed } from './support/fleet.mjs'
import { resultOf } from './support/line-client.mjs'
import { interleaved, median } from './support/rounds.mjs'
import { assertRow, objectOf, openBare, rowOf, scattered, table } from './support/rows.mjs'

/** What a branch costs: to make, to read through, and at the first write after it. */
export async function branches(bench) {
  await creation(bench)
  await depth(bench)
  await firstWrites(bench)
}

/** Daemons of different sizes take turns, so that what the disk does meanwhile meets all of them alike. */
async function creation(bench) {
  const { rounds, quick, report } = bench
  const creates = quick ? 3 : Math.max(20, rounds * 8)
  const sizes = quick ? [1, 10, 100] : [1, 10, 100, 1_000, 10_000]
  const many = sizes.at(-1)
  const started = async () => {
    const cinch = await startCinch(bench)
    return { cinch, client: await cinch.connect() }
  }
  const fleets = []
  for (const size of sizes) {
    const fleet = await started()
    await makeFleet(fleet.client, size)
    fleets.push(fleet)
  }
  const largest = fleets.at(-1)
  const before = tenantFiles(largest.cinch.project)
  assert.ok(before.files >= many)

  const commit = syncedCommit()
  const byTenants = sizes.map(() => [])
  const commits = []
  for (let each = -2; each < creates; each++) {
    const turn = []
    for (let at = 0; at < sizes.length; at++) {
      const { client } = fleets[(at + creates + each) % sizes.length]
      const name = `b${each + 2}`
      const { result, ms } = await timed(client, 'branch.create', { name })
      assert.equal(result.parent, 'main')
      turn[(at + creates + each) % sizes.length] = ms
    }
    const ms = commit()
    // The first ones only warm up.
    if (each < 0) continue
    for (const [at, ms] of turn.entries()) byTenants[at].push(ms)
    commits.push(ms)
  }
  assert.deepEqual(tenantFiles(largest.cinch.project), before, 'a branch cost bytes of tenants')
  const page = await largest.client.call('tenant.list', { branch: 'b0', limit: 10_000 })
  assert.equal(page.tenants.length + (page.nextCursor === undefined ? 0 : 1), Math.min(many + 1, 10_001))
  const { rows } = await largest.client.call('query.run', { sql: 'select * from item', branch: 'b0', tenant: 't7' })
  if (many > 7) assert.deepEqual(rows, [rowOf(8)])
  report.add({
    what: `branch.create with ${many.toLocaleString('en')} tenants that have files, each of ${creates}`,
    unit: 'ms',
    better: 'lower',
    cinch: byTenants.at(-1),
    target: { atMost: 10 },
    peers: [
      ...sizes.slice(0, -1).map((size, at) => ({
        name: `with ${size.toLocaleString('en')} tenant${size === 1 ? '' : 's'}`,
        values: byTenants[at],
      })),
      { name: 'by hand in process: one small synced commit', values: commits },
    ],
  })
  report.note(
    `branches: ${before.files.toLocaleString('en')} files of tenants with ${before.bytes.toLocaleString('en')} bytes before ${creates + 2} forks of them, the same after`,
  )
  for (const { client, cinch } of fleets) {
    client.close()
    await cinch.stop()
  }

  // Now few tenants and many branches.
  const counts = quick ? [1, 16] : [1, 16, 128, 1_024]
  const forests = []
  for (const count of counts) {
    const forest = await started()
    await makeFleet(forest.client, 10)
    const names = Array.from({ length: count - 1 }, (_, at) => `old-${at}`)
    await everyOf(forest.client, names, {
      inFlight: 1,
      request: (name) => ['branch.create', { name }],
      check: ({ name }, wanted) => assert.equal(name, wanted),
    })
    const { branches } = await forest.client.call('branch.list', {})
    assert.equal(branches.length, count)
    forests.push(forest)
  }
  const byBranches = counts.map(() => [])
  const deletes = counts.map(() => [])
  for (let each = -2; each < creates; each++) {
    for (let turn = 0; turn < counts.length; turn++) {
      const at = (turn + creates + each) % counts.length
      const { client } = forests[at]
      const made = await timed(client, 'branch.create', { name: 'new' })
      const gone = await timed(client, 'branch.delete', { name: 'new' })
      if (each < 0) continue
      byBranches[at].push(made.ms)
      deletes[at].push(gone.ms)
    }
  }
  const name = (count) => (count === 1 ? 'beside main alone' : `with ${count.toLocaleString('en')} branches`)
  const others = (values) => counts.slice(0, -1).map((count, at) => ({ name: name(count), values: values[at] }))
  const last = counts.at(-1).toLocaleString('en')
  report.add({
    what: `branch.create with ${last} branches there, each of ${creates}`,
    unit: 'ms',
    better: 'lower',
    cinch: byBranches.at(-1),
    target: { atMost: 10 },
    peers: others(byBranches),
  })
  report.add({
    what: `branch.delete with ${last} others there, each of ${creates}`,
    unit: 'ms',
    better: 'lower',
    cinch: deletes.at(-1),
    peers: others(deletes),
  })
  for (const { client, cinch } of forests) {
    client.close()
    await cinch.stop()
  }
}

/** What a catalog write cannot do without. @returns {() => number} ms of one */
function syncedCommit() {
  const db = new Database(path.join(temporaryFolder('commit'), 'commit.db'))
  db.pragma('journal_mode = wal')
  db.pragma('synchronous = full')
  db.exec('create table branch (id integer primary key, name text)')
  const statement = db.prepare('insert into branch (name) values (?)')
  return () => {
    const startedAt = performance.now()
    statement.run('a branch')
    return performance.now() - startedAt
  }
}

/** A tenant's row read through a chain of branches, none of which has a row of its own for it. */
async function depth(bench) {
  const { rounds, quick, report } = bench
  const deep = 50
  const count = quick ? 1_000 : 100_000
  const tenants = quick ? 50 : 400
  const durationMs = quick ? 50 : 100
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await fillCinch(client, count)
  const names = Array.from({ length: tenants }, (_, at) => `t${at}`)
  for (const [at, tenant] of names.entries()) {
    await client.call('tenant.create', { name: tenant })
    await client.call('query.execute', { sql: insertSql, params: rowOf(at + 1), tenant })
  }
  for (let at = 1; at <= deep; at++) {
    await client.call('branch.create', { name: `d${at}`, from: at === 1 ? 'main' : `d${at - 1}` })
  }
  const keyOf = (id) => scattered(id, count)
  const rate = (branch, inFlight) => async () => {
    const { perSecond } = await client.loop({
      inFlight,
      durationMs,
      request: (id) =>
        `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"branch":"${branch}","sql":"select id, name, amount, note from item where id = ?","params":[${keyOf(id)}]}}`,
      check: (answer, id) => assertRow(resultOf(answer).rows[0], keyOf(id)),
    })
    return perSecond
  }
  // Tenants that were not read through this branch before: all of the chain is looked through.
  const firstTouch = async (branch) => {
    const ms = await everyOf(client, names, {
      inFlight: 1,
      request: (tenant) => ['query.run', { branch, tenant, sql: 'select * from item' }],
      check: ({ rows }, tenant) => assert.equal(rows[0][0], Number(tenant.slice(1)) + 1),
    })
    return (ms * 1000) / tenants
  }
  // Before each branch is touched for the first time, main's tenants are open.
  await firstTouch('main')
  const again = []
  const first = []
  for (let round = 0; round < rounds; round++) {
    again.push(await firstTouch('main'))
    first.push(await firstTouch(`d${deep - round}`))
  }
  for (const inFlight of [1, 64]) {
    const contenders = { deepest: rate(`d${deep}`, inFlight), main: rate('main', inFlight) }
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices: quick ? 2 : 12 })
    report.add({
      what: `point read on the deepest of a chain of ${deep} branches, ${inFlight === 1 ? 'one at a time' : '64 in flight'}`,
      unit: 'reads/s',
      cinch: found.deepest,
      // 1.1 times the cost of main.
      peers: [{ name: 'the same on main', values: found.main, target: 0.91 }],
    })
  }
  report.add({
    what: `a tenant read for the first time on a branch ${deep} deep, mean of ${tenants}`,
    unit: 'µs',
    better: 'lower',
    cinch: first,
    peers: [{ name: 'the same tenants on main, known there', values: again }],
  })
  client.close()
  await cinch.stop()
}

/** The first write of either side after a fork copies the file. The peer does what cannot be left out. */
async function firstWrites(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 2 : 8
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await client.call('table.create', table)
  const rows = Array.from({ length: quick ? 500 : 15_700 }, (_, at) => objectOf(at + 1))
  const next = rows.length + 1
  const fill = async (name) => {
    await client.call('tenant.create', { name })
    await client.call('row.insert', { table: 'item', rows, returning: 'none', tenant: name })
  }
  const write = async (branch, tenant) => {
    const { result, ms } = await timed(client, 'query.execute', { sql: insertSql, params: rowOf(next), branch, tenant })
    assert.equal(result.changes, 1)
    return ms
  }
  const counted = async (branch, tenant) => {
    const answer = await client.call('query.run', { sql: 'select count(*), max(id) from item', branch, tenant })
    return answer.rows[0]
  }
  const folder = temporaryFolder('copy')
  const found = { child: [], parent: [], again: [], bare: [] }
  const sizes = []
  for (let round = 0; round < rounds; round++) {
    const names = Array.from({ length: count * 2 }, (_, at) => `f${round}-${at}`)
    for (const name of names) await fill(name)
    const branch = `c${round}`
    await client.call('branch.create', { name: branch })
    const original = path.join(folder, `${round}.db`)
    const db = openBare(original)
    db.exec('create table item (id integer primary key, name text not null, amount integer not null, note text)')
    db.transaction(() => {
      for (let id = 1; id < next; id++) db.prepare(insertSql).run(rowOf(id))
    })()
    db.close()
    const times = { child: [], parent: [], again: [], bare: [] }
    for (let each = 0; each < count; each++) {
      const [ofChild, ofParent] = names.slice(each * 2)
      times.child.push(await write(branch, ofChild))
      times.parent.push(await write('main', ofParent))
      const { fileBytes, walBytes } = await client.call('tenant.size', { name: ofParent })
      sizes.push(fileBytes + walBytes)
      // Each side has its row, and the other has not.
      assert.deepEqual(await counted(branch, ofChild), [next, next])
      assert.deepEqual(await counted('main', ofChild), [next - 1, next - 1])
      assert.deepEqual(await counted('main', ofParent), [next, next])
      assert.deepEqual(await counted(branch, ofParent), [next - 1, next - 1])
      const own = path.join(folder, `${round}-${each}`)
      times.bare.push(copyByHand(original, own, next))
      const { ms } = await timed(client, 'query.execute', {
        sql: 'delete from item where id = ?',
        params: [next],
        tenant: ofParent,
      })
      times.again.push(ms)
    }
    for (const [name, values] of Object.entries(times)) found[name].push(median(values))
    await client.call('branch.delete', { name: branch })
    for (const name of names) await client.call('tenant.delete', { name })
  }
  const size = `${(median(sizes) / 2 ** 20).toFixed(2)} MiB`
  const peers = [
    { name: 'the same by hand in process: copy, sync, folder, row', values: found.bare },
    { name: 'a write after it', values: found.again },
  ]
  const target = { atMost: 10 }
  const shown = { unit: 'ms', better: 'lower', target, peers }
  report.add({
    what: `first write of the child after a fork, ${size}, medians of ${count}`,
    cinch: found.child,
    ...shown,
  })
  report.add({
    what: `first write of the parent after a fork, ${size}, medians of ${count}`,
    cinch: found.parent,
    ...shown,
  })
  client.close()
  await cinch.stop()
}

function copyByHand(original, own, id) {
  const startedAt = performance.now()
  fs.mkdirSync(own)
  const file = path.join(own, 't.db')
  fs.copyFileSync(original, file)
  for (const synced of [file, own, path.dirname(own)]) {
    const handle = fs.openSync(synced)
    fs.fsyncSync(handle)
    fs.closeSync(handle)
  }
  const db = openBare(file)
  db.prepare(insertSql).run(rowOf(id))
  const ms = performance.now() - startedAt
  db.close()
  fs.rmSync(own, { recursive: true })
  return ms
}
