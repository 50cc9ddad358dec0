import * as z from 'zod'
import { method, params, tenantRefusals, tenantScope, transactionRefusals, writeRefusals } from './method.ts'

const Transaction = z.object({ transaction: z.string() })

const transaction = z.string().max(100).describe('what transaction.begin gave')

const limit = z.int().positive().max(86_400_000).optional()

export const begin = method({
  summary:
    'Begin a transaction of a tenant: calls that are given it see and change rows in it, until it is committed or rolled back.',
  access: 'write',
  params: params({
    ...tenantScope,
    mode: z
      .enum(['write', 'read'])
      .default('write')
      .describe(
        'write: in its turn, as a tenant has one at a time, and what else writes waits for its end; read: sees the rows as they are now, and keeps nobody waiting',
      ),
    idleMs: limit.describe('roll back if no call comes for so long; at most limits.maxTransactionIdleMs'),
    maxMs: limit.describe('roll back after so long; at most limits.maxTransactionMs'),
  }),
  result: Transaction,
  refusals: [...tenantRefusals, ...writeRefusals],
  handle: async (call, { mode, idleMs, maxMs, ...scope }) => {
    const { transactions } = call.engine.parts
    const { id } = await transactions.begin(call.tenant(scope), { mode, idleMs, maxMs }, call)
    return { transaction: id }
  },
})

export const commit = method({
  summary: 'Commit a transaction: what was done in it is there for everybody, and durable as configured.',
  access: 'write',
  params: params({ transaction }),
  result: Transaction,
  refusals: [...transactionRefusals, ...writeRefusals, 'constraintFailed'],
  handle: async (call, { transaction }) => {
    await call.transaction(transaction).commit(call)
    return { transaction }
  },
})

export const rollback = method({
  summary: 'Roll a transaction back: nothing of it is left.',
  access: 'write',
  params: params({ transaction }),
  result: Transaction,
  refusals: transactionRefusals,
  handle: async (call, { transaction }) => {
    await call.transaction(transaction).rollback(call)
    return { transaction }
  },
})
