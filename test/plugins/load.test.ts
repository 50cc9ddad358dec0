import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { Cinchd, startCinchd, startStdio } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { places, pluginText, rowsOf, startWithPlugins } from './support.ts'

const threadsOfThisProcess = () => fs.readdirSync('/proc/self/task').length

const namesOf = async (client: { call(method: string): Promise<{ plugins: { name: string }[] }> }) =>
  (await client.call('plugin.list')).plugins.map(({ name }) => name)

describe.each(places)('loading into the %s', (runIn) => {
  test('takes the plugin that a module exports, whatever else is in it', async () => {
    const { client, write } = await startWithPlugins()
    const own = "definePlugin({ name: 'own', version: '1.0.0' })"
    const library = path.resolve(import.meta.dirname, '../../dist/src/plugins/definition.js')
    const text = `import { definePlugin } from '${library}'
      export class Plugin { name = 'base'; version = '0' }
      export const other = definePlugin({ name: 'other', version: '1.0.0' })
      export default ${own}`

    await client.call('plugin.load', { path: write('a.mjs', text), runIn })
    expect(await namesOf(client)).toEqual(['own'])
  })

  test.each([
    ['no plugin is exported', `export const Plugin = {}`, /exports no plugin/],
    ['its name is missing', `export default { version: '1' }`, /name/],
    ['its name is none', `export default { name: 'A b', version: '1' }`, /name/],
    [
      'a hook is no function',
      `export default { name: 'a', version: '1', beforeQuery: 7 }`,
      /beforeQuery is not a function/,
    ],
    ['its code does not parse', `export default {`, /Unexpected|parse/],
    ['its code throws', `throw new Error('not here')`, /not here/],
    [
      'its methods throw',
      `export default { name: 'a', version: '1', extendDatabase() { throw new Error('no methods') } }`,
      /no methods/,
    ],
    [
      'a method has no function',
      `export default { name: 'a', version: '1', extendDatabase: () => ({ m: { summary: 'M.' } }) }`,
      /handle/,
    ],
    [
      'a method takes what is the scope’s',
      `export default ({ z }) => ({ name: 'a', version: '1', extendDatabase: () => ({ m: { summary: 'M.', params: z.object({ tenant: z.string() }), handle() {} } }) })`,
      /tenant/,
    ],
  ])('is refused where %s, and leaves nothing', async (_, text, reason) => {
    const { client, write } = await startWithPlugins()
    const refused = await client.refused('plugin.load', { path: write('a.mjs', text), runIn })

    expect(refused).toMatchObject({ kind: 'pluginLoadFailed', source: 'a.mjs' })
    expect(refused.reason).toMatch(reason)
    expect(await namesOf(client)).toEqual([])
    expect(await rowsOf(client)).toEqual([])
  })

  test('checks settings against what the plugin says it takes', async () => {
    const { client, load } = await startWithPlugins()
    const body = `settings: z.strictObject({ limit: z.int(), word: z.string().default('rows') }),
      beforeQuery: (query, { settings }) => ({ veto: settings.limit + ' ' + settings.word })`

    await expect(load('limited', body, { runIn, settings: { limit: 'x' } })).rejects.toThrow(/settings: limit/)
    await expect(load('limited', body, { runIn, settings: { limit: 1, other: 2 } })).rejects.toThrow(/other/)
    await load('limited', body, { runIn, settings: { limit: 5 } })
    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ reason: '5 rows' })
  })

  test('refuses a second plugin of a name, and the first one stays', async () => {
    const { client, load, write } = await startWithPlugins()
    await load('a', `beforeQuery: () => ({ veto: 'first' })`, { runIn })
    const second = write('second.mjs', pluginText('a', `beforeQuery: () => ({ veto: 'second' })`))

    expect(await client.refused('plugin.load', { path: second, runIn })).toEqual({ kind: 'pluginExists', plugin: 'a' })
    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ reason: 'first' })
    expect(await namesOf(client)).toEqual(['a'])
  })

  test('two modules of one file name are two plugins with code of their own', async () => {
    const { client, write } = await startWithPlugins()
    for (const name of ['one', 'two']) {
      const body = `extendDatabase: () => ({ tell: { summary: 'Tell.', handle: () => '${name}' } })`
      await client.call('plugin.load', { path: write(`${name}/plugin.mjs`, pluginText(name, body)), runIn })
    }

    expect([await client.call('plugin.one.tell'), await client.call('plugin.two.tell')]).toEqual(['one', 'two'])
  })

  test('every method of a plugin is itself', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'shop',
      `extendDatabase: () => Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { summary: 'Tell.', handle: () => name }]))`,
      { runIn },
    )

    for (const name of ['a', 'b', 'c']) expect(await client.call(`plugin.shop.${name}`)).toBe(name)
  })

  test('a plugin that is unloaded has cleaned up, and nothing of it is left', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'gone',
      `beforeQuery: () => ({ veto: 'here' }),
       extendDatabase: () => ({ tell: { summary: 'Tell.', handle: () => 1 } }),
       async cleanup({ db }) { await db.execute('insert into t values (99)') }`,
      { runIn },
    )
    await client.call('plugin.unload', { name: 'gone' })

    expect(await rowsOf(client)).toEqual([[99]])
    expect(await client.refused('plugin.gone.tell')).toMatchObject({ kind: 'methodNotFound' })
    expect(JSON.stringify(await client.call('rpc.discover'))).not.toContain('plugin.gone')
    expect(await namesOf(client)).toEqual([])
    expect(await client.refused('plugin.unload', { name: 'gone' })).toEqual({ kind: 'pluginNotFound', plugin: 'gone' })
  })

  test('a call under way is finished before its plugin is unloaded', async () => {
    const { client, load, connect } = await startWithPlugins()
    await load(
      'slow',
      `extendDatabase: () => ({
         write: {
           summary: 'Write, twice.',
           async handle(params, { db }) {
             await db.execute('insert into t values (1)')
             await new Promise((done) => setTimeout(done, 50))
             await db.execute('insert into t values (2)')
             return 'done'
           },
         },
       })`,
      { runIn },
    )
    const called = client.call('plugin.slow.write')
    const other = await connect()
    while ((await rowsOf(other)).length === 0) {}
    await other.call('plugin.unload', { name: 'slow' })

    expect(await rowsOf(other)).toEqual([[1], [2]])
    expect(await called).toBe('done')
  })

  test('code that was changed is what runs after loading it again, as often as that is done', async () => {
    const { client, load } = await startWithPlugins()
    let threads = 0
    for (let round = 1; round <= 10; round++) {
      await load('a', `extendDatabase: () => ({ round: { summary: 'Tell.', handle: () => ${round} } })`, { runIn })
      expect(await client.call('plugin.a.round')).toBe(round)
      await client.call('plugin.unload', { name: 'a' })
      if (round === 1) threads = threadsOfThisProcess()
    }
    expect(threadsOfThisProcess()).toBeLessThan(threads + 5)
  })

  test('all plugins of a folder are loaded in the order of their names, or none', async () => {
    const { client, write } = await startWithPlugins()
    write('all/b.mjs', pluginText('b', ''))
    write('all/a.js', pluginText('a', ''))
    write('all/package.txt', 'no module')
    write('all/a.test.mjs', 'process.exit(1)')
    await client.call('plugin.load', { path: 'all', runIn })
    expect(await namesOf(client)).toEqual(['a', 'b'])

    write('half/a.mjs', pluginText('c', ''))
    write('half/b.mjs', 'throw new Error("half")')
    expect(await client.refused('plugin.load', { path: 'half', runIn })).toMatchObject({ reason: 'half' })
    write('twice/a.mjs', pluginText('c', ''))
    write('twice/b.mjs', pluginText('c', ''))
    expect(await client.refused('plugin.load', { path: 'twice', runIn })).toMatchObject({ kind: 'pluginExists' })
    expect(await namesOf(client)).toEqual(['a', 'b'])
  })

  test('a package is found where it is installed for the project', async () => {
    const { client, write } = await startWithPlugins()
    const manifest = {
      name: '@shop/audit',
      type: 'module',
      exports: { '.': { types: './x.d.ts', import: './lib/main.js' } },
    }
    write('node_modules/@shop/audit/package.json', JSON.stringify(manifest))
    write('node_modules/@shop/audit/lib/main.js', pluginText('audit', ''))

    await client.call('plugin.load', { package: '@shop/audit', runIn })
    expect((await client.call('plugin.list')).plugins).toMatchObject([
      { name: 'audit', source: '@shop/audit', runsIn: runIn },
    ])
    for (const name of ['nowhere', '../escape', 'a/b/c']) {
      expect(await client.refused('plugin.load', { package: name })).toMatchObject({ kind: 'pluginLoadFailed' })
    }
  })
})

test.each(places)('a module that can import cinch has the helpers from there: in the %s', async (runIn) => {
  const { client, layout, write } = await startWithPlugins()
  fs.mkdirSync(path.join(layout.project, 'node_modules'))
  fs.symlinkSync(path.resolve(import.meta.dirname, '../..'), path.join(layout.project, 'node_modules/cinch'))
  const text = `import { decodeValue, definePlugin, z } from 'cinch/plugin'
    export default definePlugin({
      name: 'a', version: '1', settings: z.object({}),
      beforeQuery: ({ params }) => ({ veto: String(decodeValue(params[0])) }),
    })`
  await client.call('plugin.load', { path: write('a.mjs', text), runIn })

  const refused = await client.refused('query.run', { sql: 'select ?', params: [{ $int: '9007199254740993' }] })
  expect(refused).toMatchObject({ reason: '9007199254740993' })
})

test('a module that does not come to its end is given up', async () => {
  const { client, write } = await startWithPlugins()
  const given = { path: write('a.mjs', 'for (;;) {}'), methodTimeoutMs: 200 }

  expect(await client.refused('plugin.load', given)).toMatchObject({ reason: 'it did not load within 200 ms' })
})

test('loading takes one of path and package', async () => {
  const { client } = await startWithPlugins()

  for (const given of [{}, { path: 'a', package: 'b' }, { path: '' }, { path: 'a', runIn: 'nowhere' }, { path: 7 }]) {
    expect(await client.refused('plugin.load', given)).toMatchObject({ kind: 'invalidParams' })
  }
  expect(await client.refused('plugin.load', { path: 'nothing.mjs' })).toMatchObject({ kind: 'pluginLoadFailed' })
})

test('settings can forbid clients to load plugins, and to register them', async () => {
  const { client, write, layout } = await startWithPlugins({ allowPluginLoad: false, allowPluginRegister: false })
  const ran = path.join(layout.project, 'ran')
  const file = write('a.mjs', `import fs from 'node:fs'; fs.writeFileSync('${ran}', '')`)

  expect(await client.refused('plugin.load', { path: file })).toEqual({
    kind: 'pluginsForbidden',
    setting: 'allowPluginLoad',
    hint: expect.any(String),
  })
  expect(await client.refused('plugin.unload', { name: 'a' })).toMatchObject({ kind: 'pluginsForbidden' })
  expect(await client.refused('plugin.register', { name: 'a', version: '1' })).toMatchObject({
    setting: 'allowPluginRegister',
  })
  expect(fs.existsSync(ran)).toBe(false)
})

describe('a daemon', () => {
  test('starts with the plugins of its settings, in their order', async () => {
    const folder = temporaryFolder()
    for (const name of ['b', 'a']) fs.writeFileSync(path.join(folder, `${name}.mjs`), pluginText(name, ''))
    const plugins = [{ path: path.join(folder, 'b.mjs') }, { path: path.join(folder, 'a.mjs'), runIn: 'daemon' }]
    const { client } = await startDaemon({ layout: temporaryProject({ config: { plugins } }) })

    expect((await client.call('plugin.list')).plugins).toMatchObject([
      { name: 'b', runsIn: 'worker' },
      { name: 'a', runsIn: 'daemon' },
    ])
  })

  test('does not start without a plugin that it is to have, unless its failures are skipped', async () => {
    const layout = temporaryProject({ config: { plugins: [{ path: 'nowhere.mjs' }] } })
    const cinchd = new Cinchd({ project: layout.project, args: ['--socket'] })
    expect(await cinchd.exited).toBe(1)
    expect(cinchd.stderr).toMatch(/pluginLoadFailed/)

    fs.writeFileSync(layout.config, JSON.stringify({ plugins: [{ path: 'nowhere.mjs', onFailure: 'skip' }] }))
    const client = await (await startCinchd(layout)).connect()
    expect(await namesOf(client)).toEqual([])
  })

  test.each(places)('has its standard output for itself, whatever a plugin in the %s writes', async (runIn) => {
    const layout = temporaryProject({ config: { plugins: [{ path: 'a.mjs', runIn }] } })
    const body = `beforeQuery() { console.log('{"from": "the plugin"}'); console.error('and this') }`
    fs.writeFileSync(path.join(layout.project, 'a.mjs'), pluginText('a', body))
    const { client, cinchd } = startStdio(layout)

    expect(await rowsOf(client, 'select 1')).toEqual([[1]])
    await cinchd.logs(/from.*the plugin/)
    expect(await rowsOf(client, 'select 2')).toEqual([[2]])
    await client.close()
    await expect(client.next()).rejects.toThrow('the connection ended')
  })

  test('runs nothing that merely lies in its folders', async () => {
    const layout = temporaryProject()
    const ran = path.join(layout.project, 'ran')
    for (const file of [
      'plugins/a.mjs',
      'plugins/index.js',
      'a.mjs',
      '.cinchdb/plugins/a.mjs',
      'node_modules/cinch-plugin-a/index.js',
    ]) {
      const place = path.join(layout.project, file)
      fs.mkdirSync(path.dirname(place), { recursive: true })
      fs.writeFileSync(place, `import fs from 'node:fs'; fs.writeFileSync('${ran}', '')`)
    }
    const client = await (await startCinchd(layout)).connect()
    expect(await namesOf(client)).toEqual([])
    await client.refused('plugin.load', { path: 'plugins/nothing.mjs' })

    expect(fs.existsSync(ran)).toBe(false)
  })

  test('stops in good order: its plugins clean up while there is a project', async () => {
    const layout = temporaryProject({ config: { plugins: [{ path: 'a.mjs' }] } })
    const text = pluginText('a', `async cleanup({ db }) { await db.execute('insert into t values (5)') }`)
    fs.writeFileSync(path.join(layout.project, 'a.mjs'), text)
    const first = await startDaemon({ layout })
    await first.client.call('table.create', {
      name: 't',
      columns: [{ name: 'a', type: 'INTEGER' }],
      systemColumns: false,
    })
    await first.daemon.stop()

    const { client } = await startDaemon({ layout })
    expect(await rowsOf(client)).toEqual([[5]])
  })
})
