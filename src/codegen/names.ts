/** The words that a name is made of: `order_line`, `order-line`, `OrderLine` and `order line` are the same two. */
export function wordsOf(name: string): string[] {
  return (
    name
      .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
      .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
      .split(/[^\p{L}\p{Nd}]+/u)
      .filter((word) => word !== '')
      // A letter may become one with a mark (İ), which no language has in a name.
      .map((word) => word.toLowerCase().replace(/\p{M}/gu, ''))
  )
}

export type Case = 'pascal' | 'camel' | 'snake'

export function inCase(words: readonly string[], style: Case, initialisms?: ReadonlySet<string>): string {
  if (style === 'snake') return words.join('_')
  const capital = (word: string) =>
    initialisms?.has(word) ? word.toUpperCase() : word.slice(0, 1).toUpperCase() + word.slice(1)
  return words.map((word, at) => (style === 'camel' && at === 0 ? word : capital(word))).join('')
}

export interface NameRules {
  readonly case: Case
  /** Words of the language, and names that the generated code has for itself. */
  readonly reserved: ReadonlySet<string>
  /** Whether names may have letters beyond ASCII; other characters become their number. */
  readonly isAscii?: boolean
  /** How a name begins: by default with a letter. What begins otherwise gets an n in front. */
  readonly start?: RegExp
  /** Words that are written in capitals as a whole, in lower case. */
  readonly initialisms?: ReadonlySet<string>
}

/**
 * Gives each thing of one scope a name of its own that the language takes. Asked in the same order it gives the same names;
 * a name that is a word of the language gets `_` behind it, one that is taken a number.
 */
export class Names {
  readonly #rules: NameRules
  readonly #taken = new Set<string>()

  constructor(rules: NameRules) {
    this.#rules = rules
  }

  give(name: string): string {
    const { case: style, reserved, isAscii = false, start = /^\p{L}/u, initialisms } = this.#rules
    const words = wordsOf(isAscii ? withoutOthers(name) : name)
    const plain = inCase(words, style, initialisms)
    const started = start.test(plain) ? plain : inCase(['n', ...words], style, initialisms)
    const own = reserved.has(started) ? `${started}_` : started
    let given = own
    for (let number = 2; this.#isTaken(given); number++) given = `${own}${style === 'snake' ? '_' : ''}${number}`
    this.#taken.add(given.toLowerCase())
    return given
  }

  /** Names that differ only in their case would be one file on some disks, and one name to most readers. */
  #isTaken(name: string): boolean {
    return this.#taken.has(name.toLowerCase()) || this.#rules.reserved.has(name)
  }
}

function withoutOthers(name: string): string {
  return name.replace(/[^\p{ASCII}]/gu, (character) => ` u${character.codePointAt(0)?.toString(16)} `)
}
