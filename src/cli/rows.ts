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

/** Rows that come in batches, none of which is kept; `isTruncated` is asked for in the end. */
export interface RowSource {
  readonly columns: readonly { readonly name: string; readonly type: string | null }[]
  readonly isTruncated: boolean
  batches(): AsyncIterable<readonly unknown[]>
}

/** Print rows as they come, in a format that programs read. Gives how many. */
export async function showRowsAsTheyCome(
  output: Output,
  source: RowSource,
  { csv, ndjson }: FormatOptions,
): Promise<number> {
  const columns = source.columns.map(({ name }) => name)
  const batchText = (rows: readonly (readonly unknown[])[]) => {
    if (csv) return `${rows.map(csvLine).join('\n')}\n`
    if (ndjson) return `${ndjsonLines({ columns, rows }).join('\n')}\n`
    return JSON.stringify(rows).slice(1, -1)
  }
  let head = csv ? `${csvLine(columns)}\n` : ndjson ? '' : `{"columns":${JSON.stringify(source.columns)},"rows":[`
  if (ndjson) requireDistinct(columns)
  let count = 0
  for await (const rows of source.batches()) {
    await output.piece(head + batchText(rows as readonly (readonly unknown[])[]))
    head = csv || ndjson ? '' : ','
    count += rows.length
  }
  if (count === 0) await output.piece(head)
  if (!csv && !ndjson) output.line(source.isTruncated ? '],"truncated":true}' : ']}')
  return count
}

/** RFC 4180, but for the ends of lines. NULL is an empty field, an empty text is quoted, bytes are base64: as in exports. */
export function csvLines({ columns, rows }: RowSet): string[] {
  return [columns, ...rows].map(csvLine)
}

function csvLine(row: readonly unknown[]): string {
  return row.map(csvField).join(',')
}

function csvField(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' && '$blob' in value ? String(value.$blob) : valueText(value)
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function ndjsonLines({ columns, rows }: RowSet): string[] {
  requireDistinct(columns)
  return rows.map((row) => JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, row[at]]))))
}

function requireDistinct(columns: readonly string[]): void {
  const twice = columns.find((name, at) => columns.indexOf(name) !== at)
  if (twice !== undefined) {
    throw new CliError('duplicateColumn', 'Two columns have one name', {
      data: { column: twice },
      hint: 'an object holds a name once: tell them apart with AS, or use --json or --csv',
    })
  }
}

function showLines(output: Output, lines: readonly string[]): void {
  if (lines.length > 0) output.line(lines.join('\n'))
}
