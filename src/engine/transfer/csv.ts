import { type Located, type RecordParser, TextFault } from './text.ts'

/** A record's fields; null for one that is empty and not quoted. */
export type Fields = (string | null)[]

/**
 * Reads CSV as RFC 4180 has it: fields in quotes may hold delimiters, line ends and doubled quotes. Lines end in LF or
 * CRLF. An empty field is null, a quoted empty one is ''. A quote within a field that does not start with one is itself.
 */
export class CsvParser implements RecordParser<Fields> {
  readonly #delimiter: string
  readonly #maxLength: number
  #text = ''
  /** A record that was cut short is tried again when the text is twice as long: no long one costs its square. */
  #retryLength = 0
  #isAtEnd = false
  #line = 1
  /** Where the next quote stands, behind all records that were taken. */
  #quote = -1
  #next = 0

  constructor({ delimiter = ',', maxLength = Number.POSITIVE_INFINITY } = {}) {
    this.#delimiter = delimiter
    this.#maxLength = maxLength
  }

  push(chunk: string): Located<Fields>[] {
    this.#text += chunk
    return this.#text.length < this.#retryLength ? [] : this.#takeAll()
  }

  end(): Located<Fields>[] {
    this.#isAtEnd = true
    return this.#takeAll()
  }

  #takeAll(): Located<Fields>[] {
    const records: Located<Fields>[] = []
    const text = this.#text
    this.#next = 0
    this.#quote = -1
    while (this.#next < text.length) {
      const start = this.#next
      const line = this.#line
      const fields = this.#takeLine(text, start) ?? this.#takeRecord(text, start)
      if (fields === undefined) break
      records.push({ line, value: fields })
    }
    this.#text = text.slice(this.#next)
    this.#retryLength = this.#text.length * 2
    if (this.#text.length > this.#maxLength) {
      throw new TextFault(this.#line, `a record is longer than ${this.#maxLength} characters; is a quote not closed?`)
    }
    return records
  }

  /** A record without quotes, which ends where its line does. */
  #takeLine(text: string, start: number): Fields | undefined {
    if (this.#quote < start) this.#quote = orLength(text, text.indexOf('"', start))
    let end = text.indexOf('\n', start)
    if (end < 0) {
      if (!this.#isAtEnd) return undefined
      end = text.length
    }
    if (this.#quote < end) return undefined
    this.#next = end + 1
    this.#line++
    const bare = text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end)
    const fields: Fields = bare.split(this.#delimiter)
    for (let at = 0; at < fields.length; at++) if (fields[at] === '') fields[at] = null
    return fields
  }

  /** Any record; undefined where the text ends before it. */
  #takeRecord(text: string, start: number): Fields | undefined {
    const fields: Fields = []
    let lines = 0
    for (let at = start; ; at++) {
      const isQuoted = text[at] === '"'
      const field = isQuoted ? this.#quotedField(text, at) : this.#bareField(text, at)
      if (field === undefined) return undefined
      fields.push(field.value)
      lines += field.lines
      at = field.end
      if (text[at] === this.#delimiter) continue
      const end = text[at] === '\r' ? at + 1 : at
      if (end >= text.length && !this.#isAtEnd) return undefined
      if (end < text.length && text[end] !== '\n') {
        throw new TextFault(this.#line + lines, `after a closing quote comes ${this.#delimiter} or the end of the line`)
      }
      this.#next = end + 1
      this.#line += lines + 1
      return fields
    }
  }

  #bareField(text: string, start: number): Field | undefined {
    const delimiter = orLength(text, text.indexOf(this.#delimiter, start))
    const lineEnd = orLength(text, text.slice(start, delimiter).indexOf('\n'), start)
    const end = Math.min(delimiter, lineEnd)
    if (end === text.length && !this.#isAtEnd) return undefined
    const isBeforeCr = end === lineEnd && end > start && text[end - 1] === '\r'
    const value = text.slice(start, isBeforeCr ? end - 1 : end)
    return { value: value === '' ? null : value, end: isBeforeCr ? end - 1 : end, lines: 0 }
  }

  #quotedField(text: string, start: number): Field | undefined {
    let value = ''
    for (let from = start + 1; ; ) {
      const close = text.indexOf('"', from)
      if (close < 0) {
        if (this.#isAtEnd) throw new TextFault(this.#line, 'a quote is not closed')
        return undefined
      }
      value += text.slice(from, close)
      if (text[close + 1] !== '"') {
        // At the end of the text it may be the first of a doubled quote.
        if (close + 1 === text.length && !this.#isAtEnd) return undefined
        return { value, end: close + 1, lines: value.includes('\n') ? value.split('\n').length - 1 : 0 }
      }
      value += '"'
      from = close + 2
    }
  }
}

interface Field {
  readonly value: string | null
  /** Behind its last character, the closing quote included. */
  readonly end: number
  /** How many lines end inside it. */
  readonly lines: number
}

function orLength(text: string, found: number, offset = 0): number {
  return found < 0 ? text.length : found + offset
}

/** Fields as one line of CSV, to be read back as they are. */
export function csvLine(fields: readonly (string | null)[], delimiter = ','): string {
  return `${fields.map((field) => (field === null ? '' : csvField(field, delimiter))).join(delimiter)}\r\n`
}

function csvField(field: string, delimiter: string): string {
  const isPlain = field !== '' && !/["\r\n\uFEFF]/.test(field) && !field.includes(delimiter)
  return isPlain ? field : `"${field.replaceAll('"', '""')}"`
}
