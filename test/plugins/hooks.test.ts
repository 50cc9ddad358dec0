import { describe, expect, test } from 'vitest'
import { places, rowsOf, startWithPlugins } from './support.ts'

describe.each(places)('a plugin in the %s', (runIn) => {
  test('rewrites a statement and its parameters', async () => {
    const { client, load } = await startWithPlugins()
    await client.call('query.execute', { sql: 'insert into t values (1), (2), (3)' })
    await load(
      'only-two',
      `beforeQuery: ({ sql, params }) =>
        sql.startsWith('select') ? { sql: sql + ' where a = ?', params: [...params, 2] } : undefined`,
      { runIn },
    )

    expect(await rowsOf(client, 'select a from t')).toEqual([[2]])
    expect((await client.call('query.execute', { sql: 'delete from t' })).changes).toBe(3)
  })

  test('refuses a statement with its reason, which then does not run', async () => {
    const { client, load } = await startWithPlugins()
    await load('no-writes', `beforeQuery: ({ access }) => (access === 'write' ? { veto: 'not today' } : undefined)`, {
      runIn,
    })

    const refused = { kind: 'queryVetoed', plugin: 'no-writes', reason: 'not today' }
    expect(await client.refused('query.execute', { sql: 'insert into t values (1)' })).toEqual(refused)
    const statements = [{ sql: 'select 1' }, { sql: 'insert into t values (1)' }]
    expect(await client.refused('query.batch', { statements })).toEqual(refused)
    expect(await rowsOf(client)).toEqual([])
  })

  test('cannot have a statement run that the gate refuses', async () => {
    const { client, load } = await startWithPlugins()
    await load('dropper', `beforeQuery: ({ params }) => ({ sql: params[0], params: [] })`, { runIn })

    for (const sql of ['drop table t', 'pragma user_version = 7', 'delete from t', 'select * from __cinch', 'commit']) {
      expect(await client.refused('query.run', { sql: 'select 1', params: [sql] })).toMatchObject({
        kind: 'sqlRefused',
      })
    }
    expect(await client.refused('query.execute', { sql: 'select 1', params: ['drop table t'] })).toMatchObject({
      kind: 'sqlRefused',
    })
  })

  test('replaces a result, and one that says nothing leaves it as it is', async () => {
    const { client, load } = await startWithPlugins()
    await client.call('query.execute', { sql: 'insert into t values (7)' })
    await load('quiet', `seen: 0, afterQuery() { this.seen++ }`, { runIn })
    expect(await rowsOf(client)).toEqual([[7]])

    await load(
      'masked',
      `afterQuery: (query, result) =>
        result.rows && { result: { ...result, rows: result.rows.map((row) => row.map(() => '*')) } }`,
      { runIn },
    )
    expect(await client.call('query.run', { sql: 'select a from t' })).toEqual({
      columns: [{ name: 'a', type: 'INTEGER' }],
      rows: [['*']],
    })
    expect(await client.call('query.execute', { sql: 'update t set a = 8' })).toEqual({ changes: 1 })
    const { results } = await client.call('query.batch', {
      statements: [{ sql: 'select a from t' }, { sql: 'delete from t' }],
    })
    expect(results).toEqual([{ changes: 0, columns: [{ name: 'a', type: 'INTEGER' }], rows: [['*']] }, { changes: 1 }])
  })

  test('sees rows that came from a process, and as objects where they were asked for so', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'counter',
      `afterQuery: ({ rowFormat }, { columns, rows }) =>
        rows && rows.length > 5 ? { result: { columns, rows: [rowFormat === 'object' ? { x: rows.length } : [rows.length]] } } : null`,
      { runIn },
    )
    const sql = 'with recursive c(x) as (select 1 union all select x + 1 from c where x < 1000) select x from c'

    expect((await client.call('query.run', { sql })).rows).toEqual([[1000]])
    expect((await client.call('query.run', { sql, rowFormat: 'object' })).rows).toEqual([{ x: 1000 }])
  })

  test('sees a statement, its values as they are on the wire, and nothing else of the call', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'looker',
      `beforeQuery: (query) => query.sql === 'select ?' ? { veto: JSON.stringify(query) } : undefined`,
      { runIn },
    )
    const given = { $int: '9007199254740993' }

    const { reason } = await client.refused('query.run', { sql: 'select ?', params: [given], timeoutMs: 9_000 })
    expect(JSON.parse(reason)).toEqual({
      database: 'main',
      branch: 'main',
      tenant: 'main',
      sql: 'select ?',
      params: [given],
      access: 'read',
      rowFormat: 'array',
    })
  })

  test('asks the tenant at hand, and its own statements do not come back to it', async () => {
    const { client, load } = await startWithPlugins()
    await client.call('tenant.create', { name: 'acme' })
    await load(
      'audit',
      `async afterQuery({ sql, access }, result, { db }) {
         if (access === 'read') return
         await db.execute('insert into t values (?)', [(await db.query('select count(*) from t')).rows[0][0] * 100])
       }`,
      { runIn, onFailure: 'fail' },
    )

    await client.call('query.execute', { sql: 'insert into t values (1)', tenant: 'acme' })
    await client.call('query.execute', { sql: 'insert into t values (2)', tenant: 'acme' })
    expect((await client.call('query.run', { sql: 'select a from t order by a', tenant: 'acme' })).rows).toEqual([
      [1],
      [2],
      [100],
      [300],
    ])
    expect(await rowsOf(client)).toEqual([])
  })

  test('is called before in the order of loading, and after the other way round', async () => {
    const { client, load } = await startWithPlugins()
    for (const name of ['first', 'second']) {
      await load(
        name,
        `beforeQuery: ({ sql }) => ({ sql: sql.replace("'", "'${name} ") }),
         afterQuery: (query, { columns, rows }) => ({ result: { columns, rows: [[rows[0][0] + ' ${name}']] } })`,
        { runIn },
      )
    }

    expect(await rowsOf(client, "select ''")).toEqual([['second first  second first']])
  })

  test('keeps the order of a session: what is written later is not seen, however long a hook takes', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'slow-reads',
      `beforeQuery: async ({ access }) => { if (access === 'read') await new Promise((done) => setTimeout(done, 30)) }`,
      { runIn },
    )

    const reads = [rowsOf(client), rowsOf(client)]
    const written = client.call('query.execute', { sql: 'insert into t values (1)' })
    const inserted = client.call('row.insert', { table: 't', rows: [{ a: 2 }] })
    expect(await Promise.all(reads)).toEqual([[], []])
    expect(await rowsOf(client)).toEqual([[1], [2]])
    await Promise.all([written, inserted])
  })

  test('keeps the order of a session: what was written before is seen, however long a hook takes', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'slow-writes',
      `beforeQuery: async ({ access }) => { if (access === 'write') await new Promise((done) => setTimeout(done, 30)) }`,
      { runIn },
    )

    const written = client.call('query.execute', { sql: 'insert into t values (1)' })
    const inserted = client.call('row.insert', { table: 't', rows: [{ a: 2 }] })
    expect(await rowsOf(client)).toEqual([[1], [2]])
    await Promise.all([written, inserted])
  })

  test('has methods that are called, checked, and listed', async () => {
    const { client, load } = await startWithPlugins()
    await client.call('tenant.create', { name: 'acme' })
    await load(
      'shop',
      `extendDatabase: () => ({
         add: defineMethod({
           summary: 'Add a row.',
           params: z.object({ a: z.int() }),
           result: z.object({ count: z.int() }),
           async handle({ a }, { db }) {
             await db.execute('insert into t values (?)', [a])
             return { count: (await db.query('select count(*) from t')).rows[0][0] }
           },
         }),
         where: { summary: 'Tell where it works.', access: 'read', handle: (params, { scope }) => scope },
         wrong: { summary: 'Answer wrongly.', result: z.object({ a: z.int() }), handle: () => ({ a: 'x' }) },
         nothing: { summary: 'Answer nothing.', handle() {} },
       })`,
      { runIn },
    )

    expect(await client.call('plugin.shop.add', { a: 5, tenant: 'acme' })).toEqual({ count: 1 })
    expect(await client.call('plugin.shop.where', { tenant: 'acme' })).toMatchObject({ tenant: 'acme', branch: 'main' })
    expect(await client.call('plugin.shop.nothing')).toBeNull()
    expect(await client.refused('plugin.shop.add', { a: 'x' })).toMatchObject({
      kind: 'invalidParams',
      issues: [{ path: 'a' }],
    })
    expect(await client.refused('plugin.shop.add', { a: 1, tenant: 'nobody' })).toMatchObject({
      kind: 'tenantNotFound',
    })
    expect(await client.refused('plugin.shop.wrong')).toMatchObject({ kind: 'pluginFailed', hook: 'wrong' })
    expect(await client.refused('plugin.shop.ad')).toMatchObject({
      kind: 'methodNotFound',
      suggestion: 'plugin.shop.add',
    })

    const { methods } = await client.call('rpc.discover')
    const add = methods.find(({ name }: { name: string }) => name === 'plugin.shop.add')
    expect(add).toMatchObject({ summary: 'Add a row.', 'x-access': 'edit', result: { schema: { type: 'object' } } })
    expect(add.params).toContainEqual({
      name: 'a',
      required: true,
      schema: expect.objectContaining({ type: 'integer' }),
    })
    expect(add.params.map(({ name }: { name: string }) => name)).toContain('tenant')
  })

  test('is told what is made, changed and dropped, and of files that are opened and closed', async () => {
    const { client, load } = await startWithPlugins()
    await load(
      'witness',
      `seen: [],
       onEvent({ kind, ...rest }) { delete rest.changeSet; this.seen.push([kind, ...Object.values(rest)].join(' ')) },
       onConnect({ tenant }) { this.seen.push('opened ' + tenant) },
       onDisconnect({ tenant }) { this.seen.push('closed ' + tenant) },
       extendDatabase() { return { seen: { summary: 'Tell.', handle: () => this.seen.splice(0) } } }`,
      { runIn },
    )
    const seen = () => client.call('plugin.witness.seen')

    await client.call('database.create', { name: 'd' })
    await client.call('database.delete', { name: 'd' })
    await client.call('tenant.create', { name: 'acme' })
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }], tenant: 'acme' })
    await client.call('tenant.rename', { name: 'acme', newName: 'globex' })
    await client.call('tenant.delete', { name: 'globex' })
    expect(await seen()).toEqual([
      'databaseCreated d',
      'databaseDeleted d',
      'tenantCreated main main acme',
      'opened acme',
      'closed acme',
      'tenantRenamed main main acme globex',
      'tenantDeleted main main globex',
    ])

    await client.call('branch.create', { name: 'feature' })
    await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT' }, branch: 'feature' })
    await client.call('table.rename', { name: 't', newName: 'u', branch: 'feature' })
    await client.call('branch.merge', { source: 'feature' })
    await client.call('table.copy', { source: 'u', name: 'v' })
    await client.call('table.drop', { name: 'v' })
    await client.call('branch.rename', { name: 'feature', newName: 'old' })
    await client.call('branch.delete', { name: 'old' })
    expect(await seen()).toEqual([
      'branchCreated main feature',
      'tableAltered main feature t',
      'tableRenamed main feature t u',
      'tableAltered main main t',
      'tableRenamed main main t u',
      'branchMerged main main feature',
      'tableCreated main main v',
      'tableDropped main main v',
      'branchRenamed main feature old',
      'branchDeleted main old',
    ])
  })

  test('does not see what comes as rows rather than SQL', async () => {
    const { client, load } = await startWithPlugins()
    await load('closed', `beforeQuery: () => ({ veto: 'no SQL' })`, { runIn })

    await client.call('row.insert', { table: 't', rows: [{ a: 1 }] })
    expect((await client.call('row.list', { table: 't' })).rows).toEqual([{ a: 1 }])
    expect(await client.refused('query.run', { sql: 'select 1' })).toMatchObject({ kind: 'queryVetoed' })
  })
})

test('two plugins that ask the daemon in their hooks do not call each other without end', async () => {
  const { client, load } = await startWithPlugins()
  for (const [name, runIn] of [
    ['here', 'daemon'],
    ['there', 'worker'],
  ]) {
    await load(
      name as string,
      `asked: 0,
       async beforeQuery(query, { db }) { this.asked++; await db.query('select 1') },
       extendDatabase() { return { asked: { summary: 'Tell.', handle: () => this.asked } } }`,
      { runIn },
    )
  }

  await client.call('query.run', { sql: 'select a from t' })
  // each by the client's statement, and by the other one's
  expect([await client.call('plugin.here.asked'), await client.call('plugin.there.asked')]).toEqual([2, 2])
})

test('a cursor is hooked when it is opened and at each fetch, and what a plugin looks at afterwards is not streamed', async () => {
  const { client, load } = await startWithPlugins()
  await load(
    'looker',
    `beforeQuery: ({ sql }) => (sql === 'select 1' ? { veto: 'no' } : undefined),
     afterQuery: (query, result) => ({ result: { ...result, rows: [['*']] } })`,
  )

  expect(await client.refused('query.open', { sql: 'select 1' })).toMatchObject({ kind: 'queryVetoed' })
  const { cursor } = await client.call('query.open', { sql: 'select 2' })
  expect((await client.call('query.fetch', { cursor })).rows).toEqual([['*']])
  const streamed = await client.call('query.run', { sql: 'select 3', partialResultToken: 'p' })
  expect([streamed.rows, client.notifications]).toEqual([[['*']], []])
})

test('the rows of a cursor are seen fetch by fetch, with its statement; refused ones close it', async () => {
  const { client, load } = await startWithPlugins()
  await load(
    'cleaner',
    `beforeQuery: ({ sql }) => ({ sql: sql.replace('WIDTH', '2') }),
     afterQuery: async (query, { columns, rows }) => {
       if (rows.some(([n]) => n === 5)) throw new Error('five')
       return { result: { columns, rows: rows.map(([n]) => [query.sql.includes('< 2') ? -n : n]) } }
     }`,
  )
  const sql =
    'with recursive r(n) as (select 1 union all select n + 1 from r where n < 9) select n from r where -n < WIDTH'
  const { cursor } = await client.call('query.open', { sql })
  const fetch = (count: number) => client.call('query.fetch', { cursor, count })
  expect(await fetch(2)).toEqual({ rows: [[-1], [-2]], done: false })
  expect(await fetch(2)).toEqual({ rows: [[-3], [-4]], done: false })
  expect(await client.refused('query.fetch', { cursor, count: 1 })).toMatchObject({ kind: 'pluginFailed' })
  expect(await client.refused('query.fetch', { cursor })).toMatchObject({ kind: 'cursorNotFound', reason: 'closed' })
})

test('statements of a transaction are seen at its tenant', async () => {
  const { client, load } = await startWithPlugins()
  await client.call('tenant.create', { name: 'acme' })
  await load('looker', `beforeQuery: ({ tenant, sql }) => sql.startsWith('delete') ? { veto: tenant } : undefined`)
  const { transaction } = await client.call('transaction.begin', { tenant: 'acme' })

  expect(await client.call('query.execute', { sql: 'insert into t values (1)', transaction })).toEqual({ changes: 1 })
  expect(await client.refused('query.execute', { sql: 'delete from t', transaction })).toMatchObject({ reason: 'acme' })
  expect(await client.refused('query.run', { sql: 'select 1', transaction: 'x' })).toMatchObject({
    kind: 'transactionNotFound',
  })
  await client.call('transaction.commit', { transaction })
  expect((await client.call('query.run', { sql: 'select a from t', tenant: 'acme' })).rows).toEqual([[1]])
})

test('what a hook asks to write to the tenant of a client’s transaction ends by its time limit', async () => {
  const { client, load } = await startWithPlugins()
  const body = `async beforeQuery(query, { db }) { await db.execute('insert into t values (7)') }`
  await load('writer', body, { hookTimeoutMs: 200 })
  const { transaction } = await client.call('transaction.begin')

  expect(await client.refused('query.run', { sql: 'select 1', transaction })).toMatchObject({ kind: 'pluginTimedOut' })
  await client.call('transaction.rollback', { transaction })
})

test('a hook of a call that is cancelled is not waited for', async () => {
  const { client, load, connect } = await startWithPlugins()
  await load('waits', `beforeQuery: ({ sql }) => sql === 'select 1' ? new Promise(() => {}) : undefined`, {
    hookTimeoutMs: 60_000,
  })
  const answer = client.request('query.run', { sql: 'select 1' }, 'x')
  const other = await connect()
  expect(await rowsOf(other)).toEqual([])

  client.notify('$/cancelRequest', { id: 'x' })
  expect((await answer).error?.data.kind).toBe('requestCancelled')
  expect(await rowsOf(client)).toEqual([])
})

test('hooks in the daemon that answer at once make no promise of a result that is there', async () => {
  const { daemon, load } = await startWithPlugins()
  await load('quick', `beforeQuery: ({ sql }) => ({ sql: sql + '!' }), afterQuery: () => null`, { runIn: 'daemon' })
  const ran: (readonly { sql: string }[] | undefined)[] = []

  const done = daemon.plugins.hooks?.around({
    scope: { database: 'main', branch: 'main', tenant: 'main' },
    access: 'read',
    rowFormat: 'array',
    statements: [{ sql: 'select 1', params: [] }],
    exempt: [],
    holdLater: () => expect.unreachable('nothing waits'),
    run(rewritten) {
      ran.push(rewritten)
      return { columns: [], rows: [] }
    },
    results: (done) => [done],
    withResults: () => expect.unreachable('nothing is replaced'),
  })
  expect(done).toEqual({ columns: [], rows: [] })
  expect(ran).toMatchObject([[{ sql: 'select 1!' }]])
})
