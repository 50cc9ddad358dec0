import * as z from 'zod'
import { Value } from './values.ts'

/**
 * Every error that can cross the wire: its stable number, its stable kind (the key), a message for people,
 * the shape of its data, and, where there is one, a hint at what to do next.
 *
 * On the wire: `{"code": code, "message": message, "data": {"kind": kind, …data, "hint"?: hint}}`.
 * A kind and a number are never reused or changed; adding a field to the data is not a break.
 */
export const errors = {
  // JSON-RPC's own numbers
  parseError: { code: -32700, message: 'Broken JSON', data: z.object({ reason: z.string() }) },
  invalidRequest: { code: -32600, message: 'Not a JSON-RPC 2.0 request', data: z.object({ reason: z.string() }) },
  methodNotFound: {
    code: -32601,
    message: 'No such method',
    data: z.object({ method: z.string(), suggestion: z.string().optional() }),
    hint: 'rpc.discover lists every method',
  },
  invalidParams: {
    code: -32602,
    message: 'Parameters refused',
    data: z.object({ issues: z.array(z.object({ path: z.string(), message: z.string() })) }),
  },
  internalError: {
    code: -32603,
    message: 'Internal error',
    data: z.object({ requestId: z.string() }),
    hint: 'the daemon’s log has the details under this requestId',
  },
  requestCancelled: { code: -32800, message: 'Cancelled', data: z.object({}) },

  // Sessions and limits
  messageTooLarge: {
    code: 1001,
    message: 'Message too large',
    data: z.object({ limit: z.literal('maxMessageBytes'), maxBytes: z.number(), sizeBytes: z.number().optional() }),
    hint: 'send less at a time, or raise limits.maxMessageBytes in config.json',
  },
  limitExceeded: {
    code: 1002,
    message: 'A limit was reached',
    data: z.object({ limit: z.string(), max: z.number() }),
    hint: 'the limit is a setting of that name under limits in config.json',
  },
  timeout: {
    code: 1003,
    message: 'Timed out',
    data: z.object({
      timeoutMs: z.number().optional(),
      limit: z.string().optional().describe('the setting, where it was not the call’s own timeoutMs'),
    }),
  },
  shuttingDown: { code: 1004, message: 'The daemon is shutting down', data: z.object({}) },
  versionMismatch: {
    code: 1005,
    message: 'Client and daemon speak different protocol versions',
    data: z.object({ client: z.string(), daemon: z.string() }),
    hint: 'cinch daemon restart starts the installed version',
  },
  notSupported: { code: 1006, message: 'Not supported', data: z.object({ what: z.string() }) },

  // Project and catalog
  projectNotFound: {
    code: 1100,
    message: 'No project here',
    data: z.object({ path: z.string() }),
    hint: 'cinch init makes one',
  },
  projectExists: { code: 1101, message: 'A project is here already', data: z.object({ path: z.string() }) },
  projectBusy: {
    code: 1102,
    message: 'Another daemon holds this project',
    data: z.object({ path: z.string(), pid: z.number().optional() }),
  },
  formatTooNew: {
    code: 1103,
    message: 'The project was written by a newer version',
    data: z.object({ found: z.number(), supported: z.number() }),
    hint: 'install a newer cinch',
  },
  invalidConfig: { code: 1104, message: 'config.json is refused', data: z.object({ reason: z.string() }) },
  invalidName: {
    code: 1105,
    message: 'Name refused',
    data: z.object({ noun: z.string(), name: z.string(), rule: z.string(), suggestion: z.string().optional() }),
  },
  databaseNotFound: { code: 1110, message: 'No such database', data: z.object({ database: z.string() }) },
  databaseExists: { code: 1111, message: 'The database exists', data: z.object({ database: z.string() }) },
  branchNotFound: {
    code: 1112,
    message: 'No such branch',
    data: z.object({ database: z.string(), branch: z.string() }),
  },
  branchExists: {
    code: 1113,
    message: 'The branch exists',
    data: z.object({ database: z.string(), branch: z.string() }),
  },
  folderClash: {
    code: 1114,
    message: 'Another branch has the same folder name',
    data: z.object({ folder: z.string(), database: z.string(), branch: z.string() }),
    hint: 'the folder is {database}-{branch}; choose another name for one of them',
  },
  tenantNotFound: {
    code: 1115,
    message: 'No such tenant',
    data: z.object({ database: z.string(), branch: z.string(), tenant: z.string() }),
  },
  tenantExists: {
    code: 1116,
    message: 'The tenant exists',
    data: z.object({ database: z.string(), branch: z.string(), tenant: z.string() }),
  },
  protected: { code: 1117, message: 'Protected', data: z.object({ noun: z.string(), name: z.string() }) },
  maintenance: {
    code: 1118,
    message: 'Under maintenance: writes are refused',
    data: z.object({ database: z.string(), branch: z.string().optional(), reason: z.string().optional() }),
  },
  branchReadOnly: {
    code: 1119,
    message: 'The branch is read-only',
    data: z.object({ database: z.string(), branch: z.string() }),
  },
  tenantBusy: {
    code: 1120,
    message: 'Long writes are under way',
    data: z.object({ database: z.string(), branch: z.string(), tenants: z.array(z.string()) }),
    hint: 'try again when they are through',
  },
  changeSetNotFound: {
    code: 1121,
    message: 'No such change set in the branch’s history',
    data: z.object({ branch: z.string(), changeSet: z.string() }),
  },

  // Encryption
  tenantLocked: {
    code: 1130,
    message: 'The tenant is encrypted, and locked for this session',
    data: z.object({ database: z.string(), branch: z.string(), tenants: z.array(z.string()).describe('at most 100') }),
    hint: 'give its key with the call, or tenant.unlock it',
  },
  wrongKey: {
    code: 1131,
    message: 'Wrong key',
    data: z.object({ what: z.string() }),
  },
  tenantNotEncrypted: {
    code: 1132,
    message: 'A key was given for a tenant that is not encrypted',
    data: z.object({ database: z.string(), branch: z.string(), tenant: z.string() }),
    hint: 'tenant.encrypt encrypts it',
  },
  tenantEncrypted: {
    code: 1133,
    message: 'The tenant is encrypted already',
    data: z.object({ database: z.string(), branch: z.string(), tenant: z.string() }),
    hint: 'tenant.rekey gives it another key',
  },
  plaintextRefused: {
    code: 1134,
    message: 'An encrypted tenant’s rows leave it in plain text only if that is asked for',
    data: z.object({ tenant: z.string(), format: z.string() }),
    hint: 'with plaintext: true they do; format sqlite is encrypted with the tenant’s key otherwise',
  },

  // Schema
  tableNotFound: { code: 1200, message: 'No such table', data: z.object({ table: z.string() }) },
  tableExists: { code: 1201, message: 'A table or view of this name exists', data: z.object({ table: z.string() }) },
  columnNotFound: {
    code: 1202,
    message: 'No such column',
    data: z.object({ table: z.string(), column: z.string(), suggestion: z.string().optional() }),
  },
  columnExists: { code: 1203, message: 'The column exists', data: z.object({ table: z.string(), column: z.string() }) },
  indexNotFound: { code: 1204, message: 'No such index', data: z.object({ index: z.string() }) },
  indexExists: { code: 1205, message: 'The index exists', data: z.object({ index: z.string() }) },
  viewNotFound: { code: 1206, message: 'No such view', data: z.object({ view: z.string() }) },
  viewExists: { code: 1207, message: 'A view or table of this name exists', data: z.object({ view: z.string() }) },
  triggerNotFound: { code: 1208, message: 'No such trigger', data: z.object({ trigger: z.string() }) },
  triggerExists: { code: 1209, message: 'The trigger exists', data: z.object({ trigger: z.string() }) },
  invalidChange: {
    code: 1210,
    message: 'Schema change refused',
    data: z.object({ change: z.string(), reason: z.string() }),
  },
  schemaBroken: {
    code: 1211,
    message: 'The edit does not hold on an empty database',
    data: z.object({ reason: z.string(), sql: z.string().optional() }),
  },
  proofFailed: {
    code: 1212,
    message: 'Rows stand against the edit',
    data: z.object({
      witnesses: z.array(
        z.object({
          tenant: z.string(),
          table: z.string(),
          reason: z.string(),
          columns: z.array(z.string()).readonly(),
          rows: z.array(z.array(Value)).describe('at most ten; long values are cut'),
        }),
      ),
      tenants: z.number(),
    }),
    hint: 'mend or delete these rows, then try again; nothing was changed',
  },
  schemaMismatch: {
    code: 1213,
    message: 'The file’s schema is not the branch’s',
    data: z.object({ differences: z.array(z.string()) }),
  },
  headMoved: {
    code: 1214,
    message: 'The branch moved meanwhile',
    data: z.object({ database: z.string(), branch: z.string() }),
    hint: 'try again',
  },

  // Rows and SQL
  sqlError: { code: 1300, message: 'SQL error', data: z.object({ reason: z.string(), sqliteCode: z.string() }) },
  sqlRefused: {
    code: 1301,
    message: 'Statement refused',
    data: z.object({ rule: z.string(), reason: z.string() }),
  },
  constraintFailed: {
    code: 1302,
    message: 'A constraint stands against it',
    data: z.object({
      constraint: z.enum(['unique', 'primaryKey', 'notNull', 'check', 'foreignKey', 'type', 'trigger', 'other']),
      table: z.string().optional(),
      columns: z.array(z.string()).optional(),
      name: z.string().optional(),
      reason: z.string(),
    }),
  },
  processEnded: {
    code: 1305,
    message: 'The process that did this was killed',
    data: z.object({}),
    hint: 'nothing was done; try again',
  },
  rowNotFound: { code: 1303, message: 'No such row', data: z.object({ table: z.string(), id: z.unknown() }) },
  invalidValue: {
    code: 1304,
    message: 'Value refused',
    data: z.object({ where: z.string(), reason: z.string() }),
  },
  transactionNotFound: {
    code: 1310,
    message: 'No such transaction',
    data: z.object({ transaction: z.string() }),
    hint: 'a transaction is known to the connection that began it, and to no other',
  },
  transactionEnded: {
    code: 1311,
    message: 'The transaction is over',
    data: z.object({
      transaction: z.string(),
      reason: z
        .enum(['committed', 'rolledBack', 'idle', 'tooLong', 'stopped', 'failed', 'processEnded'])
        .describe(
          'stopped: by a call in it that was cancelled or late; failed: by SQLite, as the error of a call said',
        ),
    }),
    hint: 'begin another one',
  },
  transactionReadOnly: {
    code: 1312,
    message: 'The transaction only reads',
    data: z.object({ transaction: z.string() }),
    hint: 'transaction.begin with mode write',
  },
  uniqueKeyNotFound: {
    code: 1330,
    message: 'No unique key of these columns',
    data: z.object({ table: z.string(), columns: z.array(z.string()), keys: z.array(z.array(z.string())) }),
    hint: 'name the columns of one of the keys: the primary key, or those of a UNIQUE or unique index over all rows',
  },
  conditionEmpty: {
    code: 1331,
    message: 'The condition holds for every row',
    data: z.object({ table: z.string() }),
    hint: 'to change all rows, say so in SQL with query.execute',
  },
  cursorRefused: {
    code: 1332,
    message: 'Cursor refused',
    data: z.object({ reason: z.string() }),
    hint: 'give the nextCursor of the page before, with the same table, where and orderBy',
  },
  maskRefused: {
    code: 1333,
    message: 'The statement does more with a masked column than to show it',
    data: z.object({ table: z.string(), column: z.string(), reason: z.string() }),
    hint: 'select the column by itself, neither in an expression or condition nor ordered or grouped by it',
  },
  cursorNotFound: {
    code: 1320,
    message: 'No such cursor',
    data: z.object({
      cursor: z.string(),
      reason: z.enum(['unknown', 'done', 'closed', 'idle', 'maxCursorMs', 'failed']),
    }),
    hint: 'query.open opens one; it ends with its last row, with its session, unused after idleMs, and after limits.maxCursorMs',
  },

  // Generated code
  languageNotFound: {
    code: 1700,
    message: 'No code is generated for this language',
    data: z.object({ language: z.string(), suggestion: z.string().optional() }),
    hint: 'codegen.languages lists them',
  },

  // Files and the machine
  fileNotFound: { code: 1400, message: 'No such file', data: z.object({ path: z.string() }) },
  fileExists: { code: 1401, message: 'The file exists', data: z.object({ path: z.string() }) },
  pathRefused: { code: 1402, message: 'Path refused', data: z.object({ path: z.string(), reason: z.string() }) },
  notADatabase: { code: 1403, message: 'Not an SQLite file', data: z.object({ what: z.string() }) },
  corrupt: {
    code: 1404,
    message: 'The file is corrupt',
    data: z.object({ what: z.string(), reason: z.string() }),
    hint: 'other tenants go on; restore this one from a backup or an export',
  },
  storageFull: { code: 1405, message: 'No space left', data: z.object({ what: z.string() }) },
  storageReadOnly: { code: 1406, message: 'The project cannot be written', data: z.object({ what: z.string() }) },
  storageError: {
    code: 1407,
    message: 'Input or output failed',
    data: z.object({ what: z.string(), reason: z.string() }),
  },
  importFailed: {
    code: 1408,
    message: 'Import refused',
    data: z.object({
      path: z.string(),
      line: z.number().optional(),
      column: z.string().optional(),
      reason: z.string(),
    }),
    hint: 'nothing was imported',
  },

  // Key-value store
  notThatNumber: {
    code: 1500,
    message: 'The value cannot be added to',
    data: z.object({ key: z.string(), type: z.string(), by: z.enum(['integer', 'real']) }),
    hint: 'an integer takes integers, a real takes both; anything else takes neither',
  },
  numberOverflow: {
    code: 1501,
    message: 'The number would be too large',
    data: z.object({ key: z.string() }),
  },

  // Plugins
  queryVetoed: {
    code: 1600,
    message: 'A plugin refuses the statement',
    data: z.object({ plugin: z.string(), reason: z.string() }),
  },
  pluginFailed: {
    code: 1601,
    message: 'A plugin failed',
    data: z.object({
      plugin: z.string(),
      hook: z.string().describe('or the name of its method'),
      reason: z.string(),
      done: z.boolean().optional().describe('the statement was carried out; only its result was lost'),
    }),
    hint: 'cinch plugin list tells more; the plugin’s onFailure decides whether such a failure is skipped',
  },
  pluginTimedOut: {
    code: 1602,
    message: 'A plugin did not answer in time',
    data: z.object({
      plugin: z.string(),
      hook: z.string().describe('or the name of its method'),
      timeoutMs: z.number(),
      done: z.boolean().optional().describe('the statement was carried out; only its result was lost'),
    }),
    hint: 'cinch plugin list tells more; the plugin’s onFailure decides whether such a failure is skipped',
  },
  pluginNotFound: { code: 1603, message: 'No such plugin', data: z.object({ plugin: z.string() }) },
  pluginExists: { code: 1604, message: 'A plugin of this name is loaded', data: z.object({ plugin: z.string() }) },
  pluginLoadFailed: {
    code: 1605,
    message: 'The plugin cannot be loaded',
    data: z.object({ source: z.string(), reason: z.string() }),
    hint: 'nothing of it was loaded',
  },
  pluginsForbidden: {
    code: 1606,
    message: 'The settings allow no such plugins',
    data: z.object({ setting: z.string() }),
    hint: 'what stands under plugins in config.json is loaded when the daemon starts',
  },

  // Backups
  backupNotFound: { code: 1510, message: 'No such backup', data: z.object({ backup: z.string() }) },
  backupExists: { code: 1511, message: 'The backup exists', data: z.object({ backup: z.string() }) },
  backupBroken: {
    code: 1512,
    message: 'The backup is not as it was made',
    data: z.object({ backup: z.string(), reason: z.string() }),
    hint: 'nothing was restored',
  },
  backupTooNew: {
    code: 1513,
    message: 'The backup was made by a newer version',
    data: z.object({ backup: z.string(), found: z.number(), supported: z.number() }),
    hint: 'install a newer cinch',
  },
} as const satisfies Record<string, ErrorEntry>

/** One row of the table. */
export interface ErrorEntry {
  readonly code: number
  readonly message: string
  readonly data: z.ZodObject
  readonly hint?: string
}

export type ErrorKind = keyof typeof errors
/** What an error of kind `K` carries beside its kind. */
export type ErrorData<K extends ErrorKind> = z.input<(typeof errors)[K]['data']>

/** An error object as it goes over the wire. */
export interface WireError<K extends string = string> {
  readonly code: number
  readonly message: string
  readonly data: { readonly kind: K; readonly hint?: string; readonly [field: string]: unknown }
}

/** The wire form of an error of the table. */
export function wireError<K extends ErrorKind>(kind: K, data: ErrorData<K>): WireError<K> {
  const entry: ErrorEntry = errors[kind]
  return {
    code: entry.code,
    message: entry.message,
    data: { kind, ...data, ...(entry.hint === undefined ? {} : { hint: entry.hint }) },
  }
}
