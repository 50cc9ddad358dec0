import * as z from 'zod'

const count = (value: number) => z.int().positive().default(value)
const bytes = (value: number) => z.int().positive().default(value)

const MiB = 1024 * 1024

/** From everything to nothing. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Limits a client can hit. Each is named in the error that says so (`limitExceeded`, `messageTooLarge`, `timeout`). */
export const Limits = z.strictObject({
  maxMessageBytes: bytes(64 * MiB).describe('the largest message a client may send'),
  maxResultRows: count(100_000).describe('rows in one result of query.run or row.list; more are cut and said so'),
  maxResultBytes: bytes(64 * MiB).describe('bytes of one result, roughly'),
  maxBatch: count(10_000).describe(
    'requests in a JSON-RPC batch, statements in query.batch, changes in schema.apply, keys in one call of kv.*',
  ),
  maxSessions: count(1_000).describe('connections at a time'),
  maxInFlight: count(10_000).describe(
    'requests of one session under way; nothing more is read from it until half of them are answered',
  ),
  maxUnsentBytes: bytes(16 * MiB).describe('answers a client has not read before the daemon stops reading from it'),
  maxProcesses: count(12).describe('statements that run in processes of their own at a time'),
  maxProcessesPerSession: count(8).describe('those of them that run for one session; its others wait'),
  maxWaitingStatements: count(1_000).describe(
    'statements that wait for such a process; of more, one is refused of the session that has most of them',
  ),
  maxStatementMs: count(600_000).describe(
    'how long a statement in a process may take, the time included in which its client does not read what it streams',
  ),
  maxStatementBytes: bytes(512 * MiB).describe('memory that such a process may take up'),
  maxTransactions: count(32).describe('transactions open at a time, each in a process of its own'),
  maxTransactionsPerSession: count(16).describe('the same, of one session'),
  maxTransactionIdleMs: count(10_000).describe(
    'how long a transaction may wait for its next call; then it is rolled back',
  ),
  maxTransactionMs: count(300_000).describe('how long a transaction may be open; then it is rolled back'),
  maxWaitingWriters: count(1_000).describe('calls that wait until a tenant’s transaction, or long write, is through'),
  maxCursors: count(32).describe('cursors open at a time; each may have a process of its own'),
  maxCursorsPerSession: count(8).describe('those of them that belong to one session'),
  maxCursorMs: count(600_000).describe(
    'how long a cursor lasts, however much it is used: it holds one state of its file',
  ),
  maxChores: count(4).describe('imports, exports, backups and other work on whole files at a time'),
  maxOpenFiles: count(500).describe('tenant files open at a time'),
})
export type Limits = z.infer<typeof Limits>

/** How long the hooks and methods of a plugin may take. */
export const pluginTimes = {
  hookTimeoutMs: z.int().positive().max(60_000).default(1_000).describe('how long one of its hooks may take'),
  methodTimeoutMs: z
    .int()
    .positive()
    .max(600_000)
    .default(30_000)
    .describe('how long one of its methods may take, or its loading'),
}

/** What is done about a plugin that fails. */
export const OnFailure = z
  .enum(['fail', 'skip'])
  .optional()
  .describe('whether a failure of it fails the statement; default: fail where it hooks beforeQuery, else skip')

/** A plugin that the daemon runs. */
export const pluginEntry = {
  path: z.string().min(1).max(4_096).optional().describe('a file or folder; absolute, or as seen from the project'),
  package: z.string().min(1).max(214).optional().describe('or a package that is installed for the project'),
  settings: z.unknown().optional().describe('what the plugin says it takes'),
  runIn: z
    .enum(['worker', 'daemon'])
    .default('worker')
    .describe('a thread of its own, or the daemon’s, which costs less and which it can stop'),
  onFailure: OnFailure,
  ...pluginTimes,
  memoryMb: z.int().min(16).max(65_536).default(128).describe('a thread whose objects take more is ended'),
  restart: z.boolean().default(true).describe('whether a thread that ended is started again'),
}
export const PluginEntry = z
  .strictObject(pluginEntry)
  .refine(({ path, package: name }) => (path === undefined) !== (name === undefined), 'either path or package')
export type PluginEntry = z.infer<typeof PluginEntry>

/** `.cinchdb/config.json`. Unknown keys are refused. */
export const Config = z.strictObject({
  activeDatabase: z.string().default('main').describe('the database that cinch uses where none is named'),
  activeBranch: z.string().default('main').describe('the branch that cinch uses where none is named'),
  durability: z
    .enum(['normal', 'full'])
    .default('normal')
    .describe('normal: a write survives the end of the process; full: it survives loss of power too'),
  protectedBranches: z.array(z.string()).default(['main']).describe('branches that cannot be deleted or renamed'),
  logLevel: z
    .enum(logLevels)
    .default('info')
    .describe('what the daemon logs, unless it is started with --log-level or CINCH_LOG; debug: every call'),
  logParameters: z
    .boolean()
    .default(false)
    .describe('whether calls are logged with their parameters: SQL and values, but never keys'),
  slowStatementMs: z
    .int()
    .nonnegative()
    .default(250)
    .describe('a statement that runs as long is logged, with its plan and its text as the client wrote it'),
  checkpointBytes: bytes(8 * MiB).describe('the size of a write-ahead log at which it is brought into its file'),
  plugins: z
    .array(PluginEntry)
    .default([])
    .describe('plugins that are loaded with the daemon, in this order: each as plugin.load takes it'),
  allowPluginLoad: z
    .boolean()
    .default(true)
    .describe('whether clients may load plugins into the daemon, whose rights they have then, and unload them'),
  allowPluginRegister: z
    .boolean()
    .default(true)
    .describe('whether clients may register plugins of their own, which see what others ask'),
  limits: Limits.prefault({}),
})
export type Config = z.infer<typeof Config>
