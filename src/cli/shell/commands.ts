import { nearMiss } from '../../base/near-miss.ts'
import { sameName } from '../../schema/sql.ts'
import { CliError } from '../errors.ts'
import { showTable } from '../schema-tables.ts'
import { type Format, formats } from './format.ts'
import type { Schema } from './session.ts'
import type { Shell } from './shell.ts'

/** Do what a line such as `\tenant acme` says. */
export async function runCommand(shell: Shell, line: string, signal?: AbortSignal): Promise<void> {
  const [word = '', ...rest] = line.replace(/;\s*$/, '').split(/\s+/)
  const name = word.slice(1)
  const command = commands.find(({ names }) => names.includes(name))
  if (command === undefined) {
    const suggestion = nearMiss(name, commandNames())
    throw new CliError('usage', `no command ${word}`, {
      data: suggestion === undefined ? {} : { suggestion: `\\${suggestion}` },
      hint: '\\help lists them',
    })
  }
  if (rest.length > 1) throw new CliError('usage', `too many words: ${command.usage}`)
  await command.run(shell, rest[0], signal)
}

export function commandNames(): string[] {
  return commands.map(({ names }) => names[0] as string)
}

/** What may stand behind a command. */
export async function argumentsOf(shell: Shell, name: string): Promise<readonly string[]> {
  const command = commands.find(({ names }) => names.includes(name))
  return (await command?.choices?.(shell)) ?? []
}

/** The names of what can be selected from. */
export function tableNames({ tables, views, virtualTables }: Schema): string[] {
  return [...tables, ...views, ...virtualTables].map(({ name }) => name)
}

interface ShellCommand {
  /** The first is the one that is shown. */
  readonly names: readonly string[]
  readonly usage: string
  readonly summary: string
  /** For completion. */
  choices?(shell: Shell): Promise<readonly string[]>
  run(shell: Shell, argument: string | undefined, signal?: AbortSignal): Promise<void> | void
}

/** So many tenants are listed and completed; there may be a million. */
const maxTenants = 1_000

const commands: readonly ShellCommand[] = [
  {
    names: ['branch', 'b'],
    usage: '\\branch [NAME]',
    summary: 'go to a branch, or list them',
    choices: branches,
    run: (shell, name) => moveOrList(shell, 'branch', name, branches),
  },
  {
    names: ['tenant', 't'],
    usage: '\\tenant [NAME]',
    summary: 'go to a tenant, or list them',
    choices: tenants,
    run: (shell, name) => moveOrList(shell, 'tenant', name, tenants),
  },
  {
    names: ['database'],
    usage: '\\database [NAME]',
    summary: 'go to a database, its branch main and its tenant main, or list them',
    choices: databases,
    run: (shell, name) => moveOrList(shell, 'database', name, databases),
  },
  {
    names: ['tables', 'dt'],
    usage: '\\tables',
    summary: 'list the tables and views',
    run: async (shell) => {
      const { tables, views, virtualTables } = await shell.session.schema()
      const rows = [
        ...tables.map(({ name, columns }) => [name, 'table', columns.map((column) => column.name).join(', ')]),
        ...virtualTables.map(({ name, module }) => [name, `virtual table (${module})`, '']),
        ...views.map(({ name }) => [name, 'view', '']),
      ]
      shell.output.table(['name', 'kind', 'columns'], rows)
    },
  },
  {
    names: ['describe', 'd'],
    usage: '\\describe TABLE',
    summary: 'tell about a table or view',
    choices: async (shell) => tableNames(await shell.session.schema()),
    run: async (shell, name) => {
      if (name === undefined) throw new CliError('usage', 'the table is missing: \\describe TABLE')
      const schema = await shell.session.schema()
      const table = schema.tables.find((each) => sameName(each.name, name))
      const view = schema.views.find((each) => sameName(each.name, name))
      const virtual = schema.virtualTables.find((each) => sameName(each.name, name))
      if (table) showTable(shell.output, table)
      else if (view) shell.output.line(view.sql)
      else if (virtual) shell.output.record(virtual)
      else throw new CliError('tableNotFound', 'No such table', { data: notFound(name, tableNames(schema)) })
    },
  },
  {
    names: ['begin'],
    usage: '\\begin [read|write]',
    summary: 'begin a transaction; it lasts five minutes at most, and other writers of the tenant wait for its end',
    choices: async () => ['read', 'write'],
    run: async (shell, mode = 'write', signal) => {
      if (mode !== 'read' && mode !== 'write') throw new CliError('usage', `no mode ${mode}: \\begin [read|write]`)
      await shell.session.begin(mode, { signal })
    },
  },
  {
    names: ['commit'],
    usage: '\\commit',
    summary: 'commit the transaction',
    run: async (shell, _, signal) => {
      await shell.session.end('transaction.commit', { signal })
      shell.output.note('Committed.')
    },
  },
  {
    names: ['rollback'],
    usage: '\\rollback',
    summary: 'roll the transaction back',
    run: async (shell, _, signal) => {
      await shell.session.end('transaction.rollback', { signal })
      shell.output.note('Rolled back.')
    },
  },
  {
    names: ['format'],
    usage: `\\format [${formats.join('|')}]`,
    summary: 'how results are shown',
    choices: async () => formats,
    run: (shell, format) => {
      if (format === undefined) return shell.output.line(shell.format)
      if (!formats.includes(format as Format)) {
        throw new CliError('usage', `no format ${format}: ${formats.join(', ')}`)
      }
      shell.format = format as Format
    },
  },
  {
    names: ['limit'],
    usage: '\\limit [N|off]',
    summary: 'show at most so many rows of a result',
    choices: async () => ['off'],
    run: (shell, limit) => {
      if (limit === undefined) return shell.output.line(String(shell.limit ?? 'off'))
      const count = Number(limit)
      if (limit !== 'off' && !(Number.isSafeInteger(count) && count > 0)) {
        throw new CliError('usage', '\\limit takes a whole number from 1 up, or off')
      }
      shell.limit = limit === 'off' ? undefined : count
    },
  },
  {
    names: ['timing'],
    usage: '\\timing [on|off]',
    summary: 'tell how long each statement took',
    choices: async () => ['on', 'off'],
    run: (shell, wanted = shell.isTiming ? 'off' : 'on') => {
      if (wanted !== 'on' && wanted !== 'off') throw new CliError('usage', '\\timing takes on or off')
      shell.isTiming = wanted === 'on'
      shell.output.note(`Timing is ${wanted}.`)
    },
  },
  {
    names: ['help', '?'],
    usage: '\\help',
    summary: 'list these commands',
    run: ({ output }) => {
      const widest = Math.max(...commands.map(({ usage }) => usage.length))
      output.line(
        'A statement of SQL ends with ; and may be of several lines. Ctrl-C cancels it, Ctrl-D ends the shell.',
      )
      for (const { usage, summary } of commands) output.line(`  ${usage.padEnd(widest)}  ${summary}`)
    },
  },
  {
    names: ['quit', 'q'],
    usage: '\\quit',
    summary: 'end the shell',
    run: (shell) => {
      shell.isOver = true
    },
  },
]

async function moveOrList(
  shell: Shell,
  noun: 'database' | 'branch' | 'tenant',
  name: string | undefined,
  list: (shell: Shell) => Promise<readonly string[]>,
): Promise<void> {
  const { session, output } = shell
  if (name !== undefined)
    return session.move(noun === 'database' ? { database: name, branch: 'main', tenant: 'main' } : { [noun]: name })
  for (const each of await list(shell)) output.line(`${each === session.scope[noun] ? '*' : ' '} ${each}`)
}

async function databases({ session }: Shell): Promise<string[]> {
  return (await session.call('database.list', {})).databases.map(({ name }) => name)
}

async function branches({ session }: Shell): Promise<string[]> {
  return (await session.call('branch.list', {})).branches.map(({ name }) => name)
}

async function tenants({ session }: Shell): Promise<string[]> {
  return (await session.call('tenant.list', { limit: maxTenants })).tenants.map(({ name }) => name)
}

function notFound(table: string, names: readonly string[]) {
  const suggestion = nearMiss(table, names)
  return { table, ...(suggestion === undefined ? {} : { suggestion }) }
}
