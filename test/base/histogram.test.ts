import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../src/base/histogram.ts'

const times = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 })
const share = fc.double({ min: 0.01, max: 1, noNaN: true })

test('a percentile is never below the true one, and above it by an eighth or a microsecond at most', () => {
  fc.assert(
    fc.property(times, share, (values, share) => {
      const histogram = new Histogram()
      for (const value of values) histogram.record(value)
      const sorted = [...values].sort((a, b) => a - b)
      const exact = sorted[Math.ceil(share * sorted.length) - 1] as number
      const found = histogram.percentile(share)
      expect(found).toBeGreaterThanOrEqual(exact)
      expect(found).toBeLessThanOrEqual(exact * 1.125 + 0.001)
    }),
  )
})

test('two added up tell what one of all tells', () => {
  fc.assert(
    fc.property(times, times, share, (a, b, share) => {
      const [first, second, both] = [new Histogram(), new Histogram(), new Histogram()]
      for (const value of a) first.record(value)
      for (const value of b) second.record(value)
      for (const value of [...a, ...b]) both.record(value)
      first.add(second)
      expect([first.count, first.maxMs, first.percentile(share)]).toEqual([
        both.count,
        both.maxMs,
        both.percentile(share),
      ])
    }),
  )
})

test('what is longer than it can tell apart is still counted, with its length as the maximum', () => {
  const histogram = new Histogram()
  histogram.record(1e9)
  histogram.record(-1)
  expect([histogram.count, histogram.maxMs]).toEqual([2, 1e9])
  expect(histogram.percentile(0.5)).toBeLessThanOrEqual(0.001)
})

test('of nothing, everything is zero', () => {
  const histogram = new Histogram()
  expect([histogram.count, histogram.maxMs, histogram.percentile(0.99)]).toEqual([0, 0, 0])
})
