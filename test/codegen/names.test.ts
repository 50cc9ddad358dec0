import { expect, test } from 'vitest'
import { inCase, Names, wordsOf } from '../../src/codegen/names.ts'

test.each([
  ['order_line', 'order line'],
  ['order-line', 'order line'],
  ['OrderLine', 'order line'],
  ['HTTPServer2', 'http server2'],
  ['x y', 'x y'],
  ['Größe', 'größe'],
  ['m²', 'm'],
  ['İd', 'id'],
  ['__', ''],
])('%s is made of the words %s', (name, words) => {
  expect(wordsOf(name).join(' ')).toBe(words)
})

test('a name is written in the case of its language', () => {
  const cased = (['pascal', 'camel', 'snake'] as const).map((style) => inCase(['order', 'line'], style))
  expect(cased).toEqual(['OrderLine', 'orderLine', 'order_line'])
})

test('words of the language, names that are taken and names that begin wrong are given another one, always the same', () => {
  const rules = { case: 'camel', reserved: new Set(['class']) } as const
  const given = () => {
    const names = new Names(rules)
    return ['class', 'a_b', 'a b', 'aB', '1st', '_', '№'].map((name) => names.give(name))
  }
  expect(given()).toEqual(['class_', 'aB', 'aB2', 'aB3', 'n1st', 'n', 'n2'])
  expect(given()).toEqual(given())
})

test('letters beyond ASCII become their numbers where a language has none', () => {
  const names = new Names({ case: 'pascal', reserved: new Set(), isAscii: true })
  expect(['größe', '数'].map((name) => names.give(name))).toEqual(['GrUf6UdfE', 'U6570'])
})

test('a language says how a name begins, and which words are written in capitals', () => {
  const rules = {
    case: 'pascal',
    reserved: new Set<string>(),
    start: /^\p{Lu}/u,
    initialisms: new Set(['id']),
  } as const
  const names = new Names(rules)
  expect(['user_id', 'größe', '漢字', 'idle'].map((name) => names.give(name))).toEqual([
    'UserID',
    'Größe',
    'N漢字',
    'Idle',
  ])
})
