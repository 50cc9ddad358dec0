import { refuse } from '../base/refusal.ts'
import type { Branch } from './branch.ts'
import type { Tenant } from './tenant.ts'

/** How long an operation waits for long writes that are under way in a branch. */
const patienceMs = 10_000

/** Wait until nobody but `except` holds a tenant's write turn in a branch; give up after a while, and say who it is. */
export async function settleWriters(branch: Branch, except?: Tenant): Promise<void> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const holders = [...branch.taken.values()].filter((tenant) => tenant !== except)
    if (holders.length === 0) return
    const tenants = holders.map(({ name }) => name)
    const leftMs = giveUpAt - performance.now()
    if (leftMs <= 0) refuse('tenantBusy', { database: branch.database.row.name, branch: branch.name, tenants })
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leftMs)
    })
    await Promise.race([patience, ...holders.map((tenant) => tenant.idle())])
    clearTimeout(timer)
  }
}
