import { randomBytes } from 'node:crypto'
import { fillTenant } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { resultOf } from './support/line-client.mjs'
import { interleaved } from './support/rounds.mjs'
import { assertRow, scattered, table } from './support/rows.mjs'

const sql = 'select id, name, amount, note from item where id = ?'

/** What an encrypted tenant costs, against a plain one of the same rows in the same daemon. */
export async function encryption(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 10_000 : 100_000
  const durationMs = quick ? 100 : 150
  const slices = quick ? 2 : 8
  const keyOf = (id) => scattered(id, count)

  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  const key = { raw: randomBytes(32).toString('hex') }
  await client.call('table.create', table)
  await client.call('tenant.create', { name: 'plain' })
  await client.call('tenant.create', { name: 'sealed', key })
  await client.call('tenant.unlock', { name: 'sealed', key })
  for (const tenant of ['plain', 'sealed']) await fillTenant(client, count, { tenant })

  const contender = (inFlight, scope) => async () => {
    const request = (id) => {
      const params = JSON.stringify({ ...scope, sql, params: [keyOf(id)] })
      return `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":${params}}`
    }
    const check = (answer, id) => assertRow(resultOf(answer).rows[0], keyOf(id))
    return (await client.loop({ inFlight, durationMs, request, check })).perSecond
  }
  for (const inFlight of [1, 64]) {
    const contenders = {
      plain: contender(inFlight, { tenant: 'plain' }),
      sealed: contender(inFlight, { tenant: 'sealed' }),
      keyed: contender(inFlight, { tenant: 'sealed', key }),
    }
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices })
    const when = inFlight === 1 ? 'one at a time' : '64 in flight'
    const peers = [{ name: 'a plain tenant', values: found.plain, target: 0.8 }]
    report.add({ what: `query.run of an unlocked tenant, ${when}`, unit: 'reads/s', cinch: found.sealed, peers })
    const bare = [{ name: 'a plain tenant', values: found.plain }]
    report.add({
      what: `query.run with its key in the call, ${when}`,
      unit: 'reads/s',
      cinch: found.keyed,
      peers: bare,
    })
  }
  client.close()
  await cinch.stop()
}
