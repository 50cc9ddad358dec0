import { call, command, optional, text } from '../command.ts'
import { limitOption } from '../limit.ts'

const name = optional('default: the active one')

export const branch = [
  command(
    'list',
    'List the branches of a database',
    (parser) => parser,
    call(
      'branch.list',
      () => ({}),
      (output, { branches }) =>
        output.table(
          ['name', 'head', 'created', 'description'],
          branches.map(({ name, head, createdAt, description }) => [name, head, createdAt, description ?? '']),
        ),
    ),
  ),
  command(
    'get [name]',
    'Tell about one branch',
    (parser) => parser.positional('name', name),
    call(
      'branch.get',
      ({ name }) => ({ name }),
      (output, branch) => output.record(branch),
    ),
  ),
  command(
    'history [name]',
    'List the change sets that led to a branch’s head, newest first',
    (parser) =>
      limitOption(parser.positional('name', name), 'how many; default: 100').option(
        'cursor',
        text('nextCursor of the page before'),
      ),
    call(
      'branch.history',
      ({ name, limit, cursor }) => ({ name, limit, cursor }),
      (output, { changeSets, nextCursor }) => {
        output.table(
          ['change set', 'time', 'changes', 'message'],
          changeSets.map(({ id, time, changes, message }) => [
            id,
            time,
            changes.map(({ kind }) => kind).join(', '),
            message ?? '',
          ]),
        )
        if (nextCursor !== undefined) output.note(`There is more: --cursor ${nextCursor}`)
      },
    ),
  ),
  command(
    'status [name]',
    'Tell where a branch stands, and how many of its files have followed',
    (parser) => parser.positional('name', name),
    call(
      'branch.status',
      ({ name }) => ({ name }),
      (output, { head, files }) => output.record({ head, ...files }),
    ),
  ),
]
