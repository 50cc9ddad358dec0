import type { Argv } from 'yargs'
import { call, command, confirmed, optional, required, showPlan, text, texts, yesOption } from '../command.ts'
import { followed } from '../drain.ts'
import { limitOption } from '../limit.ts'
import { mergeCommand, refuseConflicts, showMerge } from '../merge-report.ts'
import { graph } from './branch-graph.ts'

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
  graph,
  command(
    'status [name]',
    'Tell where a branch stands, and how many of its files have followed',
    (parser) =>
      parser.positional('name', name).option('wait', {
        type: 'boolean',
        default: false,
        describe: 'until every file has followed that does not wait for its own use',
      }),
    async (context, { name, wait }) => {
      const status = wait ? await followed(context, name) : await context.call('branch.status', { name })
      context.output.result(status, () => context.output.record({ head: status.head, ...status.files }))
    },
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
      const target = into ?? 'main'
      context.output.result(result, () =>
        showMerge(context.output, result, {
          done: `Merged ${source} into ${target}`,
          ours: target,
          theirs: source,
          command: mergeCommand(['merge', source, ...(into ? ['--into', into] : [])], args),
        }),
      )
      refuseConflicts(result)
    },
  ),
  command(
    'revert <change-set> [name]',
    'Take back a change set of a branch’s history',
    (parser) =>
      mergeOptions(parser.positional('change-set', required('as branch history shows it')).positional('name', name)),
    async (context, args) => {
      const { changeSet, name, dryRun, message, ours, theirs } = args
      const resolutions = resolutionsOf(ours, theirs)
      const result = await context.call('branch.revert', { changeSet, name, dryRun, message, resolutions })
      context.output.result(result, () =>
        showMerge(context.output, result, {
          done: `Reverted ${changeSet}`,
          ours: 'as it is',
          theirs: 'taken back',
          command: mergeCommand(['revert', changeSet, ...(name ? [name] : [])], args),
        }),
      )
      refuseConflicts(result)
    },
  ),
]

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
