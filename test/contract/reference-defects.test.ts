import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = path.resolve(import.meta.dirname, '..')

interface Defect {
  readonly number: string
  readonly here: string
}

/** The rows of `reference-defects.md`: number, what went wrong, and the tests that would fail here, or why there is none. */
const defects = fs
  .readFileSync(path.join(folder, 'reference-defects.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| ([\dA-Z][\d.]+) \| .+ \| (.+) \|$/.exec(line))
  .filter((row) => row !== null)
  .map(([, number, here]) => ({ number, here }) as Defect)

test('the table has every defect, in order', () => {
  const counts = { '2.': 12, '3.': 15, '4.': 33, '6.': 25, '8.': 8, '9.': 6, A: 14, B: 8, C: 17, D: 1 }
  const wanted = Object.entries(counts).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, at) => `${section}${at + 1}`),
  )
  const others = ['D4', 'D6', 'D8', 'E7', 'F1', 'F5']
  expect(defects.map(({ number }) => number)).toEqual([...wanted, ...others])
})

describe('the tests that stand in the table are there', () => {
  const byTest = defects.filter(({ here }) => !here.startsWith('Nothing to test: '))

  test.each(byTest)('$number', ({ here }) => {
    for (const entry of here.split(' <br> ')) {
      const [, file = '', name = ''] = /^`(.+?)`: (.+)$/.exec(entry) ?? []
      expect(name, `a test in ${entry}`).not.toBe('')
      let text = fs.readFileSync(path.join(folder, file), 'utf8')
      for (const part of name.split(' › ')) {
        const at = positionOf(text, part)
        expect(at, `${part} in ${file}`).toBeGreaterThanOrEqual(0)
        text = text.slice(at)
      }
    }
  })

  test('few are without one', () => expect(defects.length - byTest.length).toBeLessThan(4))
})

/** Where a test, a group, a row of `test.each` or a case of an SQL file begins that has this name; -1: nowhere. */
function positionOf(text: string, name: string): number {
  const forms = [`'${name}'`, `"${name}"`, `\`${name}\``, `\`${name} (seed`, `-- # ${name}\n`]
  return Math.max(...forms.map((form) => text.indexOf(form)))
}
