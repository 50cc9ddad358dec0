import { call, command, confirmed, required, text, yesOption } from '../command.ts'

const name = required('the database')

export const database = [
  command(
    'create <name>',
    'Create a database, with its branch main',
    (parser) => parser.positional('name', name).option('description', text('kept with it')),
    call(
      'database.create',
      ({ name, description }) => ({ name, description }),
      (output, { name }) => output.note(`Created database ${name}.`),
    ),
  ),
  command(
    'list',
    'List the databases',
    (parser) => parser,
    call(
      'database.list',
      () => ({}),
      (output, { databases }) =>
        output.table(
          ['name', 'created', 'description'],
          databases.map(({ name, createdAt, description }) => [name, createdAt, description ?? '']),
        ),
    ),
  ),
  command(
    'get <name>',
    'Tell about one database',
    (parser) => parser.positional('name', name),
    call(
      'database.get',
      ({ name }) => ({ name }),
      (output, database) => output.record(database),
    ),
  ),
  command(
    'delete <name>',
    'Delete a database with all its branches, tenants and rows',
    (parser) => yesOption(parser.positional('name', name)),
    confirmed(
      ({ name }) => `Delete database ${name} with all its branches, tenants and rows? There is no way back.`,
      call(
        'database.delete',
        ({ name }) => ({ name }),
        (output, _, { name }) => output.note(`Deleted database ${name}.`),
      ),
    ),
  ),
]
