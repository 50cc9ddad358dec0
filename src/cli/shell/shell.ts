import { Cursor } from '../../client/cursor.ts'
import { tokenize } from '../../schema/sql.ts'
import { Output } from '../output.ts'
import { type FormatOptions, type RowSet, showRows, showRowsAsTheyCome } from '../rows.ts'
import { runCommand } from './commands.ts'
import type { Format } from './format.ts'
import type { Session } from './session.ts'
import { StatementReader } from './statements.ts'

export interface ShellOptions {
  readonly format: Format
  /** At most so many rows of each result. */
  readonly limit?: number
  readonly isQuiet: boolean
  /** Somebody sits at a terminal. */
  readonly isInteractive: boolean
}

/** What is done with the lines of a shell, wherever they come from: statements of SQL, and commands that begin with `\`. */
export class Shell {
  readonly session: Session
  readonly isInteractive: boolean
  readonly reader = new StatementReader()
  format: Format
  limit: number | undefined
  isTiming = false
  /** `\quit` was given. */
  isOver = false
  readonly #isQuiet: boolean

  constructor(session: Session, { format, limit, isQuiet, isInteractive }: ShellOptions) {
    this.session = session
    this.format = format
    this.limit = limit
    this.isInteractive = isInteractive
    this.#isQuiet = isQuiet
  }

  get output(): Output {
    return new Output(this.format === 'json', this.#isQuiet)
  }

  /** Do what a line says, or what it makes complete. The first error ends it. */
  async take(line: string, signal?: AbortSignal): Promise<void> {
    if (this.reader.isEmpty && /^\s*\\/.test(line)) return runCommand(this, line.trim(), signal)
    for (const statement of this.reader.read(line)) await this.#run(statement, signal)
  }

  /** No more lines come. */
  async finish(signal?: AbortSignal): Promise<void> {
    const statement = this.reader.finish()
    if (statement !== undefined) await this.#run(statement, signal)
  }

  async #run(sql: string, signal: AbortSignal | undefined): Promise<void> {
    const control = transactionCommand(sql)
    if (control !== undefined) return runCommand(this, control, signal)
    const writes = await this.#writes(sql, signal)
    const begunAt = performance.now()
    if (writes) await this.#execute(sql, signal)
    else await this.#query(sql, signal)
    if (this.isTiming) this.output.note(`Time: ${(performance.now() - begunAt).toFixed(1)} ms`)
  }

  /** As the daemon judges: not by its text. (What EXPLAIN shows is read, whatever it is that it explains.) */
  async #writes(sql: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (/^explain\b/i.test(sql)) return false
    const { kind } = await this.session.callInside('query.explain', { sql }, { signal })
    return kind === 'write'
  }

  async #query(sql: string, signal: AbortSignal | undefined): Promise<void> {
    const statement = { sql, maxRows: this.limit }
    const isForPrograms = this.format !== 'table' && !this.isInteractive
    // A cursor sees what is committed, so what is read in a transaction comes in one piece.
    const found =
      isForPrograms && !this.session.hasTransaction
        ? await this.#stream(statement)
        : await this.#show(statement, signal)
    if (!found.truncated) return
    const hint = this.isInteractive ? '; \\limit N shows more' : ''
    this.output.warn(`there are more rows: only the first ${found.count} are here${hint}`)
  }

  async #show(statement: Statement, signal: AbortSignal | undefined): Promise<Found> {
    const answer = await this.session.callInside('query.run', statement, { signal })
    showRows(this.output, rowSetOf(answer), answer, this.#formatOptions)
    return { count: answer.rows.length, truncated: answer.truncated ?? false }
  }

  async #stream(statement: Statement): Promise<Found> {
    const cursor = await Cursor.open(await this.session.client(), { ...statement })
    const count = await showRowsAsTheyCome(this.output, cursor, this.#formatOptions)
    return { count, truncated: cursor.isTruncated }
  }

  async #execute(sql: string, signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.session.callInside('query.execute', { sql }, { signal })
    const { changes, columns, rows } = answer
    if (columns && rows) showRows(this.output, rowSetOf({ columns, rows }), answer, this.#formatOptions)
    else this.output.result(answer, () => {})
    this.output.note(changes === 1 ? '1 row changed.' : `${changes} rows changed.`)
  }

  get #formatOptions(): FormatOptions {
    return { json: this.format === 'json', csv: this.format === 'csv', ndjson: this.format === 'ndjson' }
  }
}

interface Statement {
  readonly sql: string
  readonly maxRows: number | undefined
}

interface Found {
  readonly count: number
  readonly truncated: boolean
}

interface Answer {
  readonly columns: readonly { readonly name: string }[]
  readonly rows: readonly unknown[]
}

/** Rows come as arrays unless objects are asked for. */
function rowSetOf({ columns, rows }: Answer): RowSet {
  return { columns: columns.map(({ name }) => name), rows: rows as RowSet['rows'] }
}

/** The shell's command that does what a statement of SQL would do if transactions were the connection's. */
function transactionCommand(sql: string): string | undefined {
  const words = tokenize(sql)
    .map(({ text }) => text.toUpperCase())
    .join(' ')
  const [, verb] =
    /^(BEGIN|COMMIT|END|ROLLBACK)( DEFERRED| IMMEDIATE| EXCLUSIVE)?( TRANSACTION)?( ;)?$/.exec(words) ?? []
  return verb && `\\${verb === 'END' ? 'commit' : verb.toLowerCase()}`
}
