import { describe, expect, test } from 'vitest'
import { PluginClient, rowsOf, silence, startWithPlugins } from './support.ts'

const veto = (reason: string) => () => ({ veto: reason })

describe.each(['lines', 'headers'] as const)('a client with %s that registers a plugin', (framing) => {
  test('is asked before statements of others, and may refuse them or have others run', async () => {
    const { client, connect } = await startWithPlugins()
    const guard = new PluginClient(await connect(framing), {
      'hook.beforeQuery': ({ sql }) =>
        sql.startsWith('delete') ? { veto: 'rows stay' } : sql === 'select 1' ? { sql: 'select ?', params: [2] } : null,
    })
    await guard.client.call('plugin.register', { name: 'guard', version: '1.0.0', hooks: ['beforeQuery'] })

    expect(await client.refused('query.execute', { sql: 'delete from t' })).toEqual({
      kind: 'queryVetoed',
      plugin: 'guard',
      reason: 'rows stay',
    })
    expect(await rowsOf(client, 'select 1')).toEqual([[2]])
    expect(guard.asked[0]).toEqual({
      method: 'hook.beforeQuery',
      params: {
        plugin: 'guard',
        database: 'main',
        branch: 'main',
        tenant: 'main',
        sql: 'delete from t',
        params: [],
        access: 'write',
        rowFormat: 'array',
      },
    })
  })

  test('is asked after them, and may give another result', async () => {
    const { client, connect } = await startWithPlugins()
    const masker = new PluginClient(await connect(framing), {
      'hook.afterQuery': ({ result }) => (result.rows ? { result: { ...result, rows: [['*']] } } : null),
    })
    await masker.client.call('plugin.register', { name: 'masker', version: '1', hooks: ['afterQuery'] })

    expect(await rowsOf(client, 'select 1')).toEqual([['*']])
    expect(await client.call('query.execute', { sql: 'insert into t values (1)' })).toEqual({ changes: 1 })
  })

  test('has methods that others call, checked by their schemas', async () => {
    const { client, connect } = await startWithPlugins()
    const shop = new PluginClient(await connect(framing), {
      'hook.call': ({ method, params, scope }) => (method === 'add' ? { sum: params.a + 1, scope } : { sum: 'x' }),
    })
    const schemas = {
      params: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
      result: { type: 'object', properties: { sum: { type: 'integer' } }, required: ['sum'] },
    }
    const methods = ['add', 'wrong'].map((name) => ({ name, summary: 'Add one.', ...schemas }))
    const registered = await shop.client.call('plugin.register', { name: 'shop', version: '1', methods })

    expect(registered).toEqual({ methods: ['plugin.shop.add', 'plugin.shop.wrong'] })
    expect(await client.call('plugin.shop.add', { a: 1 })).toEqual({
      sum: 2,
      scope: { database: 'main', branch: 'main', tenant: 'main' },
    })
    expect(await client.refused('plugin.shop.add', { a: 'x' })).toMatchObject({
      kind: 'invalidParams',
      issues: [{ path: 'a' }],
    })
    expect(await client.refused('plugin.shop.wrong', { a: 1 })).toMatchObject({ kind: 'pluginFailed', hook: 'wrong' })
    expect(JSON.stringify(await client.call('rpc.discover'))).toContain('plugin.shop.add')
  })

  test('is told of files and of what is made', async () => {
    const { client, connect } = await startWithPlugins()
    const witness = await connect(framing)
    const hooks = ['onConnect', 'onDisconnect', 'onEvent']
    await witness.call('plugin.register', { name: 'witness', version: '1', hooks })

    await client.call('tenant.create', { name: 'acme' })
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }], tenant: 'acme' })
    await client.call('tenant.delete', { name: 'acme' })
    await witness.notification(({ params }) => (params as { event?: { kind: string } }).event?.kind === 'tenantDeleted')
    const scope = { database: 'main', branch: 'main', tenant: 'acme' }
    expect(witness.notifications).toEqual([
      { method: 'hook.event', params: { plugin: 'witness', event: { kind: 'tenantCreated', ...scope } } },
      { method: 'hook.onConnect', params: { plugin: 'witness', ...scope } },
      { method: 'hook.onDisconnect', params: { plugin: 'witness', ...scope } },
      { method: 'hook.event', params: { plugin: 'witness', event: { kind: 'tenantDeleted', ...scope } } },
    ])
  })
})

test('what a plugin’s own client asks, in a hook and outside of one, does not come back to it', async () => {
  const { client, connect } = await startWithPlugins()
  const guard: PluginClient = new PluginClient(await connect(), {
    'hook.beforeQuery': async () => {
      const { rows } = await guard.client.call('query.run', { sql: 'select count(*) from t' })
      return rows[0][0] > 0 ? null : { veto: 'nothing there' }
    },
  })
  await guard.client.call('plugin.register', { name: 'guard', version: '1', hooks: ['beforeQuery'] })

  expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ reason: 'nothing there' })
  await guard.client.call('query.execute', { sql: 'insert into t values (1)' })
  expect(await rowsOf(client)).toEqual([[1]])
  expect(guard.asked).toHaveLength(2)
})

test('two clients that ask the daemon in their hooks do not ask each other without end', async () => {
  const { client, connect } = await startWithPlugins()
  const guards: PluginClient[] = []
  for (const name of ['one', 'two']) {
    const guard: PluginClient = new PluginClient(await connect(), {
      'hook.beforeQuery': async () => {
        await guard.client.call('query.run', { sql: 'select 1' })
        return null
      },
    })
    guards.push(guard)
    await guard.client.call('plugin.register', { name, version: '1', hooks: ['beforeQuery'] })
  }

  expect(await rowsOf(client)).toEqual([])
  expect(guards.map(({ asked }) => asked.length)).toEqual([2, 2])
})

test('a plugin ends with its connection, or when its client says so, and its name is free', async () => {
  const { client, connect } = await startWithPlugins()
  const given = { name: 'guard', version: '1', hooks: ['beforeQuery'] }
  const first = new PluginClient(await connect(), { 'hook.beforeQuery': veto('first') })
  const second = new PluginClient(await connect(), { 'hook.beforeQuery': veto('second') })
  await first.client.call('plugin.register', given)
  expect(await second.client.refused('plugin.register', given)).toEqual({ kind: 'pluginExists', plugin: 'guard' })
  expect(await client.refused('plugin.unregister', { name: 'guard' })).toMatchObject({ kind: 'pluginNotFound' })

  await first.client.close()
  await second.client.call('plugin.register', given)
  expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ reason: 'second' })
  await second.client.call('plugin.unregister', { name: 'guard' })
  expect(await rowsOf(client, 'select 1')).toEqual([[1]])
  expect((await client.call('plugin.list')).plugins).toEqual([])
})

test('a client that is gone before it has answered fails the statement, and the next one runs without it', async () => {
  const { client, connect } = await startWithPlugins()
  const guard: PluginClient = new PluginClient(await connect(), {
    'hook.beforeQuery': () => {
      guard.client.destroy()
      return silence
    },
  })
  const given = { name: 'guard', version: '1', hooks: ['beforeQuery'], timeoutMs: 60_000 }
  await guard.client.call('plugin.register', given)

  expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
    kind: 'pluginFailed',
    plugin: 'guard',
  })
  expect(await rowsOf(client, 'select 1')).toEqual([[1]])
})

test('a client that does not answer is waited for as long as it said, and is told to stop', async () => {
  const { client, connect, logged } = await startWithPlugins()
  const guard = new PluginClient(await connect(), { 'hook.beforeQuery': () => silence })
  const given = { name: 'guard', version: '1', hooks: ['beforeQuery'], timeoutMs: 40 }
  await guard.client.call('plugin.register', given)

  expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
    kind: 'pluginTimedOut',
    plugin: 'guard',
    hook: 'beforeQuery',
    timeoutMs: 40,
  })
  await guard.client.notification(({ method }) => method === '$/cancelRequest')
  expect(logged.filter(({ msg }) => msg === 'a plugin failed')).toHaveLength(1)

  await guard.client.call('plugin.unregister', { name: 'guard' })
  await guard.client.call('plugin.register', { ...given, onFailure: 'skip' })
  expect(await rowsOf(client, 'select 1')).toEqual([[1]])
  expect((await client.call('project.stats')).plugins.guard).toMatchObject({ failures: 1, skipped: 1 })
})

test('a client that answers with an error, or with nonsense, fails the statement', async () => {
  const { client, connect } = await startWithPlugins()
  const guard = new PluginClient(await connect(), {
    'hook.beforeQuery': ({ sql }) => (sql === 'select 1' ? new Error('out of order') : 'nonsense'),
  })
  await guard.client.call('plugin.register', { name: 'guard', version: '1', hooks: ['beforeQuery'] })

  expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({
    kind: 'pluginFailed',
    reason: 'out of order',
  })
  expect(await client.refused('query.run', { sql: 'select 2' })).toMatchObject({ kind: 'pluginFailed' })
})

test('a client with all that may be in flight is still heard, and what it asks beyond is refused', async () => {
  const { client, connect } = await startWithPlugins({ limits: { maxInFlight: 3 } })
  const guard = new PluginClient(await connect(), { 'hook.beforeQuery': () => null, 'hook.call': () => silence })
  await guard.client.call('plugin.register', {
    name: 'guard',
    version: '1',
    hooks: ['beforeQuery'],
    timeoutMs: 60_000,
  })
  const waits = new PluginClient(await connect(), { 'hook.call': () => silence })
  await waits.client.call('plugin.register', {
    name: 'waits',
    version: '1',
    methods: [{ name: 'forever', summary: 'Wait.', access: 'read' }],
  })

  const calls = Array.from({ length: 5 }, (_, id) => guard.client.request('plugin.waits.forever', {}, `f${id}`))
  expect((await calls[3])?.error?.data).toMatchObject({ kind: 'limitExceeded', limit: 'maxInFlight', max: 3 })
  expect((await calls[4])?.error?.data.kind).toBe('limitExceeded')
  expect(await rowsOf(client, 'select 1')).toEqual([[1]])

  for (const id of [0, 1, 2]) guard.client.notify('$/cancelRequest', { id: `f${id}` })
  for (const call of calls.slice(0, 3)) expect((await call).error?.data.kind).toBe('requestCancelled')
  expect(await guard.client.call('ping')).toEqual({})
})

test('a client is not asked by itself', async () => {
  const { client } = await startWithPlugins({ limits: { maxInFlight: 1 } })
  const methods = [{ name: 'm', summary: 'M.' }]
  await client.call('plugin.register', { name: 'own', version: '1', methods })

  expect(await client.refused('plugin.own.m')).toMatchObject({ kind: 'notSupported' })
})

test.each([
  ['a hook that there is not', { hooks: ['cleanup'] }, 'invalidParams'],
  ['a name that is none', { name: 'A b' }, 'invalidParams'],
  [
    'two methods of one name',
    {
      methods: [
        { name: 'm', summary: 'M.' },
        { name: 'm', summary: 'M.' },
      ],
    },
    'pluginLoadFailed',
  ],
  [
    'a schema that is none',
    { methods: [{ name: 'm', summary: 'M.', params: { type: 'object', properties: { a: { type: 'x' } } } }] },
    'pluginLoadFailed',
  ],
  [
    'a parameter that every method has',
    { methods: [{ name: 'm', summary: 'M.', params: { type: 'object', properties: { branch: {} } } }] },
    'pluginLoadFailed',
  ],
])('a plugin is not registered with %s', async (_, given, kind) => {
  const { client } = await startWithPlugins()

  expect(await client.refused('plugin.register', { name: 'a', version: '1', ...given })).toMatchObject({ kind })
  expect((await client.call('plugin.list')).plugins).toEqual([])
})

test('a daemon that stops waits for no plugin', async () => {
  const { daemon, client, connect } = await startWithPlugins()
  const guard = new PluginClient(await connect(), { 'hook.beforeQuery': () => silence })
  await guard.client.call('plugin.register', { name: 'guard', version: '1', hooks: ['beforeQuery'], timeoutMs: 60_000 })
  const failed = client.refused('query.run', { sql: 'select 1' })
  while (guard.asked.length === 0) await new Promise(setImmediate)

  await daemon.stop()
  expect((await failed).kind).toMatch(/shuttingDown|pluginFailed/)
})
