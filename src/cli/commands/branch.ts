import type { Argv } from 'yargs'
import type { ResultOf } from '../../client/client.ts'
import { call, command, confirmed, optional, required, showPlan, text, texts, yesOption } from '../command.ts'
import { CliError } from '../errors.ts'
import { limitOption } from '../limit.ts'
import type { Output } from '../output.ts'

const name = optional('default: the active one')

export const branch = [
  command(
    'create <name>',
    'Fork a branch: schema, tenants and rows as they are now; copies nothing',
    (parser) =>
      parser
        .positional('name', required('the new branch'))
        .option('from', text('the branch to fork; default: the active one'))
        .option('no-data', { type: 'boolean', default: false, describe: 'the tenants, without their rows' })
        .option('at', text('an older change set to stand at; then without rows'))
        .option('read-only', { type: 'boolean', default: false, describe: 'a snapshot that nobody writes to' })
        .option('description', text('kept with the branch')),
    async (context, { name, from, noData, at, readOnly, description }) => {
      const source = from ?? (await context.scope()).branch
      const made = await context.call('branch.create', { name, from: source, data: !noData, at, readOnly, description })
      context.output.result(made, () => context.output.note(`Created branch ${name} from ${source}.`))
    },
  ),
  command(
    'list',
    'List the branches of a database',
    (parser) => parser,
    call(
      'branch.list',
      () => ({}),
      (output, { branches }) =>
        output.table(
          ['name', 'parent', 'head', 'created', 'description'],
          branches.map(({ name, parent, head, createdAt, description }) => [
            name,
            parent ?? '',
            head,
            createdAt,
            description ?? '',
          ]),
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
  command(
    'rename <name> <new-name>',
    'Rename a branch',
    (parser) =>
      parser.positional('name', required('the branch')).positional('new-name', required('its name from now on')),
    call(
      'branch.rename',
      ({ name, newName }) => ({ name, newName }),
      (output, _, { name, newName }) => output.note(`Renamed branch ${name} to ${newName}.`),
    ),
  ),
  command(
    'delete <name>',
    'Delete a branch; branches forked from it keep what they see',
    (parser) => yesOption(parser.positional('name', required('the branch'))),
    confirmed(
      ({ name }) => `Delete branch ${name} with the rows that only it has?`,
      call(
        'branch.delete',
        ({ name }) => ({ name }),
        (output, _, { name }) => output.note(`Deleted branch ${name}.`),
      ),
    ),
  ),
  command(
    'diff <base> <head>',
    'Tell what turns the schema of one branch into that of another',
    (parser) =>
      parser
        .positional('base', required('the branch to start from'))
        .positional('head', required('the branch to reach')),
    call(
      'branch.diff',
      ({ base, head }) => ({ base, head }),
      (output, { plan }) => {
        if (plan.length === 0) output.note('No difference.')
        else showPlan(output, plan)
      },
    ),
  ),
  command(
    'merge <source>',
    'Merge a branch’s schema into another: all of it, for every tenant, at once',
    (parser) =>
      mergeOptions(parser.positional('source', required('the branch to merge')))
        .option('into', text('the branch to merge into; default: main'))
        .option('delete-source', { type: 'boolean', default: false, describe: 'delete the merged branch' }),
    async (context, args) => {
      const { source, into, deleteSource, dryRun, message, ours, theirs } = args
      const resolutions = resolutionsOf(ours, theirs)
      const options = { source, target: into, deleteSource, dryRun, message, resolutions }
      const result = await context.call('branch.merge', options)
      context.output.result(result, () => showMerge(context.output, result, `Merged ${source} into ${into ?? 'main'}`))
      refuseConflicts(result)
    },
  ),
  command(
    'revert <change-set> [name]',
    'Take back a change set of a branch’s history',
    (parser) =>
      mergeOptions(parser.positional('change-set', required('as branch history shows it')).positional('name', name)),
    async (context, { changeSet, name, dryRun, message, ours, theirs }) => {
      const resolutions = resolutionsOf(ours, theirs)
      const result = await context.call('branch.revert', { changeSet, name, dryRun, message, resolutions })
      context.output.result(result, () => showMerge(context.output, result, `Reverted ${changeSet}`))
      refuseConflicts(result)
    },
  ),
]

type MergeResult = ResultOf<'branch.merge'>

function mergeOptions<A>(parser: Argv<A>) {
  return parser
    .option('dry-run', {
      alias: 'preview',
      type: 'boolean',
      default: false,
      describe: 'print the plan; change nothing',
    })
    .option('message', { ...text('kept in the branch’s history'), alias: 'm' })
    .option('ours', texts('a conflict, by its path, that takes what the target has'))
    .option('theirs', texts('a conflict, by its path, that takes what the source has'))
}

function resolutionsOf(ours: readonly string[] = [], theirs: readonly string[] = []) {
  return [
    ...ours.map((path) => ({ path, take: 'ours' as const })),
    ...theirs.map((path) => ({ path, take: 'theirs' as const })),
  ]
}

function showMerge(output: Output, result: MergeResult, done: string): void {
  const { status, fastForward, plan, conflicts, tenantsToProve, changeSet } = result
  switch (status) {
    case 'upToDate':
      return output.note('Nothing to do: it is there already.')
    case 'conflicts':
      return output.table(
        ['conflict', 'ours', 'theirs', 'why'],
        conflicts.map(({ path, ours, theirs, reason }) => [path, JSON.stringify(ours), JSON.stringify(theirs), reason]),
      )
    case 'planned':
      showPlan(output, plan)
      if (tenantsToProve > 0) output.line(`-- the rows of ${tenantsToProve} tenants are looked at first`)
      return output.note(`Nothing was changed: this is a dry run${fastForward ? ' of a fast-forward' : ''}.`)
    case 'merged':
      return output.note(`${done}${fastForward ? ' (fast-forward)' : ''}: change set ${changeSet}.`)
  }
}

function refuseConflicts({ status, conflicts }: MergeResult): void {
  if (status !== 'conflicts') return
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`
  throw new CliError('conflicts', `${count}; nothing was changed`, {
    hint: 'settle each with --ours PATH or --theirs PATH',
  })
}
