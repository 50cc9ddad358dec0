import type { ErrorData, ErrorKind } from '../../protocol/errors.ts'

/** An expected "no": the request was understood and the answer is a refusal of a kind from `protocol/errors.ts`. */
export class Refusal extends Error {
  readonly kind: ErrorKind
  readonly data: Readonly<Record<string, unknown>>

  constructor(kind: ErrorKind, data: Readonly<Record<string, unknown>>, options?: ErrorOptions) {
    super(`${kind} ${JSON.stringify(data)}`, options)
    this.name = 'Refusal'
    this.kind = kind
    this.data = data
  }
}

/** Answer "no". The data has the shape that the error table declares for this kind. */
export function refuse<K extends ErrorKind>(kind: K, data: ErrorData<K>, options?: ErrorOptions): never {
  throw new Refusal(kind, data as Record<string, unknown>, options)
}
