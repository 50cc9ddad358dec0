/** Who waits for what is done, as far as the engine has to know. */
export interface Caller {
  /** The connection that the call came from: whose transactions are whose, and what keeps its order. */
  readonly session: object
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
  /** What the caller asks to be written later waits for this: the statement must not see it. */
  beforeWrites(snapshot: Promise<void>): void
  /** Whatever the caller asks later waits until the function is called that this gives. */
  beforeAll(): () => void
}
