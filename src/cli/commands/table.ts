import { columnHelp, parseColumn } from '../column-spec.ts'
import { call, columnNames, command, confirmed, edit, editOptions, required, texts, yesOption } from '../command.ts'
import { showTable } from '../schema-tables.ts'

const name = required('the table')

export const table = [
  command(
    'create <name> [columns..]',
    'Create a table in every tenant of the branch',
    (parser) =>
      editOptions(
        parser
          .positional('name', name)
          .positional('columns', {
            type: 'string',
            array: true,
            default: [] as string[],
            describe: 'NAME:TYPE…, see below',
          })
          .option('primary-key', texts('a column of the primary key, in order; a table with system columns has id'))
          .option('unique', texts('columns that are unique together, as a,b'))
          .option('check', texts('an SQL expression that holds for every row'))
          .option('no-system-columns', {
            type: 'boolean',
            default: false,
            describe: 'without id, created_at and updated_at',
          })
          .option('strict', { type: 'boolean', default: false, describe: 'SQLite’s STRICT' })
          .option('without-rowid', { type: 'boolean', default: false, describe: 'SQLite’s WITHOUT ROWID' })
          .epilogue(columnHelp),
      ),
    edit(
      'table.create',
      ({ name, columns, primaryKey, unique, check, noSystemColumns, strict, withoutRowid }) => ({
        name,
        columns: columns.map(parseColumn),
        primaryKey,
        uniques: unique?.map(columnNames),
        checks: check,
        strict: strict || undefined,
        withoutRowid: withoutRowid || undefined,
        systemColumns: noSystemColumns ? false : undefined,
      }),
      ({ name }) => `Created table ${name}`,
    ),
  ),
  command(
    'list',
    'List the tables of a branch',
    (parser) => parser,
    call(
      'table.list',
      () => ({}),
      (output, { tables }) =>
        output.table(
          ['name', 'columns'],
          tables.map(({ name, columns }) => [name, columns.map((column) => column.name).join(', ')]),
        ),
    ),
  ),
  command(
    'info <name>',
    'Tell about one table: columns, keys, constraints, indexes',
    (parser) => parser.positional('name', name),
    call('table.get', ({ name }) => ({ name }), showTable),
  ),
  command(
    'rename <name> <new-name>',
    'Rename a table; views, triggers and foreign keys follow',
    (parser) => editOptions(parser.positional('name', name).positional('new-name', required('its name from now on'))),
    edit(
      'table.rename',
      ({ name, newName }) => ({ name, newName }),
      ({ name, newName }) => `Renamed table ${name} to ${newName}`,
    ),
  ),
  command(
    'copy <source> <name>',
    'Copy a table with its keys, constraints and indexes, and each tenant’s rows',
    (parser) =>
      editOptions(
        parser
          .positional('source', required('the table to copy'))
          .positional('name', required('the copy'))
          .option('no-data', { type: 'boolean', default: false, describe: 'leave out the rows' }),
      ),
    edit(
      'table.copy',
      ({ source, name, noData }) => ({ source, name, data: !noData }),
      ({ source, name }) => `Copied table ${source} to ${name}`,
    ),
  ),
  command(
    'drop <name>',
    'Drop a table with its rows in every tenant',
    (parser) => yesOption(editOptions(parser.positional('name', name))),
    confirmed(
      ({ name }) => `Drop table ${name} with its rows in every tenant?`,
      edit(
        'table.drop',
        ({ name }) => ({ name }),
        ({ name }) => `Dropped table ${name}`,
      ),
    ),
  ),
]
