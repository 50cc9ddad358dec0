import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeProject, startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { resultOf } from './support/line-client.mjs'
import { interleaved, median } from './support/rounds.mjs'
import { objectOf, openBare, rowOf, sqliteTable, table } from './support/rows.mjs'

const insertSql = 'insert into item (id, name, amount, note) values (?, ?, ?, ?)'
const megabyte = 2 ** 20

/** What tenants cost: to register, to write to for the first time, to keep open; and what the daemon costs without any. */
export async function tenants(bench) {
  await creation(bench)
  await firstWrite(bench)
  await memory(bench)
  await start(bench)
}

async function creation(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 2_000 : 20_000
  const perBatch = 1_000
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  const name = (prefix, id) => `${prefix}-${String(id).padStart(6, '0')}`
  const line = (prefix, id) =>
    `{"jsonrpc":"2.0","id":${id},"method":"tenant.create","params":{"name":"${name(prefix, id)}"}}`
  const check = (prefix) => (answer, id) => {
    const { name: created, hasFile } = resultOf(answer)
    if (created !== name(prefix, id) || hasFile) assert.fail(JSON.stringify(answer))
  }
  const counted = async (prefix) => {
    let found = 0
    for (let cursor = ''; cursor !== undefined; ) {
      const page = await client.call('tenant.list', { prefix: `${prefix}-`, limit: 10_000, ...(cursor && { cursor }) })
      found += page.tenants.length
      cursor = page.nextCursor
    }
    assert.equal(found, count)
  }
  const found = await interleaved(rounds, {
    async pipelined(round) {
      const prefix = `p${round}`
      const request = (id) => line(prefix, id)
      const { perSecond } = await client.loop({ inFlight: 1_000, count, request, check: check(prefix) })
      await counted(prefix)
      return perSecond
    },
    async batches(round) {
      const prefix = `b${round}`
      const request = (batch) => {
        const lines = Array.from({ length: perBatch }, (_, at) => line(prefix, (batch - 1) * perBatch + at + 1))
        return `[${lines.join(',')}]`
      }
      const options = { inFlight: 2, count: count / perBatch, request, check: check(prefix) }
      const { perSecond } = await client.loop(options)
      await counted(prefix)
      return perSecond * perBatch
    },
  })
  const target = { atLeast: 10_000 }
  const what = `${count.toLocaleString('en')} lazy tenants`
  report.add({ what: `${what} created, pipelined`, unit: 'tenants/s', cinch: found.pipelined, target })
  report.add({ what: `${what} created, batches of ${perBatch}`, unit: 'tenants/s', cinch: found.batches, target })
  client.close()
  await cinch.stop()
}

/** The peer does what cannot be left out: a file made, it and its folder synced, opened, a row committed. */
async function firstWrite(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 10 : 40
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await client.call('table.create', table)
  const folder = temporaryFolder('first')
  const template = path.join(folder, 'template.db')
  const made = openBare(template)
  made.exec(sqliteTable)
  made.close()
  const image = fs.readFileSync(template)

  const contenders = {
    async cinch(round) {
      const times = []
      for (let each = 0; each < count; each++) {
        const tenant = `f${round}-${each}`
        await client.call('tenant.create', { name: tenant })
        const startedAt = performance.now()
        const { changes } = await client.call('query.execute', { sql: insertSql, params: rowOf(each + 1), tenant })
        times.push(performance.now() - startedAt)
        assert.equal(changes, 1)
        const { rows } = await client.call('query.run', { sql: 'select * from item', tenant })
        assert.deepEqual(rows, [rowOf(each + 1)])
      }
      return median(times)
    },
    async bare(round) {
      const times = []
      for (let each = 0; each < count; each++) {
        const startedAt = performance.now()
        const own = path.join(folder, `${round}-${each}`)
        fs.mkdirSync(own)
        const file = path.join(own, 't.db')
        const handle = fs.openSync(file, 'wx')
        fs.writeSync(handle, image)
        fs.fsyncSync(handle)
        fs.closeSync(handle)
        for (const synced of [own, folder]) {
          const handle = fs.openSync(synced)
          fs.fsyncSync(handle)
          fs.closeSync(handle)
        }
        const db = openBare(file)
        db.prepare(insertSql).run(rowOf(each + 1))
        times.push(performance.now() - startedAt)
        db.close()
      }
      return median(times)
    },
  }
  for (const contend of Object.values(contenders)) await contend('warm')
  const found = await interleaved(rounds, contenders)
  report.add({
    what: `first write to a cold tenant, median of ${count}`,
    unit: 'ms',
    better: 'lower',
    cinch: found.cinch,
    target: { atMost: 6 },
    peers: [{ name: 'the same by hand in process: file, folder, row', values: found.bare }],
  })
  client.close()
  await cinch.stop()
}

async function memory(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 50 : 400
  const idle = []
  const perTenant = []
  for (let round = 0; round < rounds; round++) {
    const cinch = await startCinch(bench)
    const client = await cinch.connect()
    await client.call('ping', {})
    await sleep(500)
    idle.push(cinch.residentBytes() / megabyte)
    await client.call('table.create', table)
    const write = async (tenant) => {
      const rows = [1, 2, 3, 4, 5].map(objectOf)
      await client.call('row.insert', { table: 'item', rows, tenant })
    }
    const readBack = async (tenant) => {
      const { rows } = await client.call('query.run', { sql: 'select * from item', tenant })
      assert.deepEqual(rows, [1, 2, 3, 4, 5].map(rowOf))
    }
    // What the first tenants bring with them (compiled code, buffers) is not theirs.
    const warm = quick ? 10 : 50
    for (let each = -warm; each < 0; each++) {
      await client.call('tenant.create', { name: `w${-each}` })
      await write(`w${-each}`)
      await readBack(`w${-each}`)
    }
    await sleep(500)
    const before = cinch.residentBytes()
    for (let each = 0; each < count; each++) {
      await client.call('tenant.create', { name: `t${each}` })
      await write(`t${each}`)
      await readBack(`t${each}`)
    }
    await sleep(500)
    const { openFiles } = await client.call('project.stats', {})
    assert.equal(openFiles, warm + count)
    perTenant.push((cinch.residentBytes() - before) / count / 1024)
    client.close()
    await cinch.stop()
  }
  report.add({ what: 'resident memory, idle', unit: 'MiB', better: 'lower', cinch: idle, target: { atMost: 90 } })
  report.add({
    what: `resident memory of each of ${count} open tenants`,
    unit: 'KiB',
    better: 'lower',
    cinch: perTenant,
    target: { atMost: 250 },
  })
}

async function start(bench) {
  const { rounds, quick, report } = bench
  const project = await makeProject(bench.dist)
  const daemon = [path.join(bench.dist, 'src/cinchd.js'), '--project', project, '--stdio']
  const echo = ['-e', `process.stdin.on('data', () => { console.log('{"result":{}}'); process.exit() })`]
  const times = (args) => async () => {
    const taken = []
    for (let each = 0; each < (quick ? 1 : 3); each++) taken.push(await firstAnswer(args))
    return median(taken)
  }
  const found = await interleaved(rounds, { cinch: times(daemon), node: times(echo) })
  report.add({
    what: 'cinchd --stdio, start to first answer',
    unit: 'ms',
    better: 'lower',
    cinch: found.cinch,
    target: { atMost: 400 },
    peers: [{ name: 'Node itself with one line of program', values: found.node }],
  })
  fs.rmSync(project, { recursive: true })
}

function firstAnswer(args) {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    let taken
    let said = ''
    child.stdout.on('data', (text) => {
      said += text
      if (taken !== undefined || !said.includes('\n')) return
      taken = performance.now() - startedAt
      child.stdin.end()
    })
    child.on('error', reject)
    child.on('exit', () => {
      if (taken === undefined || !/"result":\{\}/.test(said)) reject(new Error(`no answer but ${said}`))
      else resolve(taken)
    })
    child.stdin.on('error', () => {})
    child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
  })
}
