import { sizeText } from './size.ts'
import { type Style, visible } from './style.ts'
import { isNumeric, valueText } from './values.ts'
import { cut, displayWidth } from './width.ts'

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
  const text = isNull ? 'NULL' : cellText(value)
  return { text, width: displayWidth(text), isNull, isNumber: isNumeric(value) }
}

/** So many bytes of a blob are shown. */
const maxBytes = 16

function cellText(value: unknown): string {
  // A text that reads NULL is told from NULL by its quotes, where there is no colour to do so.
  if (value === 'NULL') return "'NULL'"
  const bytes = typeof value === 'object' && value !== null && '$blob' in value ? bytesOf(value.$blob) : undefined
  if (bytes === undefined || bytes.length <= maxBytes) return visible(valueText(value))
  return `x'${bytes.subarray(0, maxBytes).toString('hex')}…' (${sizeText(bytes.length)})`
}

function bytesOf(base64: unknown): Buffer {
  return Buffer.from(String(base64), 'base64')
}

function padded(cell: Cell, width: number, paint: (cell: Cell, text: string) => string): string {
  const text = cut(cell.text, width)
  const padding = ' '.repeat(width - displayWidth(text))
  return cell.isNumber ? padding + paint(cell, text) : paint(cell, text) + padding
}

/** `createdAt` → `created at` */
function wordsOf(name: string): string {
  return visible(name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
}
