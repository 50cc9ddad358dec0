import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { startCinch } from './support/cinch.mjs'
import { everyOf, filesOf, insertSql, makeFleet, refusedCall, settled, timed } from './support/fleet.mjs'
import { resultOf } from './support/line-client.mjs'
import { assertRow, objectOf, table } from './support/rows.mjs'
import { shuffled } from './support/shuffled.mjs'

/** Merges into a fleet: what the answer costs, what every tenant shows after it, and what the proof of an index costs. */
export async function merge(bench) {
  await fleet(bench)
  await small(bench)
  await touched(bench)
  await unique(bench)
}

/** On a branch of its own: a table and a column, each with the number of the merge in its name. */
async function prepare(client, number) {
  const branch = `f${number}`
  const created = await timed(client, 'branch.create', { name: branch })
  const columns = [{ name: 'note', type: 'TEXT' }]
  await client.call('table.create', { branch, name: `extra${number}`, columns })
  const column = { name: `c${number}`, type: 'TEXT', default: `d${number}` }
  await client.call('column.add', { branch, table: 'item', column })
  return { branch, createMs: created.ms }
}

/** Both edits of a merge, seen by one query. */
function seen(number) {
  const sql = `select id, c${number}, (select count(*) from extra${number}) from item`
  return {
    request: (each) => ['query.run', { tenant: `t${each}`, sql }],
    check: ({ rows }, each) => assert.deepEqual(rows, [[each + 1, `d${number}`, 0]]),
  }
}

async function merged(client, branch) {
  const { result, ms } = await timed(client, 'branch.merge', { source: branch })
  assert.equal(result.status, 'merged')
  return ms
}

async function fleet(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 200 : 10_000
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  const reader = await cinch.connect()
  await makeFleet(client, count)
  const found = { merge: [], delete: [], all: [], each: [], drain: [], quiet: [], during: [], worst: [], wait: [] }
  let number = 0
  for (let round = 0; round < rounds; round++) {
    // Every tenant, in an order by chance, while the drain is at work.
    const first = await prepare(client, ++number)
    found.merge.push(await merged(client, first.branch))
    found.delete.push((await timed(client, 'branch.delete', { name: first.branch })).ms)
    const ms = await everyOf(client, shuffled(Array(count).keys()), seen(number))
    found.all.push((count * 1000) / ms)
    await settled(client)

    // The drain by itself.
    const second = await prepare(client, ++number)
    found.merge.push(await merged(client, second.branch))
    const deleted = await timed(client, 'branch.delete', { name: second.branch })
    found.delete.push(deleted.ms)
    const drainedAt = performance.now()
    await settled(client, 100)
    found.drain.push((count * 1000) / (performance.now() - drainedAt))
    const some = shuffled(Array(count).keys()).slice(0, Math.min(count, 500))
    await everyOf(client, some, seen(number))

    // One tenant read while the drain is at work on the others.
    const read = {
      inFlight: 64,
      request: (id) =>
        `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"tenant":"t7","sql":"select id, name, amount, note from item where id = ?","params":[8]}}`,
      check: (answer) => assertRow(resultOf(answer).rows[0], 8),
    }
    const durationMs = quick ? 100 : 1_500
    const waits = async (milliseconds) => {
      const waited = []
      const until = performance.now() + milliseconds
      while (performance.now() < until) {
        const { ms } = await timed(reader, 'query.run', { tenant: 't7', sql: 'select id from item where id = 8' })
        waited.push(ms)
      }
      return waited
    }
    await client.loop({ ...read, durationMs })
    const quiet = await client.loop({ ...read, durationMs })
    const third = await prepare(client, ++number)
    found.merge.push(await merged(client, third.branch))
    found.delete.push((await timed(client, 'branch.delete', { name: third.branch })).ms)
    const during = await client.loop({ ...read, durationMs })
    const waited = await waits(quick ? 20 : 500)
    const { behind } = await filesOf(client)
    if (behind > 0 || quick) {
      found.quiet.push(quiet.perSecond)
      found.during.push(during.perSecond)
      found.worst.push(Math.max(...waited))
    } else report.note(`merge, round ${round + 1}: the drain ended before the reads beside it did; left out`)
    await settled(client)
  }
  const what = count.toLocaleString('en')
  const ms = { unit: 'ms', better: 'lower' }
  report.add({
    what: `merge of a table and a column over ${what} files, answered in`,
    cinch: found.merge,
    target: { atMost: 50 },
    ...ms,
  })
  report.add({ what: 'branch.delete of its source afterwards', cinch: found.delete, ...ms })
  report.add({ what: 'then every tenant read in random order, all showing both', unit: 'tenants/s', cinch: found.all })
  report.add({ what: 'the drain by itself', unit: 'files/s', cinch: found.drain, target: { atLeast: 400 } })
  if (found.during.length > 0) {
    report.add({
      what: 'point reads of one tenant beside the drain, 64 in flight',
      unit: 'reads/s',
      cinch: found.during,
      peers: [{ name: 'the same when it is quiet', values: found.quiet, target: 0.5 }],
    })
    report.add({ what: 'longest wait of a lone point read beside the drain', cinch: found.worst, ...ms })
  }
  client.close()
  reader.close()
  await cinch.stop()
}

/** The workload of CinchDB's own figures: 400 tenants with a file of one row each. */
async function small(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 40 : 400
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await makeFleet(client, count)
  const found = { create: [], merge: [], merged: [], column: [], drained: [] }
  for (let round = 0; round < rounds; round++) {
    const branch = `m${round}`
    found.create.push((await timed(client, 'branch.create', { name: branch })).ms)
    await client.call('table.create', { branch, name: `extra${round}`, columns: [{ name: 'note', type: 'TEXT' }] })
    const startedAt = performance.now()
    found.merge.push(await merged(client, branch))
    await client.call('branch.delete', { name: branch })
    await settled(client, 5)
    found.merged.push(performance.now() - startedAt)

    const addedAt = performance.now()
    const column = { name: `c${round}`, type: 'TEXT', default: 'd' }
    found.column.push((await timed(client, 'column.add', { table: 'item', column })).ms)
    await settled(client, 5)
    found.drained.push(performance.now() - addedAt)
  }
  const line = (what, cinch, published) => {
    const peers = [{ name: 'CinchDB, as it says itself', values: cinch.map(() => published) }]
    report.add({ what: `${count} tenants: ${what}`, unit: 'ms', better: 'lower', cinch, peers })
  }
  line('branch', found.create, 470)
  line('merge of one table, answered', found.merge, 1_630)
  line('the same, branch deleted and every file rewritten', found.merged, 1_630)
  line('column added, answered', found.column, 1_560)
  line('the same, and every file rewritten', found.drained, 1_560)
  client.close()
  await cinch.stop()
}

/** The source stays: its files are the target's still, and who touches a tenant has it copied. */
async function touched(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 40 : 1_000
  const found = { touched: [], delete: [] }
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const cinch = await startCinch(bench)
    const client = await cinch.connect()
    await makeFleet(client, count)
    const { branch } = await prepare(client, 1)
    await merged(client, branch)
    const ms = await everyOf(client, shuffled(Array(count).keys()), seen(1))
    found.touched.push((count * 1000) / ms)
    found.delete.push((await timed(client, 'branch.delete', { name: branch })).ms)
    await settled(client)
    client.close()
    await cinch.stop()
  }
  const what = count.toLocaleString('en')
  report.add({
    what: `every of ${what} tenants read after a merge whose source stays, so copied`,
    unit: 'tenants/s',
    cinch: found.touched,
  })
  report.add({
    what: `branch.delete of that source with its ${what} files`,
    unit: 'ms',
    better: 'lower',
    cinch: found.delete,
  })
}

async function unique(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 40 : 1_000
  const perTenant = 100
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await client.call('table.create', table)
  const tenants = Array.from({ length: count }, (_, at) => at)
  await everyOf(client, tenants, {
    inFlight: 64,
    request: (each) => ['tenant.create', { name: `t${each}` }],
    check: () => {},
  })
  const rows = Array.from({ length: perTenant }, (_, at) => objectOf(at + 1))
  await everyOf(client, tenants, {
    inFlight: 16,
    request: (each) => ['row.insert', { table: 'item', rows, returning: 'none', tenant: `t${each}` }],
    check: ({ count }) => assert.equal(count, perTenant),
  })
  const source = async (number) => {
    const branch = `u${number}`
    await client.call('branch.create', { name: branch })
    const index = { table: 'item', columns: ['name'], unique: true, name: `by_name_${number}` }
    await client.call('index.create', { branch, ...index })
    return branch
  }

  const rates = []
  let number = 0
  for (let round = 0; round < rounds; round++) {
    const branch = await source(++number)
    const { result, ms } = await timed(client, 'branch.merge', { source: branch })
    assert.deepEqual([result.status, result.tenantsToProve], ['merged', count])
    rates.push((count * 1000) / ms)
    await client.call('branch.delete', { name: branch })
    await client.call('index.drop', { name: `by_name_${number}` })
    await settled(client)
  }

  // One tenant with a duplicate: refused with its rows, and nothing is other than it was.
  const guilty = `t${count - 3}`
  const twice = objectOf(7).name
  // The source has proved its own tenants already, which are as they were at the fork.
  const branch = await source(++number)
  const duplicate = { sql: insertSql, params: [perTenant + 1, twice, 0, null], tenant: guilty }
  await client.call('query.execute', duplicate)
  const state = async () => ({
    main: await client.call('branch.get', { name: 'main' }),
    source: await client.call('branch.get', { name: branch }),
    history: await client.call('branch.history', { name: 'main' }),
    indexes: await client.call('index.list', {}),
    status: await client.call('branch.status', { name: 'main' }),
    files: digest(cinch.project),
  })
  // A file that is closed has its log brought into it: afterwards only the reading of a proof opens and closes any.
  const rest = tenants.filter((each) => `t${each}` !== guilty)
  await everyOf(client, rest, {
    request: (each) => ['query.run', { sql: 'select count(*) from item', tenant: `t${each}` }],
    check: ({ rows }) => assert.deepEqual(rows, [[perTenant]]),
  })
  const before = await state()
  const times = []
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    const error = await refusedCall(client, 'branch.merge', { source: branch })
    times.push(performance.now() - startedAt)
    assert.equal(error.data.kind, 'proofFailed')
    assert.equal(error.data.tenants, 1)
    assert.equal(error.data.witnesses.length, 1)
    const [witness] = error.data.witnesses
    assert.deepEqual([witness.tenant, witness.table], [guilty, 'item'])
    assert.ok(witness.rows.length > 0)
    if (round === 0) report.note(`merge, a duplicate: ${JSON.stringify(witness)}`)
  }
  assert.deepEqual(await state(), before, 'a refused merge changed something')
  // The duplicate gone, it merges, and holds.
  await client.call('query.execute', { sql: 'delete from item where id = ?', params: [perTenant + 1], tenant: guilty })
  await merged(client, branch)
  await refusedCall(client, 'query.execute', duplicate)
  const what = `${count.toLocaleString('en')} tenants of ${perTenant} rows`
  report.add({
    what: `merge with a unique index over ${what}: proof and all else`,
    unit: 'tenants/s',
    cinch: rates,
    target: { atLeast: 1_000 },
  })
  report.add({ what: 'the same refused for a duplicate in one tenant', unit: 'ms', better: 'lower', cinch: times })
  client.close()
  await cinch.stop()
}

/** Of every file of a tenant, its log included. */
function digest(project) {
  const root = path.join(project, '.cinchdb')
  const digests = {}
  for (const folder of fs.readdirSync(root, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue
    for (const entry of fs.readdirSync(path.join(root, folder.name), { withFileTypes: true, recursive: true })) {
      // The index of a log is memory that readers mark, not content; an empty log is none.
      if (!entry.isFile() || entry.name.endsWith('-shm')) continue
      const file = path.join(entry.parentPath, entry.name)
      const bytes = fs.readFileSync(file)
      if (bytes.length > 0) digests[path.relative(root, file)] = createHash('sha256').update(bytes).digest('hex')
    }
  }
  return digests
}
