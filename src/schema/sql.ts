import { refuse } from '../base/refusal.ts'

/** One token of SQL. Space and comments are not tokens; `start` and `end` are where it stands in the text. */
export interface Token {
  /** `name` is a quoted identifier ("a", `a`, [a]); `broken` is what SQLite cannot read, such as an unclosed quote. */
  readonly kind: 'word' | 'name' | 'string' | 'blob' | 'number' | 'parameter' | 'operator' | 'broken'
  /** As written. */
  readonly text: string
  /** What it stands for: without quotes for names and strings, else as written. */
  readonly value: string
  readonly start: number
  readonly end: number
}

/** A value in a recorded change: a literal, or an SQL expression. */
export type Value = string | number | boolean | null | { readonly sql: string }

/** The tokens of `sql`, read as SQLite reads them. Never throws; nothing after a NUL is SQL to SQLite, so it is `broken`. */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  for (let at = skipSpace(sql, 0); at < sql.length; ) {
    const token = readToken(sql, at)
    tokens.push(token)
    at = skipSpace(sql, token.end)
  }
  return tokens
}

/** An identifier in double quotes. The one way a name gets into SQL text. Refuses `invalidName` for NUL, which ends SQL text. */
export function quoteName(name: string): string {
  if (name.includes('\0')) refuse('invalidName', { noun: 'name', name, rule: 'a name has no NUL' })
  return `"${name.replaceAll('"', '""')}"`
}

/** A text literal. Text with a NUL is written as a cast blob, since a NUL would end the statement. */
export function quoteText(text: string): string {
  if (text.includes('\0')) return `cast(x'${Buffer.from(text).toString('hex')}' as text)`
  return `'${text.replaceAll("'", "''")}'`
}

/** A value as an SQL expression. Booleans are 1 and 0, as SQLite stores them. */
export function literal(value: Value): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return quoteText(value)
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'number') return numberLiteral(value)
  return `(${expressionText(value.sql)})`
}

/** Names of SQLite compare so: ASCII letters without case, all others exactly. */
export function foldName(name: string): string {
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name
}

export function sameName(a: string, b: string): boolean {
  return a === b || foldName(a) === foldName(b)
}

/** Whether the token is this keyword (upper case), unquoted. */
export function isWord(token: Token | undefined, keyword: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === keyword
}

export function isOperator(token: Token | undefined, operator: string): boolean {
  return token?.kind === 'operator' && token.text === operator
}

/**
 * The text of one expression, without comments and outer space, safe to stand between parentheses.
 * Refuses `invalidChange` for what would end the parentheses, the statement or the list it stands in.
 */
export function expressionText(sql: string, change = 'expression'): string {
  const tokens = tokenize(sql)
  let depth = 0
  for (const token of tokens) {
    if (isOperator(token, '(')) depth++
    if (isOperator(token, ')')) depth--
    const breaksOut = depth < 0 || (depth === 0 && isOperator(token, ',')) || isOperator(token, ';')
    if (breaksOut || token.kind === 'broken' || token.kind === 'parameter') {
      refuse('invalidChange', { change, reason: `not one expression: ${sql}` })
    }
  }
  if (depth !== 0 || tokens.length === 0) refuse('invalidChange', { change, reason: `not one expression: ${sql}` })
  return tokensText(sql, tokens)
}

/** Comments in an expression would swallow what is printed behind it, such as its closing parenthesis. */
export function hasComment(sql: string): boolean {
  let end = 0
  for (const token of tokenize(sql)) {
    if (sql.slice(end, token.start).trim() !== '') return true
    end = token.end
  }
  return sql.slice(end).trim() !== ''
}

/** The tokens as text: as written, but with comments gone and space no wider than one blank. */
export function tokensText(sql: string, tokens: readonly Token[]): string {
  let text = ''
  let end = tokens[0]?.start ?? 0
  for (const token of tokens) {
    const between = sql.slice(end, token.start)
    text += (between === '' ? '' : ' ') + token.text
    end = token.end
  }
  return text
}

/** A form in which two texts of one meaning are equal: no comments, no case or quotes of names, no outer parentheses. */
export function normalSql(sql: string): string {
  return withoutOuterParentheses(tokenize(sql)).map(normalToken).join(' ')
}

export function withoutOuterParentheses(tokens: readonly Token[]): readonly Token[] {
  return isOperator(tokens[0], '(') && closingIndex(tokens, 0) === tokens.length - 1
    ? withoutOuterParentheses(tokens.slice(1, -1))
    : tokens
}

/** Where the parenthesis that opens at `open` closes, or -1. */
export function closingIndex(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    if (isOperator(tokens[i], '(')) depth++
    if (isOperator(tokens[i], ')') && --depth === 0) return i
  }
  return -1
}

function normalToken(token: Token): string {
  switch (token.kind) {
    case 'word':
    case 'number':
    case 'blob':
      return foldName(token.text)
    case 'name': {
      const name = foldName(token.value)
      return /^[a-z_\x80-\uffff][\w$\x80-\uffff]*$/.test(name) && !reserved.has(name) ? name : quoteName(name)
    }
    case 'operator':
      return token.text === '==' ? '=' : token.text === '!=' ? '<>' : token.text
    default:
      return token.text
  }
}

/** Words that mean something else in quotes. Keywords that SQLite also takes as a name are left out. */
const reserved: ReadonlySet<string> = new Set(
  `add all alter and as autoincrement between case check collate commit constraint create cross current_date current_time
  current_timestamp default deferrable delete distinct drop else escape except exists false foreign from full group having
  in index inner insert intersect into is isnull join left limit natural not notnull null on or order outer primary
  references right select set table then to transaction true union unique update using values when where`.split(/\s+/),
)

function numberLiteral(value: number): string {
  if (Number.isNaN(value)) return 'null'
  if (!Number.isFinite(value)) return value > 0 ? '9e999' : '-9e999'
  return Object.is(value, -0) ? '-0.0' : String(value)
}

function readToken(sql: string, start: number): Token {
  const char = sql.charAt(start)
  const next = sql.charAt(start + 1)
  if (char === "'") return quoted('string', sql, start, "'")
  if (char === '"' || char === '`') return quoted('name', sql, start, char)
  if (char === '[') return bracketed(sql, start)
  if ((char === 'x' || char === 'X') && next === "'") return blob(sql, start)
  if (isDigit(char) || (char === '.' && isDigit(next))) return number(sql, start)
  if (isNameChar(char) && char !== '$') return simple('word', sql, start, endOfName(sql, start))
  if (char === '?') return simple('parameter', sql, start, endOfDigits(sql, start + 1))
  if (':@#$'.includes(char)) return parameter(sql, start)
  for (const operator of longOperators) {
    if (sql.startsWith(operator, start)) return simple('operator', sql, start, start + operator.length)
  }
  return simple('(),;.+-*/%=<>&|~'.includes(char) ? 'operator' : 'broken', sql, start, start + 1)
}

const longOperators = ['->>', '->', '||', '<=', '<>', '<<', '==', '!=', '>=', '>>']

function simple(kind: Token['kind'], sql: string, start: number, end: number): Token {
  const text = sql.slice(start, end)
  return { kind, text, value: text, start, end }
}

/** A quote inside is written twice. */
function quoted(kind: 'string' | 'name', sql: string, start: number, quote: string): Token {
  let end = sql.indexOf(quote, start + 1)
  while (end !== -1 && sql[end + 1] === quote) end = sql.indexOf(quote, end + 2)
  if (end === -1) return simple('broken', sql, start, sql.length)
  const text = sql.slice(start, end + 1)
  return { kind, text, value: text.slice(1, -1).replaceAll(quote + quote, quote), start, end: end + 1 }
}

function bracketed(sql: string, start: number): Token {
  const end = sql.indexOf(']', start)
  if (end === -1) return simple('broken', sql, start, sql.length)
  return { kind: 'name', text: sql.slice(start, end + 1), value: sql.slice(start + 1, end), start, end: end + 1 }
}

function blob(sql: string, start: number): Token {
  const end = sql.indexOf("'", start + 2)
  if (end === -1) return simple('broken', sql, start, sql.length)
  const isHex = /^(?:[0-9a-f]{2})*$/i.test(sql.slice(start + 2, end))
  return simple(isHex ? 'blob' : 'broken', sql, start, end + 1)
}

/** What follows a number without space belongs to it, and breaks it: SQLite refuses `1a`. */
function number(sql: string, start: number): Token {
  numberPattern.lastIndex = start
  const end = start + (numberPattern.exec(sql)?.[0].length ?? 1)
  const tail = endOfName(sql, end)
  return simple(tail === end ? 'number' : 'broken', sql, start, tail)
}

const numberPattern =
  /0x[0-9a-f]+(?:_[0-9a-f]+)*|(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?/iy

/** `:a`, `@a`, `#a`, and Tcl's `$a::b(c)`. */
function parameter(sql: string, start: number): Token {
  let end = endOfName(sql, start + 1)
  while (sql[start] === '$' && sql.startsWith('::', end)) end = endOfName(sql, end + 2)
  if (sql[start] === '$' && sql[end] === '(') {
    const close = sql.indexOf(')', end)
    if (close !== -1) end = close + 1
  }
  return simple(end === start + 1 ? 'broken' : 'parameter', sql, start, end)
}

function skipSpace(sql: string, from: number): number {
  let at = from
  for (;;) {
    const char = sql.charAt(at)
    if (char !== '' && ' \t\n\f\r\uFEFF'.includes(char)) at++
    else if (sql.startsWith('--', at)) at = endOr(sql.indexOf('\n', at), sql, 1)
    else if (sql.startsWith('/*', at)) at = endOr(sql.indexOf('*/', at + 2), sql, 2)
    else return at
  }
}

function endOr(found: number, sql: string, length: number): number {
  return found === -1 ? sql.length : found + length
}

function endOfName(sql: string, from: number): number {
  let at = from
  while (at < sql.length && isNameChar(sql.charAt(at))) at++
  return at
}

function endOfDigits(sql: string, from: number): number {
  let at = from
  while (isDigit(sql.charAt(at))) at++
  return at
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9'
}

function isNameChar(char: string): boolean {
  return /^[\w$\x80-\uffff]$/.test(char)
}
