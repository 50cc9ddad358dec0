import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalSql, quoteName, quoteText, tokenize } from '../../src/schema/sql.ts'
import { open } from './support.ts'

const kinds = (sql: string) => tokenize(sql).map(({ kind, value }) => `${kind} ${value}`)

test.each<[string, string[]]>([
  ['-- no\n/* no */ Select', ['word Select']],
  ['/* open', []],
  ['\'it\'\'s\' "a""b" `c``d` [e f]', ["string it's", 'name a"b', 'name c`d', 'name e f']],
  ["x'00fF' X'' x'0'", ["blob x'00fF'", "blob X''", "broken x'0'"]],
  [
    '1 1.5 .5 1. 1e9 1E-9 0xfF 1_000 1a',
    [
      'number 1',
      'number 1.5',
      'number .5',
      'number 1.',
      'number 1e9',
      'number 1E-9',
      'number 0xfF',
      'number 1_000',
      'broken 1a',
    ],
  ],
  [
    '? ?1 :a @b $c $d::e(f) #',
    ['parameter ?', 'parameter ?1', 'parameter :a', 'parameter @b', 'parameter $c', 'parameter $d::e(f)', 'broken #'],
  ],
  [
    'a->>b->c||d<>e!=f==g<<h>>i<=j',
    [
      'word a',
      'operator ->>',
      'word b',
      'operator ->',
      'word c',
      'operator ||',
      'word d',
      'operator <>',
      'word e',
      'operator !=',
      'word f',
      'operator ==',
      'word g',
      'operator <<',
      'word h',
      'operator >>',
      'word i',
      'operator <=',
      'word j',
    ],
  ],
  ['a--b\n-c', ['word a', 'operator -', 'word c']],
  ["'open", ["broken 'open"]],
  ['été$1 ☃', ['word été$1', 'word ☃']],
  ['\uFEFFselect\0x', ['word select', 'broken \0', 'word x']],
])('tokens of %j', (sql, tokens) => {
  expect(kinds(sql)).toEqual(tokens)
})

test('tokens cover the text, in order', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'\'"`[]()/*-\n ax1.?:$;|') }), (sql) => {
      let end = 0
      for (const token of tokenize(sql)) {
        expect(token.start).toBeGreaterThanOrEqual(end)
        expect(token.end).toBeGreaterThan(token.start)
        expect(token.text).toBe(sql.slice(token.start, token.end))
        end = token.end
      }
    }),
  )
})

test('a large text is read without deep recursion', () => {
  const large = `'${"''".repeat(500_000)}'`
  expect(tokenize(large)).toHaveLength(1)
})

test('any name and any text goes through SQLite unchanged', () => {
  const db = open()
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), (name, text) => {
      fc.pre(!name.includes('\0'))
      const statement = db.prepare(`select ${quoteText(text)} as ${quoteName(name)}`)
      expect([statement.columns()[0]?.name, statement.pluck().get()]).toEqual([name, text])
    }),
  )
})

test.each([
  ['"a"', 'A'],
  ['[a b]', '"A B"'],
  ['((a > 0))', 'a>/* */0'],
  ['a == b', 'a = b'],
])('%s and %s mean the same', (a, b) => {
  expect(normalSql(a)).toBe(normalSql(b))
})

test.each([
  ["'a'", "'A'"],
  ['null', '"null"'],
  ['(a) + (b)', 'a) + (b'],
  ['a b', 'ab'],
])('%s and %s do not', (a, b) => {
  expect(normalSql(a)).not.toBe(normalSql(b))
})
