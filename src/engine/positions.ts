import { crashPoint } from '../base/crash-point.ts'
import type { Catalog } from '../catalog/catalog.ts'

const notesBetweenWrites = 256

/**
 * What is found out about files, and would only have to be found out again if it were lost: where they were last seen to
 * stand, and since when they are known to be private.
 * The catalog is told now and then, in one write for many files, so that status can count them and the drain finds what
 * is behind.
 */
export class Positions {
  readonly #catalog: Catalog
  #noted = new Map<number, string>()
  #private = new Map<number, number>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  note(fileId: number, changeSet: string): void {
    this.#noted.set(fileId, changeSet)
    if (this.#noted.size >= notesBetweenWrites) this.write()
  }

  notePrivate(fileId: number, since: number): void {
    this.#private.set(fileId, since)
    if (this.#private.size >= notesBetweenWrites) this.write()
  }

  /** Tell the catalog now. */
  write(): void {
    if (this.#noted.size + this.#private.size === 0) return
    const [noted, isPrivate] = [this.#noted, this.#private]
    this.#noted = new Map()
    this.#private = new Map()
    this.#catalog.writeNow(() => {
      for (const [fileId, changeSet] of noted) this.#catalog.files.setChangeSet(fileId, changeSet)
      for (const [fileId, since] of isPrivate) this.#catalog.files.setPrivateSince(fileId, since)
      crashPoint('positions.writing')
    })
    crashPoint('positions.written')
  }
}
