import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SqlValue } from '../../protocol/values.ts'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { ChangeSet } from '../catalog/change-sets.ts'
import { noLimits, readRows } from '../query/execute.ts'
import { type Evolved, evolve } from '../schema/apply.ts'
import type { Change } from '../schema/change.ts'
import { diff } from '../schema/diff.ts'
import type { SameAs } from '../schema/identities.ts'
import type { Proof, Step } from '../schema/plan.ts'
import { openMemory } from '../storage/connection.ts'
import type { Reader } from '../storage/tenant-file.ts'
import { writeChangeSet } from '../storage/tenant-file.ts'
import type { Branch } from './branch.ts'
import { settleWriters } from './branches.ts'
import type { EngineParts } from './engine.ts'
import { Head, modelInterval } from './heads.ts'
import type { Tenant } from './tenant.ts'
import { visibleTenants } from './tenants.ts'

export interface Edit {
  readonly changes: readonly Change[]
  readonly message?: string
  /** The client that asks, as it named itself. */
  readonly client?: string
  /** Plan, try and count; change nothing. */
  readonly dryRun?: boolean
  /** Runs within the catalog transaction of the flip: what it throws undoes the flip. */
  readonly alongside?: (head: Head) => void
  /** The tenant whose write turn the caller holds. */
  readonly holding?: Tenant
  /** A merge: the other parent. */
  readonly merged?: Merged
  /** A fast-forward: the change set that is there already and to which the changes lead. */
  readonly fastForward?: string
}

export interface Merged {
  readonly changeSet: string
  /** Ids of the other side that are this side's, found by this merge. */
  readonly sameAs: readonly SameAs[]
}

export interface EditOutcome {
  /** Null for a dry run, and where there was nothing to change. */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** Tenants whose rows have to be looked at first. */
  readonly tenantsToProve: number
}

/** How a long edit tells where it is and is told to stop. */
export interface Progress {
  readonly signal: AbortSignal
  report(value: object): void
}

const maxWitnesses = 10
const sliceMs = 4

/**
 * Edit a branch's schema. Five steps, and the first that fails leaves everything as it was:
 *
 *     plan ─▶ try on the template ─▶ prove on tenants with files ─▶ flip the head ─▶ roll forward, file by file
 *
 * The flip is one catalog transaction and the only commit point: before it nothing happened, after it every tenant of
 * the branch has the new schema, since a file is brought forward before its next use.
 */
export function editSchema(parts: EngineParts, branch: Branch, edit: Edit, progress: Progress): Promise<EditOutcome> {
  return branch.editing.run(() => editSchemaInTurn(parts, branch, edit, progress))
}

/** The same for who is in `branch.editing` already. */
export async function editSchemaInTurn(
  parts: EngineParts,
  branch: Branch,
  edit: Edit,
  progress: Progress,
): Promise<EditOutcome> {
  if (!edit.dryRun) branch.requireWritable()
  const from = branch.head
  const trial = openMemory(from.image)
  let isKept = false
  try {
    const evolved = evolve(trial, from.schema, edit.changes, () => parts.ids.next())
    const { steps: plan, proofs } = evolved
    const tenants = proofs.length === 0 ? [] : tenantsWithFiles(parts, branch)
    const isNothing = edit.changes.length === 0 && edit.merged === undefined && edit.fastForward === undefined
    if (edit.dryRun || isNothing) {
      return { changeSet: null, plan, tenantsToProve: tenants.length }
    }

    crashPoint('edit.tried')
    branch.watch = new Set()
    await prove(branch, proofs, tenants, progress)
    await settleWriters(branch, edit.holding)
    progress.signal.throwIfAborted()

    // From here to the flip nothing gives up the thread: this is the gate.
    const writtenSince = proofs.length === 0 ? [] : [...branch.watch]
    branch.watch = undefined
    proveNow(branch, proofs, writtenSince)
    branch.requireWritable()
    parts.pool.flushAll()
    crashPoint('edit.proved')

    const id = edit.fastForward ?? parts.ids.next()
    writeChangeSet(trial, id)
    const head = new Head(id, evolved.schema, trial)
    flip(parts, branch, head, edit, evolved)
    isKept = true
    return { changeSet: id, plan, tenantsToProve: tenants.length }
  } finally {
    branch.watch = undefined
    if (!isKept) trial.close()
  }
}

/** What turns the schema of one head into that of another. */
export function planDiff(from: Head, to: Head): { changes: Change[]; steps: readonly Step[] } {
  const changes = diff(from.schema, to.schema)
  const trial = openMemory(from.image)
  try {
    let placeholders = 0
    return { changes, steps: evolve(trial, from.schema, changes, () => `placeholder-${++placeholders}`).steps }
  } finally {
    trial.close()
  }
}

function flip(parts: EngineParts, branch: Branch, head: Head, edit: Edit, { steps, rebuilt }: Evolved): void {
  const { catalog, heads, drain } = parts
  const parent = catalog.changeSets.get(branch.head.id)
  const depth = (parent?.depth ?? 0) + 1
  const record = (): ChangeSet => ({
    id: head.id,
    parent: branch.head.id,
    merged: edit.merged?.changeSet ?? null,
    depth,
    seq: catalog.nextSeq(),
    message: edit.message ?? null,
    client: edit.client ?? null,
    createdAt: parts.now(),
    changes: JSON.stringify(edit.changes),
    steps: JSON.stringify({ steps, rebuilt }),
    model: depth % modelInterval === 0 ? JSON.stringify(head.schema) : null,
    sameAs: edit.merged ? JSON.stringify(edit.merged.sameAs) : null,
  })
  catalog.writeNow(() => {
    if (edit.fastForward === undefined) catalog.changeSets.insert(record())
    catalog.branches.setHead(branch.row.id, head.id)
    edit.alongside?.(head)
    crashPoint('edit.flipping')
  })
  crashPoint('edit.flipped')
  branch.row = { ...branch.row, head: head.id }
  branch.head = head
  heads.add(head)
  drain.wake()
}

function tenantsWithFiles({ catalog }: EngineParts, branch: Branch): string[] {
  return [...visibleTenants(catalog, branch)].filter(({ fileId }) => fileId !== null).map(({ name }) => name)
}

/** Probe every tenant, a slice at a time, so that others get their turn in between. */
async function prove(branch: Branch, proofs: readonly Proof[], tenants: readonly string[], progress: Progress) {
  const witnesses: Witness[] = []
  let sliceStart = performance.now()
  let done = 0
  let failed = 0
  for (const name of tenants) {
    const found = (await find(branch, name)?.read((reader) => probe(reader, name, proofs))) ?? []
    if (found.length > 0) failed++
    witnesses.push(...found.slice(0, maxWitnesses - witnesses.length))
    done++
    if (performance.now() - sliceStart < sliceMs) continue
    progress.report({ stage: 'prove', done, total: tenants.length })
    await nextTurn()
    progress.signal.throwIfAborted()
    sliceStart = performance.now()
  }
  if (failed > 0) refuse('proofFailed', { witnesses, tenants: failed })
}

/** The same for a few tenants, without giving up the thread. */
function proveNow(branch: Branch, proofs: readonly Proof[], tenants: readonly string[]): void {
  const witnesses: Witness[] = []
  let failed = 0
  for (const name of tenants) {
    const tenant = find(branch, name)
    if (!tenant) continue
    tenant.flush()
    const found = tenant.read((reader) => probe(reader, name, proofs)) as Witness[]
    if (found.length > 0) failed++
    witnesses.push(...found.slice(0, maxWitnesses - witnesses.length))
  }
  if (failed > 0) refuse('proofFailed', { witnesses, tenants: failed })
}

/** A tenant, unless it was deleted or renamed meanwhile. Its new name is among those that changed since. */
function find(branch: Branch, name: string): Tenant | undefined {
  return branch.knownTenant(name) ?? (branch.resolve(name) && branch.tenant(name))
}

interface Witness {
  readonly tenant: string
  readonly table: string
  readonly reason: string
  readonly rows: SqlValue[][]
}

function probe(reader: Reader, tenant: string, proofs: readonly Proof[]): Witness[] {
  const witnesses: Witness[] = []
  for (const { table, reason, sql } of proofs) {
    const { rows } = readRows(reader.statements.get(sql), [], noLimits)
    if (rows.length > 0) witnesses.push({ tenant, table, reason, rows: rows as SqlValue[][] })
  }
  return witnesses
}
