import { call, command, confirmed, edit, editOptions, required, yesOption } from '../command.ts'
import { argumentOrInput } from '../input.ts'

const name = required('the view')
const sql = required('one SELECT; - reads it from standard input')

export const view = [
  command(
    'create <name> <sql>',
    'Create a view',
    (parser) => editOptions(parser.positional('name', name).positional('sql', sql)),
    edit(
      'view.create',
      async ({ name, sql }) => ({ name, sql: await argumentOrInput(sql) }),
      ({ name }) => `Created view ${name}`,
    ),
  ),
  command(
    'update <name> <sql>',
    'Give a view another SELECT',
    (parser) => editOptions(parser.positional('name', name).positional('sql', sql)),
    edit(
      'view.update',
      async ({ name, sql }) => ({ name, sql: await argumentOrInput(sql) }),
      ({ name }) => `Updated view ${name}`,
    ),
  ),
  command(
    'list',
    'List the views of a branch',
    (parser) => parser,
    call(
      'view.list',
      () => ({}),
      (output, { views }) =>
        output.table(
          ['name', 'sql'],
          views.map(({ name, sql }) => [name, sql]),
        ),
    ),
  ),
  command(
    'info <name>',
    'Tell about one view',
    (parser) => parser.positional('name', name),
    call(
      'view.get',
      ({ name }) => ({ name }),
      (output, { sql }) => output.line(sql),
    ),
  ),
  command(
    'drop <name>',
    'Drop a view',
    (parser) => yesOption(editOptions(parser.positional('name', name))),
    confirmed(
      ({ name }) => `Drop view ${name}?`,
      edit(
        'view.drop',
        ({ name }) => ({ name }),
        ({ name }) => `Dropped view ${name}`,
      ),
    ),
  ),
]
