import assert from 'node:assert/strict'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { resultOf } from './support/line-client.mjs'
import { startRedis } from './support/redis.mjs'
import { interleaved } from './support/rounds.mjs'
import { assertRow, objectOf, rowOf, scattered } from './support/rows.mjs'

const keyOf = (id) => `item:${id}`
const textOf = (id) => rowOf(id)[3] + rowOf(id)[1]

/** Keys read, set and counted up: against rows of the same daemon, and against Redis. */
export async function keyValue(bench) {
  const { rounds, quick, report } = bench
  const count = quick ? 10_000 : 100_000
  const durationMs = quick ? 100 : 150
  const slices = quick ? 2 : 8
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await fillCinch(client, count)
  await fillKeys(client, count)
  const redis = await startRedis()
  if (!redis) report.note('no Redis here (redis-server): that peer is skipped')
  else {
    await redis.client.loop({
      inFlight: 1_000,
      count,
      command: (id) => ['SET', keyOf(id), textOf(id)],
      check: (answer) => assert.equal(answer, 'OK'),
    })
  }

  let nextRow = count + 1
  let nextKey = count + 1
  const call = (method, params) => (id) => `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params(id)}}`
  const rate = async (inFlight, calls, first) =>
    (await client.loop({ inFlight, durationMs, first, ...calls })).perSecond
  const fromRedis = async (inFlight, calls) => (await redis.client.loop({ inFlight, durationMs, ...calls })).perSecond

  const get = {
    request: call('kv.get', (id) => `{"key":"${keyOf(scattered(id, count))}"}`),
    check: (answer, id) => assert.equal(resultOf(answer).value, textOf(scattered(id, count))),
  }
  const rowGet = {
    request: call('row.get', (id) => `{"table":"item","id":${scattered(id, count)}}`),
    check(answer, id) {
      const { row } = resultOf(answer)
      assertRow([row?.id, row?.name, row?.amount, row?.note], scattered(id, count))
    },
  }
  const set = {
    request: call('kv.set', (id) => `{"key":"${keyOf(id)}","value":"${textOf(id)}"}`),
    check: (answer) => assert.equal(resultOf(answer).set, true),
  }
  const again = {
    request: call(
      'kv.set',
      (id) => `{"key":"${keyOf(scattered(id, count))}","value":"${textOf(scattered(id, count))}"}`,
    ),
    check: set.check,
  }
  const rowInsert = {
    request: call('row.insert', (id) => `{"table":"item","rows":[${JSON.stringify(objectOf(id))}]}`),
    check: (answer) => assert.equal(resultOf(answer).count, 1),
  }
  const increment = {
    request: call('kv.increment', () => '{"key":"counter"}'),
    check: (answer) => assert.ok(resultOf(answer).value > 0),
  }
  const redisGet = {
    command: (id) => ['GET', keyOf(scattered(id, count))],
    check: (answer, id) => assert.equal(answer, textOf(scattered(id, count))),
  }
  const redisSet = {
    command: (id) => ['SET', keyOf(scattered(id, count)), textOf(scattered(id, count))],
    check: (answer) => assert.equal(answer, 'OK'),
  }
  const redisIncrement = { command: () => ['INCR', 'counter'], check: (answer) => assert.ok(answer > 0) }

  for (const inFlight of [1, 64]) {
    const contenders = {
      get: () => rate(inFlight, get),
      rowGet: () => rate(inFlight, rowGet),
      async set() {
        const { perSecond, next } = await client.loop({ inFlight, durationMs, first: nextKey, ...set })
        nextKey = next
        return perSecond
      },
      again: () => rate(inFlight, again),
      async rowInsert() {
        const { perSecond, next } = await client.loop({ inFlight, durationMs, first: nextRow, ...rowInsert })
        nextRow = next
        return perSecond
      },
      increment: () => rate(inFlight, increment),
      ...(redis && {
        redisGet: () => fromRedis(inFlight, redisGet),
        redisSet: () => fromRedis(inFlight, redisSet),
        redisIncrement: () => fromRedis(inFlight, redisIncrement),
      }),
    }
    for (const contend of Object.values(contenders)) await contend()
    const found = await interleaved(rounds, contenders, { slices })
    const isAlone = inFlight === 1
    const when = isAlone ? 'one at a time' : '64 in flight'
    const redisPeer = (values) => ({ name: 'Redis, one connection', values, ...(!isAlone && { target: 0.5 }) })
    const rowPeer = (name, values) => ({ name, values, ...(isAlone && { target: 0.9 }) })
    report.add({
      what: `kv.get, ${when}`,
      unit: 'reads/s',
      cinch: found.get,
      peers: [rowPeer('row.get', found.rowGet), redisPeer(found.redisGet)],
    })
    report.add({
      what: `kv.set of a new key, ${when}`,
      unit: 'writes/s',
      cinch: found.set,
      peers: [rowPeer('row.insert', found.rowInsert), redisPeer(found.redisSet)],
    })
    report.add({
      what: `kv.set of a key that is there, ${when}`,
      unit: 'writes/s',
      cinch: found.again,
      peers: [rowPeer('row.insert', found.rowInsert), redisPeer(found.redisSet)],
    })
    report.add({
      what: `kv.increment, ${when}`,
      unit: 'writes/s',
      cinch: found.increment,
      peers: [redisPeer(found.redisIncrement)],
    })
  }
  assert.equal((await client.call('kv.count', { pattern: 'item:*' })).count, nextKey - 1, 'keys are missing')
  await many(bench, client, nextKey - 1)
  redis?.client.close()
  redis?.stop()
  client.close()
  await cinch.stop()
}

/** What goes through all keys. */
async function many({ rounds, report }, client, count) {
  const ms = async (work) => {
    const startedAt = performance.now()
    await work()
    return performance.now() - startedAt
  }
  const found = await interleaved(rounds, {
    prefix: () => ms(async () => assert.ok((await client.call('kv.count', { pattern: 'item:*' })).count === count)),
    glob: () => ms(() => client.call('kv.count', { pattern: '*:*9' })),
    page: () => ms(async () => assert.ok((await client.call('kv.keys', { pattern: 'item:5*' })).keys.length > 0)),
  })
  const keys = count.toLocaleString('en')
  report.add({ what: `kv.count of item:*, ${keys} keys`, unit: 'ms', better: 'lower', cinch: found.prefix })
  report.add({ what: `kv.count of *:*9, ${keys} keys`, unit: 'ms', better: 'lower', cinch: found.glob })
  report.add({ what: 'kv.keys, a page of 1,000 at most', unit: 'ms', better: 'lower', cinch: found.page })
}

async function fillKeys(client, count) {
  const step = 10_000
  for (let from = 1; from <= count; from += step) {
    const items = Array.from({ length: Math.min(step, count - from + 1) }, (_, at) => {
      return { key: keyOf(from + at), value: textOf(from + at) }
    })
    await client.call('kv.mset', { items })
  }
}
