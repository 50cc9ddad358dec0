import process from 'node:process'
import { body, optional, required } from '../command.ts'
import { UsageError } from '../errors.ts'
import { jsonOf } from '../input.ts'

export const rpc = body(
  (parser) =>
    parser
      .positional('method', required('such as table.list; rpc.discover describes them all'))
      .positional('params', optional('a JSON object; - reads it from standard input')),
  async (context, { method, params, json }) => {
    const given = params === undefined ? {} : await jsonOf(params, 'params')
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new UsageError('params is a JSON object')
    }
    const result = await context.rawCall(method, given)
    const isForPeople = process.stdout.isTTY && !json
    context.output.line(JSON.stringify(result, null, isForPeople ? 2 : undefined))
  },
)
