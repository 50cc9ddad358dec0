import fs from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { makeNasty } from '../codegen/schemas.ts'
import { output, root } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { deferToEnd } from '../support/cleanup.ts'
import { temporaryProject } from '../support/project.ts'
import { Consumer, pack, plainEnvironment } from './typescript-support.ts'

const timeout = 300_000
const client = path.join(root, 'protocol/clients/typescript')
const readme = fs.readFileSync(path.join(client, 'README.md'), 'utf8')
const [tour, typed] = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] as string)

let tarball: string

beforeAll(async () => {
  tarball = await pack(deferToEnd)
}, timeout)

test('the client sends and reads every value as the vectors tell', { timeout }, async () => {
  const printed = await output(process.execPath, [path.join(client, 'vectors.mjs')], { env: plainEnvironment() })
  expect(printed).toMatch(/^(\d+) of \1 vectors$/m)
  expect(printed).not.toMatch(/^FAIL/m)
})

const program = `
const stop = async () => {
  const db = await connect()
  const { rows } = await db.query<{ big: bigint }>('select 1 << 62 big')
  const big: bigint | undefined = rows[0]?.big
  await db.table.create({ name: 't', columns: [{ name: 'a', type: 'text' }] })
  const { count }: { count: number } = await db.row.insert({ table: 't', rows: [{ a: 'x' }] })
  // @ts-expect-error: a name that is wrong does not compile
  const refused = await db.row.count({ tabel: 't' }).catch((error: unknown) => error)
  const isNotFound = await db.branch.get({ name: 'x' }).catch((error: unknown) => error instanceof NotFoundError)
  console.log(big, count, refused instanceof CinchError && refused.kind, isNotFound)
  await db.daemon.stop()
  await db.close()
}
`
const printed = '4611686018427387904n 1 invalidParams true\n'

test('an ES module imports it, with types that need no other package, and starts the daemon of its package', {
  timeout,
}, async () => {
  const consumer = await Consumer.install(tarball, 'module')
  const head = "import { CinchError, connect, NotFoundError } from 'cinch'\n"
  consumer.write('index.ts', `${head}${program}await stop()\n`)
  await consumer.compile()
  temporaryProject({ folder: consumer.folder })
  expect(await consumer.run(process.execPath, ['index.js'])).toBe(printed)
})

test('so does a CommonJS module', { timeout }, async () => {
  const consumer = await Consumer.install(tarball, 'commonjs')
  const head = "import cinch = require('cinch')\nconst { CinchError, connect, NotFoundError } = cinch\n"
  consumer.write('index.ts', `${head}${program}void stop()\n`)
  await consumer.compile()
  expect(fs.readFileSync(path.join(consumer.folder, 'index.js'), 'utf8')).toContain('require("cinch")')
  temporaryProject({ folder: consumer.folder })
  expect(await consumer.run(process.execPath, ['index.js'])).toBe(printed)
})

test('its programs run by npx', { timeout }, async () => {
  const consumer = await Consumer.install(tarball, 'module')
  const npx = (...args: string[]) => consumer.run('npx', ['--no-install', ...args])
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  expect(await npx('cinch', '--version')).toBe(`${version}\n`)
  expect(await npx('cinchd', '--version')).toBe(`${version}\n`)
  await npx('cinch', 'init')
  expect(await npx('cinch', '--json', 'query', 'select 1 a')).toContain('"rows":[[1]]')
  await npx('cinch', 'daemon', 'stop')
})

test('the programs of its README print what they say', { timeout }, async () => {
  const consumer = await Consumer.install(tarball, 'module')
  const layout = temporaryProject({ folder: consumer.folder })
  await startCinchd(layout)
  consumer.write('tour.ts', tour as string)
  await consumer.compile()
  expect(await consumer.run(process.execPath, ['tour.js'])).toBe(
    [
      'hello 2',
      'of acme',
      '{ found: true, value: { times: 1152921504606846976n }, version: 1 }',
      "sqlError 1300 { reason: 'no such table: nowhere', sqliteCode: 'SQLITE_ERROR' }",
      '',
    ].join('\n'),
  )
  await consumer.run('npx', ['--no-install', 'cinch', 'codegen', 'generate', 'typescript', '.'])
  const head = "import { connect } from 'cinch'\nimport { Database } from './database.js'\nconst db = await connect()\n"
  consumer.write('typed.ts', `${head}${typed}await db.close()\n`)
  await consumer.compile()
  expect(await consumer.run(process.execPath, ['typed.js'])).toBe('hello\n')
})

test('generated code compiles at its strictest, and does with a schema that makes generators stumble what it says', {
  timeout,
}, async () => {
  const consumer = await Consumer.install(tarball, 'module')
  const layout = temporaryProject({ folder: consumer.folder })
  const cinchd = await startCinchd(layout)
  const raw = await cinchd.connect()
  await makeNasty(raw)
  const golden = path.join(root, 'test/codegen/golden/typescript')
  consumer.write('database.ts', fs.readFileSync(path.join(golden, 'nasty/database.ts'), 'utf8'))
  consumer.write('bigints.ts', fs.readFileSync(path.join(golden, 'nasty-bigint/database.ts'), 'utf8'))
  if (fs.existsSync(path.join(golden, 'chinook'))) {
    consumer.write('chinook.ts', fs.readFileSync(path.join(golden, 'chinook/database.ts'), 'utf8'))
  }
  consumer.write('main.ts', nastyProgram)
  await consumer.compile()
  expect((await consumer.run(process.execPath, ['main.js'])).split('\n')).toEqual(nastyPrinted)
})

const nastyProgram = `
import assert from 'node:assert/strict'
import { connect, SchemaDiffersError, ValueKindError } from 'cinch'
import { Database as Bigints } from './bigints.js'
import { type Class, Database, type OrderLine } from './database.js'

const db = await connect()
const tables = await Database.open(db)

const stored: Class = await tables.class.insert({ type: 'second', match: new Uint8Array([1]), self: true, new: 2n ** 60n })
console.log(stored.id, stored.select, stored.match, stored.self, stored.new, stored.func)
const changed = await tables.class.update({ id: stored.id, func: 2, select: null })
console.log(changed.func, changed.select, changed.type)
console.log((await tables.class.list({ where: { type: { like: 's%' }, or: [{ id: 2 }, { id: [1].length }] }, orderBy: ['-id'] })).length)

const lines: OrderLine[] = await tables.orderLine.insert([{ order: 1, line: 1 }, { order: 1, line: 2, note: 'x' }])
console.log(lines.length, (await tables.orderLine.get({ order: 1, line: 2 }))?.note, await tables.orderLine.get({ order: 9, line: 9 }))
console.log(await tables.orderLine.delete([{ order: 1, line: 1 }]), await tables.orderLine.count())

const twin = await tables.orderLine2.insert({ 'order-line': 3 })
console.log(twin['order-line'], twin.orderLine)
const second = await tables.n2nd.upsert({ '1st': 1, größe: 2.5, 漢字: 'y', class: 1 })
console.log(second.größe, second.漢字)
const computed = await tables.computed.insert({ a: 4 })
console.log(computed.b, computed.c)
console.log((await tables.defaults.insert({ id: 'd' })).label)
for (const row of await tables.classView.list({ limit: 1 })) console.log(row.id, row.Type, row['count(*)'], await tables.classView.count())

await db.transaction(async (tx) => {
  await tables.in(tx).list.insert({ get: 'g', count: 1 })
  throw new Error('rolled back')
}).catch((error: Error) => console.log(error.message))
console.log(await tables.list.count(), await tables.list.count({ get: 'g' }))

// @ts-expect-error: a generated column is not taken
await tables.computed.insert({ b: 1 }).catch(() => console.log('not taken'))
// @ts-expect-error: what is required is not left out
await tables.class.insert({}).catch(() => console.log('required'))
// @ts-expect-error: a view is only read
assert.equal(tables.classView.insert, undefined)

await db.execute('insert into "class" (type, func) values (?, ?)', ['odd', 'no number'])
const odd = await tables.class.list({ where: { type: 'odd' } }).catch((error: unknown) => error)
assert(odd instanceof ValueKindError)
console.log(odd.message)
await db.execute('update "class" set func = 1.5, "select" = ? where type = ?', [2n ** 60n, 'odd'])
const large = await tables.class.list({ where: { type: 'odd' } }).catch((error: unknown) => error)
console.log(large instanceof ValueKindError && large.message)
const [exact] = await (await Bigints.open(db)).class.list({ where: { type: 'odd' } })
console.log(exact?.select, typeof exact?.id)

await db.table.create({ name: 'later', columns: [] })
await Database.open(db)
await db.column.add({ table: 'list', column: { name: 'more', type: 'TEXT' } })
const differs = await Database.open(db).catch((error: unknown) => error)
assert(differs instanceof SchemaDiffersError)
console.log(differs.message.replaceAll(/[0-9a-f]{64}/g, 'HASH'))
await db.table.drop({ name: 'list' })
console.log((await Database.open(db).catch((error: SchemaDiffersError) => error) as SchemaDiffersError).found)
await db.close()
`

const nastyPrinted = [
  '2 7 Uint8Array(1) [ 1 ] true 1152921504606846976n null',
  '2 null second',
  '1',
  '2 x undefined',
  '1 1',
  '3 null',
  '2.5 y',
  '8 x4',
  'it\'s */ """ \\',
  '1 first 1 2',
  'rolled back',
  '0 0',
  'not taken',
  'required',
  'column func of class should be real, and is string no number',
  'column select of class should be integer, and is bigint 1152921504606846976',
  '1152921504606846976n bigint',
  'schema differs: the code was generated from HASH, the branch has HASH; run `cinch codegen generate` again',
  'undefined',
  '',
]
