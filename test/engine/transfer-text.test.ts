import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CsvParser, csvLine, type Fields } from '../../src/engine/transfer/csv.ts'
import { JsonArrayParser, NdjsonParser } from '../../src/engine/transfer/json.ts'
import { type Located, type RecordParser, TextFault } from '../../src/engine/transfer/text.ts'

function parse<T>(parser: RecordParser<T>, chunks: readonly string[]): Located<T>[] {
  return [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()]
}

function csv(text: string, delimiter?: string): Fields[] {
  return parse(new CsvParser({ delimiter }), [text]).map(({ value }) => value)
}

/** The line and reason that a text is refused with. */
function faultOf<T>(parser: RecordParser<T>, text: string): [number, string] {
  try {
    parse(parser, [text])
  } catch (error) {
    if (error instanceof TextFault) return [error.line, error.message]
    throw error
  }
  throw new Error('not refused')
}

test.for<[string, string, Fields[]]>([
  [
    'plain fields',
    'a,b\n1,2\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  ['a last line without its end', 'a\n1', [['a'], ['1']]],
  [
    'CRLF',
    'a,b\r\n1,2\r\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  ['quotes', '"a","b ""c"""\n', [['a', 'b "c"']]],
  ['delimiters and line ends in quotes', '"a,b","c\nd\r\ne"\r\n', [['a,b', 'c\nd\r\ne']]],
  ['empty fields', ',"",\n', [[null, '', null]]],
  ['an empty line', 'a\n\n1\n', [['a'], [null], ['1']]],
  ['a quote within a bare field', 'a,5" pipe\n', [['a', '5" pipe']]],
  ['two quotes within a bare field', 'a""b,"c"\n', [['a""b', 'c']]],
  ['a quoted field at the end', 'a,"b"', [['a', 'b']]],
  ['a quoted empty field at the end', 'a,""', [['a', '']]],
  ['a CR within a line', 'a\rb,c\n', [['a\rb', 'c']]],
  ['a lone quote in quotes', '""""\n', [['"']]],
  ['nothing', '', []],
])('csv: %s', ([, text, expected]) => {
  expect(csv(text)).toEqual(expected)
})

test('csv: another delimiter', () => {
  expect(csv('a;"b;c"\n1,5;2\n', ';')).toEqual([
    ['a', 'b;c'],
    ['1,5', '2'],
  ])
  expect(csv('a\t\n', '\t')).toEqual([['a', null]])
})

test('csv: a record knows its line', () => {
  const records = parse(new CsvParser(), ['a\n"1\n2"\n3\n'])
  expect(records.map(({ line }) => line)).toEqual([1, 2, 4])
})

test('csv: what follows RFC 4180 in no way is refused with its line', () => {
  expect(faultOf(new CsvParser(), 'a\n"b"c\n')).toEqual([2, expect.stringContaining('closing quote')])
  expect(faultOf(new CsvParser(), 'a\nb\n"c\n\n')).toEqual([3, 'a quote is not closed'])
  expect(faultOf(new CsvParser({ maxLength: 10 }), 'a\n"bbbbbbbbbbbbbbb')).toEqual([
    2,
    expect.stringContaining('longer'),
  ])
})

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', ';', 'a', '\0', '\ufeff', ' ', '😀') }),
)
const field = fc.option(text, { nil: null })

test('csv: fields come back as they were written, however the text is cut', () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 4 })
        .chain((n) => fc.array(fc.array(field, { minLength: n, maxLength: n }), { maxLength: 8 })),
      fc.constantFrom(',', ';', '\t', '|'),
      fc.array(fc.nat(60), { maxLength: 10 }),
      (records, delimiter, cuts) => {
        const written = records.map((fields) => csvLine(fields, { delimiter })).join('')
        const at = [0, ...cuts.map((cut) => Math.min(cut, written.length)), written.length].sort((a, b) => a - b)
        const chunks = at.slice(1).map((end, i) => written.slice(at[i], end))
        const read = parse(new CsvParser({ delimiter }), chunks)
        expect(read.map(({ value }) => value)).toEqual(records)
      },
    ),
    { numRuns: 2_000 },
  )
})

test('json: objects come back as they were written, however the text is cut', () => {
  const value = fc.jsonValue({ maxDepth: 2 })
  const row = fc.dictionary(fc.string(), value, { maxKeys: 4 })
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 6 }),
      fc.nat(2),
      fc.array(fc.nat(80), { maxLength: 8 }),
      (rows, indent, cuts) => {
        const written: [RecordParser<unknown>, string][] = [
          [new JsonArrayParser(), JSON.stringify(rows, null, indent)],
          [new NdjsonParser(), rows.map((row) => JSON.stringify(row)).join('\n')],
        ]
        for (const [parser, text] of written) {
          const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort((a, b) => a - b)
          const chunks = at.slice(1).map((end, i) => text.slice(at[i], end))
          const read = parse(parser, chunks).map((record) => record.value)
          expect(JSON.stringify(read)).toBe(JSON.stringify(rows))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test.for<[string, number]>([
  ['', 1],
  ['{"a": 1}', 1],
  ['[{"a": 1}\n{"a": 2}]', 2],
  ['[{"a": 1},\n]', 2],
  ['[1]', 1],
  ['[{"a": 1}', 1],
  ['[\n{"a": }\n]', 2],
  ['[\n\n{"a": 1', 3],
  ['[] x', 1],
])('json: %j is refused at its line', ([text, line]) => {
  expect(faultOf(new JsonArrayParser(), text)[0]).toBe(line)
})

test.for<[string, number]>([
  ['{"a": 1}\n[]\n', 2],
  ['{"a": 1}\n\n{"a"', 3],
  ['null', 1],
])('ndjson: %j is refused at its line', ([text, line]) => {
  expect(faultOf(new NdjsonParser(), text)[0]).toBe(line)
})
