import process from 'node:process'
import { createInterface } from 'node:readline'
import { productVersion } from '../../../protocol/version.ts'
import { report } from '../report.ts'
import { styler } from '../style.ts'
import { type Completion, complete } from './completion.ts'
import { History } from './history.ts'
import type { Shell } from './shell.ts'

/** The shell at a terminal. Errors are told, and it goes on. */
export async function interact(shell: Shell): Promise<void> {
  const history = new History((text) => shell.output.warn(text))
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: [...history.entries],
    historySize: history.entries.length + 1_000,
    completer: (line: string, done: (error: null, completion: Completion) => void) => {
      complete(shell, line).then(
        (completion) => done(null, completion),
        // Without the daemon there is nothing to choose from; the statement itself will tell.
        () => done(null, [[], line]),
      )
    },
  })
  history.follow(terminal)

  let running: AbortController | undefined
  let typed = ''
  let isClosed = false
  const showPrompt = () => {
    terminal.setPrompt(promptOf(shell))
    terminal.prompt()
  }
  terminal.on('SIGINT', () => {
    if (running) return running.abort()
    shell.reader.clear()
    typed = ''
    process.stdout.write('^C\n')
    terminal.write(null, { ctrl: true, name: 'e' })
    terminal.write(null, { ctrl: true, name: 'u' })
    showPrompt()
  })
  terminal.on('close', () => {
    isClosed = true
    running?.abort()
  })

  shell.output.note(`cinch ${productVersion}. SQL ends with ; and \\help lists commands.`)
  showPrompt()
  for await (const line of terminal) {
    typed += typed === '' ? line : `\n${line}`
    running = new AbortController()
    await take(shell, line, running.signal)
    running = undefined
    if (shell.reader.isEmpty) {
      history.add(typed.trimEnd())
      typed = ''
    }
    if (shell.isOver || isClosed) break
    showPrompt()
  }
  if (!shell.isOver) process.stdout.write('\n')
  terminal.close()
}

async function take(shell: Shell, line: string, signal: AbortSignal): Promise<void> {
  try {
    await shell.take(line, signal)
  } catch (error) {
    shell.reader.clear()
    if ((error as { kind?: unknown }).kind === 'requestCancelled') shell.output.note('Cancelled.')
    else report(error, { json: false })
    if (await shell.session.hasLostTransaction()) shell.output.warn('the transaction was rolled back')
  }
}

/** `main/feature/acme> `, with a star while a transaction is open; an arrow while a statement waits for its end. */
function promptOf({ session: { scope, hasTransaction }, reader }: Shell): string {
  const where = `${scope.database}/${scope.branch}/${scope.tenant}${hasTransaction ? '*' : ''}`
  if (!reader.isEmpty) return `${' '.repeat(Math.max(0, where.length - 1))}-> `
  const style = styler(process.stdout)
  return `${hasTransaction ? style.yellow(where) : style.bold(where)}> `
}
