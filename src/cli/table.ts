import { type Style, visible } from './style.ts'
import { isNumeric, valueText } from './values.ts'

export interface TableOptions {
  /** The terminal's; undefined where there is none and lines may be as long as they like. */
  readonly width: number | undefined
  readonly style: Style
}

interface Cell {
  readonly text: string
  readonly width: number
  readonly isNull: boolean
  readonly isNumber: boolean
}

const gap = '  '
/** Columns are not cut to less than this: then each row is shown on lines of its own. */
const minWidth = 8

/** Rows under their column names. What is too wide for the terminal is cut, the widest columns first. */
export function tableText(
  columns: readonly string[],
  rows: readonly (readonly unknown[])[],
  { width = Number.POSITIVE_INFINITY, style }: TableOptions,
): string {
  const cells = rows.map((row) => columns.map((_, at) => cellOf(row[at])))
  const titles = columns.map((name) => cellOf(name))
  const natural = titles.map((title, at) =>
    cells.reduce((widest, row) => Math.max(widest, row[at]?.width ?? 0), title.width),
  )
  const cap = widestThatFits(natural, width - gap.length * (columns.length - 1))
  if (cap < minWidth && columns.length > 1) return recordsText(columns, cells, style)

  const widths = natural.map((each) => Math.min(each, cap))
  const line = (row: readonly Cell[], paint: (cell: Cell, text: string) => string) =>
    row
      .map((cell, at) => padded(cell, widths[at] as number, paint))
      .join(gap)
      .trimEnd()
  return [
    line(titles, (_, text) => style.bold(text)),
    widths.map((each) => '-'.repeat(each)).join(gap),
    ...cells.map((row) => line(row, (cell, text) => (cell.isNull ? style.dim(text) : text))),
  ].join('\n')
}

/** One thing: a name and a value a line. */
export function recordText(value: object, style: Style): string {
  const entries = Object.entries(value).filter(([, each]) => each !== null && each !== undefined)
  const names = entries.map(([name]) => wordsOf(name))
  const widest = Math.max(0, ...names.map((name) => name.length))
  return entries
    .map(([, each], at) => `${style.bold((names[at] as string).padEnd(widest))}${gap}${visible(valueText(each))}`)
    .join('\n')
}

/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += isWide(segment) ? 2 : 1
  return width
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function isWide(grapheme: string): boolean {
  return /^(\p{Emoji_Presentation}|.\ufe0f|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])/u.test(
    grapheme,
  )
}

function recordsText(columns: readonly string[], rows: readonly (readonly Cell[])[], style: Style): string {
  const titles = columns.map(visible)
  const widest = Math.max(...titles.map(displayWidth))
  return rows
    .map((row, at) => {
      const lines = row.map((cell, column) => {
        const title = titles[column] as string
        const padding = ' '.repeat(widest - displayWidth(title))
        return `${style.bold(title)}${padding}${gap}${cell.isNull ? style.dim(cell.text) : cell.text}`
      })
      return [style.dim(`-- row ${at + 1}`), ...lines].join('\n')
    })
    .join('\n')
}

/** The largest width that no column may exceed so that all of them together have room. */
function widestThatFits(natural: readonly number[], room: number): number {
  const sorted = [...natural].sort((a, b) => a - b)
  let left = room
  for (const [at, each] of sorted.entries()) {
    const share = left / (sorted.length - at)
    if (each > share) return Math.floor(share)
    left -= each
  }
  return Number.POSITIVE_INFINITY
}

function cellOf(value: unknown): Cell {
  const isNull = value === null || value === undefined
  const text = isNull ? 'NULL' : visible(valueText(value))
  return { text, width: displayWidth(text), isNull, isNumber: isNumeric(value) }
}

function padded(cell: Cell, width: number, paint: (cell: Cell, text: string) => string): string {
  const text = cell.width > width ? cut(cell.text, width) : cell.text
  const padding = ' '.repeat(width - displayWidth(text))
  return cell.isNumber ? padding + paint(cell, text) : paint(cell, text) + padding
}

function cut(text: string, width: number): string {
  let kept = ''
  let taken = 0
  for (const { segment } of segmenter.segment(text)) {
    taken += isWide(segment) ? 2 : 1
    if (taken > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** `createdAt` → `created at` */
function wordsOf(name: string): string {
  return visible(name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
}
