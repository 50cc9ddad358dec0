import { type Located, type RecordParser, TextFault } from './text.ts'

/** A record's fields; null for one that stands for NULL. */
export type Fields = (string | null)[]

/** How fields are told apart, and NULL from text. */
export interface CsvStyle {
  /** Between fields. A comma by default. */
  readonly delimiter?: string
  /** Around fields that would not be themselves otherwise. A double quote by default; '': fields are never quoted. */
  readonly quote?: string
  /** The text that stands for NULL where it is not in quotes. None at all by default. */
  readonly null?: string
}

/**
 * Reads CSV as RFC 4180 has it: fields in quotes may hold delimiters, line ends and doubled quotes. Lines end in LF or
 * CRLF. An empty field is NULL unless something else stands for that, a quoted empty one is ''. A quote within a field that
 * does not start with one is itself.
 */
export class CsvParser implements RecordParser<Fields> {
  readonly #delimiter: string
  readonly #quote: string
  readonly #null: string
  readonly #maxLength: number
  #text = ''
  /** A record that was cut short is tried again when the text is twice as long: no long one costs its square. */
  #retryLength = 0
  #isAtEnd = false
  #line = 1
  /** Where the next quote stands, behind all records that were taken. */
  #nextQuote = -1
  #next = 0

  constructor({
    delimiter = ',',
    quote = '"',
    null: nullText = '',
    maxLength = Number.POSITIVE_INFINITY,
  }: CsvStyle & { readonly maxLength?: number } = {}) {
    this.#delimiter = delimiter
    this.#quote = quote
    this.#null = nullText
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
    this.#nextQuote = this.#quote === '' ? text.length : -1
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
    if (this.#nextQuote < start) this.#nextQuote = orLength(text, text.indexOf(this.#quote, start))
    let end = text.indexOf('\n', start)
    if (end < 0) {
      if (!this.#isAtEnd) return undefined
      end = text.length
    }
    if (this.#nextQuote < end) return undefined
    this.#next = end + 1
    this.#line++
    const bare = text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end)
    const fields: Fields = bare.split(this.#delimiter)
    for (let at = 0; at < fields.length; at++) if (fields[at] === this.#null) fields[at] = null
    return fields
  }

  /** Any record; undefined where the text ends before it. */
  #takeRecord(text: string, start: number): Fields | undefined {
    if (this.#quote === '') return undefined
    const fields: Fields = []
    let lines = 0
    for (let at = start; ; at++) {
      const isQuoted = text[at] === this.#quote
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
    return { value: value === this.#null ? null : value, end: isBeforeCr ? end - 1 : end, lines: 0 }
  }

  #quotedField(text: string, start: number): Field | undefined {
    let value = ''
    for (let from = start + 1; ; ) {
      const close = text.indexOf(this.#quote, from)
      if (close < 0) {
        if (this.#isAtEnd) throw new TextFault(this.#line, 'a quote is not closed')
        return undefined
      }
      value += text.slice(from, close)
      if (text[close + 1] !== this.#quote) {
        // At the end of the text it may be the first of a doubled quote.
        if (close + 1 === text.length && !this.#isAtEnd) return undefined
        return { value, end: close + 1, lines: value.includes('\n') ? value.split('\n').length - 1 : 0 }
      }
      value += this.#quote
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
export function csvLine(fields: readonly (string | null)[], style: CsvStyle = {}): string {
  const { delimiter = ',', quote = '"', null: nullText = '' } = style
  const written = fields.map((field) => (field === null ? nullText : csvField(field, delimiter, quote, nullText)))
  return `${written.join(delimiter)}\r\n`
}

function csvField(field: string, delimiter: string, quote: string, nullText: string): string {
  const isPlain =
    field !== nullText && !/[\r\n\uFEFF]/.test(field) && !field.includes(quote) && !field.includes(delimiter)
  return isPlain ? field : `${quote}${field.replaceAll(quote, quote + quote)}${quote}`
}
