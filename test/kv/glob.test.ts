import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Matcher, parseGlob, rangeOf } from '../../src/kv/glob.ts'
import { seed } from '../support/seed.ts'

/** Pattern, keys that match, keys that do not: as Redis answers to KEYS. */
const table: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ['*', ['a', 'ab', '*', '\n', 'ключ'], []],
  ['**', ['a', 'abc'], []],
  ['', [], ['a']],
  ['a', ['a'], ['A', 'aa', 'b']],
  ['a*', ['a', 'abc'], ['ba', 'A']],
  ['*a', ['a', 'ba', 'aa'], ['ab']],
  ['*a*', ['a', 'bab', 'ab', 'ba'], ['b', 'A']],
  ['h?llo', ['hello', 'hallo', 'hxllo', 'h?llo'], ['hllo', 'heello', 'Hello']],
  ['h*llo', ['hllo', 'heeeello', 'h*llo'], ['hell', 'ahllo']],
  ['h[ae]llo', ['hello', 'hallo'], ['hillo', 'hllo', 'hAllo']],
  ['h[^e]llo', ['hallo', 'hbllo', 'h^llo'], ['hello', 'hllo']],
  ['h[a-b]llo', ['hallo', 'hbllo'], ['hcllo', 'h-llo', 'hBllo']],
  ['?', ['a', '?', '*', ' '], ['ab']],
  ['??', ['ab'], ['a', 'abc']],
  ['?*', ['a', 'ab'], []],
  ['*?', ['a', 'ab'], []],
  ['a?*c', ['abc', 'abbc', 'acc'], ['ac']],
  ['*a*b*c*', ['abc', 'xaxbxcx', 'aabbcc'], ['acb', 'ab']],
  ['user:*:name', ['user:1:name', 'user::name', 'user:1:2:name'], ['user:1:names', 'user:name']],
  ['\\*', ['*'], ['a', '\\*', '\\']],
  ['\\?', ['?'], ['a', '\\?']],
  ['\\[a]', ['[a]'], ['a', '\\[a]']],
  ['\\\\', ['\\'], ['\\\\', 'a']],
  ['a\\bc', ['abc'], ['a\\bc']],
  ['a\\', ['a\\'], ['a', 'ab']],
  ['a\\*b*', ['a*b', 'a*bc'], ['axb', 'ab']],
  ['[*]', ['*'], ['a', '[*]']],
  ['[?]', ['?'], ['a']],
  ['[[]', ['['], ['a', ']', '[[]']],
  ['[]', [], ['a', '[]', ']', '[']],
  ['[]a]', [], ['a', ']', ']a]a]']],
  ['[^]', ['a', ']', '^'], ['ab']],
  ['[^^]', ['a'], ['^']],
  ['[a^]', ['a', '^'], ['b']],
  ['[\\]]', [']'], ['\\', '\\]', 'a']],
  ['[\\]a]', [']', 'a'], ['\\', 'b']],
  ['[\\^a]', ['^', 'a'], ['b', '\\']],
  ['[^\\]]', ['a', '\\'], [']']],
  ['[a\\-c]', ['a', '-', 'c'], ['b', '\\']],
  ['[\\\\]', ['\\'], ['a']],
  ['[z-a]', ['a', 'm', 'z'], ['A', '-']],
  ['[a-c-e]', ['a', 'b', 'c', '-', 'e'], ['d']],
  ['[-a]', ['-', 'a'], ['b']],
  ['[a-]', ['a', '_', ']'], ['-', 'b', '\\']],
  ['[a-a]', ['a'], ['b', '-']],
  ['[a-cx-z]', ['b', 'y'], ['d', 'w']],
  ['[^a-c]', ['d', 'A', '-'], ['a', 'b', 'c']],
  ['[A-Z]*', ['A', 'Zx'], ['a', 'zX']],
  ['[0-9][0-9]', ['42'], ['4', '4a', '420']],
  ['[abc', ['a', 'b', 'c'], ['[abc', 'd', 'ab']],
  ['[a-', ['a', '-'], ['b', '[a-']],
  ['[', [], ['[', 'a']],
  ['[^', ['a', '^'], ['ab']],
  ['x[', [], ['x', 'x[', 'xa']],
  ['x]', ['x]'], ['x']],
  ['a[b]c', ['abc'], ['ac', 'a[b]c']],
  ['*[a]', ['a', 'xa'], ['ab']],
  ['*[^a]', ['b', 'ab'], ['a', 'ba']],
  ['%', ['%'], ['a', '_']],
  ['_', ['_'], ['a', '%']],
  ['a.b', ['a.b'], ['axb']],
  ['a|b', ['a|b'], ['a', 'b']],
  ['(a)+', ['(a)+'], ['a', 'aa']],
  ['a\nb', ['a\nb'], ['ab']],
  ['a?b', ['a\nb'], ['ab']],
]

describe('patterns match as those of Redis', () => {
  test.each(table)('%j', (pattern, yes, no) => {
    expect([...yes, ...no].filter((key) => matches(pattern, key))).toEqual(yes)
  })
})

test('a character is a character in every script, unlike there', () => {
  expect(matches('?', '😀')).toBe(true)
  expect(matches('??', '😀')).toBe(false)
  expect(matches('[а-я]*', 'ключ')).toBe(true)
  expect(matches('[😀-😎]', '😃')).toBe(true)
  expect(matches('[^😀]', '😃')).toBe(true)
  expect(matches('*?b', '😀b')).toBe(true)
  expect(matches('\uffff', '\ufffe')).toBe(false)
  expect(matches('ß', 'SS')).toBe(false)
})

const alphabet = [
  'a',
  'b',
  'A',
  '*',
  '?',
  '[',
  ']',
  '^',
  '-',
  '\\',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '😀',
  '\u{10ffff}',
  '\u0001',
]
const text = fc.array(fc.constantFrom(...alphabet), { maxLength: 6 }).map((parts) => parts.join(''))
const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

test(`no key that matches lies outside of the range that is looked through (seed ${seed})`, () => {
  fc.assert(
    fc.property(text, text, fc.boolean(), (pattern, other, isBehind) => {
      const glob = parseGlob(pattern)
      const key = isBehind ? glob.prefix + other : other
      if (key === '' || !matches(pattern, key)) return
      const { from, to } = rangeOf(glob)
      expect(compare(from, key)).toBeLessThanOrEqual(0)
      if (to !== undefined) expect(compare(key, to)).toBeLessThan(0)
    }),
    { seed, numRuns: 20_000 },
  )
})

test(`the range of a prefix has nothing else in it (seed ${seed})`, () => {
  fc.assert(
    fc.property(text, text, (prefix, key) => {
      const glob = parseGlob(`${prefix.replaceAll(/[*?[\\]/g, '\\$&')}*`)
      const { from, to } = rangeOf(glob)
      const isInside = compare(from, key) <= 0 && (to === undefined || compare(key, to) < 0)
      expect(isInside).toBe(key.startsWith(prefix))
    }),
    { seed, numRuns: 20_000 },
  )
})

test('no pattern takes more steps than the product of the two lengths', () => {
  for (const pattern of [`${'*a'.repeat(200)}*b`, `*${'a'.repeat(400)}b`]) {
    const matcher = new Matcher(parseGlob(pattern))
    expect(matcher.matches('a'.repeat(1_000))).toBe(false)
    expect(matcher.steps).toBeLessThan(402 * 1_000)
  }
})

function matches(pattern: string, key: string): boolean {
  return new Matcher(parseGlob(pattern)).matches(key)
}
