import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Layout } from '../../src/storage/layout.ts'
import { processesOf, startCinchd } from '../support/cinchd.ts'
import type { Answer, RawClient } from '../support/client.ts'
import { integrityOf, temporaryProject } from '../support/project.ts'
import { Random } from '../support/random.ts'
import { seed } from '../support/seed.ts'

/**
 * Work of all kinds by several clients at once, while the daemon and the processes of its statements are killed at any moment. Each
 * group of rows belongs to one writer, who knows what may have become of it: what was acknowledged has to be there, and what
 * was cut off is there as a whole or not at all.
 */

/** How long it goes on; `CINCH_SOAK_SECONDS` for longer. */
const seconds = Number(process.env.CINCH_SOAK_SECONDS ?? 12)
const writers = 8
const tenants = Array.from({ length: 10 }, (_, at) => `t${at}`)
/** Groups that a writer keeps before it deletes some. */
const maxGroups = 30
const bulkRows = 3_000

/** Rows of one group, how often each of them was counted up, and the counter under its name. Null: there is nothing. */
type GroupState = { readonly rows: number; readonly n: number; readonly counter: number } | null

interface Group {
  readonly id: string
  readonly tenant: string
  /** What it may be. One thing, where everything was answered. */
  possible: readonly GroupState[]
}

type Step = readonly [method: string, params: object]

interface Work {
  /** One call; several are made in a transaction. */
  readonly steps: readonly [Step, ...Step[]]
  become(state: GroupState): GroupState
}

/** What a kill may do to a call that is under way; and an edit to one that comes at the wrong time. */
const kindsUnderKills = new Set([
  'processEnded',
  'tenantBusy',
  'shuttingDown',
  'requestCancelled',
  'transactionEnded',
  'transactionNotFound',
])

class Writer {
  readonly groups = new Map<string, Group>()
  readonly #random: Random
  readonly #name: string
  #last = 0

  constructor(name: string, random: Random) {
    this.#name = name
    this.#random = random
  }

  /** Work until the connection ends. */
  async run(client: RawClient, tally: Tally): Promise<void> {
    const ask = async ([method, params]: Step): Promise<Answer | undefined> => {
      const answer = await client.request(method, params).catch(() => undefined)
      if (answer?.error) tally.refused(method, answer)
      if (answer) tally.answered()
      return answer
    }
    for (;;) {
      const group = this.#choose()
      const { steps, become } = this.#workOn(group)
      const [[method, params]] = steps
      const last =
        steps.length > 1 ? await prepare(ask, group.tenant, steps) : step(method, { tenant: group.tenant, ...params })
      if (last === 'lost') return
      if (last === 'refused') continue
      const answer = await ask(last)
      const after = group.possible.map((state) => become(state))
      if (answer === undefined) group.possible = distinct([...group.possible, ...after])
      else if (answer.error === undefined) group.possible = distinct(after)
      if (answer === undefined) return
    }
  }

  #choose(): Group {
    const groups = [...this.groups.values()]
    if (groups.length > 0 && this.#random.chance(0.5)) return this.#random.pick(groups)
    const id = `${this.#name}-${++this.#last}`
    const group: Group = { id, tenant: this.#random.pick(tenants), possible: [null] }
    this.groups.set(id, group)
    return group
  }

  #workOn(group: Group): Work {
    const { id } = group
    if (group.possible.every((state) => state === null)) return this.#filling(id)
    const key = `counter:${id}`
    if (this.groups.size > maxGroups || this.#random.chance(0.1)) {
      return { steps: [sql('delete from t where g = ?', [id]), ['kv.delete', { keys: [key] }]], become: () => null }
    }
    const count: Step = ['kv.increment', { key }]
    if (this.#random.chance(0.2)) {
      return { steps: [count], become: (state) => state && { ...state, counter: state.counter + 1 } }
    }
    // The second one has to look at every row: it goes to a process.
    const condition = this.#random.chance(0.7) ? 'g = ?' : "g || '' = ?"
    const update = sql(`update t set n = n + 1 where ${condition}`, [id])
    if (this.#random.chance(0.2)) {
      const become = (state: GroupState) => state && { ...state, n: state.n + 1, counter: state.counter + 1 }
      return { steps: [update, count], become }
    }
    return { steps: [update], become: (state) => state && { ...state, n: state.n + 1 } }
  }

  #filling(id: string): Work {
    const rows = this.#random.below(5) + 1
    const made = (rows: number) => () => ({ rows, n: 0, counter: 0 })
    const insert = 'insert into t (g, n) values (?, 0)'
    return this.#random.pick<() => Work>([
      () => ({
        steps: [['row.insert', { table: 't', rows: Array.from({ length: rows }, () => ({ g: id, n: 0 })) }]],
        become: made(rows),
      }),
      () => ({
        steps: [['query.batch', { statements: Array.from({ length: rows }, () => ({ sql: insert, params: [id] })) }]],
        become: made(rows),
      }),
      () => ({
        steps: [
          sql(
            `with recursive r(i) as (select 1 union all select i + 1 from r where i < ${bulkRows}) insert into t (g, n) select ?, 0 from r`,
            [id],
          ),
        ],
        become: made(bulkRows),
      }),
    ])()
  }
}

function sql(text: string, params: readonly string[]): Step {
  return step('query.execute', { sql: text, params })
}

function step(method: string, params: object): Step {
  return [method, params]
}

/** Make calls in a transaction; gives the one that commits it. */
async function prepare(
  ask: (step: Step) => Promise<Answer | undefined>,
  tenant: string,
  steps: readonly Step[],
): Promise<Step | 'lost' | 'refused'> {
  const begun = await ask(['transaction.begin', { tenant }])
  if (begun === undefined) return 'lost'
  if (begun.error) return 'refused'
  const { transaction } = begun.result as { transaction: string }
  for (const [method, params] of steps) {
    const answer = await ask([method, { ...params, transaction }])
    if (answer === undefined) return 'lost'
    if (answer.error) return (await ask(['transaction.rollback', { transaction }])) ? 'refused' : 'lost'
  }
  return ['transaction.commit', { transaction }]
}

function distinct(states: readonly GroupState[]): GroupState[] {
  return [...new Map(states.map((state) => [JSON.stringify(state), state])).values()]
}

/** Schema edits, forks and merges beside the writers: whatever becomes of them, rows are not theirs to change. */
async function edit(client: RawClient, random: Random, tally: Tally, round: number): Promise<void> {
  const branch = `f${round}`
  const tenant = random.pick(tenants)
  const steps: readonly Step[] = [
    ['branch.create', { name: branch }],
    ['query.execute', { branch, tenant, sql: "insert into t (g, n) values ('elsewhere', 0)" }],
    ['column.add', { branch, table: 't', column: { name: `c${round}`, type: 'TEXT' } }],
    ['query.execute', { branch, tenant, sql: 'update t set n = n + 100 where n >= 0' }],
    ['branch.merge', { source: branch }],
    ['index.create', { name: `i${round}`, table: 't', columns: [`c${round}`] }],
    ['column.drop', { table: 't', name: `c${round - 1}` }],
    ['branch.delete', { name: branch }],
  ]
  for (const [method, params] of steps) {
    const answer = await client.request(method, params).catch(() => undefined)
    if (answer === undefined) return
    tally.answered()
    // An earlier round may have been cut off before it came to this.
    if (
      answer.error &&
      !['columnNotFound', 'invalidChange', 'schemaBroken', 'branchNotFound'].includes(answer.error.data.kind)
    ) {
      tally.refused(method, answer)
    }
  }
}

/** What was answered, and what it was refused with. */
class Tally {
  calls = 0
  kills = 0
  processKills = 0
  readonly refusals = new Map<string, number>()
  /** What the daemon has logged. */
  log = () => ''

  answered(): void {
    this.calls++
  }

  refused(method: string, { error }: Answer): void {
    const kind = error?.data.kind as string
    if (!kindsUnderKills.has(kind)) {
      throw new Error(`${method}: ${error?.message} ${JSON.stringify(error?.data)}\n${this.log()}`)
    }
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1)
  }
}

/** Each group is one of the things that it may be; from now on that one. */
async function check(client: RawClient, all: readonly Writer[]): Promise<number> {
  let rows = 0
  for (const tenant of tenants) {
    const found = new Map<string, GroupState>()
    const counters = await countersOf(client, tenant)
    const sql = "select g, count(*), min(n), max(n) from t where g <> 'elsewhere' group by g"
    for (const [g, count, least, most] of (await client.call('query.run', { tenant, sql })).rows) {
      expect(least, `group ${g} of ${tenant} is half done`).toBe(most)
      found.set(g, { rows: count, n: least, counter: counters.get(`counter:${g}`) ?? 0 })
      counters.delete(`counter:${g}`)
      rows += count
    }
    expect([...counters.keys()], `counters of ${tenant} whose group is gone`).toEqual([])
    const known = all.flatMap(({ groups }) => [...groups.values()]).filter((group) => group.tenant === tenant)
    for (const group of known) {
      const state = found.get(group.id) ?? null
      expect(group.possible, `group ${group.id} of ${tenant}`).toContainEqual(state)
      group.possible = [state]
      found.delete(group.id)
    }
    expect([...found.keys()], `groups of ${tenant} that nobody has written`).toEqual([])
  }
  for (const { groups } of all) {
    for (const { id, possible } of groups.values()) if (possible[0] === null) groups.delete(id)
  }
  return rows
}

async function countersOf(client: RawClient, tenant: string): Promise<Map<string, number>> {
  const { keys } = await client.call('kv.keys', { tenant, pattern: 'counter:*', limit: 10_000 })
  if (keys.length === 0) return new Map()
  const { values } = await client.call('kv.mget', { tenant, keys })
  return new Map(keys.map((key: string, at: number) => [key, values[at].value]))
}

/** Kill processes of statements until `until`. */
async function killProcesses(pid: number, random: Random, tally: Tally, until: number): Promise<void> {
  while (performance.now() < until) {
    await sleep(20 + random.below(120))
    if (random.chance(0.4)) continue
    try {
      const processes = processesOf(pid)
      if (processes.length === 0) continue
      process.kill(random.pick(processes), 'SIGKILL')
      tally.processKills++
    } catch {
      // It has ended by itself, or the daemon has.
    }
  }
}

function tenantFiles(layout: Layout): string[] {
  const files = fs.readdirSync(layout.root, { recursive: true, encoding: 'utf8' })
  return files.filter((file) => /\/t\d\.db$/.test(file)).map((file) => layout.absolute(file))
}

test(`nothing acknowledged is lost and nothing is half done while everything is killed under load (seed ${seed})`, {
  timeout: (seconds + 240) * 1000,
}, async () => {
  const random = new Random(seed)
  const layout = temporaryProject({ config: { checkpointBytes: 262_144 } })
  const all = Array.from({ length: writers }, (_, at) => new Writer(`w${at}`, new Random(seed + at + 1)))
  const tally = new Tally()
  const endAt = performance.now() + seconds * 1000
  let rows = 0
  for (let round = 1; ; round++) {
    const cinchd = await startCinchd(layout)
    tally.log = () => cinchd.stderr
    const client = await cinchd.connect()
    if (round === 1) {
      for (const name of tenants) await client.call('tenant.create', { name })
      await client.call('table.create', {
        name: 't',
        columns: [
          { name: 'g', type: 'TEXT' },
          { name: 'n', type: 'INTEGER' },
        ],
        indexes: [{ columns: ['g'] }],
      })
    }
    rows = await check(client, all)
    if (performance.now() > endAt && tally.kills > 3 && tally.processKills > 3) {
      await cinchd.kill('SIGTERM')
      break
    }
    const clients = await Promise.all(all.map(() => cinchd.connect()))
    const killAt = performance.now() + 200 + random.below(1_500)
    const work = [
      ...all.map((writer, at) => writer.run(clients[at] as RawClient, tally)),
      edit(client, random, tally, round),
      killProcesses(cinchd.pid, random, tally, killAt),
    ]
    await Promise.race([sleep(killAt - performance.now()), Promise.all(work)])
    await cinchd.kill(random.chance(0.8) ? 'SIGKILL' : 'SIGTERM')
    tally.kills++
    await Promise.all(work)
  }
  const files = tenantFiles(layout)
  for (const file of files) expect(integrityOf(file), file).toBe('ok')
  const refused = [...tally.refusals].map(([kind, count]) => `${kind} ${count}`).join(', ')
  console.log(
    `under load: ${tally.calls} calls, ${tally.kills} daemons and ${tally.processKills} processes killed; ${rows} rows as acknowledged, ${files.length} files sound; refused: ${refused || 'nothing'}`,
  )
})
