/**
 * Many clients at once, each with mixed work, one call after the other. It is no measure of speed: it passes only if every
 * answer is right, every refusal names a limit, nobody hears of a lock, and what was acknowledged is there in the end.
 * Needs a compiled cinch (`npx tsc -p tsconfig.build.json`).
 *
 *     node scripts/bench/mixed.mjs [--clients N] [--seconds N] [--dist DIR]
 */
import assert from 'node:assert/strict'
import net from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startCinch } from './support/cinch.mjs'
import { cleanUp } from './support/cleanup.mjs'

const { values: options } = parseArgs({
  options: {
    clients: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
  },
})

const rows = 20_000
/** What a client does, and how often. Each tells what it did if it was not refused. */
const work = [
  { weight: 120, name: 'point read', run: pointRead },
  { weight: 30, name: 'insert', run: insert },
  { weight: 30, name: 'update', run: update },
  { weight: 1, name: 'scan', run: scan },
  { weight: 1, name: 'streamed scan', run: streamedScan },
  { weight: 2, name: 'cursor', run: cursor },
  { weight: 1, name: 'cursor, left open', run: leftCursor },
]

/** One client: a call at a time, and notifications in between. */
class Client {
  #socket
  #rest = []
  #lastId = 0
  #settle
  /** Told of each part of a streamed result. */
  onPart = () => {}

  static async connect(socketPath) {
    const socket = net.createConnection(socketPath)
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Client(socket)
  }

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#settle?.(error))
    socket.on('close', () => this.#settle?.(new Error('the daemon closed the connection')))
  }

  /** Throws a `Refused` where the daemon says no. */
  async call(method, params) {
    const id = ++this.#lastId
    const answer = await new Promise((resolve, reject) => {
      this.#settle = (settled) => (settled instanceof Error ? reject(settled) : resolve(settled))
      this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    })
    assert.equal(answer.id, id)
    if (answer.error) throw new Refused(answer.error)
    return answer.result
  }

  close() {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #read(chunk) {
    this.#rest.push(chunk)
    if (!chunk.includes(10)) return
    const lines = Buffer.concat(this.#rest).toString().split('\n')
    this.#rest = [Buffer.from(lines.pop())]
    for (const line of lines) {
      const message = JSON.parse(line)
      if (message.method === '$/progress') this.onPart(message.params.value)
      else this.#settle?.(message)
    }
  }
}

class Refused extends Error {
  constructor(error) {
    super(JSON.stringify(error))
    this.data = error.data
  }
}

const random = (below) => 1 + Math.floor(Math.random() * below)
const nameOf = (id) => `name of ${id}`

async function pointRead(client) {
  const id = random(rows)
  const found = await client.call('query.run', { sql: 'select id, name from item where id = ?', params: [id] })
  assert.deepEqual(found.rows, [[id, nameOf(id)]])
}

async function insert(client, state) {
  const key = `${state.client}/${state.inserted}`
  const { rows } = await client.call('row.insert', { table: 'note', rows: [{ key, count: 0 }] })
  assert.equal(rows[0].key, key)
  state.inserted++
}

async function update(client, state) {
  if (state.inserted === 0) return insert(client, state)
  const key = `${state.client}/${random(state.inserted) - 1}`
  const sql = 'update note set count = count + 1 where key = ?'
  assert.equal((await client.call('query.execute', { sql, params: [key] })).changes, 1)
  state.updated++
}

async function scan(client) {
  const found = await client.call('query.run', {
    sql: 'select count(*), max(length(name)) from item where amount >= 0',
  })
  assert.deepEqual(found.rows, [[rows, nameOf(rows).length]])
}

async function streamedScan(client) {
  let count = 0
  client.onPart = (value) => {
    for (const [id, name] of value.rows) if (name === nameOf(id)) count++
  }
  const answer = await client.call('query.run', { sql: 'select id, name from item', partialResultToken: 1 })
  assert.deepEqual([count, answer.count], [rows, rows])
}

async function cursor(client) {
  const opened = await client.call('query.open', { sql: 'select id, name from item order by amount, id' })
  const ids = new Set()
  for (;;) {
    const fetched = await client.call('query.fetch', { cursor: opened.cursor, count: random(10_000) })
    for (const [id] of fetched.rows) ids.add(id)
    if (fetched.done) break
  }
  assert.equal(ids.size, rows)
}

async function leftCursor(client) {
  const opened = await client.call('query.open', { sql: 'select * from item', idleMs: 500 })
  const { rows } = await client.call('query.fetch', { cursor: opened.cursor, count: 10 })
  assert.equal(rows.length, 10)
}

async function fill(client) {
  const column = (name, type) => ({ name, type })
  const item = [column('id', 'INTEGER'), column('name', 'TEXT'), column('amount', 'INTEGER'), column('note', 'TEXT')]
  const note = [column('key', 'TEXT'), column('count', 'INTEGER')]
  await client.call('table.create', { name: 'item', columns: item, primaryKey: ['id'], systemColumns: false })
  await client.call('table.create', { name: 'note', columns: note, primaryKey: ['key'], systemColumns: false })
  const sql = `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${rows}) insert into item select n, 'name of ' || n, n % 1000, printf('%*c', 100, 'x') from r`
  assert.equal((await client.call('query.execute', { sql })).changes, rows)
}

/** One client's work until the time is over. Counts every answer by what it was. */
async function live(client, state, counts, endsAt) {
  // Each piece of work as often as its weight says.
  const all = work.flatMap((piece) => Array(piece.weight).fill(piece))
  while (performance.now() < endsAt) {
    const { name, run } = all[random(all.length) - 1]
    let outcome = 'done'
    try {
      await run(client, state)
    } catch (error) {
      if (!(error instanceof Refused)) throw new Error(`${name}: ${error.message}`, { cause: error })
      const { kind, limit, reason } = error.data
      outcome = [kind, limit ?? reason].filter(Boolean).join(' ')
      const isNamed = kind === 'limitExceeded' && typeof limit === 'string'
      const isEnded = kind === 'cursorNotFound' && ['idle', 'maxCursorMs'].includes(reason)
      if (!isNamed && !isEnded) state.faults.push(`${name}: ${error.message}`)
    }
    const key = `${name}: ${outcome}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
}

const clientCount = Number(options.clients)
const seconds = Number(options.seconds)
try {
  const cinch = await startCinch({ dist: path.resolve(options.dist), nodeArgs: [] })
  const socket = path.join(cinch.project, 'd.sock')
  const first = await Client.connect(socket)
  await fill(first)
  const clients = await Promise.all(Array.from({ length: clientCount }, () => Client.connect(socket)))
  const faults = []
  const states = clients.map((_, client) => ({ client, inserted: 0, updated: 0, faults }))
  const counts = new Map()
  const before = cinch.residentBytes()
  const endsAt = performance.now() + seconds * 1000
  await Promise.all(clients.map((client, at) => live(client, states[at], counts, endsAt)))

  console.log(`${clientCount} clients, ${seconds} s`)
  for (const [key, count] of [...counts].sort()) console.log(`${String(count).padStart(9)}  ${key}`)
  const sum = (field) => states.reduce((sum, state) => sum + state[field], 0)
  const { rows: found } = await first.call('query.run', { sql: 'select count(*), coalesce(sum(count), 0) from note' })
  assert.deepEqual(found[0], [sum('inserted'), sum('updated')], 'what was acknowledged is not what is there')
  const { problems } = await first.call('tenant.verify', { name: 'main' })
  assert.deepEqual(problems ?? [], [])
  const grown = (cinch.residentBytes() - before) / 2 ** 20
  console.log(`the daemon has grown by ${grown.toFixed()} MiB`)
  for (const client of [...clients, first]) client.close()
  await cinch.stop()
  for (const fault of faults.slice(0, 20)) console.error(fault)
  const locks = faults.filter((fault) => /locked|busy/i.test(fault)).length
  console.log(
    faults.length === 0 ? 'passed' : `failed: ${faults.length} refusals name no limit, ${locks} tell of a lock`,
  )
  if (faults.length > 0) process.exitCode = 1
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  cleanUp()
}
