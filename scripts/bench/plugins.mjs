import fs from 'node:fs'
import path from 'node:path'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { resultOf } from './support/line-client.mjs'
import { interleaved } from './support/rounds.mjs'
import { assertRow, scattered } from './support/rows.mjs'

const sql = 'select id, name, amount, note from item where id = ?'
/** One hook before and one after each statement, which look at what they are given and answer at once. */
const module = `export default {
  name: 'looks', version: '1.0.0',
  beforeQuery: ({ sql }) => (sql.length > 10_000 ? { veto: 'too long' } : undefined),
  afterQuery: (query, { rows }) => { seen += rows.length },
}
let seen = 0
`

/** What a plugin costs a point read: none, one in the daemon's own thread, one in a thread of its own. */
export async function plugins(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 1_000 : 10_000
  const durationMs = quick ? 100 : 150
  const slices = quick ? 2 : 8
  const daemons = []
  const clients = {}
  for (const runIn of ['none', 'daemon', 'worker']) {
    const cinch = await startCinch(bench)
    daemons.push(cinch)
    const client = await cinch.connect()
    await fillCinch(client, count)
    if (runIn !== 'none') {
      const file = path.join(cinch.project, 'looks.mjs')
      fs.writeFileSync(file, module)
      await client.call('plugin.load', { path: file, runIn })
    }
    clients[runIn] = client
  }

  const read = {
    request: (id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"sql":"${sql}","params":[${scattered(id, count)}]}}`,
    check: (answer, id) => assertRow(resultOf(answer).rows[0], scattered(id, count)),
  }
  for (const inFlight of [1, 64]) {
    const contenders = Object.fromEntries(
      Object.entries(clients).map(([runIn, client]) => [
        runIn,
        async () => (await client.loop({ inFlight, durationMs, ...read })).perSecond,
      ]),
    )
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices })
    const when = inFlight === 1 ? 'one at a time' : '64 in flight'
    const peers = [{ name: 'the same without a plugin', values: found.none }]
    report.add({ what: `query.run with two hooks in the daemon, ${when}`, unit: 'reads/s', cinch: found.daemon, peers })
    report.add({ what: `query.run with two hooks in a thread, ${when}`, unit: 'reads/s', cinch: found.worker, peers })
  }
  for (const client of Object.values(clients)) client.close()
  for (const cinch of daemons) await cinch.stop()
}
