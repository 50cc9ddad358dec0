import type { ResultOf } from '../client/client.ts'
import { type Globals, showPlan } from './command.ts'
import { type ConflictOptions, conflictsText } from './conflicts.ts'
import { CliError } from './errors.ts'
import type { Output } from './output.ts'

type MergeResult = ResultOf<'branch.merge'>

interface Wording extends Omit<ConflictOptions, 'width' | 'style'> {
  readonly done: string
}

/** Where there is no terminal to fit into. */
const widthOfPipe = 100

/** What came of a merge, or of taking a change set back. */
export function showMerge(output: Output, result: MergeResult, { done, ...wording }: Wording): void {
  const { status, fastForward, plan, conflicts, tenantsToProve, changeSet } = result
  switch (status) {
    case 'upToDate':
      return output.note('Nothing to do: it is there already.')
    case 'conflicts': {
      const { width = widthOfPipe, style } = output
      return output.line(conflictsText(conflicts, { ...wording, width, style }))
    }
    case 'planned':
      showPlan(output, plan)
      if (tenantsToProve > 0) output.line(`-- the rows of ${tenantsToProve} tenants are looked at first`)
      return output.note(`Nothing was changed: this is a dry run${fastForward ? ' of a fast-forward' : ''}.`)
    case 'merged':
      return output.note(`${done}${fastForward ? ' (fast-forward)' : ''}: change set ${changeSet}.`)
  }
}

export function refuseConflicts({ status, conflicts }: MergeResult): void {
  if (status !== 'conflicts') return
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`
  throw new CliError('conflicts', `${count}; nothing was changed`, {
    hint: 'settle each with --ours PATH or --theirs PATH',
  })
}

interface MergeArguments extends Pick<Globals, 'project' | 'database'> {
  readonly ours?: readonly string[]
  readonly theirs?: readonly string[]
}

/** Gives the command line that was given, with one more conflict settled. `words` are what stands behind `cinch branch`. */
export function mergeCommand(
  words: readonly string[],
  { project, database, ours = [], theirs = [] }: MergeArguments,
): ConflictOptions['command'] {
  const option = (name: string, value: string | undefined) => (value === undefined ? [] : [`--${name}`, value])
  const line = [
    'cinch',
    ...option('project', project),
    ...option('database', database),
    'branch',
    ...words,
    ...ours.flatMap((path) => option('ours', path)),
    ...theirs.flatMap((path) => option('theirs', path)),
  ]
  return (take, path) => [...line, `--${take}`, path].map(shellWord).join(' ')
}

/** A word as a shell takes it for one. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
