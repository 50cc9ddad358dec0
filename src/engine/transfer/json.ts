import { type Located, type RecordParser, TextFault } from './text.ts'

/** A record's values by column, in their JSON form. */
export type JsonRow = { readonly [column: string]: unknown }

/** Reads one JSON object a line; blank lines are passed over. */
export class NdjsonParser implements RecordParser<JsonRow> {
  readonly #maxLength: number
  #rest = ''
  #line = 1

  constructor(maxLength = Number.POSITIVE_INFINITY) {
    this.#maxLength = maxLength
  }

  push(chunk: string): Located<JsonRow>[] {
    const lines = chunk.split('\n')
    lines[0] = this.#rest + lines[0]
    this.#rest = lines.pop() as string
    const rows = lines.flatMap((line) => this.#take(line))
    requireLength(this.#rest, this.#maxLength, this.#line)
    return rows
  }

  end(): Located<JsonRow>[] {
    return this.#take(this.#rest)
  }

  #take(text: string): Located<JsonRow>[] {
    const line = this.#line++
    return text.trim() === '' ? [] : [{ line, value: parseRow(text, line) }]
  }
}

/** What may come next outside the objects of an array, and what then is expected. */
const grammar = {
  array: { '[': 'objectOrEnd' },
  objectOrEnd: { '{': 'commaOrEnd', ']': 'nothing' },
  object: { '{': 'commaOrEnd' },
  commaOrEnd: { ',': 'object', ']': 'nothing' },
  nothing: {},
} as const satisfies { [expected: string]: { [character: string]: string } }

/** Reads an array of objects, one after the other: no more than one is held, however long the array. */
export class JsonArrayParser implements RecordParser<JsonRow> {
  readonly #maxLength: number
  #expected: keyof typeof grammar = 'array'
  /** The object under way, as far as it was read before this chunk, and the line it starts at. */
  #object = ''
  #objectLine = 1
  /** How many brackets are open within the array; 0 between two objects. */
  #depth = 0
  #isInText = false
  #isEscaped = false
  #line = 1

  constructor(maxLength = Number.POSITIVE_INFINITY) {
    this.#maxLength = maxLength
  }

  push(chunk: string): Located<JsonRow>[] {
    const rows: Located<JsonRow>[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk[at] as string
      if (character === '\n') this.#line++
      if (this.#isInText) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (character === '\\') this.#isEscaped = true
        else if (character === '"') this.#isInText = false
      } else if (this.#depth > 0) {
        if (character === '"') this.#isInText = true
        else if (character === '{' || character === '[') this.#depth++
        else if (character === '}' || character === ']') this.#depth--
        if (this.#depth > 0) continue
        rows.push({
          line: this.#objectLine,
          value: parseRow(this.#object + chunk.slice(start, at + 1), this.#objectLine),
        })
        this.#object = ''
      } else if (!/\s/.test(character)) {
        this.#step(character)
        start = at
      }
    }
    if (this.#depth > 0) this.#object += chunk.slice(start)
    requireLength(this.#object, this.#maxLength, this.#objectLine)
    return rows
  }

  end(): Located<JsonRow>[] {
    if (this.#depth > 0 || this.#expected !== 'nothing') throw new TextFault(this.#line, 'the array is not closed')
    return []
  }

  #step(character: string): void {
    const choices: { readonly [character: string]: keyof typeof grammar } = grammar[this.#expected]
    const next = choices[character]
    if (next === undefined) {
      const wanted = Object.keys(choices).join(' or ') || 'the end'
      throw new TextFault(this.#line, `expected ${wanted}, found ${character}: the file is one array of objects`)
    }
    this.#expected = next
    if (character !== '{') return
    this.#depth = 1
    this.#objectLine = this.#line
  }
}

function parseRow(text: string, line: number): JsonRow {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (error) {
    throw new TextFault(line, error instanceof Error ? error.message : String(error))
  }
  const isObject = typeof row === 'object' && row !== null && !Array.isArray(row)
  if (!isObject) throw new TextFault(line, 'not a JSON object')
  return row as JsonRow
}

function requireLength(text: string, max: number, line: number): void {
  if (text.length > max) throw new TextFault(line, `a record is longer than ${max} characters`)
}
