import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { crashPoint } from '../base/crash-point.ts'
import { Refusal } from '../base/refusal.ts'
import type { FileRow } from '../catalog/files.ts'
import { runSteps } from '../schema/apply.ts'
import { openMemory, withJournal } from '../storage/connection.ts'
import { sizeOf, writeDurably } from '../storage/files.ts'
import { readChangeSet, writeChangeSet } from '../storage/tenant-file.ts'
import type { Branch } from './branch.ts'
import type { EngineParts } from './engine.ts'
import type { Tenant } from './tenant.ts'

const batch = 256
/** How many files are on their way at a time. */
const atOnce = 8
/** Up to this size a file is made anew in memory and replaced; a larger one is migrated where it lies. */
const maxImageBytes = 2 * 1024 * 1024
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
  #pauses = 0

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
      .catch((error: unknown) => this.#log.error({ err: error }, 'the drain was cut short'))
      .finally(() => {
        this.#running = undefined
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
    while (this.#isWoken && !this.#isHeld) {
      this.#isWoken = false
      for (const branch of this.#parts().allBranches()) await this.#drainBranch(branch)
    }
  }

  async #drainBranch(branch: Branch): Promise<void> {
    const { catalog, positions } = this.#parts()
    const passedOver = new Set<number>()
    branch.sharedBehind = 0
    for (;;) {
      positions.write()
      const behind = catalog.files
        .behind(branch.row.id, branch.head.id, batch + passedOver.size)
        .filter(({ id }) => !passedOver.has(id))
      if (behind.length === 0) return
      const next = behind.values()
      let sliceStart = performance.now()
      const work = async () => {
        for (const file of next) {
          if (this.#isHeld) return
          if (!(await this.#bringForward(branch, file))) passedOver.add(file.id)
          if (performance.now() - sliceStart < sliceMs) continue
          await sleep(pauseMs)
          sliceStart = performance.now()
        }
      }
      await Promise.all(Array.from({ length: atOnce }, work))
      if (this.#isHeld) return
    }
  }

  /** False where the file is left for later: it is in use, or it cannot follow. */
  async #bringForward(branch: Branch, file: FileRow): Promise<boolean> {
    const { catalog, pool, positions, sharing } = this.#parts()
    const user = catalog.tenants.usersOfFile(file.id).find(({ branchId }) => branchId === branch.row.id)
    if (!user) return false
    try {
      const tenant = branch.tenant(user.name)
      if (tenant.row.fileId !== file.id || tenant.isTaken) return false
      if (!sharing.claim(tenant)) {
        // To migrate a shared file would copy it, and perhaps for nobody: it waits until it is used, or alone.
        branch.sharedBehind++
        return false
      }
      if (pool.find(file.id) === undefined && (await this.#replace(tenant))) return true
      if (tenant.row.fileId !== file.id || tenant.isTaken || !sharing.claim(tenant)) return false
      const wasOpen = pool.find(file.id) !== undefined
      tenant.bringForward()
      // It may have been there already, by somebody's use of it.
      positions.note(file.id, branch.head.id)
      if (!wasOpen) tenant.close()
      return true
    } catch (error) {
      this.#log.error({ tenant: user.name, err: error }, 'a file cannot be brought to its branch’s head')
      // A disk that is full now says nothing of the file.
      if (error instanceof Refusal && error.kind === 'storageFull') return false
      catalog.writeNow(() => catalog.files.setFault(file.id, error instanceof Error ? error.message : String(error)))
      return false
    }
  }

  /**
   * Make a small file that nobody uses anew, at the head, and put it in the place of the old one: most of that happens
   * off the thread, and one sync does for it. False where it is not to be done so, or somebody came to use it meanwhile.
   */
  async #replace(tenant: Tenant): Promise<boolean> {
    const { layout, pool, positions } = this.#parts()
    const { branch, file } = tenant
    const path = layout.absolute(file.path)
    const isOpen = () =>
      pool.find(file.id) !== undefined || fs.existsSync(`${path}-wal`) || fs.existsSync(`${path}-shm`)
    if (isOpen() || sizeOf(path) > maxImageBytes) return false
    const replace = async () => {
      const head = branch.head.id
      const image = await fs.promises.readFile(path)
      const beside = layout.scratchFile(`drain-${file.id}`)
      await writeDurably(beside, this.#migrated(image, head))
      crashPoint('drain.writtenBeside')
      if (isOpen() || tenant.row.fileId !== file.id || branch.head.id !== head || !tenant.isPrivate) {
        fs.rmSync(beside, { force: true })
        return false
      }
      // Whichever of the two a crash leaves here is whole: the old one would be migrated again.
      fs.renameSync(beside, path)
      crashPoint('drain.renamed')
      positions.note(file.id, head)
      return true
    }
    return tenant.hold(replace, { inBackground: true })
  }

  /** The bytes of a file, brought to `head` in memory. */
  #migrated(image: Buffer, head: string): Buffer {
    const db = openMemory(withJournal(image, 'rollback'))
    try {
      for (const { id, steps, rebuilt } of this.#parts().heads.migrations(readChangeSet(db), head)) {
        runSteps(db, steps, { rebuilt, beforeCommit: () => writeChangeSet(db, id) })
      }
      return withJournal(db.serialize(), 'wal')
    } finally {
      db.close()
    }
  }
}
