import path from 'node:path'
import type { Argv } from 'yargs'
import { encodings } from '../../../protocol/encodings.ts'
import type { ResultOf } from '../../client/client.ts'
import { call, columnNames, command, confirmed, optional, required, text, yesOption } from '../command.ts'
import type { Context } from '../context.ts'
import { CliError } from '../errors.ts'
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
    (parser) => parser.positional('name', name).option('description', text('kept with it')),
    call(
      'tenant.create',
      ({ name, description }) => ({ name, description }),
      (output, { name }) => output.note(`Created tenant ${name}.`),
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
    call(
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
          ['name', 'created', 'file', 'description'],
          listed.tenants.map(({ name, createdAt, hasFile, description }) => [
            name,
            createdAt,
            hasFile ? 'yes' : 'no',
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
    call(
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
      const verified = await context.call('tenant.verify', { name })
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
    call(
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
        .option('overwrite', { type: 'boolean', default: false, describe: 'even if the file is there already' }),
    call(
      'tenant.export',
      ({ file, name, format, table, overwrite, ...csv }) => ({
        name,
        path: path.resolve(file),
        format,
        table,
        overwrite,
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
