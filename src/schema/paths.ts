import type { Sides } from './identities.ts'
import { escaped, type Things, whole } from './things.ts'

/** The paths of things, by the names that people know: those of the base, and for additions their own. */
export class Paths {
  /** Of all things of the three schemas. */
  readonly keys: ReadonlySet<string>
  readonly #sides: readonly Things[]
  readonly #paths = new Map<string, string>()

  constructor({ base, ours, theirs }: Sides<Things>) {
    this.#sides = [base, ours, theirs]
    this.keys = new Set(this.#sides.flatMap((things) => [...things.keys()]))
    const additions = [...this.keys].filter((key) => !base.has(key)).sort()
    const isColumn = (key: string) => key.startsWith('column:')
    const taken = new Set<string>()
    // Columns last: their paths begin with that of their table.
    for (const key of [...base.keys(), ...additions].sort((a, b) => Number(isColumn(a)) - Number(isColumn(b)))) {
      let path = this.#pathOf(key, base.has(key) ? [base] : [ours, theirs])
      // A table that was renamed, and another one that took its name.
      while (taken.has(path)) path += ' (new)'
      this.#paths.set(key, path)
      taken.add(path)
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
    const thing = this.#sides.map((things) => things.get(key)).find((one) => one?.kind === 'column')
    return `${thing ? `${this.of(thing.owner ?? '')}/` : ''}name:${escaped(name)}`
  }

  /** The same whichever side is ours. */
  #pathOf(key: string, sides: readonly Things[]): string {
    const [thing] = sides.flatMap((things) => things.get(key) ?? []).sort((a, b) => (a.name < b.name ? -1 : 1))
    const { kind, owner = '', name } = thing ?? { kind: key, name: '' }
    return `${kind === 'column' ? `${this.of(owner)}/` : ''}${kind}:${escaped(name)}`
  }
}
