import { nextExpiry, purge } from '../kv/operations.ts'
import type { Slice } from '../kv/scan.ts'
import type { Reader } from '../storage/tenant-file.ts'
import type { Caller } from './caller.ts'
import { Slices } from './slices.ts'
import type { Tenant } from './tenant.ts'

/**
 * Go through keys a slice at a time, with everybody else at work in between. What the caller asks to be written later
 * waits for the end.
 */
export async function readInSlices(
  tenant: Tenant,
  caller: Caller,
  slice: (reader: Reader, after: string | undefined) => Slice,
): Promise<void> {
  const reading = readAll(tenant, caller, slice)
  const ended = () => {}
  caller.beforeWrites(reading.then(ended, ended))
  await reading
}

async function readAll(tenant: Tenant, caller: Caller, slice: Parameters<typeof readInSlices>[2]): Promise<void> {
  const slices = slicesOf(caller)
  for (let after: string | undefined; ; ) {
    const { nextAfter } = await tenant.read((reader) => slice(reader, after))
    if (nextAfter === undefined) return
    after = nextAfter
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
