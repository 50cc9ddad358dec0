import { call, command, confirmed, edit, editOptions, optional, required, text, yesOption } from '../command.ts'
import { UsageError } from '../errors.ts'
import { showIndexes } from '../schema-tables.ts'

const name = required('the index')

export const index = [
  command(
    'create <table> <columns..>',
    'Create an index in every tenant; a unique one is proved on every tenant’s rows first',
    (parser) =>
      editOptions(
        parser
          .positional('table', required('the table'))
          .positional('columns', {
            type: 'string',
            array: true,
            demandOption: true,
            describe: 'NAME, NAME:desc, or (an SQL expression)',
          })
          .option('name', text('default: idx_ or uniq_, the table and the columns'))
          .option('unique', { type: 'boolean', default: false, describe: 'no two rows have the same' })
          .option('where', text('index only rows for which this SQL expression holds')),
      ),
    edit(
      'index.create',
      ({ table, columns, name, unique, where }) => ({
        table,
        columns: columns.map(parseIndexColumn),
        name,
        unique: unique || undefined,
        where,
      }),
      ({ table }) => `Created an index on table ${table}`,
    ),
  ),
  command(
    'list [table]',
    'List the indexes of a branch, or of one table',
    (parser) => parser.positional('table', optional('only its indexes')),
    call(
      'index.list',
      ({ table }) => ({ table }),
      (output, { indexes }) => showIndexes(output, indexes),
    ),
  ),
  command(
    'info <name>',
    'Tell about one index',
    (parser) => parser.positional('name', name),
    call(
      'index.get',
      ({ name }) => ({ name }),
      (output, index) => showIndexes(output, [index]),
    ),
  ),
  command(
    'drop <name>',
    'Drop an index',
    (parser) => yesOption(editOptions(parser.positional('name', name))),
    confirmed(
      ({ name }) => `Drop index ${name}?`,
      edit(
        'index.drop',
        ({ name }) => ({ name }),
        ({ name }) => `Dropped index ${name}`,
      ),
    ),
  ),
]

function parseIndexColumn(text: string) {
  const [, term = '', direction] = /^(\(.*\)|[^:]*)(?::([^:]*))?$/s.exec(text) ?? []
  const isDirection = direction === undefined || direction === 'desc' || direction === 'asc'
  if (term === '' || !isDirection)
    throw new UsageError(`${text}: a column of an index is NAME, NAME:desc or (EXPRESSION)`)
  const descending = direction === 'desc' || undefined
  return term.startsWith('(') ? { expression: term.slice(1, -1), descending } : { name: term, descending }
}
