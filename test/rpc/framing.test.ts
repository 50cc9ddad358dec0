import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Deframer, type Framing, frame } from '../../src/rpc/framing.ts'

type Found = { value: unknown } | { refused: string; sizeBytes?: number } | { broken: string }

/** What comes out of a stream that arrives in these pieces. With `one`, a message at a time, and the rest given again. */
function deframe(chunks: readonly (string | Buffer)[], { maxBytes = 1_000, end = false, one = false } = {}): Found[] {
  const found: Found[] = []
  const deframer = new Deframer(
    {
      message(value) {
        found.push({ value })
        return !one
      },
      refused({ kind, ...rest }) {
        const sizeBytes = 'sizeBytes' in rest ? rest.sizeBytes : undefined
        found.push({ refused: kind, ...(sizeBytes === undefined ? {} : { sizeBytes }) })
        return !one
      },
      broken: (reason) => found.push({ broken: reason }),
    },
    maxBytes,
  )
  for (const chunk of chunks) {
    let rest = Buffer.from(chunk as string)
    do {
      const before = found.length
      rest = Buffer.from(deframer.push(rest))
      if (one) expect(found.length - before).toBeLessThanOrEqual(1)
      else expect(rest).toHaveLength(0)
    } while (rest.length > 0)
  }
  if (end) deframer.end()
  return found
}

/** `bytes` in pieces of random sizes, told by how far along the stream each cut is. */
function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => Math.floor(cut * bytes.length)))].sort((a, b) => a - b)
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length))
}

const framings: readonly Framing[] = ['lines', 'headers']
const notJson = { refused: 'notJson' }

describe.each(framings)('%s', (framing) => {
  const whole = Buffer.from(frame('{"a":"ä😀"}', framing) + frame('[1]', framing) + frame('{"b":2}', framing))
  const values = [{ value: { a: 'ä😀' } }, { value: [1] }, { value: { b: 2 } }]

  test('messages arrive whole wherever the stream is cut', () => {
    for (let at = 0; at <= whole.length; at++) {
      expect(deframe([whole.subarray(0, at), whole.subarray(at)])).toEqual(values)
      expect(deframe([whole.subarray(0, at), whole.subarray(at)], { one: true })).toEqual(values)
    }
    expect(deframe([...whole].map((byte) => Buffer.of(byte)))).toEqual(values)
  })

  test('any values in any pieces come out equal', () => {
    const first = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()))
    const stream = fc.tuple(first, fc.array(fc.jsonValue(), { maxLength: 8 }))
    const cuts = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 30 })
    fc.assert(
      fc.property(stream, cuts, ([head, rest], cuts) => {
        const sent = [head, ...rest].map((value) => JSON.stringify(value))
        const bytes = Buffer.from(sent.map((json) => frame(json, framing)).join(''))
        for (const one of [false, true]) {
          const found = deframe(cutAt(bytes, cuts), { maxBytes: 1_000_000, one })
          expect(found).toEqual(sent.map((json) => ({ value: JSON.parse(json) })))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a message over the limit is refused wherever the stream is cut, and the next one is read', () => {
    const large = `{"a":"${'x'.repeat(60)}"}`
    const bytes = Buffer.from(frame('{}', framing) + frame(large, framing) + frame('{"b":2}', framing))
    for (let at = 0; at <= bytes.length; at++) {
      const found = deframe([bytes.subarray(0, at), bytes.subarray(at)], { maxBytes: 50 })
      const kinds = found.map((each) => ('refused' in each ? each.refused : each))
      expect(kinds).toEqual([{ value: {} }, 'tooLarge', { value: { b: 2 } }])
    }
  })

  test('a message of exactly the limit is read', () => {
    const json = `{"a":"${'x'.repeat(42)}"}`
    expect(deframe([frame(json, framing)], { maxBytes: 50 })).toEqual([{ value: JSON.parse(json) }])
    expect(deframe([frame(json, framing)], { maxBytes: 49 })).toEqual([{ refused: 'tooLarge', sizeBytes: 50 }])
  })

  test.each([
    ['half an object', Buffer.from('{"a":')],
    ['a word', Buffer.from('{hello}')],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['half of a character', Buffer.from('{"ä"}').subarray(0, 3)],
    ['a byte order mark before the value', Buffer.from('\ufeff{}')],
    ['two values', Buffer.from('{} {}')],
  ])('%s is refused, and the stream goes on', (_, json) => {
    const header = framing === 'headers' ? `Content-Length: ${json.length}\r\n\r\n` : ''
    const footer = framing === 'headers' ? '' : '\n'
    const chunks = [frame('[0]', framing), header, json, footer, frame('[1]', framing)]
    expect(deframe(chunks)).toEqual([{ value: [0] }, notJson, { value: [1] }])
  })
})

describe('the first byte decides', () => {
  test.each([
    ['{"a":1}\n', [{ value: { a: 1 } }]],
    ['[1]\n', [{ value: [1] }]],
    ['\n \t\r\n {"a":1}\n', [{ value: { a: 1 } }]],
    ['Content-Length: 2\r\n\r\n{}', [{ value: {} }]],
    ['content-length:2\r\nContent-Type: x; charset=utf-8\r\n\r\n{}', [{ value: {} }]],
    ['Content-Type: x\r\nCONTENT-LENGTH:  2 \r\n\r\n[]', [{ value: [] }]],
  ])('%j', (text, found) => {
    expect(deframe([text])).toEqual(found)
  })
})

describe('lines', () => {
  test.each([
    ['empty lines and white space between messages', '{}\n\n  \t\r\n[1]\r\n', [{ value: {} }, { value: [1] }]],
    ['white space around a message', '{}\n  [1]  \r\n', [{ value: {} }, { value: [1] }]],
    ['a line that looks like a header', '{}\nContent-Length: 2\n[1]\n', [{ value: {} }, notJson, { value: [1] }]],
    ['values that are no objects', '{}\n1\n"a"\nnull\n', [{}, 1, 'a', null].map((value) => ({ value }))],
  ])('%s', (_, text, found) => {
    expect(deframe([text])).toEqual(found)
  })

  test.each([
    ['a last line needs no newline', '{}\n[1]', [{ value: {} }, { value: [1] }]],
    ['white space at the end is no message', '{}\n \t ', [{ value: {} }]],
    ['half a message at the end is refused', '{}\n{"a"', [{ value: {} }, notJson]],
  ])('%s', (_, text, found) => {
    expect(deframe([text], { end: true })).toEqual(found)
  })

  test('a line without an end is forgotten while it is passed over', () => {
    const chunks = ['{"a":"', ...Array.from({ length: 100 }, () => 'x'.repeat(100)), '"}\n', '{}\n']
    expect(deframe(chunks, { maxBytes: 1_000 })).toEqual([{ refused: 'tooLarge' }, { value: {} }])
  })
})

describe('headers', () => {
  test('an empty body is no JSON, and the stream goes on', () => {
    expect(deframe([`Content-Length: 0\r\n\r\n${frame('[1]', 'headers')}`])).toEqual([notJson, { value: [1] }])
  })

  test.each([
    ['no length', 'Content-Type: x\r\n\r\n{}'],
    ['no name', 'hello\r\n\r\n'],
    ['a name that is empty', ': 2\r\n\r\n{}'],
    ['no number', 'Content-Length: two\r\n\r\n{}'],
    ['a negative length', 'Content-Length: -2\r\n\r\n{}'],
    ['a fraction', 'Content-Length: 2.0\r\n\r\n{}'],
    ['a length beyond every number', `Content-Length: ${'9'.repeat(30)}\r\n\r\n{}`],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['no end', `Content-Length: 2\r\nX: ${'x'.repeat(9_000)}`],
    ['a request of another protocol', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('%s breaks the stream, and what follows is not read', (_, header) => {
    const found = deframe([header, frame('{}', 'headers'), frame('{}', 'headers')])
    expect(found).toEqual([{ broken: expect.any(String) }])
  })

  test('a length that is far too large is refused before a byte of it is there', () => {
    expect(deframe(['Content-Length: 999999999999999\r\n\r\n', 'x'.repeat(5_000)])).toEqual([
      { refused: 'tooLarge', sizeBytes: 999_999_999_999_999 },
    ])
  })
})
