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

/** A database with its branches, as the daemon keeps it in memory. */
export interface DatabaseState {
  row: DatabaseRow
  readonly branches: Map<string, Branch>
}

/** A branch: where it stands, and the tenants that were used lately. */
export class Branch {
  row: BranchRow
  head: Head
  readonly database: DatabaseState
  /** Schema edits of one branch happen one after the other. */
  readonly editing = new Lock()
  /** While an edit proves its case: the tenants that were written to since. */
  watch: Set<string> | undefined
  readonly #parts: EngineParts
  readonly #tenants = new Lru<string, Tenant>(knownTenants)

  constructor(parts: EngineParts, database: DatabaseState, row: BranchRow) {
    this.#parts = parts
    this.database = database
    this.row = row
    this.head = parts.heads.get(row.head)
  }

  get name(): string {
    return this.row.name
  }

  /** The tenant of this name; refuses where there is none. */
  tenant(name: string): Tenant {
    const known = this.#tenants.get(name)
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
    return this.#tenants.get(name)
  }

  /** Forget what is kept of a tenant: the catalog has changed. */
  forget(name: string): void {
    this.#tenants.delete(name)
  }

  /** The row that decides about a tenant's name here: the branch's own, else its parent's as of the fork. */
  resolve(name: string): TenantRow | undefined {
    const row = this.#parts.catalog.tenants.deciding(this.row.id, name, Number.MAX_SAFE_INTEGER)
    return row && !row.deleted ? row : undefined
  }

  /** Refuse a write where the branch or its database takes none. */
  requireWritable(): void {
    const { maintenance: ofDatabase, name: database } = this.database.row
    if (ofDatabase !== null) refuse('maintenance', { database, ...reasonOf(ofDatabase) })
    if (this.row.maintenance !== null) {
      refuse('maintenance', { database, branch: this.row.name, ...reasonOf(this.row.maintenance) })
    }
    if (this.row.readOnly) refuse('branchReadOnly', { database, branch: this.row.name })
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
