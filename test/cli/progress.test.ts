import { expect, test } from 'vitest'
import { ProgressText } from '../../src/cli/progress.ts'

const MiB = 1024 * 1024

test('progress shows how much of how much, how fast, and how much longer', () => {
  const progress = new ProgressText()
  const at = (bytes: number, ms: number) =>
    progress.text({ stage: 'rows', records: bytes / 100, bytes, total: 300 * MiB }, ms)
  expect(at(0, 1_000)).toBe('rows  [........................] 0 %  0 bytes of 300.0 MiB  0 records')
  const half = at(150 * MiB, 6_000)
  expect(half).toContain('[############............] 50 %  150.0 MiB of 300.0 MiB')
  expect(half).toContain('1,572,864 records  30.0 MiB/s  0:05 left')
})

test('a stage begins anew, and one without an end has no bar', () => {
  const progress = new ProgressText()
  progress.text({ stage: 'look', bytes: 10, total: 20 }, 0)
  expect(progress.text({ stage: 'rows', rows: 7, bytes: 512 }, 10_000)).toBe('rows  512 bytes  7 rows')
  expect(progress.text({ stage: 'prove', done: 3, total: 4 }, 0)).toBe('prove  [##################......] 75 %  3 of 4')
})
