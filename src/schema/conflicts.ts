import { refuse } from '../base/refusal.ts'

/** Two edits that cannot both hold. A result of `merge`, never an exception. */
export interface Conflict {
  /**
   * Where: `table:users`, `table:users/column:age/default`, `index:idx_a`, `table:users/name:b`. Things go by their name
   * in the base, additions by their own; `name:b` is the name itself, wanted by two things.
   */
  readonly path: string
  readonly kind: ConflictKind
  /** What each of the three has there, as in the model; null where there is nothing. */
  readonly base: unknown
  readonly ours: unknown
  readonly theirs: unknown
  readonly reason: string
}

export type ConflictKind =
  /** Both made a thing of one name, and not the same one. */
  | 'addAdd'
  /** Both gave a thing a new name, or gave one name to two things. */
  | 'renameRename'
  | 'renameAdd'
  | 'modifyModify'
  | 'dropModify'
  /** One dropped what the other one's edits speak of. */
  | 'dropUse'
  /** Each side holds by itself, and both together do not: a view that does not compile, a key that points at nothing. */
  | 'broken'
  /** The sides do not come out equal in both orders. */
  | 'replay'
  /** What theirs did to rows cannot be done to those of ours; to take ours leaves them as they are. */
  | 'rows'

export interface Resolution {
  readonly path: string
  readonly take: Take
}

/** A definition has the shape that the conflict shows, and speaks in the names of the result. Null: there shall be nothing. */
export type Take = 'ours' | 'theirs' | { readonly definition: unknown }

/** The resolutions that a client gave. */
export class Answers {
  readonly #takes = new Map<string, Take>()
  readonly #asked = new Set<string>()

  constructor(resolutions: readonly Resolution[]) {
    for (const { path, take } of resolutions) {
      if (this.#takes.has(path)) refuseResolution(path, 'it is resolved twice')
      this.#takes.set(path, take)
    }
  }

  /** What to take at the conflict at this path. */
  at(path: string): Take | undefined {
    this.#asked.add(path)
    return this.#takes.get(path)
  }

  /** Whether there is one, without asking for it. */
  peek(path: string): Take | undefined {
    return this.#takes.get(path)
  }

  /** The paths of resolutions that nothing asked for. */
  get unasked(): readonly string[] {
    return [...this.#takes.keys()].filter((path) => !this.#asked.has(path))
  }
}

export function refuseResolution(path: string, reason: string): never {
  return refuse('invalidChange', { change: 'merge', reason: `${path}: ${reason}` })
}
