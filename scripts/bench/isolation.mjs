import assert from 'node:assert/strict'
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { resultOf } from './support/line-client.mjs'
import { percentile } from './support/rounds.mjs'
import { assertRow, openBare, rowOf, scattered, sqliteTable } from './support/rows.mjs'

const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r'
const runaways = 10

/** What one tenant's slow statements cost another tenant's quick ones, and how soon they end. */
export async function isolation(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 10_000 : 100_000
  const cinch = await startCinch(bench, { limits: { maxResultRows: 10_000_000, maxResultBytes: 2 ** 30 } })
  const client = await cinch.connect()
  await fillCinch(client, count)
  await client.call('tenant.create', { name: 'slow' })

  const quiet = []
  const beside = []
  const cancels = []
  await reads(client, count, 300)
  for (let round = 0; round < rounds; round++) {
    quiet.push(await reads(client, count, 1_500))
    const others = await Promise.all(Array.from({ length: runaways }, () => cinch.connect()))
    const answers = others.map((other) =>
      other.exchange(
        `{"jsonrpc":"2.0","id":1,"method":"query.run","params":{"tenant":"slow","sql":"${endless}","timeoutMs":60000}}`,
      ),
    )
    // Their processes are up by then.
    await sleep(3_000)
    assert.ok(processesOf(cinch.pid).filter(isRunning).length > 0, 'no statement runs')
    beside.push(await reads(client, count, 1_500))
    for (const [at, other] of others.entries()) {
      const startedAt = performance.now()
      other.tell('{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}')
      const { error } = await answers[at]
      assert.equal(error?.data.kind, 'requestCancelled')
      cancels.push(performance.now() - startedAt)
      other.close()
    }
    while (processesOf(cinch.pid).some(isRunning)) await sleep(1)
  }
  const rate = (found) => found.map(({ perSecond }) => perSecond)
  const p99 = (found) => found.map(({ p99 }) => p99)
  report.add({
    what: `point reads, one at a time, beside ${runaways} endless statements`,
    unit: 'reads/s',
    cinch: rate(beside),
    peers: [{ name: 'the same, alone', values: rate(quiet), target: 0.6 }],
  })
  report.add({
    what: 'the slowest of 100 of them',
    unit: 'ms',
    better: 'lower',
    cinch: p99(beside),
    peers: [{ name: 'the same, alone', values: p99(quiet), target: 1 / 3 }],
  })
  report.add({
    what: 'an endless statement, cancelled: answered after',
    unit: 'ms',
    better: 'lower',
    cinch: [Math.max(...cancels)],
    target: { atMost: 200 },
  })
  await scan(bench, cinch, client)
  client.close()
  await cinch.stop()
}

async function reads(client, count, durationMs) {
  const times = []
  let last = performance.now()
  const { perSecond } = await client.loop({
    inFlight: 1,
    durationMs,
    request: (id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"sql":"select id, name, amount, note from item where id = ?","params":[${scattered(id, count)}]}}`,
    check(answer, id) {
      assertRow(resultOf(answer).rows[0], scattered(id, count))
      const now = performance.now()
      times.push(now - last)
      last = now
    },
  })
  return { perSecond, p99: percentile(times, 0.99) }
}

/** A scan of a large table whose rows all come back, against the same in process. */
async function scan({ rounds, quick, report }, cinch, client) {
  const count = quick ? 50_000 : 1_000_000
  await client.call('tenant.create', { name: 'large' })
  const step = 10_000
  for (let from = 1; from <= count; from += step) {
    const statement = `with recursive r(n) as (select ${from} union all select n + 1 from r where n < ${from + step - 1}) insert into item select n, 'name of ' || n, n * 7, 'a note of forty characters, or nearly so' from r`
    await client.call('query.execute', { tenant: 'large', sql: statement })
  }
  const db = openBare(`${temporaryFolder('scan')}/bare.db`)
  db.exec(sqliteTable)
  const insert = db.prepare('insert into item values (?, ?, ?, ?)')
  db.transaction(() => {
    for (let id = 1; id <= count; id++) insert.run(rowOf(id))
  })()
  const statement = db.prepare('select * from item').raw()
  const whole = []
  const streamed = []
  const bare = []
  const run = (more) =>
    client.exchangeBytes(
      `{"jsonrpc":"2.0","id":1,"method":"query.run","params":{"tenant":"large","sql":"select * from item"${more}}}`,
    )
  // Before any answer that has them all.
  const before = cinch.residentBytes()
  let peak = before
  const looks = setInterval(() => {
    peak = Math.max(peak, cinch.residentBytes())
  }, 20)
  await run(',"partialResultToken":1')
  clearInterval(looks)
  for (let round = 0; round < rounds; round++) {
    const streamedAt = performance.now()
    const { bytes, answer } = await run(',"partialResultToken":1')
    streamed.push((count * 1000) / (performance.now() - streamedAt))
    assert.equal(resultOf(answer).count, count)
    const bareStartedAt = performance.now()
    let length = 0
    for (const row of statement.iterate()) length += JSON.stringify(row).length
    bare.push((count * 1000) / (performance.now() - bareStartedAt))
    const wholeAt = performance.now()
    await run('')
    whole.push((count * 1000) / (performance.now() - wholeAt))
    assert.ok(bytes > length / 2, `the answer has ${bytes} bytes`)
  }
  db.close()
  const rows = `${count.toLocaleString('en')} rows`
  const peers = [{ name: 'better-sqlite3 in process, iterate and JSON.stringify', values: bare, target: 0.4 }]
  report.add({ what: `a scan of ${rows}, streamed`, unit: 'rows/s', cinch: streamed, peers })
  report.add({
    what: 'by which the daemon grows meanwhile',
    unit: 'MiB',
    better: 'lower',
    cinch: [(peak - before) / 2 ** 20],
    target: { atMost: 50 },
  })
  report.add({ what: `a scan of ${rows} in one answer`, unit: 'rows/s', cinch: whole, peers })
}

function processesOf(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

function isRunning(pid) {
  try {
    return / R /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
