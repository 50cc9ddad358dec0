import { Lock } from '../base/lock.ts'
import { Lru } from '../base/lru.ts'
import { refuse } from '../base/refusal.ts'
import type { BranchRow } from '../catalog/branches.ts'
import type { DatabaseRow } from '../catalog/databases.ts'
import type { TenantRow } from '../catalog/tenants.ts'
import type { EngineParts } from './engine.ts'
import type { Head } from './heads.ts'
import { Tenant } from './tenant.ts'

const knownTenants = 20_000

/** Names of branches start with this that clients neither see nor reach: those of backups under way. */
export const hiddenPrefix = '__'

/** A database with its branches, as the daemon keeps it in memory. */
export class DatabaseState {
  row: DatabaseRow
  readonly branches = new Map<string, Branch>()
  readonly #byId = new Map<number, Branch>()

  constructor(row: DatabaseRow) {
    this.row = row
  }

  add(branch: Branch): void {
    this.branches.set(branch.name, branch)
    this.#byId.set(branch.row.id, branch)
  }

  remove(branch: Branch): void {
    this.branches.delete(branch.name)
    this.#byId.delete(branch.row.id)
  }

  branchOf(id: number): Branch | undefined {
    return this.#byId.get(id)
  }
}

/** A branch: where it stands, and the tenants that were used lately. */
export class Branch {
  row: BranchRow
  head: Head
  readonly database: DatabaseState
  /** Schema edits of one branch happen one after the other. */
  readonly editing = new Lock()
  /** While an edit proves its case: the tenants that were written to, made or renamed since. */
  watch: Set<string> | undefined
  /** Files of its own that are behind and stay so while others share them, as the drain last found. */
  sharedBehind = 0
  /** Tenants whose write turn somebody holds, by name. */
  readonly taken = new Map<string, Tenant>()
  /** The same, held by the drain. */
  readonly takenInBackground = new Map<string, Tenant>()
  readonly #parts: EngineParts
  readonly #tenants = new Lru<string, Tenant>(knownTenants)
  #isRetired = false

  constructor(parts: EngineParts, database: DatabaseState, row: BranchRow) {
    this.#parts = parts
    this.database = database
    this.row = row
    this.head = parts.heads.get(row.head)
  }

  get name(): string {
    return this.row.name
  }

  get isHidden(): boolean {
    return this.name.startsWith(hiddenPrefix)
  }

  /** The tenant of this name; refuses where there is none. */
  tenant(name: string): Tenant {
    const known = this.knownTenant(name)
    if (known) return known
    const row =
      this.resolve(name) ??
      refuse('tenantNotFound', { database: this.database.row.name, branch: this.row.name, tenant: name })
    const tenant = new Tenant(this.#parts, this, row)
    this.#tenants.set(name, tenant)
    return tenant
  }

  /** The tenant of this name if it was used lately. */
  knownTenant(name: string): Tenant | undefined {
    return this.#tenants.get(name) ?? this.taken.get(name) ?? this.takenInBackground.get(name)
  }

  /** The row that decides about a tenant's name here: the branch's own, else its parent's as of the fork. */
  resolve(name: string): TenantRow | undefined {
    for (const { branch, asOf, withData } of this.line()) {
      const row = this.#parts.catalog.tenants.deciding(branch.row.id, name, asOf)
      if (row === undefined) continue
      if (row.deleted) return undefined
      return withData ? row : { ...row, fileId: null }
    }
    return undefined
  }

  /** This branch and those it was forked from, nearest first, with what it sees of each. */
  *line(): Iterable<{ branch: Branch; asOf: number; withData: boolean }> {
    let asOf = Number.MAX_SAFE_INTEGER
    let withData = true
    for (let branch: Branch | undefined = this; branch; branch = branch.parent) {
      yield { branch, asOf, withData }
      asOf = Math.min(asOf, branch.row.forkedAt)
      withData &&= branch.row.withData === 1
    }
  }

  /** The branch it was forked from. */
  get parent(): Branch | undefined {
    const { parentId } = this.row
    return parentId === null ? undefined : this.database.branchOf(parentId)
  }

  /** What is kept of a tenant no longer holds: look it up again at its next use. */
  refresh(name: string): void {
    this.watch?.add(name)
    const known = this.knownTenant(name)
    if (known === undefined) return
    const row = this.resolve(name)
    if (row) known.follow(row)
    else {
      known.retire()
      this.#tenants.delete(name)
    }
  }

  /** The branch is no more: whoever still holds it, or one of its tenants, finds nothing. */
  retire(): void {
    this.#isRetired = true
    for (const name of [...this.#tenants.keys(), ...this.taken.keys()]) this.knownTenant(name)?.retire()
  }

  refreshAll(): void {
    for (const name of [...this.#tenants.keys(), ...this.taken.keys()]) this.refresh(name)
  }

  /** Refuse a write where the branch or its database takes none. */
  requireWritable(): void {
    this.requireNoMaintenance()
    if (this.row.readOnly) refuse('branchReadOnly', { database: this.database.row.name, branch: this.row.name })
  }

  /** Whether the branch takes writes. */
  get isWritable(): boolean {
    const isUnderMaintenance = this.database.row.maintenance !== null || this.row.maintenance !== null
    return !this.#isRetired && !isUnderMaintenance && !this.row.readOnly
  }

  /** Refuse anything where the branch is no more. */
  requireLife(): void {
    if (this.#isRetired) refuse('branchNotFound', { database: this.database.row.name, branch: this.row.name })
  }

  /** Refuse any change where the branch is no more, or is under maintenance. */
  requireNoMaintenance(): void {
    const { maintenance: ofDatabase, name: database } = this.database.row
    this.requireLife()
    if (ofDatabase !== null) refuse('maintenance', { database, ...reasonOf(ofDatabase) })
    if (this.row.maintenance !== null) {
      refuse('maintenance', { database, branch: this.row.name, ...reasonOf(this.row.maintenance) })
    }
  }
}

/** What is kept of a maintenance: JSON of why and since when. */
export interface Maintenance {
  readonly reason?: string
  readonly since: string
}

function reasonOf(maintenance: string): { reason?: string } {
  const { reason } = JSON.parse(maintenance) as Maintenance
  return reason === undefined ? {} : { reason }
}
