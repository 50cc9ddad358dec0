import { once } from 'node:events'
import process from 'node:process'
import { ProgressLine } from './progress.ts'
import { type Style, styler } from './style.ts'
import { recordText, tableText } from './table.ts'

/** Where a command says things: results on standard output; notes, warnings and progress on standard error. */
export class Output {
  readonly #isJson: boolean
  readonly #isQuiet: boolean

  constructor(isJson: boolean, isQuiet: boolean) {
    this.#isJson = isJson
    this.#isQuiet = isQuiet
  }

  /** The result of a command: one JSON value with `--json`, else what `show` prints. */
  result(value: unknown, show: () => void): void {
    if (this.#isJson) this.json(value)
    else show()
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  /** A part of a long result. Settles when there is room for the next one. */
  async piece(text: string): Promise<void> {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }

  /** How text of results is set off. */
  get style(): Style {
    return styler(process.stdout)
  }

  /** How many columns results have; undefined where there is no terminal, and lines may be as long as they like. */
  get width(): number | undefined {
    return process.stdout.columns
  }

  /** Rows under their column names, aligned, as wide as the terminal. */
  table(columns: readonly string[], rows: readonly (readonly unknown[])[]): void {
    this.line(tableText(columns, rows, { width: this.width, style: this.style }))
  }

  /** One thing: a name and a value a line. */
  record(value: object): void {
    this.line(recordText(value, this.style))
  }

  /** What people may want to know and programs do not: silent with `--json` and `--quiet`. */
  note(text: string): void {
    if (!this.#isJson && !this.#isQuiet) process.stderr.write(`${text}\n`)
  }

  /** A note for somebody who is watching, such as a number of rows. */
  aside(text: string): void {
    if (process.stdout.isTTY) this.note(text)
  }

  warn(text: string): void {
    process.stderr.write(`cinch: ${text}\n`)
  }

  /** Show where a call is, for as long as it runs: on a terminal, and nowhere else. */
  async withProgress<T>(call: (options: ProgressOptions) => Promise<T>): Promise<T> {
    if (this.#isJson || this.#isQuiet || !process.stderr.isTTY) return call({})
    const line = new ProgressLine(process.stderr)
    try {
      return await call({ onProgress: (value) => line.show(value) })
    } finally {
      line.clear()
    }
  }
}

interface ProgressOptions {
  readonly onProgress?: (value: Record<string, unknown>) => void
}
