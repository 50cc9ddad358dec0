import type * as z from 'zod'
import type { ErrorKind } from '../../protocol/errors.ts'
import type { Access } from './session.ts'

/**
 * One method of the wire, declared once: checks, static types, OpenRPC, the typed client and the reference page all
 * come from this value. `C` is what a handler reaches besides its parameters.
 */
export interface Method<C = never, P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly summary: string
  /**
   * `read` changes nothing; `write` changes rows and keeps its place among the calls of its session by itself; `edit`
   * changes what later calls may rely on (schema, catalog, a whole import): calls that a session sends after it wait for
   * it; `session` concerns the connection alone.
   */
  readonly access: Access
  readonly params: P
  readonly result: R
  /** The kinds of refusal to expect; a refusal of another kind counts as a bug. */
  readonly refusals: readonly ErrorKind[]
  handle(call: C, params: z.output<P>): Result<R> | Promise<Result<R>>
}

type Result<R extends z.ZodType> = z.input<R> | JsonText

/** A result that is JSON already. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What the dispatcher needs of a registry. */
export interface Registry<C> {
  get(name: string): Method<C> | undefined
  names(): readonly string[]
}
