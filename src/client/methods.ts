// Written by scripts/protocol from protocol/openrpc.json; do not edit.

import type { CallOptions } from './cinch.ts'
import type {
  Key,
  KvValue,
  KvValueInput,
  ResultColumn,
  Row,
  RowInput,
  StatementParams,
  Value,
  Where,
} from './values.ts'

/** Every method, by its name on the wire. */
export interface Methods {
  'backup.create': { params: BackupCreateParams; result: BackupCreateResult }
  'backup.delete': { params: BackupDeleteParams; result: BackupDeleteResult }
  'backup.list': { params: BackupListParams; result: BackupListResult }
  'backup.restore': { params: BackupRestoreParams; result: BackupRestoreResult }
  'backup.verify': { params: BackupVerifyParams; result: BackupVerifyResult }
  'branch.create': { params: BranchCreateParams; result: BranchCreateResult }
  'branch.delete': { params: BranchDeleteParams; result: BranchDeleteResult }
  'branch.diff': { params: BranchDiffParams; result: BranchDiffResult }
  'branch.get': { params: BranchGetParams; result: BranchGetResult }
  'branch.history': { params: BranchHistoryParams; result: BranchHistoryResult }
  'branch.list': { params: BranchListParams; result: BranchListResult }
  'branch.merge': { params: BranchMergeParams; result: BranchMergeResult }
  'branch.rename': { params: BranchRenameParams; result: BranchRenameResult }
  'branch.revert': { params: BranchRevertParams; result: BranchRevertResult }
  'branch.setMaintenance': { params: BranchSetMaintenanceParams; result: BranchSetMaintenanceResult }
  'branch.status': { params: BranchStatusParams; result: BranchStatusResult }
  'codegen.generate': { params: CodegenGenerateParams; result: CodegenGenerateResult }
  'codegen.hash': { params: CodegenHashParams; result: CodegenHashResult }
  'codegen.languages': { params: CodegenLanguagesParams; result: CodegenLanguagesResult }
  'column.add': { params: ColumnAddParams; result: ColumnAddResult }
  'column.alter': { params: ColumnAlterParams; result: ColumnAlterResult }
  'column.drop': { params: ColumnDropParams; result: ColumnDropResult }
  'column.get': { params: ColumnGetParams; result: ColumnGetResult }
  'column.list': { params: ColumnListParams; result: ColumnListResult }
  'column.rename': { params: ColumnRenameParams; result: ColumnRenameResult }
  'daemon.stop': { params: DaemonStopParams; result: DaemonStopResult }
  'database.create': { params: DatabaseCreateParams; result: DatabaseCreateResult }
  'database.delete': { params: DatabaseDeleteParams; result: DatabaseDeleteResult }
  'database.get': { params: DatabaseGetParams; result: DatabaseGetResult }
  'database.list': { params: DatabaseListParams; result: DatabaseListResult }
  'database.setMaintenance': { params: DatabaseSetMaintenanceParams; result: DatabaseSetMaintenanceResult }
  'index.create': { params: IndexCreateParams; result: IndexCreateResult }
  'index.drop': { params: IndexDropParams; result: IndexDropResult }
  'index.get': { params: IndexGetParams; result: IndexGetResult }
  'index.list': { params: IndexListParams; result: IndexListResult }
  'kv.count': { params: KvCountParams; result: KvCountResult }
  'kv.delete': { params: KvDeleteParams; result: KvDeleteResult }
  'kv.exists': { params: KvExistsParams; result: KvExistsResult }
  'kv.expire': { params: KvExpireParams; result: KvExpireResult }
  'kv.get': { params: KvGetParams; result: KvGetResult }
  'kv.increment': { params: KvIncrementParams; result: KvIncrementResult }
  'kv.keys': { params: KvKeysParams; result: KvKeysResult }
  'kv.mget': { params: KvMgetParams; result: KvMgetResult }
  'kv.mset': { params: KvMsetParams; result: KvMsetResult }
  'kv.persist': { params: KvPersistParams; result: KvPersistResult }
  'kv.purge': { params: KvPurgeParams; result: KvPurgeResult }
  'kv.scan': { params: KvScanParams; result: KvScanResult }
  'kv.set': { params: KvSetParams; result: KvSetResult }
  'kv.size': { params: KvSizeParams; result: KvSizeResult }
  'kv.ttl': { params: KvTtlParams; result: KvTtlResult }
  ping: { params: PingParams; result: PingResult }
  'plugin.list': { params: PluginListParams; result: PluginListResult }
  'plugin.load': { params: PluginLoadParams; result: PluginLoadResult }
  'plugin.unload': { params: PluginUnloadParams; result: PluginUnloadResult }
  'project.info': { params: ProjectInfoParams; result: ProjectInfoResult }
  'project.stats': { params: ProjectStatsParams; result: ProjectStatsResult }
  'query.batch': { params: QueryBatchParams; result: QueryBatchResult }
  'query.close': { params: QueryCloseParams; result: QueryCloseResult }
  'query.execute': { params: QueryExecuteParams; result: QueryExecuteResult }
  'query.explain': { params: QueryExplainParams; result: QueryExplainResult }
  'query.fetch': { params: QueryFetchParams; result: QueryFetchResult }
  'query.open': { params: QueryOpenParams; result: QueryOpenResult }
  'query.run': { params: QueryRunParams; result: QueryRunResult }
  'row.count': { params: RowCountParams; result: RowCountResult }
  'row.delete': { params: RowDeleteParams; result: RowDeleteResult }
  'row.deleteWhere': { params: RowDeleteWhereParams; result: RowDeleteWhereResult }
  'row.get': { params: RowGetParams; result: RowGetResult }
  'row.insert': { params: RowInsertParams; result: RowInsertResult }
  'row.list': { params: RowListParams; result: RowListResult }
  'row.update': { params: RowUpdateParams; result: RowUpdateResult }
  'row.updateWhere': { params: RowUpdateWhereParams; result: RowUpdateWhereResult }
  'row.upsert': { params: RowUpsertParams; result: RowUpsertResult }
  'rpc.discover': { params: RpcDiscoverParams; result: RpcDiscoverResult }
  'schema.apply': { params: SchemaApplyParams; result: SchemaApplyResult }
  'schema.get': { params: SchemaGetParams; result: SchemaGetResult }
  'session.setScope': { params: SessionSetScopeParams; result: SessionSetScopeResult }
  shutdown: { params: ShutdownParams; result: ShutdownResult }
  'table.copy': { params: TableCopyParams; result: TableCopyResult }
  'table.create': { params: TableCreateParams; result: TableCreateResult }
  'table.drop': { params: TableDropParams; result: TableDropResult }
  'table.get': { params: TableGetParams; result: TableGetResult }
  'table.list': { params: TableListParams; result: TableListResult }
  'table.rename': { params: TableRenameParams; result: TableRenameResult }
  'tenant.copy': { params: TenantCopyParams; result: TenantCopyResult }
  'tenant.create': { params: TenantCreateParams; result: TenantCreateResult }
  'tenant.decrypt': { params: TenantDecryptParams; result: TenantDecryptResult }
  'tenant.delete': { params: TenantDeleteParams; result: TenantDeleteResult }
  'tenant.encrypt': { params: TenantEncryptParams; result: TenantEncryptResult }
  'tenant.export': { params: TenantExportParams; result: TenantExportResult }
  'tenant.get': { params: TenantGetParams; result: TenantGetResult }
  'tenant.import': { params: TenantImportParams; result: TenantImportResult }
  'tenant.list': { params: TenantListParams; result: TenantListResult }
  'tenant.lock': { params: TenantLockParams; result: TenantLockResult }
  'tenant.rekey': { params: TenantRekeyParams; result: TenantRekeyResult }
  'tenant.rename': { params: TenantRenameParams; result: TenantRenameResult }
  'tenant.size': { params: TenantSizeParams; result: TenantSizeResult }
  'tenant.unlock': { params: TenantUnlockParams; result: TenantUnlockResult }
  'tenant.vacuum': { params: TenantVacuumParams; result: TenantVacuumResult }
  'tenant.verify': { params: TenantVerifyParams; result: TenantVerifyResult }
  'transaction.begin': { params: TransactionBeginParams; result: TransactionBeginResult }
  'transaction.commit': { params: TransactionCommitParams; result: TransactionCommitResult }
  'transaction.rollback': { params: TransactionRollbackParams; result: TransactionRollbackResult }
  'view.create': { params: ViewCreateParams; result: ViewCreateResult }
  'view.drop': { params: ViewDropParams; result: ViewDropResult }
  'view.get': { params: ViewGetParams; result: ViewGetResult }
  'view.list': { params: ViewListParams; result: ViewListResult }
  'view.update': { params: ViewUpdateParams; result: ViewUpdateResult }
}

export type MethodName = keyof Methods

export type ParamsOf<M extends MethodName> = Methods[M]['params']

export type ResultOf<M extends MethodName> = Methods[M]['result']

/** By which parameters a method is told where it is to go, and whether it takes part in a transaction. */

export interface Takes {
  readonly database?: string
  readonly branch?: string
  readonly tenant?: string
  readonly transaction?: true
}

export const takes: { readonly [M in MethodName]: Takes } = {
  'backup.create': { database: 'database', branch: 'branch', tenant: 'tenant' },
  'backup.delete': {},
  'backup.list': {},
  'backup.restore': { database: 'database', branch: 'branch', tenant: 'tenant' },
  'backup.verify': {},
  'branch.create': { database: 'database' },
  'branch.delete': { database: 'database' },
  'branch.diff': { database: 'database' },
  'branch.get': { database: 'database', branch: 'name' },
  'branch.history': { database: 'database', branch: 'name' },
  'branch.list': { database: 'database' },
  'branch.merge': { database: 'database' },
  'branch.rename': { database: 'database' },
  'branch.revert': { database: 'database', branch: 'name' },
  'branch.setMaintenance': { database: 'database', branch: 'name' },
  'branch.status': { database: 'database', branch: 'name' },
  'codegen.generate': { database: 'database', branch: 'branch' },
  'codegen.hash': { database: 'database', branch: 'branch' },
  'codegen.languages': {},
  'column.add': { database: 'database', branch: 'branch' },
  'column.alter': { database: 'database', branch: 'branch' },
  'column.drop': { database: 'database', branch: 'branch' },
  'column.get': { database: 'database', branch: 'branch' },
  'column.list': { database: 'database', branch: 'branch' },
  'column.rename': { database: 'database', branch: 'branch' },
  'daemon.stop': {},
  'database.create': {},
  'database.delete': {},
  'database.get': {},
  'database.list': {},
  'database.setMaintenance': {},
  'index.create': { database: 'database', branch: 'branch' },
  'index.drop': { database: 'database', branch: 'branch' },
  'index.get': { database: 'database', branch: 'branch' },
  'index.list': { database: 'database', branch: 'branch' },
  'kv.count': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.delete': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.exists': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.expire': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.get': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.increment': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.keys': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.mget': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.mset': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.persist': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.purge': { database: 'database', branch: 'branch', tenant: 'tenant' },
  'kv.scan': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.set': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.size': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'kv.ttl': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  ping: {},
  'plugin.list': {},
  'plugin.load': {},
  'plugin.unload': {},
  'project.info': {},
  'project.stats': {},
  'query.batch': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'query.close': {},
  'query.execute': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'query.explain': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'query.fetch': {},
  'query.open': { database: 'database', branch: 'branch', tenant: 'tenant' },
  'query.run': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.count': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.delete': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.deleteWhere': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.get': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.insert': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.list': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.update': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.updateWhere': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'row.upsert': { database: 'database', branch: 'branch', tenant: 'tenant', transaction: true },
  'rpc.discover': {},
  'schema.apply': { database: 'database', branch: 'branch' },
  'schema.get': { database: 'database', branch: 'branch' },
  'session.setScope': { database: 'database', branch: 'branch', tenant: 'tenant' },
  shutdown: {},
  'table.copy': { database: 'database', branch: 'branch' },
  'table.create': { database: 'database', branch: 'branch' },
  'table.drop': { database: 'database', branch: 'branch' },
  'table.get': { database: 'database', branch: 'branch' },
  'table.list': { database: 'database', branch: 'branch' },
  'table.rename': { database: 'database', branch: 'branch' },
  'tenant.copy': { database: 'database', branch: 'branch' },
  'tenant.create': { database: 'database', branch: 'branch' },
  'tenant.decrypt': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.delete': { database: 'database', branch: 'branch' },
  'tenant.encrypt': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.export': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.get': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.import': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.list': { database: 'database', branch: 'branch' },
  'tenant.lock': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.rekey': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.rename': { database: 'database', branch: 'branch' },
  'tenant.size': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.unlock': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.vacuum': { database: 'database', branch: 'branch', tenant: 'name' },
  'tenant.verify': { database: 'database', branch: 'branch', tenant: 'name' },
  'transaction.begin': { database: 'database', branch: 'branch', tenant: 'tenant' },
  'transaction.commit': { transaction: true },
  'transaction.rollback': { transaction: true },
  'view.create': { database: 'database', branch: 'branch' },
  'view.drop': { database: 'database', branch: 'branch' },
  'view.get': { database: 'database', branch: 'branch' },
  'view.list': { database: 'database', branch: 'branch' },
  'view.update': { database: 'database', branch: 'branch' },
}

type Call = <M extends MethodName>(method: M, params: ParamsOf<M>, options?: CallOptions) => Promise<ResultOf<M>>

/** The daemon’s methods, by what they are about. */
export abstract class Nouns {
  readonly backup: BackupMethods
  readonly branch: BranchMethods
  readonly codegen: CodegenMethods
  readonly column: ColumnMethods
  readonly daemon: DaemonMethods
  readonly database: DatabaseMethods
  readonly index: IndexMethods
  readonly kv: KvMethods
  readonly plugin: PluginMethods
  readonly project: ProjectMethods
  readonly row: RowMethods
  readonly rpc: RpcMethods
  readonly schema: SchemaMethods
  readonly table: TableMethods
  readonly tenant: TenantMethods
  readonly view: ViewMethods

  constructor() {
    const call: Call = (method, params, options) => this.call(method, params, options)
    this.backup = new BackupMethods(call)
    this.branch = new BranchMethods(call)
    this.codegen = new CodegenMethods(call)
    this.column = new ColumnMethods(call)
    this.daemon = new DaemonMethods(call)
    this.database = new DatabaseMethods(call)
    this.index = new IndexMethods(call)
    this.kv = new KvMethods(call)
    this.plugin = new PluginMethods(call)
    this.project = new ProjectMethods(call)
    this.row = new RowMethods(call)
    this.rpc = new RpcMethods(call)
    this.schema = new SchemaMethods(call)
    this.table = new TableMethods(call)
    this.tenant = new TenantMethods(call)
    this.view = new ViewMethods(call)
  }

  abstract call<M extends MethodName>(method: M, params: ParamsOf<M>, options?: CallOptions): Promise<ResultOf<M>>
}

export class BackupMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Back up a branch with all its tenants, or one tenant, as it is at one moment, while writes go on. It is there when it is whole and on disk. */
  create(params: BackupCreateParams = {}, options?: CallOptions): Promise<BackupCreateResult> {
    return this.#call('backup.create', params, options)
  }

  /** Delete a backup of .cinchdb/backups. There is no way back. */
  delete(params: BackupDeleteParams, options?: CallOptions): Promise<BackupDeleteResult> {
    return this.#call('backup.delete', params, options)
  }

  /** List the backups in .cinchdb/backups in the order of their names. */
  list(params: BackupListParams = {}, options?: CallOptions): Promise<BackupListResult> {
    return this.#call('backup.list', params, options)
  }

  /** Restore a backup, all or nothing: a branch as a branch of its own, or a tenant of it in a branch whose schema comes from that of the backup. */
  restore(params: BackupRestoreParams, options?: CallOptions): Promise<BackupRestoreResult> {
    return this.#call('backup.restore', params, options)
  }

  /** Tell whether a backup is as it was made. Every byte is read. */
  verify(params: BackupVerifyParams, options?: CallOptions): Promise<BackupVerifyResult> {
    return this.#call('backup.verify', params, options)
  }
}

export class BranchMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Fork a branch: its schema, tenants and rows as they are now. Copies nothing. */
  create(params: BranchCreateParams, options?: CallOptions): Promise<BranchCreateResult> {
    return this.#call('branch.create', params, options)
  }

  /** Delete a branch. Branches that were forked from it keep what they see. */
  delete(params: BranchDeleteParams, options?: CallOptions): Promise<BranchDeleteResult> {
    return this.#call('branch.delete', params, options)
  }

  /** Tell what turns the schema of one branch into that of another. */
  diff(params: BranchDiffParams, options?: CallOptions): Promise<BranchDiffResult> {
    return this.#call('branch.diff', params, options)
  }

  /** Tell about one branch. */
  get(params: BranchGetParams = {}, options?: CallOptions): Promise<BranchGetResult> {
    return this.#call('branch.get', params, options)
  }

  /** List the change sets that led to a branch’s head, newest first. */
  history(params: BranchHistoryParams = {}, options?: CallOptions): Promise<BranchHistoryResult> {
    return this.#call('branch.history', params, options)
  }

  /** List the branches of a database. */
  list(params: BranchListParams = {}, options?: CallOptions): Promise<BranchListResult> {
    return this.#call('branch.list', params, options)
  }

  /** Merge the schema of one branch into another: all of it becomes visible to every tenant at once, or none. */
  merge(params: BranchMergeParams, options?: CallOptions): Promise<BranchMergeResult> {
    return this.#call('branch.merge', params, options)
  }

  /** Rename a branch. */
  rename(params: BranchRenameParams, options?: CallOptions): Promise<BranchRenameResult> {
    return this.#call('branch.rename', params, options)
  }

  /** Take back a change set of a branch’s history. What was destroyed does not come back; the plan says what is. */
  revert(params: BranchRevertParams, options?: CallOptions): Promise<BranchRevertResult> {
    return this.#call('branch.revert', params, options)
  }

  /** Refuse every write to a branch, or allow them again. Survives a restart. */
  setMaintenance(params: BranchSetMaintenanceParams, options?: CallOptions): Promise<BranchSetMaintenanceResult> {
    return this.#call('branch.setMaintenance', params, options)
  }

  /** Tell where a branch stands, and how many of its own files have followed; those shared with others wait. */
  status(params: BranchStatusParams = {}, options?: CallOptions): Promise<BranchStatusResult> {
    return this.#call('branch.status', params, options)
  }
}

export class CodegenMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Generate typed code from a branch’s schema. The same schema gives the same bytes. */
  generate(params: CodegenGenerateParams, options?: CallOptions): Promise<CodegenGenerateResult> {
    return this.#call('codegen.generate', params, options)
  }

  /** Tell the hash that generated code carries, so that it can see whether the schema is still its own. */
  hash(params: CodegenHashParams = {}, options?: CallOptions): Promise<CodegenHashResult> {
    return this.#call('codegen.hash', params, options)
  }

  /** List the languages that code is generated for. */
  languages(params: CodegenLanguagesParams = {}, options?: CallOptions): Promise<CodegenLanguagesResult> {
    return this.#call('codegen.languages', params, options)
  }
}

export class ColumnMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Add a column to a table of every tenant. */
  add(params: ColumnAddParams, options?: CallOptions): Promise<ColumnAddResult> {
    return this.#call('column.add', params, options)
  }

  /** Change a column’s type, nullability, default or constraints; what is not named stays. */
  alter(params: ColumnAlterParams, options?: CallOptions): Promise<ColumnAlterResult> {
    return this.#call('column.alter', params, options)
  }

  /** Drop a column with its values in every tenant. */
  drop(params: ColumnDropParams, options?: CallOptions): Promise<ColumnDropResult> {
    return this.#call('column.drop', params, options)
  }

  /** Tell about one column. */
  get(params: ColumnGetParams, options?: CallOptions): Promise<ColumnGetResult> {
    return this.#call('column.get', params, options)
  }

  /** List the columns of a table. */
  list(params: ColumnListParams, options?: CallOptions): Promise<ColumnListResult> {
    return this.#call('column.list', params, options)
  }

  /** Rename a column; indexes, views, triggers and foreign keys follow. */
  rename(params: ColumnRenameParams, options?: CallOptions): Promise<ColumnRenameResult> {
    return this.#call('column.rename', params, options)
  }
}

export class DaemonMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Stop the daemon in good order: finish or cancel calls, close files, let go of the project. */
  stop(params: DaemonStopParams = {}, options?: CallOptions): Promise<DaemonStopResult> {
    return this.#call('daemon.stop', params, options)
  }
}

export class DatabaseMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Create a database, with its branch main. */
  create(params: DatabaseCreateParams, options?: CallOptions): Promise<DatabaseCreateResult> {
    return this.#call('database.create', params, options)
  }

  /** Delete a database with all its branches, tenants and rows. There is no way back. */
  delete(params: DatabaseDeleteParams, options?: CallOptions): Promise<DatabaseDeleteResult> {
    return this.#call('database.delete', params, options)
  }

  /** Tell about one database. */
  get(params: DatabaseGetParams, options?: CallOptions): Promise<DatabaseGetResult> {
    return this.#call('database.get', params, options)
  }

  /** List the databases. */
  list(params: DatabaseListParams = {}, options?: CallOptions): Promise<DatabaseListResult> {
    return this.#call('database.list', params, options)
  }

  /** Refuse every write to a database, or allow them again. Survives a restart. */
  setMaintenance(params: DatabaseSetMaintenanceParams, options?: CallOptions): Promise<DatabaseSetMaintenanceResult> {
    return this.#call('database.setMaintenance', params, options)
  }
}

export class IndexMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Create an index in every tenant of the branch. A unique one is proved on every tenant’s rows first. */
  create(params: IndexCreateParams, options?: CallOptions): Promise<IndexCreateResult> {
    return this.#call('index.create', params, options)
  }

  /** Drop an index. */
  drop(params: IndexDropParams, options?: CallOptions): Promise<IndexDropResult> {
    return this.#call('index.drop', params, options)
  }

  /** Tell about one index. */
  get(params: IndexGetParams, options?: CallOptions): Promise<IndexGetResult> {
    return this.#call('index.get', params, options)
  }

  /** List the indexes of a branch, or of one table. */
  list(params: IndexListParams = {}, options?: CallOptions): Promise<IndexListResult> {
    return this.#call('index.list', params, options)
  }
}

export class KvMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Count keys. What others write meanwhile may be counted or not. */
  count(params: KvCountParams = {}, options?: CallOptions): Promise<KvCountResult> {
    return this.#call('kv.count', params, options)
  }

  /** Delete keys, and tell how many there were. */
  delete(params: KvDeleteParams, options?: CallOptions): Promise<KvDeleteResult> {
    return this.#call('kv.delete', params, options)
  }

  /** Tell whether a key is there. */
  exists(params: KvExistsParams, options?: CallOptions): Promise<KvExistsResult> {
    return this.#call('kv.exists', params, options)
  }

  /** Give a key that is there a time to live. Its value and version stay. */
  expire(params: KvExpireParams, options?: CallOptions): Promise<KvExpireResult> {
    return this.#call('kv.expire', params, options)
  }

  /** Get the value of a key. `found` tells a null that is stored from a key that is not there. */
  get(params: KvGetParams, options?: CallOptions): Promise<KvGetResult> {
    return this.#call('kv.get', params, options)
  }

  /** Add to a number, and give the new one. A key that is not there begins at 0. */
  increment(params: KvIncrementParams, options?: CallOptions): Promise<KvIncrementResult> {
    return this.#call('kv.increment', params, options)
  }

  /** List keys in the order of their characters, a page at a time. */
  keys(params: KvKeysParams = {}, options?: CallOptions): Promise<KvKeysResult> {
    return this.#call('kv.keys', params, options)
  }

  /** Get the values of several keys, in their order. */
  mget(params: KvMgetParams, options?: CallOptions): Promise<KvMgetResult> {
    return this.#call('kv.mget', params, options)
  }

  /** Set several keys, all or none. Of a key that stands there twice, the last one counts. */
  mset(params: KvMsetParams, options?: CallOptions): Promise<KvMsetResult> {
    return this.#call('kv.mset', params, options)
  }

  /** Have a key not expire any more. `persisted` is false for one that would not, or is not there. */
  persist(params: KvPersistParams, options?: CallOptions): Promise<KvPersistResult> {
    return this.#call('kv.persist', params, options)
  }

  /** Remove the keys that have expired now, rather than in the background, and tell how many went. */
  purge(params: KvPurgeParams = {}, options?: CallOptions): Promise<KvPurgeResult> {
    return this.#call('kv.purge', params, options)
  }

  /** List keys with their values, in the order of their characters, a page at a time. */
  scan(params: KvScanParams = {}, options?: CallOptions): Promise<KvScanResult> {
    return this.#call('kv.scan', params, options)
  }

  /** Set a key. A condition that does not hold is no error: `set` tells, and `version` is that of what is there. */
  set(params: KvSetParams, options?: CallOptions): Promise<KvSetResult> {
    return this.#call('kv.set', params, options)
  }

  /** Tell how many bytes keys and their values take up: all of them, or those that are named. */
  size(params: KvSizeParams = {}, options?: CallOptions): Promise<KvSizeResult> {
    return this.#call('kv.size', params, options)
  }

  /** Tell how many ms a key has left; null where it does not expire. */
  ttl(params: KvTtlParams, options?: CallOptions): Promise<KvTtlResult> {
    return this.#call('kv.ttl', params, options)
  }
}

export class PluginMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** List the plugins at work, in the order in which they were loaded. */
  list(params: PluginListParams = {}, options?: CallOptions): Promise<PluginListResult> {
    return this.#call('plugin.list', params, options)
  }

  /** Load a plugin into the daemon, whose rights it has, until the daemon stops or it is unloaded. A folder without package.json or index may have several: all are loaded, or none. */
  load(params: PluginLoadParams = {}, options?: CallOptions): Promise<PluginLoadResult> {
    return this.#call('plugin.load', params, options)
  }

  /** Unload a plugin: it finishes what it is at, cleans up, and is ended. Its methods are gone at once. */
  unload(params: PluginUnloadParams, options?: CallOptions): Promise<PluginUnloadResult> {
    return this.#call('plugin.unload', params, options)
  }
}

export class ProjectMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Where the project lies, and which versions are at work. */
  info(params: ProjectInfoParams = {}, options?: CallOptions): Promise<ProjectInfoResult> {
    return this.#call('project.info', params, options)
  }

  /** What the daemon is doing: sessions, open files, memory, calls with their errors and times by method and by lane, and the statements that took long. */
  stats(params: ProjectStatsParams = {}, options?: CallOptions): Promise<ProjectStatsResult> {
    return this.#call('project.stats', params, options)
  }
}

export class RowMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Count the rows that meet a condition. */
  count(params: RowCountParams, options?: CallOptions): Promise<RowCountResult> {
    return this.#call('row.count', params, options)
  }

  /** Delete the rows with these primary keys: all or none. An unknown key is refused. */
  delete(params: RowDeleteParams, options?: CallOptions): Promise<RowDeleteResult> {
    return this.#call('row.delete', params, options)
  }

  /** Delete every row that meets a condition. */
  deleteWhere(params: RowDeleteWhereParams, options?: CallOptions): Promise<RowDeleteWhereResult> {
    return this.#call('row.deleteWhere', params, options)
  }

  /** Get the row with this primary key, or null. */
  get(params: RowGetParams, options?: CallOptions): Promise<RowGetResult> {
    return this.#call('row.get', params, options)
  }

  /** Insert rows, all or none, and give them back as they are stored. */
  insert(params: RowInsertParams, options?: CallOptions): Promise<RowInsertResult> {
    return this.#call('row.insert', params, options)
  }

  /** List rows that meet a condition, in order: of the columns asked for, and then of the primary key. */
  list(params: RowListParams, options?: CallOptions): Promise<RowListResult> {
    return this.#call('row.list', params, options)
  }

  /** Update rows, each found by the primary key it carries: all or none. An unknown key is refused. */
  update(params: RowUpdateParams, options?: CallOptions): Promise<RowUpdateResult> {
    return this.#call('row.update', params, options)
  }

  /** Set columns of every row that meets a condition. */
  updateWhere(params: RowUpdateWhereParams, options?: CallOptions): Promise<RowUpdateWhereResult> {
    return this.#call('row.updateWhere', params, options)
  }

  /** Insert rows, or update those that are there already, told by a unique key: all or none. */
  upsert(params: RowUpsertParams, options?: CallOptions): Promise<RowUpsertResult> {
    return this.#call('row.upsert', params, options)
  }
}

export class RpcMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Describe every method as an OpenRPC document. */
  discover(params: RpcDiscoverParams = {}, options?: CallOptions): Promise<RpcDiscoverResult> {
    return this.#call('rpc.discover', params, options)
  }
}

export class SchemaMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Edit a branch’s schema: all changes become visible together, for every tenant, or none does. */
  apply(params: SchemaApplyParams, options?: CallOptions): Promise<SchemaApplyResult> {
    return this.#call('schema.apply', params, options)
  }

  /** Give a branch’s whole schema. */
  get(params: SchemaGetParams = {}, options?: CallOptions): Promise<SchemaGetResult> {
    return this.#call('schema.get', params, options)
  }
}

export class TableMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Copy a table with its keys, constraints and indexes, and each tenant’s rows unless data is false. */
  copy(params: TableCopyParams, options?: CallOptions): Promise<TableCopyResult> {
    return this.#call('table.copy', params, options)
  }

  /** Create a table in every tenant of the branch. */
  create(params: TableCreateParams, options?: CallOptions): Promise<TableCreateResult> {
    return this.#call('table.create', params, options)
  }

  /** Drop a table with its rows in every tenant. */
  drop(params: TableDropParams, options?: CallOptions): Promise<TableDropResult> {
    return this.#call('table.drop', params, options)
  }

  /** Tell about one table: columns, keys, constraints, indexes. */
  get(params: TableGetParams, options?: CallOptions): Promise<TableGetResult> {
    return this.#call('table.get', params, options)
  }

  /** List the tables of a branch. */
  list(params: TableListParams = {}, options?: CallOptions): Promise<TableListResult> {
    return this.#call('table.list', params, options)
  }

  /** Rename a table; views, triggers and foreign keys follow. */
  rename(params: TableRenameParams, options?: CallOptions): Promise<TableRenameResult> {
    return this.#call('table.rename', params, options)
  }
}

export class TenantMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Make a tenant that has the rows of another one, as they are at one moment. Writers do not wait. */
  copy(params: TenantCopyParams, options?: CallOptions): Promise<TenantCopyResult> {
    return this.#call('tenant.copy', params, options)
  }

  /** Register a tenant. Its file comes with its first write. */
  create(params: TenantCreateParams, options?: CallOptions): Promise<TenantCreateResult> {
    return this.#call('tenant.create', params, options)
  }

  /** Write a tenant in plain text from now on. */
  decrypt(params: TenantDecryptParams = {}, options?: CallOptions): Promise<TenantDecryptResult> {
    return this.#call('tenant.decrypt', params, options)
  }

  /** Delete a tenant with its rows. There is no way back. */
  delete(params: TenantDeleteParams, options?: CallOptions): Promise<TenantDeleteResult> {
    return this.#call('tenant.delete', params, options)
  }

  /** Encrypt a tenant. Branches that shared its rows keep them in plain text; the storage medium may keep traces of the old file. */
  encrypt(params: TenantEncryptParams, options?: CallOptions): Promise<TenantEncryptResult> {
    return this.#call('tenant.encrypt', params, options)
  }

  /** Write a tenant to an SQLite file, or the rows of one of its tables to csv, json or ndjson. */
  export(params: TenantExportParams, options?: CallOptions): Promise<TenantExportResult> {
    return this.#call('tenant.export', params, options)
  }

  /** Tell about one tenant. */
  get(params: TenantGetParams = {}, options?: CallOptions): Promise<TenantGetResult> {
    return this.#call('tenant.get', params, options)
  }

  /** Import a file, all or nothing. An SQLite file becomes the tenant, its schema the branch’s if that has none; csv, json and ndjson are rows for one table. */
  import(params: TenantImportParams, options?: CallOptions): Promise<TenantImportResult> {
    return this.#call('tenant.import', params, options)
  }

  /** List the tenants of a branch in the order of their names. */
  list(params: TenantListParams = {}, options?: CallOptions): Promise<TenantListResult> {
    return this.#call('tenant.list', params, options)
  }

  /** Lock an encrypted tenant that this session has unlocked. */
  lock(params: TenantLockParams = {}, options?: CallOptions): Promise<TenantLockResult> {
    return this.#call('tenant.lock', params, options)
  }

  /** Encrypt a tenant with another key. Who has it unlocked has to unlock it again, but this session; branches that shared its rows keep the old key. */
  rekey(params: TenantRekeyParams, options?: CallOptions): Promise<TenantRekeyResult> {
    return this.#call('tenant.rekey', params, options)
  }

  /** Rename a tenant. */
  rename(params: TenantRenameParams, options?: CallOptions): Promise<TenantRenameResult> {
    return this.#call('tenant.rename', params, options)
  }

  /** Tell how much room a tenant takes on disk. */
  size(params: TenantSizeParams = {}, options?: CallOptions): Promise<TenantSizeResult> {
    return this.#call('tenant.size', params, options)
  }

  /** Unlock an encrypted tenant for this session: its calls need no key then. What has the same key is unlocked with it: forks and copies of its file. */
  unlock(params: TenantUnlockParams, options?: CallOptions): Promise<TenantUnlockResult> {
    return this.#call('tenant.unlock', params, options)
  }

  /** Rewrite a tenant’s file without its unused pages. */
  vacuum(params: TenantVacuumParams = {}, options?: CallOptions): Promise<TenantVacuumResult> {
    return this.#call('tenant.vacuum', params, options)
  }

  /** Check a tenant’s file with SQLite’s integrity and foreign key checks. */
  verify(params: TenantVerifyParams = {}, options?: CallOptions): Promise<TenantVerifyResult> {
    return this.#call('tenant.verify', params, options)
  }
}

export class ViewMethods {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Create a view. */
  create(params: ViewCreateParams, options?: CallOptions): Promise<ViewCreateResult> {
    return this.#call('view.create', params, options)
  }

  /** Drop a view. */
  drop(params: ViewDropParams, options?: CallOptions): Promise<ViewDropResult> {
    return this.#call('view.drop', params, options)
  }

  /** Tell about one view. */
  get(params: ViewGetParams, options?: CallOptions): Promise<ViewGetResult> {
    return this.#call('view.get', params, options)
  }

  /** List the views of a branch. */
  list(params: ViewListParams = {}, options?: CallOptions): Promise<ViewListResult> {
    return this.#call('view.list', params, options)
  }

  /** Give a view another SELECT. */
  update(params: ViewUpdateParams, options?: CallOptions): Promise<ViewUpdateResult> {
    return this.#call('view.update', params, options)
  }
}

export interface BackupCreateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: a name made of the branch’s, or tenant’s, and the time */
  readonly backup?: string | undefined
  /** only this one */
  readonly tenant?: string | undefined
  readonly description?: string | undefined
}

export type BackupCreateResult = Backup

export interface BackupDeleteParams {
  /** a name, for .cinchdb/backups; or an absolute path on the daemon’s machine, outside the project’s .cinchdb */
  readonly backup: string
}

export type BackupDeleteResult = { readonly [name: string]: never }

export type BackupListParams = { readonly [name: string]: never }

export interface BackupListResult {
  readonly backups: readonly Backup[]
}

export interface BackupRestoreParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** a name, for .cinchdb/backups; or an absolute path on the daemon’s machine, outside the project’s .cinchdb */
  readonly backup: string
  /** the branch to restore, default: as it was called; or, with a tenant, the one in which that is to be: default: the session’s, then main */
  readonly branch?: string | undefined
  /** only this one; default for a backup of one tenant: that */
  readonly tenant?: string | undefined
  /** what the tenant is called from now on; default: as it was */
  readonly name?: string | undefined
  /** replace the branch, or tenant, of that name; default: false */
  readonly force?: boolean | undefined
}

export interface BackupRestoreResult {
  readonly branch: string
  readonly tenant: string | null
  readonly tenants: number
}

export interface BackupVerifyParams {
  /** a name, for .cinchdb/backups; or an absolute path on the daemon’s machine, outside the project’s .cinchdb */
  readonly backup: string
}

export interface BackupVerifyResult {
  readonly sound: boolean
  readonly problems: readonly string[]
}

export interface BranchCreateParams {
  readonly database?: string | undefined
  readonly name: string
  /** default: main */
  readonly from?: string | undefined
  /** false: the tenants, without their rows; default: true */
  readonly data?: boolean | undefined
  /** an older change set of its history to stand at; then without rows */
  readonly at?: string | undefined
  /** a snapshot of the whole fleet that nobody writes to; default: false */
  readonly readOnly?: boolean | undefined
  readonly description?: string | undefined
}

export type BranchCreateResult = Branch

export interface BranchDeleteParams {
  readonly database?: string | undefined
  readonly name: string
}

export type BranchDeleteResult = { readonly [name: string]: never }

export interface BranchDiffParams {
  readonly database?: string | undefined
  readonly base: string
  readonly head: string
}

export interface BranchDiffResult {
  readonly changes: readonly {
    readonly kind: string
    readonly [more: string]: unknown
  }[]
  readonly plan: readonly Step[]
}

export interface BranchGetParams {
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly name?: string | undefined
}

export type BranchGetResult = Branch

export interface BranchHistoryParams {
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly name?: string | undefined
  /** default: 100 */
  readonly limit?: number | undefined
  /** nextCursor of the page before */
  readonly cursor?: string | undefined
}

export interface BranchHistoryResult {
  readonly changeSets: readonly ChangeSet[]
  readonly nextCursor?: string | undefined
}

export interface BranchListParams {
  readonly database?: string | undefined
}

export interface BranchListResult {
  readonly branches: readonly Branch[]
}

export interface BranchMergeParams {
  readonly database?: string | undefined
  readonly source: string
  /** default: main */
  readonly target?: string | undefined
  /** the source is gone in the moment in which it is merged, or is up to date; default: false */
  readonly deleteSource?: boolean | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** default: [] */
  readonly resolutions?: readonly Resolution[] | undefined
  /** kept in the history */
  readonly message?: string | undefined
}

export interface BranchMergeResult {
  readonly status: 'merged' | 'upToDate' | 'conflicts' | 'planned'
  readonly fastForward: boolean
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  readonly conflicts: readonly Conflict[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface BranchRenameParams {
  readonly database?: string | undefined
  readonly name: string
  readonly newName: string
}

export type BranchRenameResult = Branch

export interface BranchRevertParams {
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly name?: string | undefined
  readonly changeSet: string
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** default: [] */
  readonly resolutions?: readonly Resolution[] | undefined
  /** kept in the history */
  readonly message?: string | undefined
}

export interface BranchRevertResult {
  readonly status: 'merged' | 'upToDate' | 'conflicts' | 'planned'
  readonly fastForward: boolean
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  readonly conflicts: readonly Conflict[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface BranchSetMaintenanceParams {
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly name?: string | undefined
  readonly enabled: boolean
  readonly reason?: string | undefined
}

export type BranchSetMaintenanceResult = Branch

export interface BranchStatusParams {
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly name?: string | undefined
}

export interface BranchStatusResult {
  readonly head: string
  readonly files: {
    readonly total: number
    readonly atHead: number
    readonly behind: number
    /** encrypted, and not followed yet: they follow when they are used with their key */
    readonly locked: number
    readonly failed: number
    /** of those behind: they follow when they are used, or no branch shares them any more */
    readonly shared: number
  }
}

export interface CodegenGenerateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: all */
  readonly tables?: readonly string[] | undefined
  /** default: all */
  readonly views?: readonly string[] | undefined
  readonly language: string
  /** as codegen.languages lists them; default: {} */
  readonly options?: { readonly [name: string]: string } | undefined
}

export interface CodegenGenerateResult {
  /** of what the code was generated from */
  readonly hash: string
  readonly files: readonly {
    /** relative, with / */
    readonly path: string
    readonly text: string
  }[]
}

export interface CodegenHashParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: all */
  readonly tables?: readonly string[] | undefined
  /** default: all */
  readonly views?: readonly string[] | undefined
}

export interface CodegenHashResult {
  readonly hash: string
}

export type CodegenLanguagesParams = { readonly [name: string]: never }

export interface CodegenLanguagesResult {
  readonly languages: readonly {
    readonly name: string
    readonly summary: string
    /** values by name; the first is the default */
    readonly options: { readonly [name: string]: readonly string[] }
    /** of options that take other values too: a regular expression */
    readonly forms: { readonly [name: string]: string }
  }[]
}

export interface ColumnAddParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly table: string
  readonly column: ColumnSpec
}

export interface ColumnAddResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface ColumnAlterParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly table: string
  readonly name: string
  /** TEXT INTEGER REAL BLOB NUMERIC BOOLEAN, in any case */
  readonly type?: string | undefined
  readonly nullable?: boolean | undefined
  readonly default?: Default | undefined
  readonly unique?: boolean | undefined
  readonly check?: string | null | undefined
  readonly generated?:
    | {
        /** an SQL expression */
        readonly expression: string
        readonly stored?: boolean | undefined
      }
    | null
    | undefined
  readonly collate?: string | null | undefined
  readonly references?: References | null | undefined
  /** what rows that hold NULL get */
  readonly fill?: Default | undefined
}

export interface ColumnAlterResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface ColumnDropParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly table: string
  readonly name: string
}

export interface ColumnDropResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface ColumnGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly table: string
  readonly name: string
}

export type ColumnGetResult = Column

export interface ColumnListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly table: string
}

export interface ColumnListResult {
  readonly columns: readonly Column[]
}

export interface ColumnRenameParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly table: string
  readonly name: string
  readonly newName: string
}

export interface ColumnRenameResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export type DaemonStopParams = { readonly [name: string]: never }

export type DaemonStopResult = { readonly [name: string]: never }

export interface DatabaseCreateParams {
  readonly name: string
  readonly description?: string | undefined
}

export type DatabaseCreateResult = Database

export interface DatabaseDeleteParams {
  readonly name: string
}

export type DatabaseDeleteResult = { readonly [name: string]: never }

export interface DatabaseGetParams {
  readonly name: string
}

export type DatabaseGetResult = Database

export type DatabaseListParams = { readonly [name: string]: never }

export interface DatabaseListResult {
  readonly databases: readonly Database[]
}

export interface DatabaseSetMaintenanceParams {
  readonly name: string
  readonly enabled: boolean
  readonly reason?: string | undefined
}

export type DatabaseSetMaintenanceResult = Database

export interface IndexCreateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly table: string
  /** default: idx_ or uniq_, the table and the columns */
  readonly name?: string | undefined
  readonly columns: readonly (
    | string
    | {
        readonly name: string
        readonly collate?: string | undefined
        readonly descending?: boolean | undefined
      }
    | {
        /** an SQL expression */
        readonly expression: string
        readonly collate?: string | undefined
        readonly descending?: boolean | undefined
      }
  )[]
  readonly unique?: boolean | undefined
  /** index only rows for which this holds */
  readonly where?: string | undefined
}

export interface IndexCreateResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface IndexDropParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
}

export interface IndexDropResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface IndexGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
}

export type IndexGetResult = Index

export interface IndexListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly table?: string | undefined
}

export interface IndexListResult {
  readonly indexes: readonly Index[]
}

export interface KvCountParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** default: "*" */
  readonly pattern?: string | undefined
}

export interface KvCountResult {
  readonly count: number
}

export interface KvDeleteParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly keys: readonly string[]
}

export interface KvDeleteResult {
  readonly count: number
}

export interface KvExistsParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
}

export interface KvExistsResult {
  readonly exists: boolean
}

export interface KvExpireParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
  readonly ttlMs: number
}

export interface KvExpireResult {
  readonly found: boolean
}

export interface KvGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
}

export interface KvGetResult {
  readonly found: boolean
  readonly value?: KvValue | undefined
  readonly version?: number | undefined
}

export interface KvIncrementParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
  /** a number; default 1. An integer takes integers alone, a real takes both */
  readonly by?: KvValueInput | undefined
  /** for a key that begins with this; one that is there keeps its time */
  readonly ttlMs?: number | undefined
}

export interface KvIncrementResult {
  readonly value: KvValue
  readonly version: number
}

export interface KvKeysParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** default: "*" */
  readonly pattern?: string | undefined
  /** a page may have fewer, or none, and still not be the last; default: 1000 */
  readonly limit?: number | undefined
  /** nextCursor of the page before */
  readonly cursor?: string | undefined
}

export interface KvKeysResult {
  readonly keys: readonly string[]
  /** there may be more: go on from here */
  readonly nextCursor?: string | undefined
}

export interface KvMgetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly keys: readonly string[]
}

export interface KvMgetResult {
  readonly values: readonly {
    readonly found: boolean
    readonly value?: KvValue | undefined
    readonly version?: number | undefined
  }[]
}

export interface KvMsetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly items: readonly {
    readonly key: string
    readonly value: KvValueInput
    readonly ttlMs?: number | undefined
  }[]
  /** for items that have none of their own */
  readonly ttlMs?: number | undefined
}

export interface KvMsetResult {
  readonly count: number
  readonly versions: readonly number[]
}

export interface KvPersistParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
}

export interface KvPersistResult {
  readonly persisted: boolean
}

export interface KvPurgeParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
}

export interface KvPurgeResult {
  readonly count: number
}

export interface KvScanParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** default: "*" */
  readonly pattern?: string | undefined
  /** a page may have fewer, or none, and still not be the last; default: 1000 */
  readonly limit?: number | undefined
  /** nextCursor of the page before */
  readonly cursor?: string | undefined
}

export interface KvScanResult {
  readonly entries: readonly {
    readonly key: string
    readonly value: KvValue
    readonly version: number
    /** null: it does not expire */
    readonly ttlMs: number | null
  }[]
  /** there may be more: go on from here */
  readonly nextCursor?: string | undefined
}

export interface KvSetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
  readonly value: KvValueInput
  /** the key expires after so many ms; without it, never */
  readonly ttlMs?: number | undefined
  /** a key that is there keeps its time; ttlMs is for one that is not */
  readonly keepTtl?: boolean | undefined
  readonly ifAbsent?: boolean | undefined
  readonly ifPresent?: boolean | undefined
  /** only if the key has this version; 0: only if it is absent */
  readonly ifVersion?: number | undefined
}

export interface KvSetResult {
  readonly set: boolean
  /** greater with each value of the key, and never the same again; 0: it is absent */
  readonly version: number
}

export interface KvSizeParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly keys?: readonly string[] | undefined
}

export interface KvSizeResult {
  /** of a text its UTF-8, of a number 8, of a boolean 1 */
  readonly bytes: number
  /** of each key that was named, in their order; 0: it is not there */
  readonly sizes?: readonly number[] | undefined
}

export interface KvTtlParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  readonly key: string
}

export interface KvTtlResult {
  readonly found: boolean
  readonly ttlMs?: number | null | undefined
}

export type PingParams = { readonly [name: string]: never }

export type PingResult = { readonly [name: string]: never }

export type PluginListParams = { readonly [name: string]: never }

export interface PluginListResult {
  readonly plugins: readonly Plugin[]
}

export interface PluginLoadParams {
  /** a file or folder; absolute, or as seen from the project */
  readonly path?: string | undefined
  /** or a package that is installed for the project */
  readonly package?: string | undefined
  /** what the plugin says it takes */
  readonly settings?: unknown | undefined
  /** a thread of its own, or the daemon’s, which costs less and which it can stop; default: "worker" */
  readonly runIn?: 'worker' | 'daemon' | undefined
  /** whether a failure of it fails the statement; default: fail where it hooks beforeQuery, else skip */
  readonly onFailure?: 'fail' | 'skip' | undefined
  /** how long one of its hooks may take; default: 1000 */
  readonly hookTimeoutMs?: number | undefined
  /** how long one of its methods may take, or its loading; default: 30000 */
  readonly methodTimeoutMs?: number | undefined
  /** a thread whose objects take more is ended; default: 128 */
  readonly memoryMb?: number | undefined
  /** whether a thread that ended is started again; default: true */
  readonly restart?: boolean | undefined
}

export interface PluginLoadResult {
  readonly plugins: readonly Plugin[]
}

export interface PluginUnloadParams {
  readonly name: string
}

export type PluginUnloadResult = { readonly [name: string]: never }

export type ProjectInfoParams = { readonly [name: string]: never }

export interface ProjectInfoResult {
  readonly path: string
  readonly pid: number
  readonly version: string
  readonly protocolVersion: string
  readonly sqliteVersion: string
  readonly databases: number
  readonly durability: string
}

export type ProjectStatsParams = { readonly [name: string]: never }

export interface ProjectStatsResult {
  readonly uptimeMs: number
  readonly sessions: number
  /** since the daemon started */
  readonly sessionsStarted: number
  /** requests that are not answered yet */
  readonly inFlight: number
  /** open ones, of all sessions */
  readonly transactions: number
  /** open ones, of all sessions */
  readonly cursors: number
  readonly openFiles: number
  /** since the daemon started */
  readonly filesOpened: number
  /** of the write-ahead logs of open files */
  readonly logBytes: number
  /** how often a write-ahead log was brought into its file */
  readonly checkpoints: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  readonly requests: {
    readonly [name: string]: {
      readonly calls: number
      readonly p50Ms: number
      readonly p90Ms: number
      readonly p99Ms: number
      readonly maxMs: number
      /** by kind */
      readonly errors: { readonly [name: string]: number }
      /** where calls ran in more than one */
      readonly lanes?: { readonly [name: string]: Latency } | undefined
    }
  }
  /** calls by where their statements ran */
  readonly lanes: {
    readonly inline: Latency
    readonly process: Latency
  }
  /** by name; plugin.list tells more */
  readonly plugins: {
    readonly [name: string]: {
      readonly calls: number
      readonly failures: number
      readonly skipped: number
      readonly restarts: number
    }
  }
  readonly slowStatements: {
    readonly thresholdMs: number
    readonly count: number
    /** the latest first */
    readonly last: readonly SlowStatement[]
  }
}

export interface QueryBatchParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** at most limits.maxBatch */
  readonly statements: readonly {
    /** one statement */
    readonly sql: string
    /** values by position, or by name without the leading :, @ or $; default: [] */
    readonly params?: StatementParams | undefined
  }[]
  /** default: "array" */
  readonly rowFormat?: 'array' | 'object' | undefined
}

export interface QueryBatchResult {
  readonly results: readonly {
    readonly changes: number
    readonly columns?: readonly ResultColumn[] | undefined
    /** one array a row, or one object with rowFormat "object" */
    readonly rows?: readonly (readonly Value[] | { readonly [name: string]: Value })[] | undefined
  }[]
}

export interface QueryCloseParams {
  /** as query.open gave it */
  readonly cursor: string
}

export interface QueryCloseResult {
  /** it was open */
  readonly closed: boolean
}

export interface QueryExecuteParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** one statement */
  readonly sql: string
  /** values by position, or by name without the leading :, @ or $; default: [] */
  readonly params?: StatementParams | undefined
  /** default: "array" */
  readonly rowFormat?: 'array' | 'object' | undefined
}

export interface QueryExecuteResult {
  readonly changes: number
  readonly columns?: readonly ResultColumn[] | undefined
  /** one array a row, or one object with rowFormat "object" */
  readonly rows?: readonly (readonly Value[] | { readonly [name: string]: Value })[] | undefined
}

export interface QueryExplainParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** one statement */
  readonly sql: string
}

export interface QueryExplainResult {
  readonly kind: 'read' | 'write'
  /** tables reached, through views and triggers too */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly lane: {
    readonly name: string
    readonly reason: string
  }
  readonly plan: readonly {
    readonly id: number
    readonly parent: number
    readonly detail: string
  }[]
}

export interface QueryFetchParams {
  /** as query.open gave it */
  readonly cursor: string
  /** how many; fewer come at the end, and beyond limits.maxResultRows or maxResultBytes; default: 1000 */
  readonly count?: number | undefined
}

export interface QueryFetchResult {
  /** one array a row, or one object with rowFormat "object" */
  readonly rows: readonly (readonly Value[] | { readonly [name: string]: Value })[]
  /** there are no more, and the cursor is closed; false: there may be more */
  readonly done: boolean
  /** there were more than maxRows */
  readonly truncated?: true | undefined
}

export interface QueryOpenParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** one statement */
  readonly sql: string
  /** values by position, or by name without the leading :, @ or $; default: [] */
  readonly params?: StatementParams | undefined
  /** default: "array" */
  readonly rowFormat?: 'array' | 'object' | undefined
  /** cut the result here; by default it is not cut */
  readonly maxRows?: number | undefined
  /** close the cursor when nothing was fetched for so long; limits.maxCursorMs holds all the same; default: 60000 */
  readonly idleMs?: number | undefined
  /** columns whose values are shown as ***: "users.email", or "email" of every table; a statement that does more with one than to show it is refused */
  readonly mask?: readonly string[] | undefined
}

export interface QueryOpenResult {
  /** for this session alone */
  readonly cursor: string
  readonly columns: readonly ResultColumn[]
}

export interface QueryRunParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** one statement */
  readonly sql: string
  /** values by position, or by name without the leading :, @ or $; default: [] */
  readonly params?: StatementParams | undefined
  /** default: "array" */
  readonly rowFormat?: 'array' | 'object' | undefined
  /** cut the result here; at most limits.maxResultRows, unless it is streamed */
  readonly maxRows?: number | undefined
  /** columns whose values are shown as ***: "users.email", or "email" of every table; a statement that does more with one than to show it is refused */
  readonly mask?: readonly string[] | undefined
}

export interface QueryRunResult {
  readonly columns: readonly ResultColumn[]
  /** one array a row, or one object with rowFormat "object" */
  readonly rows: readonly (readonly Value[] | { readonly [name: string]: Value })[]
  readonly truncated?: true | undefined
  /** of the rows that were streamed; `rows` is empty then */
  readonly count?: number | undefined
}

export interface RowCountParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly where?: Where | undefined
}

export interface RowCountResult {
  readonly count: number
}

export interface RowDeleteParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly ids: readonly Key[]
}

export interface RowDeleteResult {
  readonly count: number
}

export interface RowDeleteWhereParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  /** which rows; one that holds for every row by its form is refused */
  readonly where: Where
}

export interface RowDeleteWhereResult {
  readonly count: number
}

export interface RowGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly id: Key
}

export interface RowGetResult {
  readonly row: Row | null
}

export interface RowInsertParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly rows: readonly RowInput[]
  /** none: leave out the rows in the answer; default: "rows" */
  readonly returning?: 'rows' | 'none' | undefined
}

export interface RowInsertResult {
  readonly rows: readonly Row[]
  readonly count: number
}

export interface RowListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly where?: Where | undefined
  /** column names; a leading - sorts from the greatest to the smallest; default: [] */
  readonly orderBy?: readonly string[] | undefined
  /** default: 1000 */
  readonly limit?: number | undefined
  /** default: 0 */
  readonly offset?: number | undefined
  /** nextCursor of the page before; where and orderBy as there */
  readonly cursor?: string | undefined
  readonly columns?: readonly string[] | undefined
}

export interface RowListResult {
  readonly rows: readonly Row[]
  /** there are more rows; they follow this one, whatever is inserted or deleted meanwhile */
  readonly nextCursor?: string | undefined
}

export interface RowUpdateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  readonly rows: readonly RowInput[]
  /** none: leave out the rows in the answer; default: "rows" */
  readonly returning?: 'rows' | 'none' | undefined
}

export interface RowUpdateResult {
  readonly rows: readonly Row[]
  readonly count: number
}

export interface RowUpdateWhereParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  /** which rows; one that holds for every row by its form is refused */
  readonly where: Where
  readonly set: RowInput
}

export interface RowUpdateWhereResult {
  readonly count: number
}

export interface RowUpsertParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly table: string
  /** what a row does not name gets its default where it is inserted, and stays as it is where it is updated */
  readonly rows: readonly RowInput[]
  /** the columns of a unique key; default: the primary key */
  readonly on?: readonly string[] | undefined
  /** none: leave out the rows in the answer; default: "rows" */
  readonly returning?: 'rows' | 'none' | undefined
}

export interface RowUpsertResult {
  readonly rows: readonly Row[]
  readonly count: number
  readonly inserted: number
  /** rows that were there; their primary key and created_at stay */
  readonly updated: number
}

export type RpcDiscoverParams = { readonly [name: string]: never }

export interface RpcDiscoverResult {
  readonly openrpc: string
  readonly [more: string]: unknown
}

export interface SchemaApplyParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  /** at most limits.maxBatch */
  readonly changes: readonly ChangeSpec[]
}

export interface SchemaApplyResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface SchemaGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
}

export interface SchemaGetResult {
  /** the change set it is the schema of */
  readonly head: string
  readonly tables: readonly Table[]
  readonly indexes: readonly Index[]
  readonly views: readonly View[]
  readonly triggers: readonly {
    readonly name: string
    readonly table: string
    readonly sql: string
    readonly [more: string]: unknown
  }[]
  readonly virtualTables: readonly {
    readonly name: string
    readonly module: string
    readonly [more: string]: unknown
  }[]
}

export interface SessionSetScopeParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
}

export type SessionSetScopeResult = Scope

export type ShutdownParams = { readonly [name: string]: never }

export type ShutdownResult = null

export interface TableCopyParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly source: string
  readonly name: string
  /** default: true */
  readonly data?: boolean | undefined
}

export interface TableCopyResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface TableCreateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
  readonly columns: readonly ColumnSpec[]
  readonly indexes?: readonly IndexSpec[] | undefined
  readonly primaryKey?: readonly string[] | undefined
  readonly uniques?: readonly (readonly string[])[] | undefined
  readonly checks?: readonly string[] | undefined
  readonly strict?: boolean | undefined
  readonly withoutRowid?: boolean | undefined
  /** default true: id (UUID version 7), created_at and updated_at, kept by the daemon */
  readonly systemColumns?: boolean | undefined
}

export interface TableCreateResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface TableDropParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
}

export interface TableDropResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface TableGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
}

export type TableGetResult = Table

export interface TableListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
}

export interface TableListResult {
  readonly tables: readonly Table[]
}

export interface TableRenameParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
  readonly newName: string
}

export interface TableRenameResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface TenantCopyParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly source: string
  readonly name: string
  /** false: without its rows; default: true */
  readonly data?: boolean | undefined
  readonly description?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
}

export type TenantCopyResult = Tenant

export interface TenantCreateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
  readonly description?: string | undefined
  /** encrypt it with this key, from the first byte of its file on */
  readonly key?: TenantKey | undefined
}

export type TenantCreateResult = Tenant

export interface TenantDecryptParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
}

export type TenantDecryptResult = Tenant

export interface TenantDeleteParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
}

export type TenantDeleteResult = { readonly [name: string]: never }

export interface TenantEncryptParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** that it has from now on */
  readonly key: TenantKey
}

export type TenantEncryptResult = Tenant

export interface TenantExportParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** absolute, on the daemon’s machine, outside the project’s .cinchdb */
  readonly path: string
  /** for csv, json and ndjson: the table whose rows the file holds */
  readonly table?: string | undefined
  /** for csv: the character between fields; default: a comma */
  readonly delimiter?: string | undefined
  /** for csv: the character around fields; default: a double quote; empty: none, on import */
  readonly quote?: string | undefined
  /** for csv: the unquoted text that stands for NULL; default: none at all */
  readonly null?: string | undefined
  /** for csv: whether the first line names the columns; default: true */
  readonly header?: boolean | undefined
  /** default: by the file’s extension, else sqlite */
  readonly format?: 'sqlite' | 'csv' | 'json' | 'ndjson' | undefined
  /** replace the file if there is one; default: false */
  readonly overwrite?: boolean | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** of an encrypted tenant: write what anybody can read; else the file is encrypted with its key; default: false */
  readonly plaintext?: boolean | undefined
}

export interface TenantExportResult {
  /** rows by table */
  readonly rows: { readonly [name: string]: number }
  readonly bytes: number
}

export interface TenantGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
}

export type TenantGetResult = Tenant

export interface TenantImportParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** absolute, on the daemon’s machine, outside the project’s .cinchdb */
  readonly path: string
  /** for csv, json and ndjson: the table whose rows the file holds */
  readonly table?: string | undefined
  /** for csv: the character between fields; default: a comma */
  readonly delimiter?: string | undefined
  /** for csv: the character around fields; default: a double quote; empty: none, on import */
  readonly quote?: string | undefined
  /** for csv: the unquoted text that stands for NULL; default: none at all */
  readonly null?: string | undefined
  /** for csv: whether the first line names the columns; default: true */
  readonly header?: boolean | undefined
  /** default: by the file’s extension, else sqlite if it is one */
  readonly format?: 'sqlite' | 'csv' | 'json' | 'ndjson' | undefined
  /** for csv, json and ndjson: make the table if there is none, with types that fit every value; it is there when its rows are; default: false */
  readonly create?: boolean | undefined
  /** for csv: the columns, in the order of the fields; default: as the first line names them, or the table has them */
  readonly columns?: readonly string[] | undefined
  /** of csv, json and ndjson; default: UTF-8, or what a byte order mark says */
  readonly encoding?: 'utf-8' | 'utf-16' | 'utf-16le' | 'utf-16be' | 'latin1' | 'windows-1252' | undefined
  /** kept in the history if the schema changes */
  readonly message?: string | undefined
  /** of an encrypted tenant, and of an SQLite file that is encrypted (SQLCipher 4); a tenant that is not is so from then on */
  readonly key?: TenantKey | undefined
}

export interface TenantImportResult {
  /** rows by table */
  readonly rows: { readonly [name: string]: number }
  /** null where the schema did not change */
  readonly changeSet: string | null
}

export interface TenantListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: "" */
  readonly prefix?: string | undefined
  /** default: 1000 */
  readonly limit?: number | undefined
  /** nextCursor of the page before; default: "" */
  readonly cursor?: string | undefined
}

export interface TenantListResult {
  readonly tenants: readonly Tenant[]
  readonly nextCursor?: string | undefined
}

export interface TenantLockParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
}

export type TenantLockResult = Tenant

export interface TenantRekeyParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  readonly newKey: TenantKey
}

export type TenantRekeyResult = Tenant

export interface TenantRenameParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
  readonly newName: string
}

export type TenantRenameResult = Tenant

export interface TenantSizeParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
}

export type TenantSizeResult = Size

export interface TenantUnlockParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  readonly key: TenantKey
  /** lock it after so long; default: with the session, or tenant.lock */
  readonly ttlMs?: number | undefined
}

export type TenantUnlockResult = Tenant

export interface TenantVacuumParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
}

export interface TenantVacuumResult {
  readonly before: Size
  readonly after: Size
}

export interface TenantVerifyParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s tenant, then main */
  readonly name?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
}

export interface TenantVerifyResult {
  readonly sound: boolean
  readonly problems: readonly string[]
}

export interface TransactionBeginParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** default: the session’s, then main */
  readonly tenant?: string | undefined
  /** of an encrypted tenant, where the session has not unlocked it */
  readonly key?: TenantKey | undefined
  /** write: in its turn, as a tenant has one at a time, and what else writes waits for its end; read: sees the rows as they are now, and keeps nobody waiting; default: "write" */
  readonly mode?: 'write' | 'read' | undefined
  /** roll back if no call comes for so long; at most limits.maxTransactionIdleMs */
  readonly idleMs?: number | undefined
  /** roll back after so long; at most limits.maxTransactionMs */
  readonly maxMs?: number | undefined
}

export interface TransactionBeginResult {
  readonly transaction: string
}

export interface TransactionCommitParams {
  /** what transaction.begin gave */
  readonly transaction: string
}

export interface TransactionCommitResult {
  readonly transaction: string
}

export interface TransactionRollbackParams {
  /** what transaction.begin gave */
  readonly transaction: string
}

export interface TransactionRollbackResult {
  readonly transaction: string
}

export interface ViewCreateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
  /** one SELECT */
  readonly sql: string
}

export interface ViewCreateResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface ViewDropParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
}

export interface ViewDropResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface ViewGetParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  readonly name: string
}

export type ViewGetResult = View

export interface ViewListParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
}

export interface ViewListResult {
  readonly views: readonly View[]
}

export interface ViewUpdateParams {
  /** default: the session’s, then main */
  readonly database?: string | undefined
  /** default: the session’s, then main */
  readonly branch?: string | undefined
  /** plan, try, count; change nothing; default: false */
  readonly dryRun?: boolean | undefined
  /** kept in the history */
  readonly message?: string | undefined
  readonly name: string
  /** one SELECT */
  readonly sql: string
}

export interface ViewUpdateResult {
  /** null for a dry run, and where there was nothing to change */
  readonly changeSet: string | null
  readonly plan: readonly Step[]
  /** tenants whose rows were, or would be, looked at first */
  readonly tenantsToProve: number
}

export interface Backup {
  /** its name, or its path where it has one */
  readonly backup: string
  readonly path: string
  readonly kind: 'branch' | 'tenant'
  readonly createdAt: string
  readonly database: string
  readonly branch: string
  readonly description: string | null
  /** the change set at which it stands */
  readonly head: string
  readonly tenants: number
  readonly files: number
  /** of tenants’ files */
  readonly bytes: number
}

export interface Branch {
  readonly name: string
  readonly database: string
  /** the branch it was forked from */
  readonly parent: string | null
  /** the change set it stands at */
  readonly head: string
  readonly readOnly: boolean
  readonly description: string | null
  readonly createdAt: string
  readonly maintenance: Maintenance
}

export interface ChangeSet {
  readonly id: string
  readonly parents: readonly string[]
  readonly message: string | null
  readonly client: string | null
  readonly time: string
  readonly changes: readonly {
    readonly kind: string
    readonly [more: string]: unknown
  }[]
}

/** one schema edit; its kind tells which */
export type ChangeSpec =
  | {
      readonly kind: 'createTable'
      readonly name: string
      readonly columns: readonly ColumnSpec[]
      readonly indexes?: readonly IndexSpec[] | undefined
      readonly primaryKey?: readonly string[] | undefined
      readonly uniques?: readonly (readonly string[])[] | undefined
      readonly checks?: readonly string[] | undefined
      readonly strict?: boolean | undefined
      readonly withoutRowid?: boolean | undefined
      /** default true: id (UUID version 7), created_at and updated_at, kept by the daemon */
      readonly systemColumns?: boolean | undefined
    }
  | {
      readonly kind: 'dropTable'
      readonly name: string
    }
  | {
      readonly kind: 'renameTable'
      readonly name: string
      readonly newName: string
    }
  | {
      readonly kind: 'copyTable'
      readonly source: string
      readonly name: string
      readonly data?: boolean | undefined
    }
  | {
      readonly kind: 'addColumn'
      readonly table: string
      readonly column: ColumnSpec
    }
  | {
      readonly kind: 'dropColumn'
      readonly table: string
      readonly name: string
    }
  | {
      readonly kind: 'renameColumn'
      readonly table: string
      readonly name: string
      readonly newName: string
    }
  | {
      readonly kind: 'alterColumn'
      readonly table: string
      readonly name: string
      /** TEXT INTEGER REAL BLOB NUMERIC BOOLEAN, in any case */
      readonly type?: string | undefined
      readonly nullable?: boolean | undefined
      readonly default?: Default | undefined
      readonly unique?: boolean | undefined
      readonly check?: string | null | undefined
      readonly generated?:
        | {
            /** an SQL expression */
            readonly expression: string
            readonly stored?: boolean | undefined
          }
        | null
        | undefined
      readonly collate?: string | null | undefined
      readonly references?: References | null | undefined
      /** what rows that hold NULL get */
      readonly fill?: Default | undefined
    }
  | {
      readonly kind: 'createIndex'
      readonly table: string
      /** default: idx_ or uniq_, the table and the columns */
      readonly name?: string | undefined
      readonly columns: readonly (
        | string
        | {
            readonly name: string
            readonly collate?: string | undefined
            readonly descending?: boolean | undefined
          }
        | {
            /** an SQL expression */
            readonly expression: string
            readonly collate?: string | undefined
            readonly descending?: boolean | undefined
          }
      )[]
      readonly unique?: boolean | undefined
      /** index only rows for which this holds */
      readonly where?: string | undefined
    }
  | {
      readonly kind: 'dropIndex'
      readonly name: string
    }
  | {
      readonly kind: 'createView'
      readonly name: string
      /** an SQL expression */
      readonly sql: string
    }
  | {
      readonly kind: 'updateView'
      readonly name: string
      /** an SQL expression */
      readonly sql: string
    }
  | {
      readonly kind: 'dropView'
      readonly name: string
    }
  | {
      readonly kind: 'createTrigger'
      /** a whole CREATE TRIGGER statement */
      readonly sql: string
    }
  | {
      readonly kind: 'dropTrigger'
      readonly name: string
    }

export interface Column {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly [more: string]: unknown
}

export interface ColumnSpec {
  readonly name: string
  /** TEXT INTEGER REAL BLOB NUMERIC BOOLEAN, in any case */
  readonly type: string
  /** default: true */
  readonly nullable?: boolean | undefined
  readonly default?: Default | undefined
  readonly unique?: boolean | undefined
  /** an SQL expression */
  readonly check?: string | undefined
  readonly generated?:
    | {
        /** an SQL expression */
        readonly expression: string
        readonly stored?: boolean | undefined
      }
    | undefined
  readonly collate?: string | undefined
  readonly references?: References | undefined
}

/** two edits that cannot both hold: what the base, the target and the source have */
export interface Conflict {
  /** table:users/column:age/default, index:idx_a, …; what a resolution names */
  readonly path: string
  readonly kind: string
  readonly base: unknown
  readonly ours: unknown
  readonly theirs: unknown
  readonly reason: string
}

export interface Database {
  readonly name: string
  readonly description: string | null
  readonly createdAt: string
  readonly maintenance: Maintenance
}

/** a value, taken literally, or {"sql": expression} */
export type Default =
  | string
  | number
  | boolean
  | null
  | {
      readonly sql: string
    }

export interface Index {
  readonly name: string
  readonly table: string
  readonly unique: boolean
  readonly [more: string]: unknown
}

export interface IndexSpec {
  /** default: idx_ or uniq_, the table and the columns */
  readonly name?: string | undefined
  readonly columns: readonly (
    | string
    | {
        readonly name: string
        readonly collate?: string | undefined
        readonly descending?: boolean | undefined
      }
    | {
        /** an SQL expression */
        readonly expression: string
        readonly collate?: string | undefined
        readonly descending?: boolean | undefined
      }
  )[]
  readonly unique?: boolean | undefined
  /** index only rows for which this holds */
  readonly where?: string | undefined
}

/** How long calls took, from being taken up to the answer; a percentile is at most an eighth too high */
export interface Latency {
  readonly calls: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** null, or why and since when every write is refused */
export type Maintenance = {
  readonly reason?: string | undefined
  readonly since: string
} | null

export interface Plugin {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly runsIn: 'worker' | 'daemon' | 'client'
  /** the path or package it was loaded from, or the client that registered it */
  readonly source: string
  readonly hooks: readonly ('beforeQuery' | 'afterQuery' | 'onConnect' | 'onDisconnect' | 'onEvent')[]
  readonly methods: readonly {
    /** on the wire */
    readonly name: string
    readonly summary: string
  }[]
  readonly onFailure: 'fail' | 'skip'
  readonly hookTimeoutMs: number
  readonly methodTimeoutMs: number
  /** why it answers nothing now; null where it does */
  readonly trouble: string | null
  readonly calls: number
  /** answers that were errors, nonsense, or too late */
  readonly failures: number
  /** failures that nobody was refused for */
  readonly skipped: number
  /** how often its thread was started again */
  readonly restarts: number
  readonly lastFailure: {
    readonly at: string
    readonly hook: string
    readonly reason: string
  } | null
}

/** a foreign key of one column */
export interface References {
  readonly table: string
  /** default: the parent’s primary key */
  readonly column?: string | undefined
  readonly onDelete?: 'CASCADE' | 'SET NULL' | 'SET DEFAULT' | 'RESTRICT' | 'NO ACTION' | undefined
  readonly onUpdate?: 'CASCADE' | 'SET NULL' | 'SET DEFAULT' | 'RESTRICT' | 'NO ACTION' | undefined
}

/** which side a conflict takes, or a definition of the shape that it shows */
export interface Resolution {
  readonly path: string
  readonly take:
    | 'ours'
    | 'theirs'
    | {
        readonly definition: unknown
      }
}

export interface Scope {
  readonly database: string
  readonly branch: string
  readonly tenant: string
}

export interface Size {
  readonly fileBytes: number
  /** committed, and not yet in the file */
  readonly walBytes: number
}

export interface SlowStatement {
  readonly at: string
  /** the session’s number and the request’s id, as in the log */
  readonly request: string
  readonly database: string
  readonly branch: string
  readonly tenant: string
  /** as the client wrote it, without bound parameters; cut where it is long */
  readonly sql: string
  readonly lane: 'inline' | 'process'
  readonly ms: number
  /** returned, or changed; null where it did not come to an end */
  readonly rows: number | null
  /** a step a line, indented below the step it belongs to */
  readonly plan: readonly string[]
}

/** one SQL statement of a plan */
export interface Step {
  readonly sql: string
  readonly danger?: readonly ('destroysData' | 'rewritesTable' | 'needsProof')[] | undefined
  readonly inverse?: string | undefined
}

export interface Table {
  readonly name: string
  readonly columns: readonly Column[]
  readonly systemColumns: boolean
  readonly [more: string]: unknown
}

export interface Tenant {
  readonly name: string
  readonly description: string | null
  readonly createdAt: string
  /** false until its first write */
  readonly hasFile: boolean
  readonly encrypted: boolean
}

/** a passphrase, or {"raw": "…"}: the 256 bits themselves as hex */
export type TenantKey =
  | string
  | {
      readonly raw: string
    }

export interface View {
  readonly name: string
  readonly sql: string
  readonly [more: string]: unknown
}
