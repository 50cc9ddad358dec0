import type { Argv } from 'yargs'
import { CliError, UsageError } from './errors.ts'
import type { Output } from './output.ts'
import { valueText } from './values.ts'

/** Rows as a query gives them: duplicate column names survive. */
export interface RowSet {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

export interface FormatOptions {
  readonly csv: boolean
  readonly ndjson: boolean
  readonly json: boolean
}

export function formatOptions<A extends { readonly json: boolean }>(parser: Argv<A>) {
  return parser
    .option('csv', {
      type: 'boolean',
      default: false,
      describe: 'CSV with a header; NULL is empty, an empty text is ""',
    })
    .option('ndjson', { type: 'boolean', default: false, describe: 'a JSON object a line for each row' })
    .check(({ csv, ndjson, json }) => {
      if (Number(csv) + Number(ndjson) + Number(json) > 1) throw new UsageError('one of --json, --csv and --ndjson')
      return true
    })
}

/** Print rows in the format that is asked for; `answer` is what `--json` prints. */
export function showRows(output: Output, set: RowSet, answer: unknown, { csv, ndjson }: FormatOptions): void {
  if (csv) return showLines(output, csvLines(set))
  if (ndjson) return showLines(output, ndjsonLines(set))
  output.result(answer, () => {
    output.table(set.columns, set.rows)
    output.aside(set.rows.length === 1 ? '(1 row)' : `(${set.rows.length} rows)`)
  })
}

/** RFC 4180, but for the ends of lines. NULL is an empty field, an empty text is quoted, bytes are base64: as in exports. */
export function csvLines({ columns, rows }: RowSet): string[] {
  return [columns, ...rows].map((row) => row.map(csvField).join(','))
}

function csvField(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' && '$blob' in value ? String(value.$blob) : valueText(value)
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function ndjsonLines({ columns, rows }: RowSet): string[] {
  const twice = columns.find((name, at) => columns.indexOf(name) !== at)
  if (twice !== undefined) {
    throw new CliError('duplicateColumn', 'Two columns have one name', {
      data: { column: twice },
      hint: 'an object holds a name once: tell them apart with AS, or use --json or --csv',
    })
  }
  return rows.map((row) => JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, row[at]]))))
}

function showLines(output: Output, lines: readonly string[]): void {
  if (lines.length > 0) output.line(lines.join('\n'))
}
