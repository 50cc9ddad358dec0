import type { Catalog } from '../catalog/catalog.ts'

const notesBetweenWrites = 256

/**
 * Where files were last seen to stand. The file itself knows for certain; the catalog is told now and then, in one
 * write for many files, so that status can count them and the drain finds what is behind.
 */
export class Positions {
  readonly #catalog: Catalog
  #noted = new Map<number, string>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  note(fileId: number, changeSet: string): void {
    this.#noted.set(fileId, changeSet)
    if (this.#noted.size >= notesBetweenWrites) this.write()
  }

  /** Tell the catalog now. */
  write(): void {
    if (this.#noted.size === 0) return
    const noted = this.#noted
    this.#noted = new Map()
    this.#catalog.writeNow(() => {
      for (const [fileId, changeSet] of noted) this.#catalog.files.setChangeSet(fileId, changeSet)
    })
  }
}
