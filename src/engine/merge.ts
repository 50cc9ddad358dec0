import { refuse } from '../base/refusal.ts'
import type { Change } from '../schema/change.ts'
import type { Conflict, Resolution } from '../schema/conflicts.ts'
import { diff } from '../schema/diff.ts'
import type { SameAs } from '../schema/identities.ts'
import { merge } from '../schema/merge.ts'
import type { Step } from '../schema/plan.ts'
import type { Branch } from './branch.ts'
import { BranchDeletion, requireDeletable } from './delete-branch.ts'
import { type Edit, editSchemaInTurn, type Progress } from './edit.ts'
import type { Engine, EngineParts } from './engine.ts'
import type { Unlocked } from './keys.ts'

export interface MergeOptions {
  readonly resolutions: readonly Resolution[]
  readonly dryRun: boolean
  readonly message?: string
  /** The encrypted tenants whose rows may be looked at. */
  readonly unlocked?: Unlocked
  /** The client that asks, as it named itself. */
  readonly client?: string
}

export interface MergeOutcome {
  /** `planned`: a dry run that would merge. */
  readonly status: 'merged' | 'upToDate' | 'conflicts' | 'planned'
  /** The target had not moved since the source left it. */
  readonly fastForward: boolean
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  readonly conflicts: readonly Conflict[]
  readonly tenantsToProve: number
}

/**
 * Merge the schema of `source` into `target`: three-way, from their newest common ancestor. What comes of it is one
 * schema edit of the target, so it is tried, proved on the target's tenants, and becomes visible with one flip. With
 * `deleteSource` the source is gone in that moment; refuses `headMoved` if it was edited meanwhile.
 */
export async function mergeBranches(
  { parts }: Engine,
  source: Branch,
  target: Branch,
  { deleteSource, ...options }: MergeOptions & { readonly deleteSource: boolean },
  progress: Progress,
): Promise<MergeOutcome> {
  if (deleteSource) {
    if (source === target) refuse('protected', { noun: 'branch', name: source.name })
    requireDeletable(parts, source)
  }
  if (!deleteSource || options.dryRun) {
    return target.editing.run(() => mergeInTurn(parts, source, target, options, progress))
  }
  const { outcome, deletion } = await parts.drain.pausedWhile(() =>
    target.editing.run(async () => {
      const deletion = new BranchDeletion(parts, source, source.head)
      try {
        const outcome = await mergeInTurn(parts, source, target, { ...options, alongside: deletion }, progress)
        if (outcome.status === 'upToDate') await deletion.run()
        return { outcome, deletion }
      } catch (error) {
        deletion.abandon()
        throw error
      }
    }),
  )
  if (outcome.status !== 'conflicts') await deletion.free()
  return outcome
}

async function mergeInTurn(
  parts: EngineParts,
  source: Branch,
  target: Branch,
  options: MergeOptions & Pick<Edit, 'alongside'>,
  progress: Progress,
): Promise<MergeOutcome> {
  const { changeSets } = parts.catalog
  const [ours, theirs] = [target.head, source.head]
  const base = changeSets.commonAncestor(ours.id, theirs.id)
  if (base === undefined || base === theirs.id) return upToDate
  const fastForward = base === ours.id
  if (fastForward && changeSets.isOnLine(ours.id, theirs.id)) {
    const changes = parts.heads.changesBetween(ours.id, theirs.id)
    return editTo(parts, target, { changes, fastForward: theirs.id, source: source.name }, true, options, progress)
  }
  const known = changeSets.sameAs(ours.id, theirs.id).flatMap((json) => JSON.parse(json) as SameAs[])
  const merged = merge(parts.heads.get(base).schema, ours.schema, theirs.schema, {
    resolutions: options.resolutions,
    sameAs: known,
    history: parts.heads.history(ours.id, theirs.id),
    newId: () => parts.ids.next(),
  })
  if (merged.kind === 'conflicts') return conflicting(merged.conflicts)
  const { changes, sameAs } = merged
  return editTo(
    parts,
    target,
    { changes, merged: { changeSet: theirs.id, sameAs }, source: source.name },
    fastForward,
    options,
    progress,
  )
}

/**
 * Take back a change set: a three-way merge whose base is the schema it led to, and whose other side is the one before
 * it. What was changed since stays, and conflicts where it builds on what is taken back.
 */
export function revertChangeSet(
  engine: Engine,
  branch: Branch,
  id: string,
  options: MergeOptions,
  progress: Progress,
): Promise<MergeOutcome> {
  const { heads, catalog } = engine.parts
  return branch.editing.run(async () => {
    const changeSet = catalog.changeSets.get(id)
    if (!changeSet?.parent || !catalog.changeSets.isOnLine(id, branch.head.id)) {
      return refuse('changeSetNotFound', { branch: branch.name, changeSet: id })
    }
    const [after, before] = [heads.get(id).schema, heads.get(changeSet.parent).schema]
    const merged = merge(after, branch.head.schema, before, {
      resolutions: options.resolutions,
      newId: () => engine.parts.ids.next(),
    })
    if (merged.kind === 'conflicts') return conflicting(merged.conflicts)
    if (diff(branch.head.schema, merged.schema).length === 0) return upToDate
    const message = options.message ?? `revert ${changeSet.message ?? id}`
    return editTo(engine.parts, branch, { changes: merged.changes }, false, { ...options, message }, progress)
  })
}

async function editTo(
  parts: EngineParts,
  target: Branch,
  {
    source,
    ...edit
  }: Pick<Edit, 'merged' | 'fastForward'> & {
    readonly changes: readonly Change[]
    /** The branch that is merged, if one is. */
    readonly source?: string
  },
  fastForward: boolean,
  { dryRun, message, client, unlocked, alongside }: MergeOptions & Pick<Edit, 'alongside'>,
  progress: Progress,
): Promise<MergeOutcome> {
  const outcome = await editSchemaInTurn(
    parts,
    target,
    { ...edit, dryRun, message, client, unlocked, alongside },
    progress,
  )
  const { changeSet } = outcome
  if (source !== undefined && changeSet !== null) {
    parts.events.tell({
      kind: 'branchMerged',
      database: target.database.row.name,
      branch: target.name,
      source,
      changeSet,
    })
  }
  return { ...outcome, status: dryRun ? 'planned' : 'merged', fastForward, conflicts: [] }
}

const upToDate: MergeOutcome = {
  status: 'upToDate',
  fastForward: false,
  changeSet: null,
  plan: [],
  conflicts: [],
  tenantsToProve: 0,
}

function conflicting(conflicts: readonly Conflict[]): MergeOutcome {
  return { ...upToDate, status: 'conflicts', conflicts }
}
