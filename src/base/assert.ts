/** The code is wrong if this does not hold. Stops the work at hand. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Ends a `switch` over a union: a new kind that has no place there does not compile. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected ${JSON.stringify(value)}`)
}

export class AssertionError extends Error {
  override name = 'AssertionError'
}
