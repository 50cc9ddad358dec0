import { assert } from '../base/assert.ts'
import { crashPoint } from '../base/crash-point.ts'
import { refuse } from '../base/refusal.ts'
import type { PlannedChangeSet } from '../catalog/change-sets.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import { type Evolved, evolve } from '../schema/apply.ts'
import type { Change } from '../schema/change.ts'
import { diff } from '../schema/diff.ts'
import type { SameAs } from '../schema/identities.ts'
import type { Proof, Step } from '../schema/plan.ts'
import { openMemory } from '../storage/connection.ts'
import { writeChangeSet } from '../storage/tenant-file.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'
import { Head, modelInterval } from './heads.ts'
import type { Unlocked } from './keys.ts'
import { probe, type Witness } from './probe.ts'
import { Slices } from './slices.ts'
import { tableEvents } from './table-events.ts'
import type { Tenant } from './tenant.ts'
import { listTenants } from './tenants.ts'
import type { Waiter } from './write-turn.ts'
import { settleWriters } from './writers.ts'

export interface Edit {
  readonly changes: readonly Change[]
  readonly message?: string
  /** The encrypted tenants whose rows may be looked at. */
  readonly unlocked?: Unlocked
  /** The client that asks, as it named itself. */
  readonly client?: string
  /** Plan, try and count; change nothing. */
  readonly dryRun?: boolean
  /** What becomes true together with it. */
  readonly alongside?: Alongside
  /** The tenants whose write turns the caller holds. */
  readonly holding?: readonly Tenant[]
  /** The id of the change set that it makes, where that is known before. */
  readonly id?: string
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
  /** Before that transaction; only of an edit to which no rows can be in the way. What fails from here on is the caller's to undo. */
  announce?(changeSet: PlannedChangeSet): Promise<void>
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
export interface Progress extends Waiter {
  report(value: object): void
}

const maxWitnesses = 10
/** How many tenants that are locked a refusal names. */
const maxLocked = 100
const pageSize = 1_000
/** How many tenants are looked at while nobody else has the thread, if they can be brought down to that in some rounds. */
const atTheGate = 16
const maxRounds = 8

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
  const held = new HeldTenants()
  try {
    const evolved = evolve(trial, from.schema, edit.changes, () => parts.ids.next())
    const { steps: plan, proofs } = evolved
    const isNothing = plan.length === 0 && edit.merged === undefined && edit.fastForward === undefined
    const isTrial = edit.dryRun || isNothing
    // Who writes from now on, or does so already, is proved again.
    if (!isTrial) branch.watch = new Set(branch.taken.keys())
    const tenants = proofs.length === 0 ? [] : await tenantsWithFiles(parts, branch, edit, progress)
    if (isTrial) return { changeSet: null, plan, tenantsToProve: tenants.length }

    crashPoint('edit.tried')
    const proving = { parts, branch, proofs, unlocked: edit.unlocked, progress }
    await prove(proving, tenants)
    await proveTouched(proving)
    const holding = [...(edit.holding ?? [])]
    for (;;) {
      await edit.alongside?.prepare?.()
      await settleWriters(branch, [...holding, ...held])
      progress.signal.throwIfAborted()
      // From here to the flip nothing gives up the thread: this is the gate.
      if (edit.alongside?.isReady?.() === false) continue
      const waiting = proveAgain(proving, held)
      if (waiting === undefined) break
      await waiting
    }
    branch.requireWritable()
    parts.pool.flushAll()
    crashPoint('edit.proved')

    const id = edit.fastForward ?? edit.id ?? parts.ids.next()
    writeChangeSet(trial, id)
    const head = new Head(id, evolved.schema, trial)
    const changeSet = changeSetOf(parts, branch, head, edit, evolved)
    if (edit.alongside?.announce) {
      assert(proofs.length === 0, 'rows could change between a proof and its flip')
      await edit.alongside.announce(changeSet)
      await settleWriters(branch, holding)
      branch.requireWritable()
      parts.pool.flushAll()
    }
    flip(parts, branch, head, edit, changeSet)
    isKept = true
    edit.alongside?.done?.()
    return { changeSet: id, plan, tenantsToProve: tenants.length }
  } finally {
    branch.watch = undefined
    held.release()
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

function changeSetOf(
  parts: EngineParts,
  branch: Branch,
  head: Head,
  edit: Edit,
  { steps, rebuilt }: Evolved,
): PlannedChangeSet {
  const parent = parts.catalog.changeSets.get(branch.head.id)
  const depth = (parent?.depth ?? 0) + 1
  return {
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
}

function flip(parts: EngineParts, branch: Branch, head: Head, edit: Edit, changeSet: PlannedChangeSet): void {
  const { catalog, heads, drain } = parts
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

/** The tenants whose rows have to be looked at; refuses where some are locked. A page at a time: what changes between two pages is watched. */
async function tenantsWithFiles(
  parts: EngineParts,
  branch: Branch,
  { dryRun, unlocked }: Edit,
  progress: Progress,
): Promise<string[]> {
  const slices = new Slices(progress)
  const names: string[] = []
  const locked: string[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const { tenants, nextCursor } = await listTenants(parts, branch, { prefix: '', cursor, limit: pageSize })
    names.push(...tenants.filter(({ fileId }) => fileId !== null).map(({ name }) => name))
    locked.push(...tenants.filter((row) => isLocked(row, unlocked)).map(({ name }) => name))
    cursor = nextCursor
    if (slices.isOver) await slices.next(() => ({ stage: 'list', done: names.length }))
  }
  if (locked.length > 0 && !dryRun) {
    const [database, tenants] = [branch.database.row.name, locked.slice(0, maxLocked)]
    refuse('tenantLocked', { database, branch: branch.name, tenants })
  }
  return names
}

/** What is to be proved, and where. */
interface Proving {
  readonly parts: EngineParts
  readonly branch: Branch
  readonly proofs: readonly Proof[]
  readonly unlocked: Unlocked | undefined
  readonly progress: Progress
}

/** Probe every tenant, a slice at a time, so that others get their turn in between; large ones in a process. */
async function prove(proving: Proving, tenants: readonly string[]): Promise<void> {
  const { branch, proofs, progress } = proving
  const slices = new Slices(progress)
  const found = new Witnesses()
  let done = 0
  for (const name of tenants) {
    const tenant = find(branch, name)
    if (tenant) {
      requireUnlocked(tenant, proving)
      found.add(await (tenant.isLarge ? probeAside(tenant, proving) : look(tenant, proofs)))
    }
    done++
    if (slices.isOver) await slices.next(() => ({ stage: 'prove', done, total: tenants.length }))
  }
  found.requireNone()
}

function look(tenant: Tenant, proofs: readonly Proof[]): Witness[] | Promise<Witness[]> {
  return tenant.look((reader) => probe(reader, tenant.name, proofs))
}

function probeAside(tenant: Tenant, { parts, proofs, progress }: Proving): Promise<Witness[]> {
  return tenant.keepInPlace((path, key) => {
    if (path === null) return Promise.resolve([])
    return parts.upkeep.run('probeFile', { path, key, tenant: tenant.name, proofs }, progress)
  })
}

/** The same for those that were touched meanwhile, until there are few enough for the gate. */
async function proveTouched(proving: Proving): Promise<void> {
  const { branch, proofs } = proving
  for (let round = 0; round < maxRounds && proofs.length > 0; round++) {
    const touched = [...(branch.watch ?? [])]
    if (touched.length <= atTheGate) return
    branch.watch = new Set(branch.taken.keys())
    await prove(proving, touched)
  }
}

/**
 * The same for the tenants that are watched, without giving up the thread. A large one among them is probed in a process with its
 * writers held, and they stay held until the flip.
 *
 * @returns where one of them cannot be looked at now, what to wait for before they are probed again
 */
function proveAgain(proving: Proving, held: HeldTenants): Promise<unknown> | undefined {
  const { branch, proofs } = proving
  const found = new Witnesses()
  for (const name of proofs.length === 0 ? [] : (branch.watch ?? [])) {
    const tenant = find(branch, name)
    if (!tenant || held.has(tenant)) continue
    requireUnlocked(tenant, proving)
    if (tenant.isLarge) {
      return held.hold(tenant, async () => {
        tenant.flush()
        const witnesses = new Witnesses()
        witnesses.add(await probeAside(tenant, proving))
        witnesses.requireNone()
      })
    }
    tenant.flush()
    const witnesses = look(tenant, proofs)
    if (witnesses instanceof Promise) return witnesses
    found.add(witnesses)
  }
  found.requireNone()
  return undefined
}

class Witnesses {
  readonly #shown: Witness[] = []
  #tenants = 0

  add(ofOneTenant: readonly Witness[]): void {
    if (ofOneTenant.length > 0) this.#tenants++
    this.#shown.push(...ofOneTenant.slice(0, maxWitnesses - this.#shown.length))
  }

  requireNone(): void {
    if (this.#tenants > 0) refuse('proofFailed', { witnesses: this.#shown, tenants: this.#tenants })
  }
}

/** Tenants whose writers wait until an edit is through. */
class HeldTenants implements Iterable<Tenant> {
  readonly #tenants = new Set<Tenant>()
  #release!: () => void
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve
  })

  has(tenant: Tenant): boolean {
    return this.#tenants.has(tenant)
  }

  /** Hold a tenant's write turn from now on; settles when `work`, which is done with it, is through. */
  hold(tenant: Tenant, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const holding = tenant.hold(async () => {
        await work()
        this.#tenants.add(tenant)
        resolve()
        await this.#released
      })
      holding.catch(reject)
    })
  }

  release(): void {
    this.#release()
  }

  [Symbol.iterator](): Iterator<Tenant> {
    return this.#tenants.values()
  }
}

/** Refuse to probe a tenant that whoever edits has not unlocked: its rows would show in witnesses. */
function requireUnlocked(tenant: Tenant, { unlocked }: Pick<Proving, 'unlocked'>): void {
  if (isLocked(tenant.row, unlocked)) tenant.refuseLocked()
}

function isLocked({ fileId, cipher }: TenantRow, unlocked: Unlocked | undefined): boolean {
  return fileId !== null && cipher !== null && !unlocked?.has(cipher)
}

/** A tenant, unless it was deleted or renamed meanwhile. Its new name is among those that changed since. */
function find(branch: Branch, name: string): Tenant | undefined {
  return branch.knownTenant(name) ?? (branch.resolve(name) && branch.tenant(name))
}
