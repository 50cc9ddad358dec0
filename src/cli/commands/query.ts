import type { WireValue } from '../../../protocol/values.ts'
import { Cursor } from '../../client/cursor.ts'
import { body, columnNames, required, text, texts, unlocked } from '../command.ts'
import type { Context } from '../context.ts'
import { argumentOrInput } from '../input.ts'
import { limitOption } from '../limit.ts'
import { type FormatOptions, formatOptions, showRows, showRowsAsTheyCome } from '../rows.ts'
import { parseValue } from '../values.ts'

const sqlArgument = required('one statement; - reads it from standard input')
const param = texts('a value for each ? in order: JSON, or else text; give it once a value')

export const query = body(
  (parser) =>
    formatOptions(
      limitOption(parser, 'at most so many rows')
        .positional('sql', sqlArgument)
        .option('param', param)
        .option('mask', text('columns whose values are shown as ***, as email,users.phone')),
    ),
  unlocked(async (context, args) => {
    const statement = {
      sql: await argumentOrInput(args.sql),
      params: args.param?.map(parseValue),
      maxRows: args.limit,
      mask: args.mask === undefined ? undefined : columnNames(args.mask),
    }
    const isForPrograms = args.json || args.csv || args.ndjson
    const { count, truncated } = await (isForPrograms ? streamed : shown)(context, statement, args)
    if (truncated) context.output.warn(`there are more rows: only the first ${count} are here`)
  }),
)

interface Statement {
  readonly sql: string
  readonly params?: WireValue[]
  readonly maxRows?: number
  readonly mask?: string[]
}

interface Shown {
  readonly count: number
  readonly truncated: boolean
}

/** As a table, for which the widths of all rows are needed. */
async function shown(context: Context, statement: Statement, format: FormatOptions): Promise<Shown> {
  const { columns, rows, truncated } = await context.call('query.run', statement)
  showRows(context.output, { columns: namesOf(columns), rows: asArrays(rows) }, undefined, format)
  return { count: rows.length, truncated: truncated ?? false }
}

/** Whoever reads may be a person with a pager; the daemon's own limit holds all the same. */
const patienceMs = 24 * 60 * 60 * 1000

/** As they come, however many. */
async function streamed(context: Context, statement: Statement, format: FormatOptions): Promise<Shown> {
  const cursor = await Cursor.open(await context.client(), { ...statement, idleMs: patienceMs })
  const count = await showRowsAsTheyCome(context.output, cursor, format)
  return { count, truncated: cursor.isTruncated }
}

export const execute = body(
  (parser) => formatOptions(parser.positional('sql', sqlArgument).option('param', param)),
  unlocked(async (context, args) => {
    const { output } = context
    const sql = await argumentOrInput(args.sql)
    const answer = await context.call('query.execute', { sql, params: args.param?.map(parseValue) })
    const { changes, columns, rows } = answer
    if (columns && rows) showRows(output, { columns: namesOf(columns), rows: asArrays(rows) }, answer, args)
    else output.result(answer, () => {})
    output.note(changes === 1 ? '1 row changed.' : `${changes} rows changed.`)
  }),
)

function namesOf(columns: readonly { readonly name: string }[]): string[] {
  return columns.map(({ name }) => name)
}

/** Rows come as arrays unless objects are asked for. */
function asArrays(rows: readonly unknown[]): readonly (readonly unknown[])[] {
  return rows as readonly (readonly unknown[])[]
}
