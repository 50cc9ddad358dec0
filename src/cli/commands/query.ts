import { body, required, text, texts } from '../command.ts'
import { argumentOrInput } from '../input.ts'
import { limitOption } from '../limit.ts'
import { formatOptions, showRows } from '../rows.ts'
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
  async (context, args) => {
    const sql = await argumentOrInput(args.sql)
    const mask = args.mask?.split(',').map((name) => name.trim())
    const params = args.param?.map(parseValue)
    const answer = await context.call('query.run', { sql, params, maxRows: args.limit, mask })
    showRows(context.output, { columns: namesOf(answer.columns), rows: asArrays(answer.rows) }, answer, args)
    if (answer.truncated) context.output.warn(`there are more rows: only the first ${answer.rows.length} are here`)
  },
)

export const execute = body(
  (parser) => formatOptions(parser.positional('sql', sqlArgument).option('param', param)),
  async (context, args) => {
    const { output } = context
    const sql = await argumentOrInput(args.sql)
    const answer = await context.call('query.execute', { sql, params: args.param?.map(parseValue) })
    const { changes, columns, rows } = answer
    if (columns && rows) showRows(output, { columns: namesOf(columns), rows: asArrays(rows) }, answer, args)
    else output.result(answer, () => {})
    output.note(changes === 1 ? '1 row changed.' : `${changes} rows changed.`)
  },
)

function namesOf(columns: readonly { readonly name: string }[]): string[] {
  return columns.map(({ name }) => name)
}

/** Rows come as arrays unless objects are asked for. */
function asArrays(rows: readonly unknown[]): readonly (readonly unknown[])[] {
  return rows as readonly (readonly unknown[])[]
}
