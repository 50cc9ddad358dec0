import type { ParamsOf } from '../../client/client.ts'
import { columnHelp, parseColumn, parseDefault, parseReference } from '../column-spec.ts'
import { call, command, confirmed, edit, editOptions, required, text, yesOption } from '../command.ts'
import { UsageError } from '../errors.ts'
import { showColumns } from '../schema-tables.ts'

const table = required('the table')
const name = required('the column')

export const column = [
  command(
    'add <table> <column>',
    'Add a column to a table of every tenant',
    (parser) =>
      editOptions(
        parser
          .positional('table', table)
          .positional('column', required('NAME:TYPE…, see below'))
          .option('check', text('an SQL expression that holds for every row'))
          .option('collate', text('a collation, such as nocase'))
          .epilogue(columnHelp),
      ),
    edit(
      'column.add',
      ({ table, column, check, collate }) => ({ table, column: { ...parseColumn(column), check, collate } }),
      ({ table, column }) => `Added column ${column.split(':')[0]} to table ${table}`,
    ),
  ),
  command(
    'list <table>',
    'List the columns of a table',
    (parser) => parser.positional('table', table),
    call(
      'column.list',
      ({ table }) => ({ table }),
      (output, { columns }) => showColumns(output, columns),
    ),
  ),
  command(
    'info <table> <name>',
    'Tell about one column',
    (parser) => parser.positional('table', table).positional('name', name),
    call(
      'column.get',
      ({ table, name }) => ({ table, name }),
      (output, column) => output.record(column),
    ),
  ),
  command(
    'rename <table> <name> <new-name>',
    'Rename a column; indexes, views, triggers and foreign keys follow',
    (parser) =>
      editOptions(
        parser
          .positional('table', table)
          .positional('name', name)
          .positional('new-name', required('its name from now on')),
      ),
    edit(
      'column.rename',
      ({ table, name, newName }) => ({ table, name, newName }),
      ({ table, name, newName }) => `Renamed column ${name} of table ${table} to ${newName}`,
    ),
  ),
  command(
    'alter <table> <name>',
    'Change a column; what is not named stays',
    (parser) =>
      editOptions(
        parser
          .positional('table', table)
          .positional('name', name)
          .option('type', text('its type from now on'))
          .option('nullable', flag('it may hold NULL'))
          .option('not-null', flag('it may not hold NULL'))
          .option('default', text('as in table create'))
          .option('no-default', flag('without a default'))
          .option('unique', flag('no two rows have the same'))
          .option('no-unique', flag('rows may have the same'))
          .option('check', text('an SQL expression that holds for every row'))
          .option('no-check', flag('without its check'))
          .option('collate', text('a collation, such as nocase'))
          .option('no-collate', flag('without its collation'))
          .option('fk', text('a foreign key: TABLE[.COLUMN][.ACTION]'))
          .option('no-fk', flag('without its foreign key'))
          .option('fill', text('what rows that hold NULL get, as in default')),
      ),
    edit(
      'column.alter',
      (args) => alteration(args),
      ({ table, name }) => `Altered column ${name} of table ${table}`,
    ),
  ),
  command(
    'drop <table> <name>',
    'Drop a column with its values in every tenant',
    (parser) => yesOption(editOptions(parser.positional('table', table).positional('name', name))),
    confirmed(
      ({ table, name }) => `Drop column ${name} of table ${table} with its values in every tenant?`,
      edit(
        'column.drop',
        ({ table, name }) => ({ table, name }),
        ({ table, name }) => `Dropped column ${name} of table ${table}`,
      ),
    ),
  ),
]

interface AlterOptions {
  readonly table: string
  readonly name: string
  readonly type?: string
  readonly nullable: boolean
  readonly notNull: boolean
  readonly default?: string
  readonly noDefault: boolean
  readonly unique: boolean
  readonly noUnique: boolean
  readonly check?: string
  readonly noCheck: boolean
  readonly collate?: string
  readonly noCollate: boolean
  readonly fk?: string
  readonly noFk: boolean
  readonly fill?: string
}

function alteration(args: AlterOptions): ParamsOf<'column.alter'> {
  const { table, name, type, nullable, notNull, unique, noUnique, fill } = args
  const changes = {
    type,
    nullable: either('nullable', nullable, 'not-null', notNull),
    unique: either('unique', unique, 'no-unique', noUnique),
    default: replaced('default', args.default, args.noDefault, parseDefault),
    check: replaced('check', args.check, args.noCheck, String),
    collate: replaced('collate', args.collate, args.noCollate, String),
    references: replaced('fk', args.fk, args.noFk, parseReference),
    fill: fill === undefined ? undefined : parseDefault(fill),
  }
  if (Object.values(changes).every((change) => change === undefined)) {
    throw new UsageError('nothing to change is named', 'cinch column alter --help tells more')
  }
  return { table, name, ...changes }
}

/** True or false where one of two opposite options is given. */
function either(yes: string, isYes: boolean, no: string, isNo: boolean): boolean | undefined {
  if (isYes && isNo) throw new UsageError(`one of --${yes} and --${no}`)
  return isYes || isNo ? isYes : undefined
}

/** Another value, or null to take it away. */
function replaced<T>(option: string, value: string | undefined, without: boolean, parse: (text: string) => T) {
  if (value !== undefined && without) throw new UsageError(`one of --${option} and --no-${option}`)
  if (without) return null
  return value === undefined ? undefined : parse(value)
}

function flag(describe: string) {
  return { type: 'boolean', default: false, describe } as const
}
