import type { ResultOf } from '../client/client.ts'
import { type Style, visible } from './style.ts'
import { displayWidth, wrap } from './width.ts'

export type Conflict = ResultOf<'branch.merge'>['conflicts'][number]

export interface ConflictOptions {
  readonly width: number
  readonly style: Style
  /** How people know the two sides. */
  readonly ours: string
  readonly theirs: string
  /** The command line that would be given to settle a conflict so. */
  command(take: 'ours' | 'theirs', path: string): string
}

/** Conflicts of a merge, each with its three sides beside each other, and the commands that settle it. */
export function conflictsText(conflicts: readonly Conflict[], options: ConflictOptions): string {
  return conflicts.map((conflict, at) => conflictText(conflict, at, conflicts.length, options)).join('\n\n')
}

function conflictText(
  { path, reason, ...conflict }: Conflict,
  at: number,
  count: number,
  options: ConflictOptions,
): string {
  const { width, style, ours, theirs, command } = options
  // Rows cannot be had from the other side.
  const takes = conflict.kind === 'rows' ? (['ours'] as const) : (['ours', 'theirs'] as const)
  return [
    `${style.bold(`conflict ${at + 1} of ${count}`)}  ${style.bold(style.yellow(visible(path)))}`,
    ...wrap(visible(reason), width),
    '',
    ...sideBySide(['base', `ours (${ours})`, `theirs (${theirs})`], conflict, width, style),
    '',
    ...takes.map((take) => `${take.padEnd('theirs'.length)}  ${style.cyan(command(take, path))}`),
  ].join('\n')
}

const gap = ' │ '
const minColumn = 16

/** Three columns, or one below the other where the terminal is too narrow for them. What differs from the base stands out. */
function sideBySide(
  titles: readonly string[],
  { base, ours, theirs }: Pick<Conflict, 'base' | 'ours' | 'theirs'>,
  width: number,
  style: Style,
): string[] {
  const sides = [base, ours, theirs].map(linesOf)
  const inBase = new Set(sides[0])
  const paint = (line: string, isBase: boolean) => (isBase || inBase.has(line) ? (text: string) => text : style.yellow)
  const column = Math.floor((width - 2 * gap.length) / sides.length)
  if (column < minColumn) {
    return sides.flatMap((lines, at) => [
      style.bold(`${titles[at]}:`),
      ...lines.flatMap((line) => wrap(line, width - 2).map((part) => `  ${paint(line, at === 0)(part)}`)),
    ])
  }
  const cells = sides.map((lines, at) => [
    ...wrap(titles[at] as string, column).map((text) => ({ text, paint: style.bold })),
    ...lines.flatMap((line) => wrap(line, column).map((text) => ({ text, paint: paint(line, at === 0) }))),
  ])
  const widest = cells.map((lines) => Math.max(...lines.map(({ text }) => displayWidth(text))))
  const height = Math.max(...cells.map((lines) => lines.length))
  return Array.from({ length: height }, (_, row) =>
    cells
      .map((lines, at) => {
        const cell = lines[row]
        const padding = ' '.repeat((widest[at] as number) - displayWidth(cell?.text ?? ''))
        return `${cell ? cell.paint(cell.text) : ''}${padding}`
      })
      .join(style.dim(gap))
      .trimEnd(),
  )
}

/** What one side has, as people read it: SQL as it is, else a name and a value a line. */
function linesOf(value: unknown): string[] {
  if (value === null || value === undefined) return ['(nothing)']
  if (typeof value !== 'object') return [visible(String(value))]
  if ('sql' in value && typeof value.sql === 'string') return value.sql.split('\n').map(visible)
  const entries = Object.entries(value).filter(([, each]) => !isNothing(each))
  return entries.map(([name, each]) => visible(`${name}: ${typeof each === 'string' ? each : JSON.stringify(each)}`))
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0)
}
