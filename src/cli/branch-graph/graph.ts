import process from 'node:process'
import { type Style, visible } from '../style.ts'
import { cut, displayWidth } from '../width.ts'
import { draw, type Pen, type Point } from './draw.ts'
import { type Branch, type ChangeSet, distance, type History } from './walk.ts'

/** A branch with where it stands to the one that it was forked from, or else to main. */
export interface Head extends Pick<Branch, 'name' | 'parent' | 'head'> {
  readonly active: boolean
  readonly base: string | null
  readonly ahead: number
  readonly behind: number
  /** Where false, there may be more: the branches part further back than was looked. */
  readonly exact: boolean
}

export interface Graph {
  readonly branches: readonly Head[]
  /** Newest first; a change set comes before its parents. */
  readonly changeSets: readonly ChangeSet[]
}

export function graphOf(history: History, activeBranch: string): Graph {
  const { branches, changeSets } = history
  const heads = branches.map(({ name, parent, head }): Head => {
    const base = branches.find((other) => other.name === (parent ?? 'main') && other.name !== name)
    const { ahead, behind, isExact } = base
      ? distance(history, head, base.head)
      : { ahead: 0, behind: 0, isExact: true }
    return {
      name,
      parent,
      head,
      active: name === activeBranch,
      base: base?.name ?? null,
      ahead,
      behind,
      exact: isExact,
    }
  })
  return { branches: heads, changeSets: childrenFirst([...changeSets.values()]) }
}

export interface GraphOptions {
  readonly width: number
  readonly limit: number
  readonly pen: Pen
  readonly style: Style
}

/** The graph as lines of text: of each change set its id, the branches that stand at it, and what it did. */
export function graphText({ branches, changeSets }: Graph, { width, limit, pen, style }: GraphOptions): string {
  const known = new Set(changeSets.map(({ id }) => id))
  const roots = new Set([...changeSets.flatMap(({ parents }) => parents), ...branches.map(({ head }) => head)])
  const points: Point[] = [
    ...changeSets.slice(0, limit),
    ...(changeSets.length > limit ? [] : [...roots].filter((id) => !known.has(id)).map((id) => ({ id, parents: [] }))),
  ]
  const lines = draw(points, pen)
  const graphWidth = Math.max(0, ...lines.map(({ strokes }) => strokes.length))
  const byId = new Map(changeSets.map((changeSet) => [changeSet.id, changeSet]))
  const shorten = shortener([...known])
  const laneStyles = [style.cyan, style.magenta, style.yellow, style.blue, style.green, style.red]

  const text = lines.map(({ id, strokes }) => {
    const parts: Part[] = strokes.map(({ text, lane }) => ({
      text,
      paint: laneStyles[lane % laneStyles.length] as Part['paint'],
    }))
    if (id === undefined) return fitted(parts, width, pen)
    const changeSet = byId.get(id)
    parts.push({ text: ' '.repeat(graphWidth - strokes.length + 1), paint: plain })
    parts.push({ text: changeSet ? shorten(id) : 'the empty schema', paint: style.dim })
    for (const head of branches) {
      if (head.head === id) parts.push({ text: `  (${labelOf(head)})`, paint: head.active ? style.bold : style.green })
    }
    if (changeSet) parts.push({ text: `  ${visible(changeSet.message ?? changesText(changeSet))}`, paint: plain })
    return fitted(parts, width, pen)
  })
  const left = changeSets.length - limit
  if (left > 0) text.push(style.dim(`${pen.more} ${left} older change sets; --limit N shows more`))
  return text.join('\n')
}

/** Whether the terminal says, by its locale, that it has other characters than those of Unicode. */
export function wantsAscii({ LC_ALL, LC_CTYPE, LANG } = process.env): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG
  return Boolean(locale) && !/utf-?8/i.test(locale as string)
}

function labelOf({ name, active, base, ahead, behind, exact }: Head): string {
  const more = exact ? '' : '+'
  const counts = [
    ...(ahead > 0 ? [`${ahead}${more} ahead${behind > 0 ? '' : ' of'}`] : []),
    ...(behind > 0 ? [`${behind}${more} behind`] : []),
  ]
  const relation = base === null ? '' : `: ${counts.length > 0 ? counts.join(', ') : 'level with'} ${base}`
  return `${active ? '* ' : ''}${name}${relation}`
}

/** What was changed, in a few words: `addColumn planets.habitable`. */
function changesText({ changes }: ChangeSet): string {
  return changes.map(changeText).join(', ')
}

function changeText(change: ChangeSet['changes'][number]): string {
  const { kind, table, column, index, view, trigger, newName } = change
  const subject = [table, column, index, view, trigger].flatMap(nameOf).join('.')
  return [kind, subject, ...(newName === undefined ? [] : ['to', newName])].join(' ')
}

function nameOf(thing: unknown): string[] {
  if (typeof thing === 'string') return [thing]
  return typeof thing === 'object' && thing !== null && 'name' in thing ? [String(thing.name)] : []
}

/** Children before their parents, and else the newest first. */
function childrenFirst(changeSets: readonly ChangeSet[]): ChangeSet[] {
  const byId = new Map(changeSets.map((changeSet) => [changeSet.id, changeSet]))
  const children = new Map<string, number>()
  for (const { parents } of changeSets) for (const id of parents) children.set(id, (children.get(id) ?? 0) + 1)
  const ready = changeSets.filter(({ id }) => !children.has(id))
  const sorted: ChangeSet[] = []
  while (ready.length > 0) {
    ready.sort((a, b) => (a.time === b.time ? compare(a.id, b.id) : compare(a.time, b.time)))
    const next = ready.pop() as ChangeSet
    sorted.push(next)
    for (const id of next.parents) {
      const left = (children.get(id) ?? 0) - 1
      children.set(id, left)
      const parent = byId.get(id)
      if (left === 0 && parent) ready.push(parent)
    }
  }
  return sorted
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Ids as short as they stay apart: their first 13 characters tell the millisecond. */
function shortener(ids: readonly string[]): (id: string) => string {
  let length = 13
  while (new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length++
  return (id) => id.slice(0, length)
}

interface Part {
  readonly text: string
  readonly paint: (text: string) => string
}

function plain(text: string): string {
  return text
}

/** The parts on one line, as far as they fit. */
function fitted(parts: readonly Part[], width: number, { ellipsis }: Pen): string {
  let line = ''
  let left = width
  for (const { text, paint } of parts) {
    const shown = cut(text, left, ellipsis)
    line += shown.trim() === '' ? shown : paint(shown)
    left -= displayWidth(shown)
    if (shown !== text) break
  }
  return line.trimEnd()
}
