import process from 'node:process'
import yargs, { type Argv } from 'yargs'
import { productVersion } from '../../protocol/version.ts'
import { nearMiss } from '../base/near-miss.ts'
import type { Body, Command, Globals } from './command.ts'
import { Context } from './context.ts'
import { UsageError } from './errors.ts'
import { exitCodeOf, report } from './report.ts'

interface Entry {
  readonly usage: string
  readonly summary: string
  /** The command, or the commands of a noun. Its module is loaded when it runs, or when its help is asked for. */
  readonly load: () => Promise<Body | readonly Command[]>
}

const entries: readonly Entry[] = [
  {
    usage: 'init [dir]',
    summary: 'Make a project',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    usage: 'status',
    summary: 'Tell where you are: project, scope, daemon, schema',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    usage: 'daemon',
    summary: 'Start, stop and look at the project’s daemon',
    load: async () => (await import('./commands/daemon.ts')).daemon,
  },
  {
    usage: 'db',
    summary: 'Create, list and delete databases',
    load: async () => (await import('./commands/database.ts')).database,
  },
  {
    usage: 'branch',
    summary: 'Fork, merge, rename and delete branches; their history',
    load: async () => (await import('./commands/branch.ts')).branch,
  },
  {
    usage: 'tenant',
    summary: 'Create, list, delete, check, import and export tenants',
    load: async () => (await import('./commands/tenant.ts')).tenant,
  },
  {
    usage: 'backup',
    summary: 'Make, list, restore, check and delete backups',
    load: async () => (await import('./commands/backup.ts')).backup,
  },
  {
    usage: 'table',
    summary: 'Create, list, rename, copy and drop tables',
    load: async () => (await import('./commands/table.ts')).table,
  },
  {
    usage: 'column',
    summary: 'Add, list, rename, alter and drop columns',
    load: async () => (await import('./commands/column.ts')).column,
  },
  {
    usage: 'index',
    summary: 'Create, list and drop indexes',
    load: async () => (await import('./commands/index-of-table.ts')).index,
  },
  {
    usage: 'view',
    summary: 'Create, update, list and drop views',
    load: async () => (await import('./commands/view.ts')).view,
  },
  {
    usage: 'data',
    summary: 'Insert, get, list, count, update and delete rows',
    load: async () => (await import('./commands/data.ts')).data,
  },
  {
    usage: 'kv',
    summary: 'Set, get, list, count up and delete keys of the key-value store',
    load: async () => (await import('./commands/kv.ts')).kv,
  },
  {
    usage: 'query <sql>',
    summary: 'Run one SQL statement that reads; - reads it from standard input',
    load: async () => (await import('./commands/query.ts')).query,
  },
  {
    usage: 'execute <sql>',
    summary: 'Run one SQL statement that inserts, updates or deletes; - reads it from standard input',
    load: async () => (await import('./commands/query.ts')).execute,
  },
  {
    usage: 'shell',
    summary: 'Type SQL at a prompt, or run what standard input holds',
    load: async () => (await import('./commands/shell.ts')).shell,
  },
  {
    usage: 'codegen',
    summary: 'Write typed code for a branch’s tables and views',
    load: async () => (await import('./commands/codegen.ts')).codegen,
  },
  {
    usage: 'plugin',
    summary: 'List, load, unload and begin plugins',
    load: async () => (await import('./commands/plugin.ts')).plugin,
  },
  {
    usage: 'rpc <method> [params]',
    summary: 'Call any method of the daemon with JSON parameters; - reads them from standard input',
    load: async () => (await import('./commands/rpc.ts')).rpc,
  },
]

const maxHelpWidth = 110

/** Run one command line; the result is the exit code: 0 done, 1 refused or failed, 2 usage. */
export async function main(args: readonly string[]): Promise<number> {
  endQuietlyWithoutReader()
  try {
    await commandLine(args).parseAsync()
    return 0
  } catch (error) {
    report(error, { json: optionsOf(args).includes('--json') })
    return exitCodeOf(error)
  }
}

function commandLine(args: readonly string[]): Argv<Globals> {
  const level: Level = { usage: 'cinch COMMAND', path: ['cinch'], names: entries.map(({ usage }) => nameOf(usage)) }

  const root = yargs(marked(args))
    .scriptName('cinch')
    .usage('$0 COMMAND\n\nThe command line of cinch: SQLite with branches and tenants.')
    .parserConfiguration({
      'boolean-negation': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .options(globals)
    .group(Object.keys(globals), 'Everywhere:')
    .group(['help', 'version'], 'Everywhere:')
    .strict()
    .demandCommand(1)
    .check(refuseRepeated, true)
    .version(productVersion)
    .alias('help', 'h')
    .wrap(Math.min(process.stdout.columns ?? maxHelpWidth, maxHelpWidth))
    .exitProcess(false)
    .fail((message, error) => {
      // What goes wrong in `coerce` comes as an error of yargs, too.
      if (error && error.name !== 'YError') throw error
      throw usageError(message ?? error?.message, root as unknown as Parsed, args, level)
    })
    .epilogue(
      'Exit codes: 0 done, 1 refused or failed, 2 usage. Results go to standard output, all else to standard error.',
    )

  for (const { usage, summary, load } of entries) {
    root.command({
      command: usage,
      describe: summary,
      builder: async (parser) => {
        const loaded = await load()
        enter(level, usage)
        if (!isNoun(loaded)) return loaded.options(parser as Argv<Globals>)
        level.names = loaded.map((command) => nameOf(command.usage))
        for (const command of loaded) addCommand(parser as Argv<Globals>, command, level)
        return parser.demandCommand(1)
      },
      handler: async (args) => {
        const loaded = await load()
        if (!isNoun(loaded)) await runIn(loaded, args as unknown as Globals)
      },
    })
  }
  return root as unknown as Argv<Globals>
}

function addCommand(parser: Argv<Globals>, command: Command, level: Level): void {
  const builder = (parser: Argv<Globals>) => {
    enter(level, command.usage)
    return command.options(parser)
  }
  parser.command({
    command: command.usage,
    describe: command.summary,
    builder,
    handler: (args) => runIn(command, args as unknown as Globals),
  })
}

async function runIn({ run }: Body, args: Globals): Promise<void> {
  const given = unmarked(args)
  await using context = new Context(given)
  await run(context, given)
}

const globals = {
  project: {
    type: 'string',
    requiresArg: true,
    describe: 'the project’s folder; default: CINCH_PROJECT, or upward from here',
  },
  database: { type: 'string', requiresArg: true, describe: 'default: activeDatabase of .cinchdb/config.json' },
  branch: { type: 'string', requiresArg: true, describe: 'default: activeBranch of .cinchdb/config.json' },
  tenant: { type: 'string', requiresArg: true, describe: 'default: main' },
  json: { type: 'boolean', default: false, describe: 'print one JSON value, as the daemon answers; errors too' },
  quiet: { type: 'boolean', default: false, describe: 'no notes and no progress: results, warnings and errors alone' },
  'key-file': { type: 'string', requiresArg: true, describe: 'a file with an encrypted tenant’s key' },
  'key-command': { type: 'string', requiresArg: true, describe: 'a command that prints the key' },
  'key-prompt': { type: 'boolean', describe: 'ask for the key' },
  'tenant-key': {
    type: 'string',
    requiresArg: true,
    describe: 'the key itself, also as --key; CINCH_TENANT_KEY is safer',
  },
} as const

interface Level {
  /** How the command that was reached is written. */
  usage: string
  readonly path: string[]
  /** What may stand after `path`; nothing where the command is reached. */
  names: readonly string[]
}

function enter(level: Level, usage: string): void {
  level.usage = [...level.path, usage].join(' ')
  level.path.push(nameOf(usage))
  level.names = []
}

/** What yargs knows after parsing; its types leave it out. */
interface Parsed {
  readonly parsed: false | { readonly argv: { readonly _: readonly unknown[] } }
  getOptions(): { readonly key: Readonly<Record<string, unknown>> }
}

function usageError(message: string, parser: Parsed, args: readonly string[], level: Level): UsageError {
  const hint = `${level.path.join(' ')} --help tells more`
  const words = parser.parsed ? parser.parsed.argv._.map(String) : []
  const word = words[level.path.length - 1]
  if (level.names.length > 0 && (word === undefined || !level.names.includes(word))) {
    if (word === undefined)
      return new UsageError(`${level.path.join(' ')} needs a command: ${level.names.join(', ')}`, hint)
    return new UsageError(`no command ${level.path.slice(1).concat(word).join(' ')}`, hint, nearMiss(word, level.names))
  }
  const known = Object.keys(parser.getOptions().key)
  const unknown = optionsOf(args)
    .filter((arg) => /^--[^=]/.test(arg))
    .map((arg) => arg.slice(2).replace(/=.*$/s, ''))
    .find((name) => !known.includes(name))
  if (unknown === undefined) return new UsageError(inOurWords(message, level.usage), hint)
  return new UsageError(`no option --${unknown}`, hint, nearMiss(unknown, known))
}

function refuseRepeated(args: Readonly<Record<string, unknown>>, options: unknown): true {
  const { array } = options as { readonly array: readonly string[] }
  const single = Object.keys(args).filter((name) => name !== '_' && !/[A-Z]/.test(name) && !array.includes(name))
  const repeated = single.find((name) => Array.isArray(args[name]))
  if (repeated !== undefined) throw new UsageError(`--${repeated} was given twice`)
  return true
}

/**
 * yargs reads positional words a second time, as options where they start with a dash: `-`, and what follows `--`. And it
 * takes the quotes off `--option="text"`. A NUL before them, which no word of a command line can hold, keeps them what
 * they are; `--` has then done its work. `--key` gets a name here that is no command’s own argument.
 */
function marked(args: readonly string[]): string[] {
  const options = optionsOf(args)
    .map((arg) => arg.replace(/^--key(?==|$)/, '--tenant-key'))
    .map((arg) => (arg === '-' ? `\0${arg}` : arg.replace(/^(-[^=]*=)(["'])/, '$1\0$2')))
  const words = args.slice(options.length + 1).map((arg) => (arg.startsWith('-') ? `\0${arg}` : arg))
  return [...options, ...words]
}

function unmarked<A extends object>(args: A): A {
  const restored = Object.entries(args).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(text) : text(value),
  ])
  return Object.fromEntries(restored)

  function text(value: unknown): unknown {
    return typeof value === 'string' && value.startsWith('\0') ? value.slice(1) : value
  }
}

/** What yargs says, as we say it. */
function inOurWords(message: string, usage: string): string {
  if (message.startsWith('Not enough non-option arguments')) return `something is missing: ${usage}`
  const text = message.replaceAll('\0', '')
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

/** The words before `--`. */
function optionsOf(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--')
  return end < 0 ? args : args.slice(0, end)
}

function nameOf(usage: string): string {
  return usage.split(' ', 1)[0] as string
}

function isNoun(loaded: Body | readonly Command[]): loaded is readonly Command[] {
  return Array.isArray(loaded)
}

/** `cinch query … | head`: whoever read has had enough. */
function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit()
    })
  }
}
