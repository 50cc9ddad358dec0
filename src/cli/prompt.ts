import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** Whether somebody sits there who can be asked. */
export function canAsk(): boolean {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY)
}

/** Ask a question on standard error; anything but y or yes is a no. */
export async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}

/** Ask for what nobody is to see. */
export async function askSecret(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_, __, done) => done() })
  // The terminal shows nothing from here on: before that, nothing is to be typed.
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    process.stderr.write(`${question}: `)
    const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
    return await Promise.race([terminal.question(''), closed])
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
