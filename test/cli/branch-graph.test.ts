import { expect, test } from 'vitest'
import { asciiPen, draw, type Pen, type Point, unicodePen } from '../../src/cli/branch-graph/draw.ts'

/** Points as `id<parent,parent`, children first. */
function drawn(text: string, pen: Pen = unicodePen): string[] {
  const points = text.split(' ').map((each): Point => {
    const [id = '', parents = ''] = each.split('<')
    return { id, parents: parents.split(',').filter(Boolean) }
  })
  return draw(points, pen).map(({ id, strokes }) => `${strokes.map(({ text }) => text).join('')}${id ?? ''}`.trimEnd())
}

test('a line is drawn straight', () => {
  expect(drawn('c<b b<a a')).toEqual(['● c', '● b', '○ a'])
})

test('forks part above the point that they come from', () => {
  expect(drawn('d<a c<a b<a a')).toEqual(['● d', '│ ● c', '│ │ ● b', '├─┴─╯', '○ a'])
})

test('a merge opens a lane for what was merged', () => {
  expect(drawn('m<b,c c<a b<a a')).toEqual(['◆ m', '├─╮', '│ ● c', '● │ b', '├─╯', '○ a'])
})

test('a merge of what is drawn already joins its lane, and lanes between are crossed', () => {
  expect(drawn('e<d x<a m<b,d d<a b<a a')).toEqual([
    '● e',
    '│ ● x',
    '│ │ ◆ m',
    '├─┼─┤',
    '● │ │ d',
    '│ │ ● b',
    '├─┴─╯',
    '○ a',
  ])
})

test('ASCII draws the same', () => {
  const lines = drawn('m<b,c c<a b<a a', asciiPen)
  expect(lines).toEqual(['M m', '|-.', '| * c', '* | b', "|-'", 'o a'])
})
