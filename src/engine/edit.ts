import { encodeValue, type SqlValue, type WireValue } from '../../protocol/values.ts'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { PlannedChangeSet } from '../catalog/change-sets.ts'
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
import type { EngineParts } from './engine.ts'
import { Head, modelInterval } from './heads.ts'
import { Slices } from './slices.ts'
import { tableEvents } from './table-events.ts'
import type { Tenant } from './tenant.ts'
import { listTenants } from './tenants.ts'
import { settleWriters } from './writers.ts'

export interface Edit {
  readonly changes: readonly Change[]
  readonly message?: string
  /** The client that asks, as it named itself. */
  readonly client?: string
  /** Plan, try and count; change nothing. */
  readonly dryRun?: boolean
  /** What becomes true together with it. */
  readonly alongside?: Alongside
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

/** What is done with a flip: both hold, or neither does. */
export interface Alongside {
  /** Gets ready for it. Asked again where `isReady` says no. */
  prepare?(): Promise<void>
  /** Asked at the gate. */
  isReady?(): boolean
  /** Right before that transaction. */
  announce?(changeSet: PlannedChangeSet): void
  /** Within the catalog transaction of the flip: what it throws undoes the flip. */
  record(head: Head): void
  /** Right after it. */
  done?(): void
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
const pageSize = 1_000
/** How many tenants are looked at while nobody else has the thread, if they can be brought down to that in some rounds. */
const atTheGate = 16
const maxRounds = 8
/** Characters of a text, or bytes of a blob, that a witness shows. */
const maxShown = 1_000

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
    const isNothing = plan.length === 0 && edit.merged === undefined && edit.fastForward === undefined
    const isTrial = edit.dryRun || isNothing
    // Who writes from now on, or does so already, is proved again.
    if (!isTrial) branch.watch = new Set(branch.taken.keys())
    const tenants = proofs.length === 0 ? [] : await tenantsWithFiles(parts, branch, progress)
    if (isTrial) return { changeSet: null, plan, tenantsToProve: tenants.length }

    crashPoint('edit.tried')
    await prove(branch, proofs, tenants, progress)
    await proveTouched(branch, proofs, progress)
    for (;;) {
      await edit.alongside?.prepare?.()
      await settleWriters(branch, edit.holding)
      progress.signal.throwIfAborted()
      // From here to the flip nothing gives up the thread: this is the gate.
      if (edit.alongside?.isReady?.() === false) continue
      const waiting = proveAgain(branch, proofs)
      if (waiting === undefined) break
      await waiting
    }
    branch.requireWritable()
    parts.pool.flushAll()
    crashPoint('edit.proved')

    const id = edit.fastForward ?? parts.ids.next()
    writeChangeSet(trial, id)
    const head = new Head(id, evolved.schema, trial)
    flip(parts, branch, head, edit, evolved)
    isKept = true
    edit.alongside?.done?.()
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
  const changeSet: PlannedChangeSet = {
    id: head.id,
    parent: branch.head.id,
    merged: edit.merged?.changeSet ?? null,
    depth,
    message: edit.message ?? null,
    client: edit.client ?? null,
    createdAt: parts.now(),
    changes: JSON.stringify(edit.changes),
    steps: JSON.stringify({ steps, rebuilt }),
    model: depth % modelInterval === 0 ? JSON.stringify(head.schema) : null,
    sameAs: edit.merged ? JSON.stringify(edit.merged.sameAs) : null,
  }
  edit.alongside?.announce?.(changeSet)
  catalog.writeNow(() => {
    if (edit.fastForward === undefined) catalog.changeSets.insert({ ...changeSet, seq: catalog.nextSeq() })
    catalog.branches.setHead(branch.row.id, head.id)
    edit.alongside?.record(head)
    crashPoint('edit.flipping')
  })
  crashPoint('edit.flipped')
  branch.row = { ...branch.row, head: head.id }
  branch.head = head
  heads.add(head)
  drain.wake()
  for (const event of tableEvents(branch, head.id, edit.changes)) parts.events.tell(event)
}

/** The tenants whose rows have to be looked at. A page at a time: what changes between two pages is watched. */
async function tenantsWithFiles(parts: EngineParts, branch: Branch, progress: Progress): Promise<string[]> {
  const slices = new Slices(progress)
  const names: string[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const { tenants, nextCursor } = await listTenants(parts, branch, { prefix: '', cursor, limit: pageSize })
    names.push(...tenants.filter(({ fileId }) => fileId !== null).map(({ name }) => name))
    cursor = nextCursor
    if (slices.isOver) await slices.next(() => ({ stage: 'list', done: names.length }))
  }
  return names
}

/** Probe every tenant, a slice at a time, so that others get their turn in between. */
async function prove(branch: Branch, proofs: readonly Proof[], tenants: readonly string[], progress: Progress) {
  const slices = new Slices(progress)
  const witnesses: Witness[] = []
  let done = 0
  let failed = 0
  for (const name of tenants) {
    const found = (await find(branch, name)?.look((reader) => probe(reader, name, proofs))) ?? []
    if (found.length > 0) failed++
    witnesses.push(...found.slice(0, maxWitnesses - witnesses.length))
    done++
    if (slices.isOver) await slices.next(() => ({ stage: 'prove', done, total: tenants.length }))
  }
  if (failed > 0) refuse('proofFailed', { witnesses, tenants: failed })
}

/** The same for those that were touched meanwhile, until there are few enough for the gate. */
async function proveTouched(branch: Branch, proofs: readonly Proof[], progress: Progress): Promise<void> {
  for (let round = 0; round < maxRounds && proofs.length > 0; round++) {
    const touched = [...(branch.watch ?? [])]
    if (touched.length <= atTheGate) return
    branch.watch = new Set(branch.taken.keys())
    await prove(branch, proofs, touched, progress)
  }
}

/**
 * The same for the tenants that are watched, without giving up the thread.
 *
 * @returns where one of them cannot be looked at now, what to wait for before they are probed again
 */
function proveAgain(branch: Branch, proofs: readonly Proof[]): Promise<unknown> | undefined {
  const witnesses: Witness[] = []
  let failed = 0
  for (const name of proofs.length === 0 ? [] : (branch.watch ?? [])) {
    const tenant = find(branch, name)
    if (!tenant) continue
    tenant.flush()
    const found = tenant.look((reader) => probe(reader, name, proofs))
    if (found instanceof Promise) return found
    if (found.length > 0) failed++
    witnesses.push(...found.slice(0, maxWitnesses - witnesses.length))
  }
  if (failed > 0) refuse('proofFailed', { witnesses, tenants: failed })
  return undefined
}

/** A tenant, unless it was deleted or renamed meanwhile. Its new name is among those that changed since. */
function find(branch: Branch, name: string): Tenant | undefined {
  return branch.knownTenant(name) ?? (branch.resolve(name) && branch.tenant(name))
}

/** Rows of a tenant that stand against an edit. */
interface Witness {
  readonly tenant: string
  readonly table: string
  readonly reason: string
  readonly columns: readonly string[]
  readonly rows: WireValue[][]
}

function probe(reader: Reader, tenant: string, proofs: readonly Proof[]): Witness[] {
  const witnesses: Witness[] = []
  for (const { table, reason, sql } of proofs) {
    const { columns, rows } = readRows(reader.statements.get(sql), [], noLimits)
    if (rows.length === 0) continue
    const shown = rows.map((row) => row.map((value) => encodeValue(cut(value))))
    witnesses.push({ tenant, table, reason, columns: columns.map(({ name }) => name), rows: shown })
  }
  return witnesses
}

/** What is shown of a value: enough to know it by. */
function cut(value: SqlValue): SqlValue {
  const isLong = (typeof value === 'string' || value instanceof Uint8Array) && value.length > maxShown
  return isLong ? value.slice(0, maxShown) : value
}
