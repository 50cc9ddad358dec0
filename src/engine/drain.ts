import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Refusal } from '../base/refusal.ts'
import type { FileRow } from '../catalog/files.ts'
import { guarded } from '../storage/faults.ts'
import { branchFolder } from '../storage/layout.ts'
import type { Branch } from './branch.ts'
import { DrainThread } from './drain-thread.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

/** How many files are looked up in the catalog at once. */
const pageSize = 256
/** How many files are lent at once: as long as these take, somebody who comes to use one of them may have to wait. */
const batchSize = 32
/** So few files are brought forward on the daemon’s own thread, where they lie: to start another one costs more. */
const fewFiles = 16
/** How many large files are brought forward at a time, each in a process. */
const farAtOnce = 2
/** How long the drain keeps the daemon's thread, and how long it then leaves it to others. */
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
  #pauses = 0
  /** How many files may still be opened here before another thread is started. */
  #fewLeft = 0

  constructor(parts: () => EngineParts, log: Logger) {
    this.#parts = parts
    this.#log = log
  }

  /** Look for files that are behind. */
  wake(): void {
    this.#isWoken = true
    if (this.#isHeld || this.#running) return
    this.#running = this.#run()
      // The catalog cannot be written (a full disk): the files stay behind until the next wake, or their next use.
      .catch((error: unknown) => {
        this.#isWoken = false
        this.#log.error({ err: error }, 'the drain was cut short')
      })
      .finally(() => {
        this.#running = undefined
        // While its thread was ended.
        if (this.#isWoken) this.wake()
      })
  }

  /** Settles when no file is behind, but for those that cannot follow. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** Run `work` while nothing is drained. */
  async pausedWhile<T>(work: () => Promise<T>): Promise<T> {
    this.#pauses++
    try {
      await this.#running
      return await work()
    } finally {
      this.#pauses--
      this.wake()
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  get #isHeld(): boolean {
    return this.#isStopped || this.#pauses > 0
  }

  async #run(): Promise<void> {
    // What woke us is answered first.
    await sleep(pauseMs)
    await using thread = new DrainThread()
    this.#fewLeft = fewFiles
    while (this.#isWoken && !this.#isHeld) {
      this.#isWoken = false
      for (const branch of this.#parts().allBranches()) await this.#drainBranch(branch, thread)
    }
  }

  async #drainBranch(branch: Branch, thread: DrainThread): Promise<void> {
    const { catalog, positions } = this.#parts()
    branch.sharedBehind = 0
    for (let after = ''; ; ) {
      if (this.#isHeld) return
      positions.write()
      const folder = branchFolder(branch.database.row.name, branch.name)
      const where = { branchId: branch.row.id, head: branch.head.id, folder }
      const page = catalog.files.behind({ ...where, after, limit: pageSize })
      await this.#drainPage(branch, page, thread)
      if (page.length < pageSize) return
      after = page.at(-1)?.path as string
    }
  }

  async #drainPage(branch: Branch, page: readonly FileRow[], thread: DrainThread): Promise<void> {
    const { catalog } = this.#parts()
    const areFew = page.length <= this.#fewLeft && !thread.isRunning
    if (areFew) this.#fewLeft -= page.length
    const files = page.values()
    const far = new Set<Promise<void>>()
    for (let isThrough = false; !isThrough; ) {
      const sliceEnd = performance.now() + sliceMs
      const toLend = new Map<FileRow, Tenant>()
      // From here until they are lent nothing gives up the thread.
      while (toLend.size < batchSize && performance.now() < sliceEnd) {
        if (this.#isHeld) return
        const { value: found, done = false } = files.next()
        isThrough = done
        if (found === undefined) break
        // It may have gone elsewhere since it was found.
        const file = catalog.files.get(found.id)
        const tenant = file && this.#tenantOf(branch, file)
        if (file === undefined || tenant === undefined) continue
        if (tenant.isFarBehind) {
          const following = this.#bringForward(file, tenant).finally(() => far.delete(following))
          far.add(following)
          if (far.size === farAtOnce) break
        } else if (this.#isToBeLent(tenant, areFew)) toLend.set(file, tenant)
        else await this.#bringForward(file, tenant)
      }
      if (toLend.size > 0) await this.#lend(branch, toLend, thread)
      if (far.size >= farAtOnce) await Promise.race(far)
      await sleep(pauseMs)
    }
    await Promise.all(far)
  }

  /** The tenant whose file it is; undefined where it is left for later: in use, shared with other branches, or gone. */
  #tenantOf(branch: Branch, file: FileRow): Tenant | undefined {
    const { catalog, sharing } = this.#parts()
    // A tenant that was renamed may have left a row under its old name, for forks to see.
    const user = catalog.tenants.usersOfFile(file.id).find(({ name }) => branch.resolve(name)?.fileId === file.id)
    const tenant = user && branch.tenant(user.name)
    if (tenant === undefined || tenant.isTaken) return undefined
    if (sharing.claim(tenant)) return tenant
    // To migrate a shared file would copy it, and perhaps for nobody: it waits until it is used, or alone.
    branch.sharedBehind++
    return undefined
  }

  /** A file that is open is brought forward where it is at hand. */
  #isToBeLent(tenant: Tenant, areFew: boolean): boolean {
    const { pool } = this.#parts()
    const { id } = tenant.file
    return !areFew && !pool.isKept(id) && !pool.find(id)
  }

  /** Have the other thread bring files forward; whoever comes to use one of them waits. */
  async #lend(branch: Branch, lent: ReadonlyMap<FileRow, Tenant>, thread: DrainThread): Promise<void> {
    const { config, heads, layout } = this.#parts()
    const head = branch.head.id
    const wayFrom = (changeSet: string) => [changeSet, heads.migrations(changeSet, head)] as const
    const ways = Object.fromEntries([head, ...[...lent.keys()].map(({ changeSet }) => changeSet)].map(wayFrom))
    const files = [...lent.keys()].map(({ id, path }) => {
      return { id, path: layout.absolute(path), beside: layout.scratchFile(`drain-${id}`) }
    })
    const outcomes = thread.rollForward({ files, ways, durability: config.durability })
    await Promise.all([...lent.values()].map((tenant) => tenant.lend(outcomes)))
    const byId = new Map([...lent].map((entry) => [entry[0].id, entry]))
    for (const outcome of await outcomes) {
      const [file, tenant] = byId.get(outcome.id) as [FileRow, Tenant]
      this.#settle(file, tenant, () => {
        if (outcome.kind === 'failed') throw Object.assign(new Error(outcome.message), { code: outcome.code })
        // A file that stood elsewhere than the catalog thought stands there still, and finds its way next time.
        if (heads.migrations(outcome.changeSet, head).length > 0) this.#isWoken = true
        return outcome.changeSet
      })
    }
  }

  /** Bring a file forward where it lies: here, or in a process where that takes long. */
  async #bringForward(file: FileRow, tenant: Tenant): Promise<void> {
    try {
      const changeSet = await tenant.bringForward()
      this.#settle(file, tenant, () => changeSet)
    } catch (error) {
      // Its process was killed with all others.
      if (this.#isStopped) return
      this.#settle(file, tenant, () => {
        throw error
      })
    }
  }

  /** Note where a file stands after `work`. One that cannot follow is set aside with the reason, and the others go on. */
  #settle({ id }: FileRow, { name }: Tenant, work: () => string): void {
    const { catalog, positions } = this.#parts()
    try {
      positions.note(id, guarded(`tenant ${name}`, work))
    } catch (error) {
      this.#log.error({ tenant: name, err: error }, 'a file cannot be brought to its branch’s head')
      // A disk that is full now, or a process that somebody killed, says nothing of the file.
      if (error instanceof Refusal && (error.kind === 'storageFull' || error.kind === 'processEnded')) return
      catalog.writeNow(() => catalog.files.setFault(id, error instanceof Error ? error.message : String(error)))
    }
  }
}
