import type { ErrorKind } from '../../../protocol/errors.ts'
import type { Progress } from '../edit.ts'

/** What the daemon says to the process of a chore. */
export type Order =
  | { readonly kind: 'start'; readonly name: string; readonly input: unknown }
  /** The answer to `ready`. */
  | { readonly kind: 'commit' }

/** What it hears from it, in this order; or `failed`, at any time. */
export type Report =
  | { readonly kind: 'progress'; readonly value: object }
  /** What is written to the tenant from now on is not seen. */
  | { readonly kind: 'snapshot' }
  /** All is written but not committed, and waits for `commit`. */
  | { readonly kind: 'ready'; readonly told: unknown }
  | { readonly kind: 'committed' }
  | { readonly kind: 'done'; readonly result: unknown }
  | ({ readonly kind: 'failed' } & Failure)

/** Why a chore failed: for which a client is told the refusal, or else something unexpected. */
export interface Failure {
  readonly refusal?: { readonly kind: ErrorKind; readonly data: object }
  /** SQLite's or the system's; empty for any other. */
  readonly code: string
  readonly message: string
}

/** How a chore, in its process, speaks with the daemon. Nothing stops it by way of `signal`: its process is killed. */
export interface Link extends Progress {
  snapshot(): void
  /** Settles when what is told may be committed, if ever. */
  mayCommit(told: unknown): Promise<void>
  committed(): void
}
