import { nextExpiry, purge } from '../kv/operations.ts'
import type { Slice } from '../kv/scan.ts'
import type { Reader } from '../storage/tenant-file.ts'
import type { Caller } from './caller.ts'
import type { Operation } from './operations.ts'
import { Slices } from './slices.ts'
import type { Place } from './sql.ts'
import type { Tenant } from './tenant.ts'

/** Goes through keys up to some point; `after` is where the slice before ended. */
type SliceOperation<A, S> = Operation<Reader, A & { readonly after?: string }, S>

/**
 * Go through keys a slice at a time, with everybody else at work in between. What the caller asks to be written later
 * waits for the end.
 */
export async function readInSlices<A, S extends Slice>(
  place: Place,
  operation: SliceOperation<A, S>,
  args: A,
  caller: Caller,
): Promise<S[]> {
  const reading = readAll(place, operation, args, caller)
  const ended = () => {}
  caller.beforeWrites(reading.then(ended, ended))
  return reading
}

async function readAll<A, S extends Slice>(
  place: Place,
  operation: SliceOperation<A, S>,
  args: A,
  caller: Caller,
): Promise<S[]> {
  const slices = slicesOf(caller)
  const found: S[] = []
  for (let after: string | undefined; ; ) {
    const slice = await place.ask(operation, { ...args, after }, caller)
    found.push(slice)
    if (slice.nextAfter === undefined) return found
    after = slice.nextAfter
    await slices.next()
  }
}

const purgedAtOnce = 500

/** Remove the keys that have expired by `now`. Gives how many went. */
export async function purgeKeys(tenant: Tenant, caller: Caller, now: number): Promise<number> {
  const slices = slicesOf(caller)
  tenant.branch.requireWritable()
  for (let count = 0; ; ) {
    const next = await tenant.read(nextExpiry)
    // A write would copy a file that others share.
    if (next === undefined || next > now) return count
    count += await tenant.write((writer) => purge(writer, { now, limit: purgedAtOnce }))
    await slices.next()
  }
}

function slicesOf({ signal }: Caller): Slices {
  return new Slices({ signal, report() {} })
}
