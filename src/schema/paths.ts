import type { Sides } from './identities.ts'
import { escaped, type Thing, type Things, whole } from './things.ts'

/** The paths of things, by the names that people know: those of the base, and for additions their own. */
export class Paths {
  /** Of all things of the three schemas. */
  readonly keys: ReadonlySet<string>
  readonly #sides: readonly Things[]
  readonly #paths = new Map<string, string>()

  constructor({ base, ours, theirs }: Sides<Things>) {
    this.#sides = [base, ours, theirs]
    this.keys = new Set(this.#sides.flatMap((things) => [...things.keys()]))
    const taken = new Set<string>()
    for (const things of this.#sides) {
      for (const thing of things.values()) {
        if (this.#paths.has(thing.key)) continue
        const path = this.#pathOf(thing)
        // A table that was renamed, and another one that took its name.
        this.#paths.set(thing.key, taken.has(path) ? `${path} (new)` : path)
        taken.add(path)
      }
    }
  }

  of(key: string, attribute: string = whole): string {
    const path = this.#paths.get(key) ?? key
    if (attribute === whole) return path
    const known = this.#sides.find((things) => things.get(key)?.attributes.has(attribute))
    return `${path}/${known?.get(key)?.attributes.get(attribute)?.label ?? attribute}`
  }

  /** Of a name that more than one thing wants, in the space of names that this thing is in. */
  ofName(key: string, name: string): string {
    const thing = this.#find(key)
    const space = thing?.kind === 'column' ? `${this.of(thing.owner ?? '')}/` : ''
    return `${space}name:${escaped(name)}`
  }

  #pathOf({ kind, name, owner }: Thing): string {
    const inOwner = kind === 'column' ? `${this.of(owner ?? '')}/` : ''
    return `${inOwner}${kind}:${escaped(name)}`
  }

  #find(key: string): Thing | undefined {
    return this.#sides.map((things) => things.get(key)).find((thing) => thing !== undefined)
  }
}
