import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'
import { type Place, program } from './cinch-support.ts'

const bridge = path.resolve(import.meta.dirname, '../support/terminal.py')

export interface TerminalOptions {
  readonly columns?: number
  readonly rows?: number
  readonly env?: NodeJS.ProcessEnv
}

/** `cinch` in a real terminal, as somebody sits at it. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>
  /** All that was written, escapes included. */
  raw = ''
  /** How much of the text has been looked at. */
  #seen = 0
  #changed: () => void = () => {}

  constructor(place: Place, args: readonly string[], { columns = 80, rows = 24, env = {} }: TerminalOptions = {}) {
    const { CINCH_PROJECT: _, NO_COLOR: __, FORCE_COLOR: ___, ...inherited } = process.env
    const own = { TERM: 'xterm-256color', XDG_STATE_HOME: path.join(place.folder, 'state') }
    const command = [bridge, String(columns), String(rows), process.execPath, program, ...args]
    this.#child = spawn('python3', command, { cwd: place.folder, env: { ...inherited, ...own, ...env } })
    this.#closed = once(this.#child, 'close')
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.raw += text
      this.#changed()
    })
    void this.#closed.then(() => this.#changed())
  }

  /** What was written, without escapes and carriage returns. */
  get text(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is looked for
    return this.raw.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '')
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  /** Wait for a text that has not been looked at yet; gives what came up to it. */
  async expect(wanted: string): Promise<string> {
    for (;;) {
      const { text } = this
      const at = text.indexOf(wanted, this.#seen)
      if (at >= 0) {
        const shown = text.slice(this.#seen, at + wanted.length)
        this.#seen = at + wanted.length
        return shown
      }
      if (this.#child.exitCode !== null) throw new Error(`it ended without ${wanted}:\n${text.slice(this.#seen)}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** Wait for the program's end; gives its exit code. */
  async end(): Promise<number | null> {
    await this.#closed
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill()
    await this.#closed
  }
}
