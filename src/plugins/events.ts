/** What plugins are told of, after it has happened. */
export type PluginEvent =
  | { readonly kind: 'databaseCreated' | 'databaseDeleted'; readonly database: string }
  | { readonly kind: 'branchCreated' | 'branchDeleted'; readonly database: string; readonly branch: string }
  | { readonly kind: 'branchRenamed'; readonly database: string; readonly branch: string; readonly newName: string }
  | {
      readonly kind: 'branchMerged'
      readonly database: string
      /** The target. */
      readonly branch: string
      readonly source: string
      readonly changeSet: string
    }
  | ({ readonly kind: 'tenantCreated' | 'tenantDeleted' } & TenantScope)
  | ({ readonly kind: 'tenantRenamed'; readonly newName: string } & TenantScope)
  | ({ readonly kind: 'tableCreated' | 'tableDropped' } & TableScope)
  | ({ readonly kind: 'tableRenamed'; readonly newName: string } & TableScope)
  /** Its columns, keys or constraints. */
  | ({ readonly kind: 'tableAltered' } & TableScope)

interface TenantScope {
  readonly database: string
  readonly branch: string
  readonly tenant: string
}

interface TableScope {
  readonly database: string
  readonly branch: string
  readonly table: string
  readonly changeSet: string
}

/** A tenant's file was opened or closed. */
export type FileEvent = { readonly kind: 'fileOpened' | 'fileClosed' } & TenantScope

/** Where what happens is told. Whoever listens does nothing at once: it is told from the middle of the work. */
export class Events {
  listener: ((event: PluginEvent | FileEvent) => void) | undefined

  tell(event: PluginEvent | FileEvent): void {
    this.listener?.(event)
  }
}
