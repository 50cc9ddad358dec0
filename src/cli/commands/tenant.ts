import path from 'node:path'
import type { Argv } from 'yargs'
import { encodings } from '../../../protocol/encodings.ts'
import type { ResultOf } from '../../client/client.ts'
import { call, columnNames, command, confirmed, keyedCall, optional, required, text, yesOption } from '../command.ts'
import type { Context } from '../context.ts'
import { CliError, UsageError } from '../errors.ts'
import { readKey } from '../key.ts'
import { limitOption } from '../limit.ts'
import type { Output } from '../output.ts'
import { exactSizeText } from '../size.ts'

type Tenant = ResultOf<'tenant.get'>
type Size = ResultOf<'tenant.size'>

const name = required('the tenant')
const nameOrActive = optional('default: --tenant, or main')
const format = {
  choices: ['sqlite', 'csv', 'json', 'ndjson'] as const,
  requiresArg: true,
  describe: 'default: by the file’s name',
}
/** How csv is read or written. */
function csvOptions<A>(parser: Argv<A>) {
  return parser
    .option('delimiter', text('between the fields of csv; default: a comma'))
    .option('quote', text('around fields of csv; default: a double quote'))
    .option('null', text('what stands for NULL in csv, without quotes; default: nothing'))
    .option('no-header', { type: 'boolean', default: false, describe: 'the first line of csv holds no names' })
}
const pageSize = 10_000

export const tenant = [
  command(
    'create <name>',
    'Register a tenant; its file comes with its first write',
    (parser) =>
      parser
        .positional('name', name)
        .option('description', text('kept with it'))
        .option('encrypt', { type: 'boolean', default: false, describe: 'with the key that is given' }),
    async (context, { name, description, encrypt, ...args }) => {
      const hasKey = args.keyFile ?? args.keyCommand ?? args.keyPrompt ?? args.tenantKey
      if (hasKey !== undefined && !encrypt) throw new UsageError('a key is given, and --encrypt is not')
      const key = encrypt ? await context.requireKey() : undefined
      const created = await context.call('tenant.create', { name, description, key })
      context.output.result(created, () => context.output.note(`Created tenant ${created.name}.`))
    },
  ),
  command(
    'encrypt [name]',
    'Encrypt a tenant with the key that is given',
    (parser) => parser.positional('name', nameOrActive),
    async (context, { name }) => {
      const encrypted = await context.call('tenant.encrypt', { name, key: await context.requireKey() })
      context.output.result(encrypted, () => context.output.note(`Encrypted tenant ${encrypted.name}.`))
    },
  ),
  command(
    'rekey [name]',
    'Encrypt a tenant with another key',
    (parser) =>
      parser
        .positional('name', nameOrActive)
        .option('new-key-file', text('a file with the new key'))
        .option('new-key-command', text('a command that prints the new key'))
        .option('new-key-prompt', { type: 'boolean', describe: 'ask for the new key' }),
    async (context, { name, newKeyFile: file, newKeyCommand: command, newKeyPrompt: prompt }) => {
      const key = await context.key()
      const newKey = await readKey({ file, command, prompt }, 'new-key', 'New key')
      if (newKey === undefined) throw new UsageError('the new key is missing: --new-key-file, -command or -prompt')
      const rekeyed = await context.call('tenant.rekey', { name, key, newKey })
      context.output.result(rekeyed, () => context.output.note(`Tenant ${rekeyed.name} has the new key.`))
    },
  ),
  command(
    'decrypt [name]',
    'Write a tenant in plain text from now on',
    (parser) => parser.positional('name', nameOrActive),
    keyedCall(
      'tenant.decrypt',
      ({ name }) => ({ name }),
      (output, { name }) => output.note(`Decrypted tenant ${name}.`),
    ),
  ),
  command(
    'copy <source> <name>',
    'Make a tenant with the rows of another one',
    (parser) =>
      parser
        .positional('source', required('the tenant to copy'))
        .positional('name', required('the new one'))
        .option('description', text('kept with it'))
        .option('no-data', { type: 'boolean', default: false, describe: 'without its rows' }),
    keyedCall(
      'tenant.copy',
      ({ source, name, description, noData }) => ({ source, name, description, data: !noData }),
      (output, { name }, { source }) => output.note(`Copied tenant ${source} to ${name}.`),
    ),
  ),
  command(
    'list',
    'List the tenants of a branch in the order of their names',
    (parser) =>
      limitOption(parser, 'how many, at most 10000; default: all')
        .option('prefix', text('only names that start with this'))
        .option('cursor', text('nextCursor of the page before')),
    async (context, { limit, prefix, cursor }) => {
      const { output } = context
      const listed =
        limit === undefined
          ? { tenants: await allTenants(context, prefix, cursor) }
          : await context.call('tenant.list', { limit, prefix, cursor })
      output.result(listed, () => {
        output.table(
          ['name', 'created', 'file', 'encrypted', 'description'],
          listed.tenants.map(({ name, createdAt, hasFile, encrypted, description }) => [
            name,
            createdAt,
            hasFile ? 'yes' : 'no',
            encrypted ? 'yes' : 'no',
            description ?? '',
          ]),
        )
        if (listed.nextCursor !== undefined) output.note(`There are more: --cursor ${listed.nextCursor}`)
      })
    },
  ),
  command(
    'get [name]',
    'Tell about one tenant',
    (parser) => parser.positional('name', nameOrActive),
    call(
      'tenant.get',
      ({ name }) => ({ name }),
      (output, tenant) => output.record(tenant),
    ),
  ),
  command(
    'rename <name> <new-name>',
    'Rename a tenant',
    (parser) => parser.positional('name', name).positional('new-name', required('its name from now on')),
    call(
      'tenant.rename',
      ({ name, newName }) => ({ name, newName }),
      (output, tenant, { name }) => output.note(`Renamed tenant ${name} to ${tenant.name}.`),
    ),
  ),
  command(
    'delete <name>',
    'Delete a tenant with its rows',
    (parser) => yesOption(parser.positional('name', name)),
    confirmed(
      ({ name }) => `Delete tenant ${name} with its rows? There is no way back.`,
      call(
        'tenant.delete',
        ({ name }) => ({ name }),
        (output, _, { name }) => output.note(`Deleted tenant ${name}.`),
      ),
    ),
  ),
  command(
    'size [name]',
    'Tell how much room a tenant takes on disk',
    (parser) => parser.positional('name', nameOrActive),
    call(
      'tenant.size',
      ({ name }) => ({ name }),
      (output, { fileBytes, walBytes }) =>
        output.record({ file: exactSizeText(fileBytes), wal: exactSizeText(walBytes) }),
    ),
  ),
  command(
    'vacuum [name]',
    'Rewrite a tenant’s file without its unused pages',
    (parser) => parser.positional('name', nameOrActive),
    keyedCall(
      'tenant.vacuum',
      ({ name }) => ({ name }),
      (output, { before, after }) =>
        output.record({ before: exactSizeText(total(before)), after: exactSizeText(total(after)) }),
    ),
  ),
  command(
    'verify [name]',
    'Check a tenant’s file; exits with 1 where it is not sound',
    (parser) => parser.positional('name', nameOrActive),
    async (context, { name }) => {
      const { output } = context
      const verified = await context.call('tenant.verify', { name, key: await context.key() })
      output.result(verified, () => {
        if (verified.sound) output.line('sound')
        for (const problem of verified.problems) output.line(problem)
      })
      if (!verified.sound) throw new CliError('notSound', 'The tenant’s file is not sound')
    },
  ),
  command(
    'import <file> [name]',
    'Take a file into a tenant, all of it or nothing',
    (parser) =>
      csvOptions(parser)
        .positional('file', required('the file to read'))
        .positional('name', nameOrActive)
        .option('format', format)
        .option('table', text('the table for rows of csv, json and ndjson'))
        .option('columns', text('the columns of csv, in the order of its fields: a,b'))
        .option('encoding', { choices: encodings, requiresArg: true, describe: 'default: utf-8, or as the file says' })
        .option('message', { ...text('kept in the branch’s history, if the schema changes'), alias: 'm' })
        .option('create', { type: 'boolean', default: false, describe: 'make the table, from what the file holds' }),
    keyedCall(
      'tenant.import',
      ({ file, name, format, table, create, columns, encoding, message, ...csv }) => ({
        name,
        path: path.resolve(file),
        format,
        table,
        create,
        ...csvParams(csv),
        columns: columns === undefined ? undefined : columnNames(columns),
        encoding,
        message,
      }),
      (output, { rows }, { file }) => showTransfer(output, rows, `Imported ${file}.`),
    ),
  ),
  command(
    'export <file> [name]',
    'Write a tenant to a file',
    (parser) =>
      csvOptions(parser)
        .positional('file', required('the file to write'))
        .positional('name', nameOrActive)
        .option('format', format)
        .option('table', text('the table whose rows go to csv, json and ndjson'))
        .option('overwrite', { type: 'boolean', default: false, describe: 'even if the file is there already' })
        .option('plaintext', {
          type: 'boolean',
          default: false,
          describe: 'of an encrypted tenant: for anybody to read',
        }),
    keyedCall(
      'tenant.export',
      ({ file, name, format, table, overwrite, plaintext, ...csv }) => ({
        name,
        path: path.resolve(file),
        format,
        table,
        overwrite,
        plaintext,
        ...csvParams(csv),
      }),
      (output, { rows, bytes }, { file }) => showTransfer(output, rows, `Exported ${exactSizeText(bytes)} to ${file}.`),
    ),
  ),
]

interface CsvArguments {
  readonly delimiter?: string
  readonly quote?: string
  readonly null?: string
  readonly noHeader: boolean
}

function csvParams({ delimiter, quote, null: nullText, noHeader }: CsvArguments) {
  return { delimiter, quote, null: nullText, header: !noHeader }
}

async function allTenants(context: Context, prefix?: string, cursor?: string): Promise<Tenant[]> {
  const tenants: Tenant[] = []
  for (let next = cursor; ; ) {
    const page = await context.call('tenant.list', { limit: pageSize, prefix, cursor: next })
    tenants.push(...page.tenants)
    if (page.nextCursor === undefined) return tenants
    next = page.nextCursor
  }
}

/** How many rows of which table went where. */
function showTransfer(output: Output, rows: Readonly<Record<string, number>>, done: string): void {
  output.table(['table', 'rows'], Object.entries(rows))
  output.note(done)
}

function total({ fileBytes, walBytes }: Size): number {
  return fileBytes + walBytes
}
