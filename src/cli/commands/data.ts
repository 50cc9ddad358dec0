import type { ParamsOf } from '../../client/client.ts'
import {
  type Command,
  call,
  columnNames,
  command,
  confirmed,
  required,
  text,
  texts,
  unlocked,
  yesOption,
} from '../command.ts'
import type { Context } from '../context.ts'
import { CliError, UsageError } from '../errors.ts'
import { rowsOf } from '../input.ts'
import { limitOption, wholeNumber } from '../limit.ts'
import { formatOptions, type RowSet, showRows } from '../rows.ts'
import { parseKey, parseValue, splitPair } from '../values.ts'
import { parseWhere, whereHelp } from '../where.ts'

type Row = Readonly<Record<string, unknown>>

const table = required('the table')
const where = texts(whereHelp)
const ids = texts('a primary key; give it once a row. {"a": 1, "b": 2} is a key of two columns')
const dataHelp = 'a JSON object, an array of them, or one a line; - reads standard input'
const noReturning = { type: 'boolean', default: false, describe: 'do not print the rows as stored' } as const
const set = texts('COLUMN=VALUE: JSON, or else text; give it once a column')
const defaultLimit = 1_000

const commands: readonly Command[] = [
  command(
    'insert <table>',
    'Insert rows, all or none',
    (parser) =>
      formatOptions(
        parser
          .positional('table', table)
          .option('data', { ...text(dataHelp), alias: 'd', demandOption: true })
          .option('no-returning', noReturning),
      ),
    async (context, args) => {
      const { table, noReturning } = args
      const rows = await rowsOf(args.data)
      const answer = await context.call('row.insert', { table, rows, returning: noReturning ? 'none' : 'rows' })
      if (noReturning) context.output.result(answer, () => {})
      else showRows(context.output, await asRowSet(context, table, answer.rows), answer, args)
      context.output.note(`Inserted ${counted(answer.count)}.`)
    },
  ),
  command(
    'upsert <table>',
    'Insert rows, or update those that are there already: all or none',
    (parser) =>
      formatOptions(
        parser
          .positional('table', table)
          .option('data', { ...text(dataHelp), alias: 'd', demandOption: true })
          .option('on', text('the columns of a unique key that tells them, as a,b; default: the primary key'))
          .option('no-returning', noReturning),
      ),
    async (context, args) => {
      const { table } = args
      const on = args.on === undefined ? undefined : columnNames(args.on)
      const rows = await rowsOf(args.data)
      const answer = await context.call('row.upsert', {
        table,
        rows,
        on,
        returning: args.noReturning ? 'none' : 'rows',
      })
      if (args.noReturning) context.output.result(answer, () => {})
      else showRows(context.output, await asRowSet(context, table, answer.rows), answer, args)
      context.output.note(`Inserted ${counted(answer.inserted)}, updated ${counted(answer.updated)}.`)
    },
  ),
  command(
    'get <table> <id>',
    'Get the row with this primary key; exits with 1 where there is none',
    (parser) =>
      formatOptions(
        parser.positional('table', table).positional('id', required('its value; {"a": 1, "b": 2} for two columns')),
      ),
    async (context, args) => {
      const { table, id } = args
      const answer = await context.call('row.get', { table, id: parseKey(id) })
      if (answer.row === null) throw new CliError('rowNotFound', 'No such row', { data: { table, id } })
      showRows(context.output, await asRowSet(context, table, [answer.row]), answer, args)
    },
  ),
  command(
    'list <table>',
    'List rows that meet a condition',
    (parser) =>
      formatOptions(
        limitOption(parser, `how many; default: ${defaultLimit}`)
          .positional('table', table)
          .option('where', { ...where, alias: 'w' })
          .option('order-by', texts('a column; -COLUMN sorts from the greatest to the smallest (--order-by=-age)'))
          .option('offset', { ...wholeNumber('offset', 0), describe: 'leave out so many rows at the start' })
          .option('cursor', text('go on behind the page that ended with this nextCursor; --json prints it'))
          .option('columns', text('only these, as a,b')),
      ),
    async (context, args) => {
      const { table, offset, orderBy, cursor, limit = defaultLimit } = args
      const columns = args.columns === undefined ? undefined : columnNames(args.columns)
      const params = { table, where: parseWhere(args.where), orderBy, offset, cursor, columns, limit }
      const answer = await context.call('row.list', params)
      showRows(context.output, await asRowSet(context, table, answer.rows, columns), answer, args)
      const isCut = args.limit === undefined && answer.nextCursor !== undefined
      if (isCut) context.output.warn(`there are more rows than the first ${defaultLimit}; --limit says how many`)
    },
  ),
  command(
    'count <table>',
    'Count the rows that meet a condition',
    (parser) => parser.positional('table', table).option('where', { ...where, alias: 'w' }),
    call(
      'row.count',
      ({ table, where }) => ({ table, where: parseWhere(where) }),
      (output, { count }) => output.line(String(count)),
    ),
  ),
  command(
    'update <table>',
    'Update rows, all or none: those with --id as --set says, or each as --data says',
    (parser) =>
      formatOptions(
        parser
          .positional('table', table)
          .option('id', ids)
          .option('set', set)
          .option('data', { ...text(`rows with their primary keys: ${dataHelp}`), alias: 'd' }),
      ),
    async (context, args) => {
      const { table } = args
      const rows = await updates(context, args)
      const answer = await context.call('row.update', { table, rows })
      showRows(context.output, await asRowSet(context, table, answer.rows), answer, args)
      context.output.note(`Updated ${counted(answer.count)}.`)
    },
  ),
  command(
    'update-where <table>',
    'Set columns of every row that meets a condition',
    (parser) =>
      parser
        .positional('table', table)
        .option('where', { ...where, alias: 'w', demandOption: true })
        .option('set', { ...set, demandOption: true }),
    call(
      'row.updateWhere',
      (args) => ({
        table: args.table,
        where: parseWhere(args.where) ?? {},
        set: Object.fromEntries(args.set.map(parseSet)) as ParamsOf<'row.updateWhere'>['set'],
      }),
      (output, { count }) => output.note(`Updated ${counted(count)}.`),
    ),
  ),
  command(
    'delete <table>',
    'Delete the rows with these primary keys, all or none',
    (parser) => yesOption(parser.positional('table', table).option('id', { ...ids, demandOption: true })),
    confirmed(
      ({ table, id }) => `Delete ${counted(id.length)} of table ${table}? There is no way back.`,
      call(
        'row.delete',
        ({ table, id }) => ({ table, ids: id.map(parseKey) }),
        (output, { count }) => output.note(`Deleted ${counted(count)}.`),
      ),
    ),
  ),
  command(
    'delete-where <table>',
    'Delete every row that meets a condition',
    (parser) =>
      yesOption(parser.positional('table', table).option('where', { ...where, alias: 'w', demandOption: true })),
    confirmed(
      ({ table, where }) => `Delete the rows of table ${table} with ${where.join(' and ')}? There is no way back.`,
      call(
        'row.deleteWhere',
        ({ table, where }) => ({ table, where: parseWhere(where) ?? {} }),
        (output, { count }) => output.note(`Deleted ${counted(count)}.`),
      ),
    ),
  ),
]

export const data = commands.map((command) => ({ ...command, run: unlocked(command.run) }))

interface UpdateOptions {
  readonly table: string
  readonly id?: string[]
  readonly set?: string[]
  readonly data?: string
}

type Updates = ParamsOf<'row.update'>['rows']

async function updates(context: Context, { table, id, set, data }: UpdateOptions): Promise<Updates> {
  const isByData = data !== undefined && id === undefined && set === undefined
  if (isByData) return rowsOf(data)
  if (data !== undefined || id === undefined || set === undefined) {
    throw new UsageError('update takes --id and --set, or --data alone')
  }
  const values = Object.fromEntries(set.map(parseSet))
  const { primaryKey } = await context.call('table.get', { name: table })
  const [column, ...more] = primaryKey as string[]
  if (column === undefined)
    throw new CliError('notSupported', 'Not supported', { data: { what: `${table} has no primary key` } })
  return id.map((text) => ({ ...values, ...keyOf(text, column, more.length > 0) }) as Updates[number])
}

/** A primary key as the columns of a row. */
function keyOf(text: string, column: string, isComposite: boolean): object {
  const key = parseKey(text)
  if (!isComposite) return { [column]: key }
  if (typeof key === 'object' && key !== null) return key
  throw new UsageError(`--id ${text}: a key of several columns is an object of them`)
}

function parseSet(pair: string): [string, unknown] {
  const split = splitPair(pair)
  if (!split) throw new UsageError(`--set ${pair}: it is COLUMN=VALUE`)
  return [split.name, parseValue(split.text)]
}

/** Rows with their columns in the table's order. */
async function asRowSet(
  context: Context,
  table: string,
  rows: readonly Row[],
  columns?: readonly string[],
): Promise<RowSet> {
  const names = columns ?? (await context.call('table.get', { name: table })).columns.map(({ name }) => name)
  return { columns: names, rows: rows.map((row) => names.map((name) => row[name])) }
}

function counted(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`
}
