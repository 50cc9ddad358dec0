import * as z from 'zod'
import { BranchName, DatabaseName } from '../../protocol/names.ts'
import type { Branch } from '../engine/branch.ts'
import { createBranch, renameBranch } from '../engine/branches.ts'
import { deleteBranch } from '../engine/delete-branch.ts'
import { planDiff } from '../engine/edit.ts'
import { rootChangeSet } from '../engine/heads.ts'
import { mergeBranches, revertChangeSet } from '../engine/merge.ts'
import { Maintenance, maintenanceText } from './database.ts'
import { branchRefusals, method, params, progressOf } from './method.ts'
import { Step } from './schema-values.ts'

const BranchResult = z
  .object({
    name: BranchName,
    database: DatabaseName,
    parent: BranchName.nullable().describe('the branch it was forked from'),
    head: z.string().describe('the change set it stands at'),
    readOnly: z.boolean(),
    description: z.string().nullable(),
    createdAt: z.string(),
    maintenance: Maintenance,
  })
  .meta({ id: 'Branch' })

const ChangeSet = z
  .object({
    id: z.string(),
    parents: z.array(z.string()),
    message: z.string().nullable(),
    client: z.string().nullable(),
    time: z.string(),
    changes: z.array(z.looseObject({ kind: z.string() })),
  })
  .meta({ id: 'ChangeSet' })

const database = DatabaseName.optional()
const name = BranchName.optional().describe('default: the session’s, then main')

export const create = method({
  summary: 'Fork a branch: its schema, tenants and rows as they are now. Copies nothing.',
  access: 'edit',
  params: params({
    database,
    name: BranchName,
    from: BranchName.optional().describe('default: main'),
    data: z.boolean().default(true).describe('false: the tenants, without their rows'),
    at: z.string().max(100).optional().describe('an older change set of its history to stand at; then without rows'),
    readOnly: z.boolean().default(false).describe('a snapshot of the whole fleet that nobody writes to'),
    description: z.string().max(10_000).optional(),
  }),
  result: BranchResult,
  refusals: [
    ...branchRefusals,
    'invalidName',
    'branchExists',
    'folderClash',
    'maintenance',
    'tenantBusy',
    'changeSetNotFound',
  ],
  handle: async ({ engine, session }, { database, from = 'main', description, ...options }) => {
    const scope = { database: database ?? session.scope.database, from, description: description ?? null }
    return shown(await createBranch(engine, { ...options, ...scope }))
  },
})

export const list = method({
  summary: 'List the branches of a database.',
  access: 'read',
  params: params({ database }),
  result: z.object({ branches: z.array(BranchResult) }),
  refusals: ['databaseNotFound'],
  handle: ({ engine, session }, { database }) => {
    const { branches } = engine.database(database ?? session.scope.database)
    return { branches: [...branches.values()].filter(({ isHidden }) => !isHidden).map(shown) }
  },
})

export const get = method({
  summary: 'Tell about one branch.',
  access: 'read',
  params: params({ database, name }),
  result: BranchResult,
  refusals: branchRefusals,
  handle: (call, { database, name }) => shown(call.branch({ database, branch: name })),
})

export const rename = method({
  summary: 'Rename a branch.',
  access: 'edit',
  params: params({ database, name: BranchName, newName: BranchName }),
  result: BranchResult,
  refusals: [...branchRefusals, 'invalidName', 'branchExists', 'folderClash', 'protected', 'maintenance', 'tenantBusy'],
  handle: async ({ engine, session }, { database, name, newName }) =>
    shown(await renameBranch(engine, database ?? session.scope.database, name, newName)),
})

const drop = method({
  summary: 'Delete a branch. Branches that were forked from it keep what they see.',
  access: 'edit',
  params: params({ database, name: BranchName }),
  result: z.object({}),
  refusals: [...branchRefusals, 'protected', 'maintenance', 'tenantBusy'],
  handle: async ({ engine, session }, { database, name }) => {
    await deleteBranch(engine, database ?? session.scope.database, name)
    return {}
  },
})

export { drop as delete }

export const diff = method({
  summary: 'Tell what turns the schema of one branch into that of another.',
  access: 'read',
  params: params({ database, base: BranchName, head: BranchName }),
  result: z.object({ changes: z.array(z.looseObject({ kind: z.string() })), plan: z.array(Step).readonly() }),
  refusals: branchRefusals,
  handle: (call, { database, base, head }) => {
    const from = call.branch({ database, branch: base }).head
    const { changes, steps } = planDiff(from, call.branch({ database, branch: head }).head)
    return { changes: changes as never, plan: steps }
  },
})

const Conflict = z
  .object({
    path: z.string().describe('table:users/column:age/default, index:idx_a, …; what a resolution names'),
    kind: z.string(),
    base: z.unknown(),
    ours: z.unknown(),
    theirs: z.unknown(),
    reason: z.string(),
  })
  .meta({
    id: 'Conflict',
    description: 'two edits that cannot both hold: what the base, the target and the source have',
  })

const Resolution = z
  .strictObject({
    path: z.string().max(1_000),
    take: z.union([z.enum(['ours', 'theirs']), z.strictObject({ definition: z.unknown() })]),
  })
  .meta({ id: 'Resolution', description: 'which side a conflict takes, or a definition of the shape that it shows' })

const mergeParams = {
  dryRun: z.boolean().default(false).describe('plan, try, count; change nothing'),
  resolutions: z.array(Resolution).max(10_000).default([]),
  message: z.string().max(10_000).optional().describe('kept in the history'),
}

const MergeResult = z.object({
  status: z.enum(['merged', 'upToDate', 'conflicts', 'planned']),
  fastForward: z.boolean(),
  changeSet: z.string().nullable(),
  plan: z.array(Step).readonly(),
  conflicts: z.array(Conflict).readonly(),
  tenantsToProve: z.int().describe('tenants whose rows were, or would be, looked at first'),
})

const mergeRefusals = [
  ...branchRefusals,
  'maintenance',
  'branchReadOnly',
  'invalidChange',
  'schemaBroken',
  'proofFailed',
  'tenantLocked',
  'tenantBusy',
] as const

export const merge = method({
  summary: 'Merge the schema of one branch into another: all of it becomes visible to every tenant at once, or none.',
  access: 'edit',
  params: params({
    database,
    source: BranchName,
    target: BranchName.optional().describe('default: main'),
    deleteSource: z
      .boolean()
      .default(false)
      .describe('the source is gone in the moment in which it is merged, or is up to date'),
    ...mergeParams,
  }),
  result: MergeResult,
  refusals: [...mergeRefusals, 'protected', 'headMoved'],
  handle: (call, { database, source, target = 'main', ...options }) =>
    mergeBranches(
      call.engine,
      call.branch({ database, branch: source }),
      call.branch({ database, branch: target }),
      { ...options, client: call.session.client?.name, unlocked: call.keyring } as never,
      progressOf(call),
    ),
})

export const revert = method({
  summary:
    'Take back a change set of a branch’s history. What was destroyed does not come back; the plan says what is.',
  access: 'edit',
  params: params({ database, name, changeSet: z.string().max(100), ...mergeParams }),
  result: MergeResult,
  refusals: [...mergeRefusals, 'changeSetNotFound'],
  handle: (call, { database, name, changeSet, ...options }) =>
    revertChangeSet(
      call.engine,
      call.branch({ database, branch: name }),
      changeSet,
      { ...options, client: call.session.client?.name, unlocked: call.keyring } as never,
      progressOf(call),
    ),
})

export const history = method({
  summary: 'List the change sets that led to a branch’s head, newest first.',
  access: 'read',
  params: params({
    database,
    name,
    limit: z.int().positive().max(1_000).default(100),
    cursor: z.string().optional().describe('nextCursor of the page before'),
  }),
  result: z.object({ changeSets: z.array(ChangeSet), nextCursor: z.string().optional() }),
  refusals: [...branchRefusals, 'invalidValue'],
  handle: (call, { database, name, limit, cursor }) => {
    const { head } = call.branch({ database, branch: name })
    const line = call.engine.parts.catalog.changeSets.history(cursor ?? head.id, limit + 1)
    const page = line.slice(0, limit).filter(({ id }) => id !== rootChangeSet)
    const next = line[limit]
    return {
      changeSets: page.map(({ id, parent, merged, message, client, createdAt, changes }) => ({
        id,
        parents: [parent, merged].filter((each) => each !== null),
        message,
        client,
        time: createdAt,
        changes: JSON.parse(changes) as { kind: string }[],
      })),
      ...(next === undefined || next.id === rootChangeSet ? {} : { nextCursor: next.id }),
    }
  },
})

export const status = method({
  summary: 'Tell where a branch stands, and how many of its own files have followed; those shared with others wait.',
  access: 'read',
  params: params({ database, name }),
  result: z.object({
    head: z.string(),
    files: z.object({
      total: z.int(),
      atHead: z.int(),
      behind: z.int(),
      locked: z.int().describe('encrypted, and not followed yet: they follow when they are used with their key'),
      failed: z.int(),
      shared: z.int().describe('of those behind: they follow when they are used, or no branch shares them any more'),
    }),
  }),
  refusals: branchRefusals,
  handle: (call, { database, name }) => {
    const { row, head, sharedBehind } = call.branch({ database, branch: name })
    const { catalog, positions } = call.engine.parts
    positions.write()
    const { total, atHead, failed, locked } = catalog.files.counts(row.id, head.id)
    const behind = total - atHead - failed - locked
    // Counted when the drain last passed: some of them may have been used since.
    const shared = Math.min(sharedBehind, behind)
    return { head: head.id, files: { total, atHead, behind, locked, failed, shared } }
  },
})

export const setMaintenance = method({
  summary: 'Refuse every write to a branch, or allow them again. Survives a restart.',
  access: 'edit',
  params: params({ database, name, enabled: z.boolean(), reason: z.string().max(1_000).optional() }),
  result: BranchResult,
  refusals: branchRefusals,
  handle: (call, { database, name, enabled, reason }) => {
    const branch = call.branch({ database, branch: name })
    const text = maintenanceText(enabled, reason, call.engine.parts.now())
    call.engine.setBranchMaintenance(branch.database.row.name, branch.name, text)
    return shown(branch)
  },
})

function shown({ row, database, parent }: Branch) {
  return {
    name: row.name,
    database: database.row.name,
    parent: parent?.name ?? null,
    head: row.head,
    readOnly: row.readOnly === 1,
    description: row.description,
    createdAt: row.createdAt,
    maintenance: row.maintenance === null ? null : JSON.parse(row.maintenance),
  }
}
