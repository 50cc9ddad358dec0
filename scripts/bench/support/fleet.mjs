import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { resultOf } from './line-client.mjs'
import { rowOf, table } from './rows.mjs'

export const insertSql = 'insert into item (id, name, amount, note) values (?, ?, ?, ?)'

/** Tenants `t0`…, each with a file of one row: in tenant `t7` the row with key 8. */
export async function makeFleet(client, count, from = 0) {
  if (from === 0) await client.call('table.create', table)
  const names = Array.from({ length: count - from }, (_, at) => from + at)
  await everyOf(client, names, {
    inFlight: 64,
    request: (each) => ['tenant.create', { name: `t${each}` }],
    check: (result) => assert.equal(result.hasFile, false),
  })
  await everyOf(client, names, {
    inFlight: 16,
    request: (each) => ['query.execute', { sql: insertSql, params: rowOf(each + 1), tenant: `t${each}` }],
    check: ({ changes }) => assert.equal(changes, 1),
  })
}

/**
 * One call for each item, `inFlight` at a time.
 *
 * @param {{ inFlight?: number, request: (item: any) => [string, object], check: (result: any, item: any) => void }} options
 * @returns {Promise<number>} how long it took, in ms
 */
export async function everyOf(client, items, { inFlight = 16, request, check }) {
  if (items.length === 0) return 0
  const startedAt = performance.now()
  await client.loop({
    inFlight,
    count: items.length,
    request(id) {
      const [method, params] = request(items[id - 1])
      return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${JSON.stringify(params)}}`
    },
    check: (answer, id) => check(resultOf(answer), items[id - 1]),
  })
  return performance.now() - startedAt
}

/** What a call gives, and how long it took. */
export async function timed(client, method, params) {
  const startedAt = performance.now()
  const result = await client.call(method, params)
  return { result, ms: performance.now() - startedAt }
}

/** What is refused, with the error. */
export async function refusedCall(client, method, params) {
  const line = `{"jsonrpc":"2.0","id":0,"method":"${method}","params":${JSON.stringify(params)}}`
  const { error, result } = await client.exchange(line)
  assert.ok(error, `${method} should have been refused, and gave ${JSON.stringify(result)}`)
  return error
}

export async function filesOf(client, name = 'main') {
  return (await client.call('branch.status', { name })).files
}

/** Wait until no file of `main` is behind; not so often that the asking costs more than the work. */
export async function settled(client, everyMs = 25) {
  let last
  let unchangedSince = performance.now()
  for (;;) {
    const { behind, failed } = await filesOf(client)
    assert.equal(failed, 0)
    if (behind === 0) return
    const now = performance.now()
    if (behind !== last) [last, unchangedSince] = [behind, now]
    assert.ok(now - unchangedSince < 30_000, `${behind} files stay behind, and nothing moves`)
    await sleep(everyMs)
  }
}

/** Bytes and number of the files of tenants, of all branches. */
export function tenantFiles(project) {
  const root = path.join(project, '.cinchdb')
  let files = 0
  let bytes = 0
  for (const folder of fs.readdirSync(root, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue
    for (const entry of fs.readdirSync(path.join(root, folder.name), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue
      files++
      bytes += fs.statSync(path.join(entry.parentPath, entry.name)).size
    }
  }
  return { files, bytes }
}
