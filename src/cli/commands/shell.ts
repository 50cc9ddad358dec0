import process from 'node:process'
import { body, unlocked } from '../command.ts'
import { CliError } from '../errors.ts'
import { limitOption } from '../limit.ts'
import { formatOptions } from '../rows.ts'
import { Session } from '../shell/session.ts'
import { Shell } from '../shell/shell.ts'

/** Of a result, so many rows are shown at a terminal. */
const rowsForPeople = 1_000

export const shell = body(
  (parser) => formatOptions(limitOption(parser, `at most so many rows of a result; at a terminal ${rowsForPeople}`)),
  unlocked(async (context, { json, csv, ndjson, quiet, limit }) => {
    const isInteractive = Boolean(process.stdin.isTTY && process.stdout.isTTY)
    using session = await Session.open(context)
    const shell = new Shell(session, {
      format: json ? 'json' : csv ? 'csv' : ndjson ? 'ndjson' : 'table',
      limit: limit ?? (isInteractive ? rowsForPeople : undefined),
      isQuiet: quiet,
      isInteractive,
    })
    if (isInteractive) {
      const { interact } = await import('../shell/interact.ts')
      await interact(shell)
    } else {
      await runInput(shell)
    }
    if (!session.hasTransaction) return
    if (!isInteractive) throw new CliError('transactionOpen', 'The transaction was not committed: it is rolled back')
    context.output.warn('the transaction was not committed: it is rolled back')
  }),
)

/** Run what standard input holds, up to the first error. */
async function runInput(shell: Shell): Promise<void> {
  for await (const line of linesOf(process.stdin)) {
    await shell.take(line)
    if (shell.isOver) return
  }
  await shell.finish()
}

/** Lines as they are: a text that spans some of them keeps its line ends. */
async function* linesOf(input: NodeJS.ReadStream): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of input.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    yield* lines
  }
  if (rest !== '') yield rest
}
