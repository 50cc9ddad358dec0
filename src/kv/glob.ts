/**
 * A pattern of keys, as Redis has them: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and a backslash that takes the meaning off what
 * follows. Case is never folded. Unlike there, `?` and what stands in brackets are characters, not bytes.
 */
export interface Glob {
  /** What every key that matches begins with. */
  readonly prefix: string
  /** What has to follow. */
  readonly rest: readonly Token[]
}

/** One character by its code point, any one (`?`), any number of them (`*`), or one of a class. */
type Token = number | '?' | '*' | CharacterClass

interface CharacterClass {
  readonly isNegated: boolean
  /** From and to, both within. */
  readonly ranges: readonly (readonly [number, number])[]
}

export function parseGlob(pattern: string): Glob {
  const tokens = tokensOf([...pattern].map((character) => character.codePointAt(0) as number))
  const literal = tokens.findIndex((token) => typeof token !== 'number')
  const end = literal < 0 ? tokens.length : literal
  const prefix = tokens.slice(0, end).map((code) => String.fromCodePoint(code as number))
  return { prefix: prefix.join(''), rest: tokens.slice(end) }
}

const star = codeOf('*')
const questionMark = codeOf('?')
const backslash = codeOf('\\')
const open = codeOf('[')
const close = codeOf(']')
const caret = codeOf('^')
const dash = codeOf('-')

function codeOf(character: string): number {
  return character.codePointAt(0) as number
}

function tokensOf(codes: readonly number[]): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] as number
    if (code === star) {
      if (tokens.at(-1) !== '*') tokens.push('*')
    } else if (code === questionMark) tokens.push('?')
    else if (code === open) {
      const { characters, end } = classAt(codes, at + 1)
      tokens.push(characters)
      at = end
    } else if (code === backslash && at + 1 < codes.length) tokens.push(codes[++at] as number)
    else tokens.push(code)
  }
  return tokens
}

/** A class whose bracket is never closed ends with the pattern; a range may be written from its end. */
function classAt(codes: readonly number[], start: number): { characters: CharacterClass; end: number } {
  const ranges: [number, number][] = []
  const isNegated = codes[start] === caret
  let at = isNegated ? start + 1 : start
  for (; at < codes.length && codes[at] !== close; at++) {
    const code = codes[at] as number
    const to = codes[at + 2]
    if (code === backslash && at + 1 < codes.length) {
      const escaped = codes[++at] as number
      ranges.push([escaped, escaped])
    } else if (codes[at + 1] === dash && to !== undefined) {
      ranges.push([Math.min(code, to), Math.max(code, to)])
      at += 2
    } else ranges.push([code, code])
  }
  return { characters: { isNegated, ranges }, end: at }
}

/** Whether every key that begins with the prefix matches. */
export function isPrefixOnly({ rest }: Glob): boolean {
  return rest.length === 1 && rest[0] === '*'
}

/**
 * Where the keys that may match lie, in the order of code points: from the prefix on, and before `to`; undefined: up to
 * the last one.
 */
export function rangeOf({ prefix, rest }: Glob): { from: string; to: string | undefined } {
  // No key has a NUL, so nothing lies between the text itself and this.
  return { from: prefix, to: rest.length === 0 ? `${prefix}\u0001` : after(prefix) }
}

/** The first text behind all that begin with `prefix`. */
function after(prefix: string): string | undefined {
  const codes = [...prefix].map(codeOf)
  for (let last = codes.pop(); last !== undefined; last = codes.pop()) {
    // Half of a surrogate pair is no character.
    const next = last === 0xd7ff ? 0xe000 : last + 1
    if (next <= 0x10ffff) return String.fromCodePoint(...codes, next)
  }
  return undefined
}

/** Matches keys, and counts its steps: for each key at most the product of the two lengths, so no pattern runs away. */
export class Matcher {
  readonly glob: Glob
  steps = 0

  constructor(glob: Glob) {
    this.glob = glob
  }

  matches(key: string): boolean {
    const { prefix, rest } = this.glob
    if (!key.startsWith(prefix)) return false
    let at = prefix.length
    let token = 0
    let resumeToken = -1
    let resumeAt = 0
    while (at < key.length) {
      this.steps++
      const code = key.codePointAt(at) as number
      const wanted = rest[token]
      if (wanted === '*') {
        if (token === rest.length - 1) return true
        resumeToken = ++token
        resumeAt = at
      } else if (wanted !== undefined && accepts(wanted, code)) {
        at += code > 0xffff ? 2 : 1
        token++
      } else {
        if (resumeToken < 0) return false
        // The last * takes one character more.
        resumeAt += (key.codePointAt(resumeAt) as number) > 0xffff ? 2 : 1
        at = resumeAt
        token = resumeToken
      }
    }
    if (rest[token] === '*') token++
    return token === rest.length
  }
}

function accepts(token: Exclude<Token, '*'>, code: number): boolean {
  if (token === '?') return true
  if (typeof token === 'number') return token === code
  return token.ranges.some(([from, to]) => code >= from && code <= to) !== token.isNegated
}
