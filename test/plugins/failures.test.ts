import { describe, expect, test } from 'vitest'
import { places, rowsOf, startWithPlugins } from './support.ts'

/** Fails as the statement says, and lets every other one pass. */
const failing = (body: string) => `async beforeQuery({ sql }) { if (sql.startsWith('select 1')) { ${body} } }`

describe.each(places)('a plugin in the %s that', (runIn) => {
  test('throws fails the statement at hand, and no other', async () => {
    const { client, load, logged } = await startWithPlugins()
    await load('thrower', failing(`throw new Error('out of order')`), { runIn })

    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
      kind: 'pluginFailed',
      plugin: 'thrower',
      hook: 'beforeQuery',
      reason: 'out of order',
    })
    expect(await rowsOf(client, 'select 2')).toEqual([[2]])
    expect(logged.filter(({ msg }) => msg === 'a plugin failed')).toMatchObject([
      { plugin: 'thrower', hook: 'beforeQuery' },
    ])
    const [{ failures, lastFailure }] = (await client.call('plugin.list')).plugins
    expect([failures, lastFailure.reason]).toEqual([1, 'out of order'])
  })

  test('fails after a write says that the write is done', async () => {
    const { client, load } = await startWithPlugins()
    await load('late-thrower', `afterQuery() { throw new Error('too bad') }`, { runIn, onFailure: 'fail' })

    const refused = await client.refused('query.execute', { sql: 'insert into t values (1)' })
    expect(refused).toMatchObject({ kind: 'pluginFailed', hook: 'afterQuery', done: true })
    expect((await client.call('row.list', { table: 't' })).rows).toEqual([{ a: 1 }])
  })

  test('only looks afterwards is skipped by default when it fails, and that is counted and logged', async () => {
    const { client, load, logged } = await startWithPlugins()
    await load('careless', `afterQuery() { throw new Error('too bad') }`, { runIn })

    expect(await rowsOf(client, 'select 1')).toEqual([[1]])
    expect((await client.call('project.stats')).plugins.careless).toMatchObject({ calls: 1, failures: 1, skipped: 1 })
    expect(logged.some(({ msg }) => msg === 'a plugin failed')).toBe(true)
  })

  test('is late is refused for, or skipped, as it was told', async () => {
    const { client, load } = await startWithPlugins()
    const body = failing('await new Promise(() => {})')
    await load('late', body, { runIn, hookTimeoutMs: 30 })

    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
      kind: 'pluginTimedOut',
      plugin: 'late',
      timeoutMs: 30,
    })
    await client.call('plugin.unload', { name: 'late' })
    await load('later', body, { runIn, hookTimeoutMs: 30, onFailure: 'skip' })
    expect(await rowsOf(client, 'select 1')).toEqual([[1]])
  })

  test.each([
    ['a number', 'return 7'],
    ['a statement that is none', `return { sql: 7 }`],
    ['an empty statement', `return { sql: '' }`],
    ['a veto that is no reason', `return { veto: true }`],
    ['a list', `return ['select 2']`],
    ['parameters that are none', `return { sql: 'select 2', params: 7 }`],
  ])('answers with nonsense, %s, fails the statement', async (_, body) => {
    const { client, load } = await startWithPlugins()
    await load('odd', failing(body), { runIn })

    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
      kind: 'pluginFailed',
      plugin: 'odd',
    })
    expect(await rowsOf(client, 'select 2')).toEqual([[2]])
  })

  test.each([
    ['no result', '{ rows: [] }'],
    ['rows without columns', '{ result: { rows: [[1]] } }'],
    ['rows of another width', `{ result: { columns: [{ name: 'x', type: null }], rows: [[1, 2]] } }`],
    ['a text', `'x'`],
  ])('makes of a result what is none, %s, fails the statement', async (_, answer) => {
    const { client, load } = await startWithPlugins()
    await load('odd', `afterQuery: () => (${answer})`, { runIn, onFailure: 'fail' })

    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ kind: 'pluginFailed', done: true })
  })

  test('fails at an event, or at a file that is opened, disturbs nobody', async () => {
    const { client, load } = await startWithPlugins()
    await load('grumpy', `onEvent() { throw new Error('no') }, onConnect() { throw new Error('no') }`, { runIn })

    await client.call('tenant.create', { name: 'acme' })
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }], tenant: 'acme' })
    await client.call('plugin.unload', { name: 'grumpy' })
  })

  test('has a method that throws, or answers what cannot be sent, fails that call alone', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'shop',
      `extendDatabase: () => ({
         fail: { summary: 'Fail.', handle() { throw new Error('sold out') } },
         odd: { summary: 'Answer with what cannot be sent.', handle: () => () => 1 },
         big: { summary: 'Answer with what JSON has not.', handle: () => ({ a: 1n }) },
         slow: { summary: 'Wait.', handle: () => new Promise(() => {}) },
       })`,
      { runIn, methodTimeoutMs: 3_000 },
    )

    expect(await client.refused('plugin.shop.fail')).toMatchObject({
      kind: 'pluginFailed',
      hook: 'fail',
      reason: 'sold out',
    })
    if (runIn === 'worker') {
      expect(await client.refused('plugin.shop.odd')).toMatchObject({ kind: 'pluginFailed', hook: 'odd' })
    }
    expect(await client.refused('plugin.shop.big')).toMatchObject({ kind: 'pluginFailed', hook: 'big' })
    expect(await client.refused('plugin.shop.slow')).toMatchObject({
      kind: 'pluginTimedOut',
      hook: 'slow',
      timeoutMs: 3_000,
    })
  })
})

describe('a plugin in a thread that', () => {
  test.each([
    ['hangs', 'for (;;) {}', /did not answer|timedOut/i],
    ['ends its thread', 'process.exit(3)', /exit code 3/],
    [
      'throws where nobody catches',
      `setImmediate(() => { throw new Error('astray') }); await new Promise(() => {})`,
      /astray/,
    ],
    ['allocates without end', 'const all = []; for (;;) all.push(new Array(10_000).fill(all.length))', /memory/],
  ])('%s fails the statement at hand, and works again', async (_, body, reason) => {
    const { client, load, connect } = await startWithPlugins()
    await load('wild', failing(body), { hookTimeoutMs: body.startsWith('for') ? 100 : 20_000, memoryMb: 16 })
    const other = await connect()

    const failed = client.refused('query.run', { sql: 'select 1' })
    // Whoever needs no plugin goes on meanwhile.
    await other.call('row.insert', { table: 't', rows: [{ a: 1 }] })
    expect(JSON.stringify(await failed)).toMatch(reason)

    for (let tries = 0; ; tries++) {
      const answer = await client.request('query.run', { sql: 'select 2' })
      if (answer.result) break
      expect(answer.error?.data.kind).toMatch(/^plugin/)
      expect(tries).toBeLessThan(100)
    }
    expect((await client.call('project.stats')).plugins.wild.restarts).toBe(1)
  })

  test('is not to be started again stays away, and fails what needs it', async () => {
    const { client, load } = await startWithPlugins()
    await load('fragile', failing('process.exit(3)'), { restart: false })
    await client.refused('query.run', { sql: 'select 1' })

    expect(await client.refused('query.run', { sql: 'select 2' })).toMatchObject({ kind: 'pluginFailed' })
    expect((await client.call('plugin.list')).plugins[0].trouble).toMatch(/exit code 3/)
    await client.call('plugin.unload', { name: 'fragile' })
    expect(await rowsOf(client, 'select 2')).toEqual([[2]])
  })

  test('writes to standard output writes to the log', async () => {
    const { client, load, logged } = await startWithPlugins()
    await load(
      'talker',
      `async beforeQuery(query, { log }) { console.log('from the console'); log.warn('from the plugin', { a: 1 }) }`,
    )
    await rowsOf(client)
    await client.call('plugin.unload', { name: 'talker' })

    expect(logged.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['from the console', 'from the plugin']))
  })
})
