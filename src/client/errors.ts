/** An error as it comes over the wire. */
export interface WireFailure {
  readonly code: number
  readonly message: string
  readonly data: { readonly kind: string; readonly hint?: string | undefined; readonly [field: string]: unknown }
}

/** The daemon said no, or failed. `kind` and `code` are stable; `data` has what belongs to the kind. */
export class CinchError extends Error {
  override name = 'CinchError'
  readonly code: number
  readonly kind: string
  readonly hint: string | undefined
  readonly data: { readonly [field: string]: unknown }

  constructor({ code, message, data }: WireFailure, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    const { kind, hint, ...rest } = data
    this.kind = kind
    this.hint = hint
    this.data = rest
  }
}

/** No database, branch, tenant, table, row, … of this name. */
export class NotFoundError extends CinchError {}

/** There is one of this name already. */
export class ExistsError extends CinchError {}

/** A constraint of the schema stands against a write; `data` has its table and columns. */
export class ConstraintError extends CinchError {}

/** A limit of the daemon's settings was reached; `data.limit` names it. */
export class LimitError extends CinchError {}

/** The call was cancelled; `cause` is the reason that its signal gave. */
export class CancelledError extends CinchError {}

/** The call took longer than its `timeoutMs`. */
export class TimeoutError extends CinchError {}

/** The transaction is over; `data.reason` says how. */
export class TransactionEndedError extends CinchError {}

/** The daemon is gone, or the connection was closed. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost'
  /** The call that was under way: it may or may not have been done. Undefined: nothing was sent. */
  readonly method: string | undefined

  constructor(reason: string, method?: string) {
    const outcome = method === undefined ? '' : `; whether ${method} was done is not known`
    super(`the connection is closed: ${reason}${outcome}`)
    this.method = method
  }
}

/** The schema is no longer the one that code was generated from. */
export class SchemaDiffersError extends Error {
  override name = 'SchemaDiffersError'
  readonly expected: string
  /** Undefined where a table or view is gone. */
  readonly found: string | undefined

  constructor(expected: string, found: string | undefined) {
    super(
      `schema differs: the code was generated from ${expected}, the branch has ${found ?? 'not all of its tables and views'}; run \`cinch codegen generate\` again`,
    )
    this.expected = expected
    this.found = found
  }
}

/** A column holds a value of another kind than its own, as a table that is not STRICT can. */
export class ValueKindError extends Error {
  override name = 'ValueKindError'
  readonly table: string
  readonly column: string
  /** What the column was declared as. */
  readonly kind: string
  readonly value: unknown

  constructor({ table, column, kind, value }: Pick<ValueKindError, 'table' | 'column' | 'kind' | 'value'>) {
    const found = value === null ? 'null' : value instanceof Uint8Array ? 'blob' : `${typeof value} ${value}`
    super(`column ${column} of ${table} should be ${kind}, and is ${found}`)
    this.table = table
    this.column = column
    this.kind = kind
    this.value = value
  }
}

/** The class of an error, by its family. */
export function errorOf(failure: WireFailure, options?: ErrorOptions): CinchError {
  return new (familyOf(failure.data.kind))(failure, options)
}

const families: { readonly [kind: string]: typeof CinchError } = {
  constraintFailed: ConstraintError,
  limitExceeded: LimitError,
  messageTooLarge: LimitError,
  methodNotFound: CinchError,
  requestCancelled: CancelledError,
  timeout: TimeoutError,
  transactionEnded: TransactionEndedError,
}

function familyOf(kind: string): typeof CinchError {
  const family = families[kind]
  if (family) return family
  if (kind.endsWith('NotFound')) return NotFoundError
  return kind.endsWith('Exists') ? ExistsError : CinchError
}
