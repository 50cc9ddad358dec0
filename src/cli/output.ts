import { once } from 'node:events'
import process from 'node:process'
import { ProgressText } from './progress.ts'
import { styler, visible } from './style.ts'
import { recordText, tableText } from './table.ts'

/** Where a command says things: results on standard output; notes, warnings and progress on standard error. */
export class Output {
  readonly #isJson: boolean
  /** While a call's progress is shown. */
  #progressText: ProgressText | undefined

  constructor(isJson: boolean) {
    this.#isJson = isJson
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

  /** Rows under their column names, aligned, as wide as the terminal. */
  table(columns: readonly string[], rows: readonly (readonly unknown[])[]): void {
    this.line(tableText(columns, rows, { width: process.stdout.columns, style: styler(process.stdout) }))
  }

  /** One thing: a name and a value a line. */
  record(value: object): void {
    this.line(recordText(value, styler(process.stdout)))
  }

  /** What people may want to know and programs do not: silent with `--json`. */
  note(text: string): void {
    if (!this.#isJson) process.stderr.write(`${text}\n`)
  }

  /** A note for somebody who is watching, such as a number of rows. */
  aside(text: string): void {
    if (process.stdout.isTTY) this.note(text)
  }

  warn(text: string): void {
    process.stderr.write(`cinch: ${text}\n`)
  }

  /** What a call is given so that its progress is shown: something on a terminal, nothing elsewhere. */
  get progressOption(): { onProgress?: (value: Record<string, unknown>) => void } {
    if (this.#isJson || !process.stderr.isTTY) return {}
    return { onProgress: (value) => this.#progress(value) }
  }

  endProgress(): void {
    if (this.#progressText) process.stderr.write('\r\x1b[K')
    this.#progressText = undefined
  }

  #progress(value: Record<string, unknown>): void {
    this.#progressText ??= new ProgressText()
    const text = visible(this.#progressText.text(value, performance.now()))
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
}
