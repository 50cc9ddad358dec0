import type { Asker } from '../storage/processes.ts'

/** Who waits for what is done. Its `owner` is the connection that it came from: whose transactions and cursors are whose. */
export interface Caller extends Asker {
  /** What the caller asks to be written later waits for this: the statement must not see it. */
  beforeWrites(snapshot: Promise<void>): void
  /** Whatever the caller asks later waits until the function is called that this gives. */
  beforeAll(): () => void
}
