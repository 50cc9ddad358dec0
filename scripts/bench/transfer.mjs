import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { resultOf } from './support/line-client.mjs'
import { percentile } from './support/rounds.mjs'
import { assertRow, scattered, sqliteTable } from './support/rows.mjs'

/** Files that go in and out, against the sqlite3 program; and what work on a large tenant costs another one's reads. */
export async function transfer(bench) {
  const { quick, report, rounds } = bench
  const count = quick ? 50_000 : 1_000_000
  const folder = temporaryFolder('transfer')
  const csv = path.join(folder, 'in.csv')
  writeCsv(csv, count)
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  const few = quick ? 1_000 : 10_000
  await fillCinch(client, few)

  const hasSqlite = spawnSync('sqlite3', ['--version']).status === 0
  if (!hasSqlite) report.note('no sqlite3 here: that peer is skipped')
  const imports = { own: [], peer: [] }
  const exports = { own: [], peer: [] }
  for (let round = 0; round < rounds; round++) {
    const name = `in-${round}`
    await client.call('tenant.create', { name })
    imports.own.push(await perSecond(count, () => client.call('tenant.import', { name, path: csv, table: 'item' })))
    const out = path.join(folder, 'out.csv')
    const params = { name, path: out, table: 'item', overwrite: true }
    exports.own.push(await perSecond(count, () => client.call('tenant.export', params)))
    if (!hasSqlite) continue
    const file = path.join(folder, `peer-${round}.db`)
    imports.peer.push(await perSecond(count, () => sqlite(file, sqliteTable, `.import --csv --skip 1 ${csv} item`)))
    const commands = ['.mode csv', '.headers on', `.output ${out}`, 'select * from item;']
    exports.peer.push(await perSecond(count, () => sqlite(file, ...commands)))
    if (round < rounds - 1) await client.call('tenant.delete', { name })
  }
  const rows = count.toLocaleString('en')
  const peer = (name, values, target) => [{ name, values: hasSqlite ? values : undefined, target }]
  report.add({
    what: `import of ${rows} rows of CSV`,
    unit: 'rows/s',
    cinch: imports.own,
    peers: peer('sqlite3 .import', imports.peer, 0.3),
  })
  report.add({
    what: `export of ${rows} rows to CSV`,
    unit: 'rows/s',
    cinch: exports.own,
    peers: peer('sqlite3 .mode csv', exports.peer),
  })
  await beside(bench, cinch, client, few, `in-${rounds - 1}`)
  client.close()
  await cinch.stop()
}

/** Point reads of one tenant while a large one gets an index, is made anew, is vacuumed, is backed up. */
async function beside({ report, rounds }, cinch, reader, few, large) {
  const quiet = []
  for (let round = 0; round < rounds; round++) quiet.push(await readsDuring(reader, few, pause(1_000)))
  const works = {
    'an index is built': ['index.create', { table: 'item', columns: ['note'], name: 'bench_note' }],
    'a table is made anew': ['column.alter', { table: 'item', name: 'amount', nullable: true }],
    'a vacuum': ['tenant.vacuum', { name: large }],
    'a backup': ['backup.create', {}],
  }
  const worker = await cinch.connect()
  for (const [what, [method, params]] of Object.entries(works)) {
    const startedAt = performance.now()
    const work = (async () => {
      await worker.call(method, params)
      const { rows } = await worker.call('query.run', { tenant: large, sql: 'select name from item where id = 1' })
      assert.equal(rows.length, 1)
      return performance.now() - startedAt
    })()
    const found = await readsDuring(reader, few, work)
    report.add({
      what: `the slowest of all point reads beside a large tenant: ${what}`,
      unit: 'ms',
      better: 'lower',
      cinch: [found.slowest],
      peers: [
        {
          name: 'the same, alone',
          values: [
            percentile(
              quiet.map(({ slowest }) => slowest),
              0.5,
            ),
          ],
        },
      ],
    })
    report.add({ what: `${what}: through after`, unit: 'ms', better: 'lower', cinch: [await work] })
  }
  worker.close()
}

/** Read one row after the other until `work` is through. */
async function readsDuring(client, few, work) {
  let isOver = false
  void work.then(() => {
    isOver = true
  })
  let slowest = 0
  let reads = 0
  for (let id = 1; !isOver; id++) {
    const startedAt = performance.now()
    const key = scattered(id, few)
    const answer = await client.exchange(
      `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"sql":"select id, name, amount, note from item where id = ?","params":[${key}]}}`,
    )
    assertRow(resultOf(answer).rows[0], key)
    slowest = Math.max(slowest, performance.now() - startedAt)
    reads++
  }
  return { slowest, reads }
}

async function perSecond(count, work) {
  const startedAt = performance.now()
  await work()
  return (count * 1000) / (performance.now() - startedAt)
}

/** At the priority at which cinch does such work. */
function sqlite(file, ...commands) {
  const { status, stderr } = spawnSync('nice', ['-n', '19', 'sqlite3', file, ...commands], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

function writeCsv(file, count) {
  const handle = fs.openSync(file, 'w')
  let text = 'id,name,amount,note\n'
  for (let id = 1; id <= count; id++) {
    text += `${id},name of ${id},${id * 7},a note of forty characters or nearly so\n`
    if (text.length < 1_000_000 && id < count) continue
    fs.writeSync(handle, text)
    text = ''
  }
  fs.closeSync(handle)
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
