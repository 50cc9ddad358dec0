import { Refusal } from '../base/refusal.ts'
import type { Branch } from './branch.ts'
import type { Tenant } from './tenant.ts'

/** How long an operation waits for long writes, and transactions, that are under way. */
const patienceMs = 10_000

/**
 * Wait until nobody holds the write turn of a tenant but `except` in a branch; give up after a while, and say who it is. Nobody
 * gets the turn of a tenant that is waited for, and what follows at once finds them all free.
 */
export async function settleWriters(branch: Branch, except: readonly Tenant[] = []): Promise<void> {
  const holders = () => [...branch.taken.values()].filter((tenant) => !except.includes(tenant))
  const reserved: Tenant[] = []
  const patience = new Patience(() => busy(branch, holders()))
  try {
    for (;;) {
      const found = holders()
      if (found.length === 0) return
      const ended = found.map((tenant) => {
        reserved.push(tenant)
        return tenant.reserveTurn()
      })
      await patience.atMost(Promise.all(ended))
    }
  } finally {
    patience.end()
    setImmediate(() => {
      for (const tenant of reserved) tenant.unreserveTurn()
    })
  }
}

/** Take a tenant's write turn for an operation that is refused where that takes long. */
export async function holdPatiently<T>(tenant: Tenant, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(() => busy(tenant.branch, [tenant]))
  try {
    return await tenant.hold(
      () => {
        patience.end()
        return work()
      },
      { waiter: patience },
    )
  } finally {
    patience.end()
  }
}

function busy(branch: Branch, tenants: readonly Tenant[]): Refusal {
  const names = tenants.map(({ name }) => name)
  return new Refusal('tenantBusy', { database: branch.database.row.name, branch: branch.name, tenants: names })
}

/** The end of it is a signal, with a refusal as its reason. */
class Patience {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(over: () => Refusal) {
    this.#timer = setTimeout(() => this.#controller.abort(over()), patienceMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  atMost<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true })
      work.then(resolve, reject)
    })
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
