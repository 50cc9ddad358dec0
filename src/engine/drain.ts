import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { FileRow } from '../catalog/files.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'

const batch = 64
/** How long the drain keeps the thread, and how long it then leaves it to others. */
const sliceMs = 3
const pauseMs = 1

/**
 * Brings files to their branch's head in the background, a slice at a time. It is not needed for anybody to see the
 * new schema (a file is brought forward before its next use); it is there so that no file stays behind for ever.
 */
export class Drain {
  readonly #parts: () => EngineParts
  readonly #log: Logger
  #running: Promise<void> | undefined
  #isWoken = false
  #isStopped = false

  constructor(parts: () => EngineParts, log: Logger) {
    this.#parts = parts
    this.#log = log
  }

  /** Look for files that are behind. */
  wake(): void {
    this.#isWoken = true
    if (this.#isStopped || this.#running) return
    this.#running = this.#run()
      // The catalog cannot be written (a full disk): the files stay behind until the next wake, or their next use.
      .catch((error: unknown) => this.#log.error({ err: error }, 'the drain was cut short'))
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Settles when no file is behind, but for those that cannot follow. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    // What woke us is answered first.
    await sleep(pauseMs)
    while (this.#isWoken && !this.#isStopped) {
      this.#isWoken = false
      for (const branch of this.#parts().allBranches()) await this.#drainBranch(branch)
    }
  }

  async #drainBranch(branch: Branch): Promise<void> {
    const { catalog, positions } = this.#parts()
    const passedOver = new Set<number>()
    for (;;) {
      positions.write()
      const behind = catalog.files
        .behind(branch.row.id, branch.head.id, batch + passedOver.size)
        .filter(({ id }) => !passedOver.has(id))
      if (behind.length === 0) return
      let sliceStart = performance.now()
      for (const file of behind) {
        if (this.#isStopped) return
        if (!this.#bringForward(branch, file)) passedOver.add(file.id)
        if (performance.now() - sliceStart < sliceMs) continue
        await sleep(pauseMs)
        sliceStart = performance.now()
      }
    }
  }

  /** False where the file is left for later: it is in use, or it cannot follow. */
  #bringForward(branch: Branch, file: FileRow): boolean {
    const { catalog, pool, positions } = this.#parts()
    const user = catalog.tenants.usersOfFile(file.id).find(({ branchId }) => branchId === branch.row.id)
    if (!user) return false
    const wasOpen = pool.find(file.id) !== undefined
    try {
      const tenant = branch.tenant(user.name)
      if (tenant.row.fileId !== file.id || tenant.isTaken) return false
      // To migrate a shared file would copy it, and perhaps for nobody: it waits until it is used, or alone.
      if (!this.#parts().sharing.claim(tenant)) return false
      tenant.bringForward()
      positions.note(file.id, branch.head.id)
      if (!wasOpen) tenant.close()
      return true
    } catch (error) {
      this.#log.error({ tenant: user.name, err: error }, 'a file cannot be brought to its branch’s head')
      catalog.writeNow(() => catalog.files.setFault(file.id, error instanceof Error ? error.message : String(error)))
      return false
    }
  }
}
