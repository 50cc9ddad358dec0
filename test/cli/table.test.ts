import { afterEach, expect, test, vi } from 'vitest'
import { styler } from '../../src/cli/style.ts'
import { tableText } from '../../src/cli/table.ts'
import { displayWidth, wrap } from '../../src/cli/width.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

const plain = styler({ isTTY: false })

function table(columns: readonly string[], rows: readonly (readonly unknown[])[], width?: number): string[] {
  return tableText(columns, rows, { width, style: plain }).split('\n')
}

test('no line is wider than the terminal, the widest columns are cut, and an ellipsis says so', () => {
  const rows = [
    [1, 'short', 'a text that is much too long for this terminal'],
    [22, 'x', 'y'],
  ]
  const lines = table(['a', 'b', 'c'], rows, 30)
  expect(lines).toEqual([
    'a   b      c',
    '--  -----  -------------------',
    ' 1  short  a text that is muc…',
    '22  x      y',
  ])
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(30)
})

test('wide, joined and zero-width characters keep the columns straight', () => {
  const rows = [
    ['漢字', 1],
    ['e\u0301', 2],
    ['👩‍👩‍👧', 3],
    ['ab', 4],
  ]
  expect(table(['a', 'b'], rows).map(displayWidth)).toEqual([7, 7, 7, 7, 7, 7])
  expect(displayWidth('e\u0301')).toBe(1)
  expect(table(['a', 'b'], [['漢字漢字漢字', '漢字漢字漢字']], 18)[2]).toBe('漢字漢…   漢字漢…')
})

test('NULL is told from a text that reads so, and an empty text from both', () => {
  expect(table(['a'], [[null], ['NULL'], ['']])).toEqual(['a', '------', 'NULL', "'NULL'", ''])
})

test('a long blob is shown by its beginning and its size', () => {
  const blob = (bytes: number) => ({ $blob: Buffer.alloc(bytes, 0xab).toString('base64') })
  const [, , short, long] = table(['a'], [[blob(16)], [blob(2048)]])
  expect(short).toBe(`x'${'ab'.repeat(16)}'`)
  expect(long).toBe(`x'${'ab'.repeat(16)}…' (2.0 KiB)`)
})

test('colour is for terminals, not with NO_COLOR, and always with FORCE_COLOR', () => {
  const isPainted = (isTTY: boolean) => styler({ isTTY }).red('x') !== 'x'
  vi.stubEnv('TERM', 'xterm')
  for (const [forced, refused, onTerminal, elsewhere] of [
    ['', '', true, false],
    ['', '1', false, false],
    ['1', '', true, true],
    ['1', '1', true, true],
    ['0', '', false, false],
  ] as const) {
    vi.stubEnv('FORCE_COLOR', forced)
    vi.stubEnv('NO_COLOR', refused)
    expect([forced, refused, isPainted(true), isPainted(false)]).toEqual([forced, refused, onTerminal, elsewhere])
  }
})

test('text is wrapped between words, and within one that is too long', () => {
  expect(wrap('one two three', 8)).toEqual(['one two', 'three'])
  expect(wrap('  indented words', 10)).toEqual(['  indented', 'words'])
  expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij'])
  expect(wrap('漢字漢字', 5)).toEqual(['漢字', '漢字'])
  expect(wrap('', 5)).toEqual([''])
})
