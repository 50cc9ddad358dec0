/**
 * What cinch does, against peers measured in the same minutes. Needs a compiled cinch (`npx tsc -p tsconfig.build.json`).
 *
 *     node scripts/bench/main.mjs [point-read] [insert] [kv] [tenants] [schema] [branches] [merge] [isolation] [plugins]
 *         [transfer] [encryption] [clients] [options]
 *
 *     --rounds N      interleaved rounds (default 5)
 *     --quick         small and short: shows that the bench works, not how fast anything is
 *     --json FILE     the figures, every round of them
 *     --dist DIR      where the compiled cinch lies (default dist)
 *     --no-postgres   leave that peer out
 *     --one-core      everything on one core (needs taskset): what a call costs, whatever waking another core costs here
 *     --node-args A   for the daemon's Node, as in --node-args "--cpu-prof --cpu-prof-dir=/tmp/prof"
 *
 * The table goes to standard output, progress to standard error. Every answer is checked; the bench fails on a wrong one.
 */
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { branches } from './branches.mjs'
import { clients } from './clients.mjs'
import { encryption } from './encryption.mjs'
import { insert } from './insert.mjs'
import { isolation } from './isolation.mjs'
import { keyValue } from './kv.mjs'
import { merge } from './merge.mjs'
import { plugins } from './plugins.mjs'
import { pointRead } from './point-read.mjs'
import { schema } from './schema.mjs'
import { cleanUp } from './support/cleanup.mjs'
import { startPostgres } from './support/postgres.mjs'
import { Report } from './support/report.mjs'
import { tenants } from './tenants.mjs'
import { transfer } from './transfer.mjs'

const workloads = {
  'point-read': { title: 'Point read by key over the socket', run: pointRead },
  insert: { title: 'Insert', run: insert },
  kv: { title: 'Key-value store', run: keyValue },
  tenants: { title: 'Tenants', run: tenants },
  schema: { title: 'Schema edit over many files', run: schema },
  branches: { title: 'Branches', run: branches },
  merge: { title: 'Merges', run: merge },
  encryption: { title: 'Encrypted tenants', run: encryption },
  clients: { title: 'Point reads by the clients of several languages', run: clients },
  isolation: { title: 'Slow statements beside quick ones', run: isolation },
  plugins: { title: 'Point reads with plugins', run: plugins },
  transfer: { title: 'Import, export, backup, and large files that follow an edit', run: transfer },
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
    'no-postgres': { type: 'boolean', default: false },
    'one-core': { type: 'boolean', default: false },
    'node-args': { type: 'string', default: '' },
  },
})
const unknown = positionals.find((name) => !(name in workloads))
const rounds = Number(options.rounds)
if (unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
  console.error(
    unknown === undefined
      ? '--rounds takes a number from 1'
      : `no workload ${unknown}; there are ${Object.keys(workloads).join(', ')}`,
  )
  process.exit(2)
}
if (options['one-core']) execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', '0', String(process.pid)])
const names = positionals.length > 0 ? positionals : Object.keys(workloads)

const report = new Report()
try {
  const needsPostgres = names.includes('point-read') || names.includes('insert')
  const postgres = needsPostgres && !options['no-postgres'] ? await startPostgres() : undefined
  if (needsPostgres && !postgres) report.note('no PostgreSQL here (postgres, initdb): that peer is skipped')
  const bench = {
    rounds,
    quick: options.quick,
    dist: path.resolve(options.dist),
    nodeArgs: options['node-args'].split(' ').filter((arg) => arg !== ''),
    postgres,
    report,
  }
  for (const name of names) {
    report.section(workloads[name].title)
    await workloads[name].run(bench)
  }
  const settings = { postgres: postgres?.version, rounds, quick: options.quick, oneCore: options['one-core'] }
  console.log(report.markdown(settings))
  if (options.json !== undefined) report.save(options.json, settings)
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  cleanUp()
}
