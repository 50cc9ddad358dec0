import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { Change } from '../schema/change.ts'
import type { Conflict, Resolution } from '../schema/conflicts.ts'
import { diff } from '../schema/diff.ts'
import type { SameAs } from '../schema/identities.ts'
import { merge } from '../schema/merge.ts'
import type { Step } from '../schema/plan.ts'
import type { Branch } from './branch.ts'
import { deleteBranch, requireDeletable } from './delete-branch.ts'
import { type Edit, editSchemaInTurn, type Progress } from './edit.ts'
import type { Engine } from './engine.ts'

export interface MergeOptions {
  readonly resolutions: readonly Resolution[]
  readonly dryRun: boolean
  readonly message?: string
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
 * schema edit of the target, so it is tried, proved on the target's tenants, and becomes visible with one flip.
 */
export async function mergeBranches(
  engine: Engine,
  source: Branch,
  target: Branch,
  options: MergeOptions & { readonly deleteSource: boolean },
  progress: Progress,
): Promise<MergeOutcome> {
  const { parts } = engine
  const { changeSets } = parts.catalog
  if (options.deleteSource) {
    // What is known to be refused afterwards is refused before.
    if (source === target) refuse('protected', { noun: 'branch', name: source.name })
    requireDeletable(parts, source)
  }
  const outcome = await target.editing.run(async () => {
    const [ours, theirs] = [target.head, source.head]
    const base = changeSets.commonAncestor(ours.id, theirs.id)
    if (base === undefined || base === theirs.id) return upToDate
    const fastForward = base === ours.id
    if (fastForward && changeSets.isOnLine(ours.id, theirs.id)) {
      const changes = parts.heads.changesBetween(ours.id, theirs.id)
      return editTo(engine, target, { changes, fastForward: theirs.id }, true, options, progress)
    }
    const known = changeSets.sameAs(ours.id, theirs.id).flatMap((json) => JSON.parse(json) as SameAs[])
    const merged = merge(parts.heads.get(base).schema, ours.schema, theirs.schema, {
      resolutions: options.resolutions,
      sameAs: known,
      newId: () => parts.ids.next(),
    })
    if (merged.kind === 'conflicts') return conflicting(merged.conflicts)
    const { changes, sameAs } = merged
    return editTo(engine, target, { changes, merged: { changeSet: theirs.id, sameAs } }, fastForward, options, progress)
  })
  crashPoint('merge.merged')
  if (options.deleteSource && (outcome.status === 'merged' || outcome.status === 'upToDate') && !options.dryRun) {
    await deleteBranch(engine, source.database.row.name, source.name)
  }
  return outcome
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
    return editTo(engine, branch, { changes: merged.changes }, false, { ...options, message }, progress)
  })
}

async function editTo(
  engine: Engine,
  target: Branch,
  edit: Pick<Edit, 'merged' | 'fastForward'> & { readonly changes: readonly Change[] },
  fastForward: boolean,
  { dryRun, message, client }: MergeOptions,
  progress: Progress,
): Promise<MergeOutcome> {
  const outcome = await editSchemaInTurn(engine.parts, target, { ...edit, dryRun, message, client }, progress)
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
