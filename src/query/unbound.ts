import { assert } from '../base/assert.ts'

/**
 * Call `run` with as many nulls as the statement `sql` has parameters, and any name. Better-sqlite3 insists on a value for
 * every parameter, even under EXPLAIN, and does not tell how many there are: start from a guess and search.
 */
export function withNulls<T>(sql: string, run: (parameters: unknown[]) => T): T {
  let atLeast = 0
  let atMost = 32_766 // SQLITE_MAX_VARIABLE_NUMBER
  let count = Math.min(sql.match(/\?(?!\d)/g)?.length ?? 0, atMost)
  for (;;) {
    try {
      return run([new Array(count).fill(null), anyName])
    } catch (error) {
      const isTooFew = error instanceof RangeError && error.message.startsWith('Too few')
      const isTooMany = error instanceof RangeError && error.message.startsWith('Too many')
      if (isTooFew) atLeast = count + 1
      else if (isTooMany) atMost = count - 1
      else throw error
      assert(atLeast <= atMost, 'no number of parameters fits the statement')
      count = Math.floor((atLeast + atMost) / 2)
    }
  }
}

/** Has every property, each null. */
const anyName: Record<string, null> = new Proxy(
  {},
  {
    get: () => null,
    has: () => true,
    getOwnPropertyDescriptor: () => ({ value: null, configurable: true, enumerable: true, writable: true }),
  },
)
