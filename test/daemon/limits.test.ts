import { describe, expect, test, vi } from 'vitest'
import { Limits } from '../../protocol/limits.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

const endless = 'with recursive r(n) as (select 1 union all select n + 1 from r) select n from r where n < 0'
const counting = (count: number) =>
  `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${count}) select n from r`
const table = { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false }

interface Case {
  readonly limits: object
  /** What goes beyond the limit; gives what it was refused with. */
  readonly exceed: (client: RawClient, started: TestDaemon) => Promise<unknown>
  readonly refused: object
}

/** Every limit that a client is told of by an error. */
const cases: { readonly [limit in keyof Limits]?: Case } = {
  maxMessageBytes: {
    limits: { maxMessageBytes: 1_000 },
    exceed: async (client) => {
      client.send(JSON.stringify({ jsonrpc: '2.0', id: 'x'.repeat(1_000), method: 'ping' }))
      return (await client.next()).error.data
    },
    refused: { kind: 'messageTooLarge', limit: 'maxMessageBytes', maxBytes: 1_000 },
  },
  maxResultRows: {
    limits: { maxResultRows: 5 },
    exceed: async (client) => {
      expect(await client.call('query.run', { sql: counting(6) })).toMatchObject({ truncated: true })
      await client.call('table.create', table)
      return client.refused('query.execute', { sql: `insert into t ${counting(6)} returning a` })
    },
    refused: { kind: 'limitExceeded', limit: 'maxResultRows', max: 5 },
  },
  maxResultBytes: {
    limits: { maxResultBytes: 1_000 },
    exceed: async (client) => {
      expect(await client.refused('query.run', { sql: counting(1_000) })).toMatchObject({ limit: 'maxResultBytes' })
      return client.refused('query.run', { sql: 'select ?', params: ['x'.repeat(1_001)] })
    },
    refused: { kind: 'limitExceeded', limit: 'maxResultBytes', max: 1_000 },
  },
  maxBatch: {
    limits: { maxBatch: 2 },
    exceed: async (client) => {
      const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
      client.send(JSON.stringify([ping, ping, ping]))
      expect((await client.next()).error.data).toMatchObject({ limit: 'maxBatch', max: 2 })
      const dropTable = { kind: 'dropTable', name: 't' }
      const changes = [dropTable, dropTable, dropTable]
      expect(await client.refused('schema.apply', { changes })).toMatchObject({ limit: 'maxBatch', max: 2 })
      return client.refused('query.batch', { statements: Array(3).fill({ sql: 'select 1' }) })
    },
    refused: { kind: 'limitExceeded', limit: 'maxBatch', max: 2 },
  },
  maxSessions: {
    limits: { maxSessions: 1 },
    exceed: async (_, { connect }) => (await (await connect()).next()).error.data,
    refused: { kind: 'limitExceeded', limit: 'maxSessions', max: 1 },
  },
  maxWaitingStatements: {
    limits: { maxProcesses: 1, maxWaitingStatements: 1 },
    exceed: async (client) => {
      for (const id of ['a', 'b']) void client.request('query.run', { sql: endless }, id).catch(() => {})
      return client.refused('query.run', { sql: endless })
    },
    refused: { kind: 'limitExceeded', limit: 'maxWaitingStatements', max: 1 },
  },
  maxStatementMs: {
    limits: { maxStatementMs: 200 },
    exceed: (client) => client.refused('query.run', { sql: endless }),
    refused: { kind: 'timeout', limit: 'maxStatementMs', timeoutMs: 200 },
  },
  maxStatementBytes: {
    limits: { maxStatementBytes: 10_000_000 },
    exceed: (client) => client.refused('query.run', { sql: endless }),
    refused: { kind: 'limitExceeded', limit: 'maxStatementBytes', max: 10_000_000 },
  },
  maxCursors: {
    limits: { maxCursors: 1 },
    exceed: async (client, { connect }) => {
      await client.call('query.open', { sql: endless })
      return (await connect()).refused('query.open', { sql: endless })
    },
    refused: { kind: 'limitExceeded', limit: 'maxCursors', max: 1 },
  },
  maxCursorsPerSession: {
    limits: { maxCursorsPerSession: 1 },
    exceed: async (client, { connect }) => {
      await client.call('query.open', { sql: endless })
      await (await connect()).call('query.open', { sql: endless })
      return client.refused('query.open', { sql: endless })
    },
    refused: { kind: 'limitExceeded', limit: 'maxCursorsPerSession', max: 1 },
  },
  maxCursorMs: {
    limits: { maxCursorMs: 5_000 },
    exceed: async (client) => {
      const { cursor } = await client.call('query.open', { sql: endless })
      return client.refused('query.fetch', { cursor })
    },
    refused: { kind: 'cursorNotFound', reason: 'maxCursorMs' },
  },
  maxTransactions: {
    limits: { maxTransactions: 1 },
    exceed: async (client, { connect }) => {
      await client.call('transaction.begin', { mode: 'read' })
      return (await connect()).refused('transaction.begin', { mode: 'read' })
    },
    refused: { kind: 'limitExceeded', limit: 'maxTransactions', max: 1 },
  },
  maxTransactionsPerSession: {
    limits: { maxTransactionsPerSession: 1 },
    exceed: async (client, { connect }) => {
      await client.call('transaction.begin', { mode: 'read' })
      await (await connect()).call('transaction.begin', { mode: 'read' })
      return client.refused('transaction.begin', { mode: 'read' })
    },
    refused: { kind: 'limitExceeded', limit: 'maxTransactionsPerSession', max: 1 },
  },
  maxTransactionIdleMs: {
    limits: { maxTransactionIdleMs: 100 },
    exceed: async (client) => {
      const { transaction } = await client.call('transaction.begin', { mode: 'read' })
      await vi.waitFor(async () => expect((await client.call('project.stats')).transactions).toBe(0), 10_000)
      return client.refused('query.run', { transaction, sql: 'select 1' })
    },
    refused: { kind: 'transactionEnded', reason: 'idle' },
  },
  maxTransactionMs: {
    limits: { maxTransactionMs: 300 },
    exceed: async (client) => {
      const { transaction } = await client.call('transaction.begin', { mode: 'read' })
      for (;;) {
        const { error } = await client.request('query.run', { transaction, sql: 'select 1' })
        if (error) return error.data
      }
    },
    refused: { kind: 'transactionEnded', reason: 'tooLong' },
  },
  maxWaitingWriters: {
    limits: { maxWaitingWriters: 1 },
    exceed: async (client, { connect }) => {
      await client.call('transaction.begin')
      const other = await connect()
      void other.request('transaction.begin', {}).catch(() => {})
      return other.refused('transaction.begin', {})
    },
    refused: { kind: 'limitExceeded', limit: 'maxWaitingWriters', max: 1 },
  },
}

/** Those that slow down who meets them, and refuse nothing: what they do is tested where they are kept. */
const silent = ['maxInFlight', 'maxUnsentBytes', 'maxProcesses', 'maxProcessesPerSession', 'maxChores', 'maxOpenFiles']

describe('a limit is named by the error of who exceeds it', () => {
  test('and every one is tested', () => {
    expect([...Object.keys(cases), ...silent].sort()).toEqual(Object.keys(Limits.shape).sort())
  })

  test.each(Object.entries(cases))('%s', async (_, { limits, exceed, refused }) => {
    const started = await startDaemon({ config: { limits } })
    expect(await exceed(started.client, started)).toMatchObject(refused)
  })
})

test('a session with a thousand waiting statements keeps no other’s single one behind them', async () => {
  const { daemon, client, connect } = await startDaemon({
    config: { limits: { maxProcesses: 2, maxProcessesPerSession: 1, maxWaitingStatements: 900 } },
  })
  const flood = await connect()
  const answers = Array.from({ length: 1_000 }, (_, id) => flood.request('query.run', { sql: endless }, id))
  for (const answer of answers) answer.catch(() => {})
  const { processes } = daemon.engine.parts.processLane
  await vi.waitFor(() => expect(processes.waiting).toBe(900))
  await vi.waitFor(() => expect(flood.order).toHaveLength(99))
  // One process is left by the limit of a session, and the place to wait by who has most of them.
  for (const count of [1, 2, 3]) {
    expect((await client.call('query.run', { sql: counting(count) })).rows).toHaveLength(count)
  }
  const [first, second] = [await connect(), await connect()]
  const slow = first.request('query.run', { sql: endless }, 'slow')
  await vi.waitFor(() => expect(processes.busy).toBe(2))
  const behind = second.call('query.run', { sql: counting(4) })
  await vi.waitFor(() => expect(flood.order.length).toBe(100))
  first.notify('$/cancelRequest', { id: 'slow' })
  expect((await slow).error?.data.kind).toBe('requestCancelled')
  expect((await behind).rows).toHaveLength(4)
  expect((await answers[999])?.error?.data).toMatchObject({ limit: 'maxWaitingStatements' })
})
