import { isOperator, isWord, type Token, tokenize, tokensText } from '../../schema/sql.ts'

/** Lines of SQL to statements: each is complete with its `;`, wherever lines end. */
export class StatementReader {
  #text = ''

  /** What waits for its end. */
  get pending(): string {
    return this.#text
  }

  get isEmpty(): boolean {
    return this.#text === ''
  }

  /** The statements that are complete with this line. */
  read(line: string): string[] {
    this.#text += this.#text === '' ? line : `\n${line}`
    const statements: string[] = []
    // Whoever writes a long one line by line has it looked at once.
    if (line.includes(';')) {
      for (let found = firstOf(this.#text); found; found = firstOf(this.#text)) {
        if (found.statement !== '') statements.push(found.statement)
        this.#text = this.#text.slice(found.end)
      }
    }
    if (isBlank(this.#text)) this.#text = ''
    return statements
  }

  /** No more lines come: what is left is a statement without its `;`, if it is one. */
  finish(): string | undefined {
    const text = this.#text
    this.#text = ''
    return isBlank(text) ? undefined : text
  }

  clear(): void {
    this.#text = ''
  }
}

/** A statement on one line; undefined where a text in it spans lines. */
export function onOneLine(statement: string): string | undefined {
  const text = tokensText(statement, tokenize(statement))
  return text.includes('\n') ? undefined : text
}

/** Whether something is open at the end of the text, so that what comes next belongs to it: a quote, or a comment. */
export function isInside(sql: string): boolean {
  return !isOperator(tokenize(`${sql}\n;`).at(-1), ';')
}

function firstOf(text: string): { readonly statement: string; readonly end: number } | undefined {
  const tokens = tokenize(text)
  const isTrigger = beginsTrigger(tokens)
  const last = tokens.findIndex((token, at) => {
    if (!isOperator(token, ';')) return false
    // The statements in a trigger have their own `;`: it ends with `; END ;`, as SQLite's own shell has it.
    return !isTrigger || (isWord(tokens[at - 1], 'END') && isOperator(tokens[at - 2], ';'))
  })
  if (last < 0) return undefined
  const [start, { end }] = [(tokens[0] as Token).start, tokens[last] as Token]
  return { statement: last === 0 ? '' : text.slice(start, end), end }
}

function beginsTrigger(tokens: readonly Token[]): boolean {
  const words = tokens.slice(0, 6).map(({ text }) => text.toUpperCase())
  return /^(EXPLAIN )?(QUERY PLAN )?CREATE (TEMP |TEMPORARY )?TRIGGER\b/.test(words.join(' '))
}

/** Nothing but space and closed comments. */
function isBlank(text: string): boolean {
  return tokenize(text).length === 0 && !isInside(text)
}
