export interface CliErrorOptions {
  readonly data?: Readonly<Record<string, unknown>>
  /** What to do next. */
  readonly hint?: string
}

/** The command line itself says no. Its `kind` and `data` are as an error of the daemon has them. */
export class CliError extends Error {
  override name = 'CliError'
  readonly kind: string
  readonly data: Readonly<Record<string, unknown>>
  readonly hint: string | undefined

  constructor(kind: string, message: string, { data = {}, hint }: CliErrorOptions = {}) {
    super(message)
    this.kind = kind
    this.data = data
    this.hint = hint
  }
}

/** The command line was written wrong. */
export class UsageError extends CliError {
  override name = 'UsageError'

  constructor(message: string, hint?: string, suggestion?: string) {
    super('usage', message, { hint, data: suggestion === undefined ? {} : { suggestion } })
  }
}
