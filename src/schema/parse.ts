import { refuse } from '../base/refusal.ts'
import type {
  Action,
  Check,
  Column,
  Conflict,
  ForeignKey,
  Index,
  IndexColumn,
  Key,
  KeyColumn,
  PrimaryKey,
  Table,
  Trigger,
  View,
  VirtualTable,
} from './model.ts'
import { rowidAlias } from './model.ts'
import type { Token } from './sql.ts'
import {
  closingIndex,
  foldName,
  isOperator,
  isWord,
  quoteName,
  sameName,
  tokenize,
  tokensText,
  withoutOuterParentheses,
} from './sql.ts'

/**
 * Reads the SQL that SQLite keeps in sqlite_schema. What it does not understand it refuses (`notSupported`) and never
 * guesses, since a guess would later be written over somebody's table.
 *
 * Constraints come out in one form wherever they were written, except that a CHECK inside a column remembers it.
 */
export function parseTable(sql: string, newId: () => string): Table {
  const reader = new Reader(sql)
  reader.expect('CREATE')
  reader.expect('TABLE')
  const name = reader.name()
  const body = new TableBody(reader, name, newId)
  reader.expectOperator('(')
  do {
    if (reader.isAt('CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN')) {
      body.readConstraints()
      break
    }
    body.readColumn()
  } while (reader.takeOperator(','))
  reader.expectOperator(')')
  return settle(body.finish(readOptions(reader)))
}

export function parseIndex(sql: string): Index {
  const reader = new Reader(sql)
  reader.expect('CREATE')
  const unique = reader.take('UNIQUE')
  reader.expect('INDEX')
  const name = reader.name()
  reader.expect('ON')
  const table = reader.name()
  const columns: IndexColumn[] = reader.group().map((part) => indexColumn(sql, part, table))
  const where = reader.take('WHERE') ? expressionOf(sql, reader.rest(), table) : undefined
  reader.end()
  return { name, table, unique, columns, ...(where !== undefined && { where }) }
}

export function parseView(sql: string): View {
  const reader = new Reader(sql)
  reader.expect('CREATE')
  reader.expect('VIEW')
  reader.ifNotExists()
  const name = reader.name()
  const columns = reader.isAtOperator('(') ? reader.group().map((part) => new Reader(sql, part).onlyName()) : undefined
  reader.expect('AS')
  return { name, ...(columns && { columns }), sql: wholeText(sql, reader.rest()) }
}

/** Also reads what a client writes: IF NOT EXISTS, a trailing semicolon and the schema's name are left out of the result. */
export function parseTrigger(sql: string): Trigger {
  const reader = new Reader(sql)
  reader.expect('CREATE')
  reader.expect('TRIGGER')
  reader.ifNotExists()
  let name = reader.name()
  if (reader.takeOperator('.')) name = reader.name()
  const head = reader.position
  if (!reader.take('BEFORE') && !reader.take('AFTER') && reader.take('INSTEAD')) reader.expect('OF')
  if (!reader.take('DELETE') && !reader.take('INSERT')) {
    reader.expect('UPDATE')
    if (reader.take('OF')) {
      do reader.name()
      while (reader.takeOperator(','))
    }
  }
  reader.expect('ON')
  let table = reader.name()
  if (reader.takeOperator('.')) table = reader.name()
  return { name, table, sql: `CREATE TRIGGER ${quoteName(name)} ${wholeText(sql, reader.tokensFrom(head))}` }
}

export function parseVirtualTable(sql: string, newId: () => string): VirtualTable {
  const reader = new Reader(sql)
  for (const keyword of ['CREATE', 'VIRTUAL', 'TABLE']) reader.expect(keyword)
  reader.ifNotExists()
  const name = reader.name()
  reader.expect('USING')
  const module = reader.name()
  const rest = reader.rest()
  const isClosed = rest.length === 0 || (isOperator(rest[0], '(') && closingIndex(rest, 0) === rest.length - 1)
  if (!isClosed) reader.fail()
  return { id: newId(), name, module, arguments: sql.slice(rest[0]?.end ?? 0, rest.at(-1)?.start ?? 0).trim() }
}

/** The one table of which the tokens speak needs no name in front of its columns, and a rebuild must not find one there. */
export function expressionOf(sql: string, tokens: readonly Token[], table: string): string {
  const kept: Token[] = []
  let gapStart: number | null = null
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token
    const isQualifier =
      (token.kind === 'word' || token.kind === 'name') && sameName(token.value, table) && isOperator(tokens[i + 1], '.')
    if (isQualifier) {
      // `main.t.a`: the schema's name goes too.
      if (isOperator(kept.at(-1), '.')) gapStart = kept.splice(-2)[0]?.start ?? null
      gapStart ??= token.start
      i++
    } else {
      kept.push(gapStart === null ? token : { ...token, start: gapStart })
      gapStart = null
    }
  }
  return tokensText(sql, kept)
}

/** The columns and constraints between the parentheses of CREATE TABLE. */
class TableBody {
  readonly #reader: Reader
  readonly #name: string
  readonly #newId: () => string
  readonly #columns: Column[] = []
  readonly #uniques: Key[] = []
  readonly #checks: Check[] = []
  readonly #foreignKeys: ForeignKey[] = []
  #primaryKey: PrimaryKey | undefined
  #isKeyInColumn = false

  constructor(reader: Reader, name: string, newId: () => string) {
    this.#reader = reader
    this.#name = name
    this.#newId = newId
  }

  finish(options: Pick<Table, 'strict' | 'withoutRowid'>): Table {
    const table: Table = {
      id: this.#newId(),
      name: this.#name,
      columns: this.#columns,
      ...(this.#primaryKey && { primaryKey: this.#primaryKey }),
      uniques: this.#uniques,
      checks: this.#checks,
      foreignKeys: this.#foreignKeys,
      ...options,
      systemColumns: false,
    }
    // Written behind the columns, neither DESC nor COLLATE keeps an INTEGER key from being the rowid.
    const plain = this.#primaryKey && { ...table, primaryKey: plainKey(this.#primaryKey) }
    return plain && !this.#isKeyInColumn && rowidAlias(plain) ? plain : table
  }

  readColumn(): void {
    const name = this.#reader.name()
    let column: Column = { id: this.#newId(), name, type: readType(this.#reader), nullable: true }
    while (!this.#reader.isAtOperator(',') && !this.#reader.isAtOperator(')')) {
      column = { ...column, ...this.#readColumnConstraint(name) }
    }
    this.#columns.push(column)
  }

  #readColumnConstraint(column: string): Partial<Column> {
    const reader = this.#reader
    const named = readConstraintName(reader)
    if (named && (reader.isAtOperator(',') || reader.isAtOperator(')'))) return {}
    if (reader.take('PRIMARY')) {
      reader.expect('KEY')
      const descending = readDirection(reader)
      const conflict = readConflict(reader)
      const autoincrement = reader.take('AUTOINCREMENT')
      this.#isKeyInColumn = true
      const columns = [{ name: column, ...(descending && { descending }) }]
      this.#primaryKey = { ...named, columns, ...conflict, ...(autoincrement && { autoincrement }) }
    } else if (reader.take('UNIQUE')) {
      this.#uniques.push({ ...named, columns: [{ name: column }], ...readConflict(reader) })
    } else if (reader.take('CHECK')) {
      this.#checks.push({ ...named, expression: this.#expression(), column })
    } else if (reader.take('REFERENCES')) {
      this.#foreignKeys.push(readReference(reader, { ...named, columns: [column] }))
    } else if (reader.isAt('DEFERRABLE') || (reader.isAt('NOT') && reader.isNext('DEFERRABLE'))) {
      const last = this.#foreignKeys.pop() ?? reader.fail()
      this.#foreignKeys.push({ ...last, ...readDeferrable(reader) })
    } else if (reader.take('NOT')) {
      reader.expect('NULL')
      const { onConflict } = readConflict(reader)
      return { nullable: false, ...(onConflict && { notNullConflict: onConflict }) }
    } else if (reader.take('NULL')) {
      readConflict(reader)
    } else if (reader.take('DEFAULT')) {
      return { default: this.#readDefault() }
    } else if (reader.take('COLLATE')) {
      return { collate: reader.name() }
    } else {
      if (reader.take('GENERATED')) reader.expect('ALWAYS')
      reader.expect('AS')
      const expression = this.#expression()
      const stored = reader.take('STORED')
      if (!stored) reader.take('VIRTUAL')
      return { generated: { expression, stored } }
    }
    return {}
  }

  #readDefault(): string {
    const reader = this.#reader
    if (reader.isAtOperator('(')) return `(${this.#expression()})`
    const sign = reader.takeOperator('-') ? '-' : reader.takeOperator('+') ? '+' : ''
    return sign + reader.any('word', 'name', 'string', 'number', 'blob').text
  }

  /** Table constraints; the commas between them may be missing. */
  readConstraints(): void {
    const reader = this.#reader
    while (!reader.isAtOperator(')')) {
      const named = readConstraintName(reader)
      if (reader.take('PRIMARY')) {
        reader.expect('KEY')
        const { columns, autoincrement } = this.#keyColumns()
        this.#primaryKey = { ...named, columns, ...(autoincrement && { autoincrement }), ...readConflict(reader) }
      } else if (reader.take('UNIQUE')) {
        const { columns } = this.#keyColumns()
        this.#uniques.push({ ...named, columns, ...readConflict(reader) })
      } else if (reader.take('CHECK')) {
        this.#checks.push({ ...named, expression: this.#expression() })
        readConflict(reader)
      } else if (reader.take('FOREIGN')) {
        reader.expect('KEY')
        const columns = reader.group().map((part) => new Reader(reader.sql, part).onlyName())
        reader.expect('REFERENCES')
        this.#foreignKeys.push(readReference(reader, { ...named, columns }))
      } else if (named === undefined) {
        reader.fail()
      }
      if (reader.takeOperator(',') && reader.isAtOperator(')')) reader.fail()
    }
  }

  #keyColumns(): { columns: KeyColumn[]; autoincrement: boolean } {
    const sql = this.#reader.sql
    const parts = this.#reader.group()
    const last = parts.at(-1)
    const autoincrement = isWord(last?.at(-1), 'AUTOINCREMENT')
    if (autoincrement && last) parts[parts.length - 1] = last.slice(0, -1)
    return { columns: parts.map((part) => keyColumn(new Reader(sql, part))), autoincrement }
  }

  #expression(): string {
    const { sql } = this.#reader
    return expressionOf(sql, this.#reader.parentheses(), this.#name)
  }
}

function plainKey(key: PrimaryKey): PrimaryKey {
  return { ...key, columns: key.columns.map(({ name }) => ({ name })) }
}

/** Says aloud what SQLite takes for granted: the key of a WITHOUT ROWID or STRICT table is never NULL. */
export function settle(table: Table): Table {
  if (!table.withoutRowid && !table.strict) return table
  const alias = rowidAlias(table)
  const keys = new Set(table.primaryKey?.columns.map(({ name }) => foldName(name)))
  const columns = table.columns.map((column) =>
    column !== alias && keys.has(foldName(column.name)) ? { ...column, nullable: false } : column,
  )
  return { ...table, columns }
}

function readOptions(reader: Reader): Pick<Table, 'strict' | 'withoutRowid'> {
  let strict = false
  let withoutRowid = false
  while (!reader.isDone) {
    if (reader.take('STRICT')) strict = true
    else {
      reader.expect('WITHOUT')
      reader.expect('ROWID')
      withoutRowid = true
    }
    if (!reader.takeOperator(',')) break
  }
  reader.end()
  return { strict, withoutRowid }
}

const afterType = ['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'REFERENCES', 'COLLATE', 'DEFAULT', 'NOT', 'NULL', 'AS']

function readType(reader: Reader): string {
  const from = reader.position
  for (;;) {
    const isOver = reader.isAt(...afterType) || (reader.isAt('GENERATED') && reader.isNext('ALWAYS'))
    if (isOver || reader.takeAny('word', 'name', 'string') === undefined) break
  }
  if (reader.position > from && reader.isAtOperator('(')) reader.parentheses()
  return tokensText(reader.sql, reader.tokensFrom(from, reader.position))
}

function readConstraintName(reader: Reader): { name: string } | undefined {
  let named: { name: string } | undefined
  while (reader.take('CONSTRAINT')) named = { name: reader.name() }
  return named
}

function readDirection(reader: Reader): boolean {
  if (reader.take('ASC')) return false
  return reader.take('DESC')
}

function readConflict(reader: Reader): { onConflict?: Conflict } {
  if (!reader.isAt('ON') || !reader.isNext('CONFLICT')) return {}
  reader.expect('ON')
  reader.expect('CONFLICT')
  for (const onConflict of ['ROLLBACK', 'FAIL', 'IGNORE', 'REPLACE'] as const) {
    if (reader.take(onConflict)) return { onConflict }
  }
  reader.expect('ABORT')
  return {}
}

function readReference(reader: Reader, child: Pick<ForeignKey, 'name' | 'columns'>): ForeignKey {
  let key: ForeignKey = { ...child, table: reader.name(), onDelete: 'NO ACTION', onUpdate: 'NO ACTION' }
  if (reader.isAtOperator('(')) {
    key = { ...key, parentColumns: reader.group().map((part) => new Reader(reader.sql, part).onlyName()) }
  }
  for (;;) {
    if (reader.take('MATCH')) key = { ...key, match: reader.name() }
    else if (reader.take('ON')) {
      if (reader.take('DELETE')) key = { ...key, onDelete: readAction(reader) }
      else if (reader.take('UPDATE')) key = { ...key, onUpdate: readAction(reader) }
      else {
        // SQLite reads ON INSERT and does nothing with it.
        reader.expect('INSERT')
        readAction(reader)
      }
    } else break
  }
  return { ...key, ...readDeferrable(reader) }
}

function readAction(reader: Reader): Action {
  if (reader.take('CASCADE')) return 'CASCADE'
  if (reader.take('RESTRICT')) return 'RESTRICT'
  if (reader.take('NO')) {
    reader.expect('ACTION')
    return 'NO ACTION'
  }
  reader.expect('SET')
  if (reader.take('NULL')) return 'SET NULL'
  reader.expect('DEFAULT')
  return 'SET DEFAULT'
}

function readDeferrable(reader: Reader): { deferrable?: string } {
  const isNot = reader.isAt('NOT') && reader.isNext('DEFERRABLE')
  if (isNot) reader.expect('NOT')
  if (!reader.take('DEFERRABLE')) return {}
  const words = isNot ? ['NOT', 'DEFERRABLE'] : ['DEFERRABLE']
  if (reader.take('INITIALLY')) {
    const when = reader.take('DEFERRED') ? 'DEFERRED' : 'IMMEDIATE'
    if (when === 'IMMEDIATE') reader.expect('IMMEDIATE')
    words.push('INITIALLY', when)
  }
  return { deferrable: words.join(' ') }
}

/** `name [COLLATE name] [ASC | DESC]`, and nothing else. */
function keyColumn(reader: Reader): KeyColumn {
  const name = reader.name()
  const collate = reader.take('COLLATE') ? reader.name() : undefined
  const descending = readDirection(reader)
  reader.end()
  return { name, ...(collate !== undefined && { collate }), ...(descending && { descending }) }
}

function indexColumn(sql: string, part: readonly Token[], table: string): IndexColumn {
  const [first, second] = part
  const isName = first?.kind === 'word' || first?.kind === 'name' || first?.kind === 'string'
  if (isName && (second === undefined || ['COLLATE', 'ASC', 'DESC'].some((word) => isWord(second, word)))) {
    return keyColumn(new Reader(sql, part))
  }
  const descending = isWord(part.at(-1), 'DESC')
  let body = descending || isWord(part.at(-1), 'ASC') ? part.slice(0, -1) : part
  const isParenthesised = isOperator(body[0], '(') && closingIndex(body, 0) === body.length - 3
  const collate = isParenthesised && isWord(body.at(-2), 'COLLATE') ? body.at(-1)?.value : undefined
  if (collate !== undefined) body = body.slice(0, -2)
  return {
    expression: expressionOf(sql, withoutOuterParentheses(body), table),
    ...(collate !== undefined && { collate }),
    ...(descending && { descending }),
  }
}

/** From the first token to the last, comments between them included, a trailing semicolon left out. */
function wholeText(sql: string, tokens: readonly Token[]): string {
  let last = tokens.length - 1
  while (isOperator(tokens[last], ';')) last--
  return sql.slice(tokens[0]?.start ?? 0, tokens[last]?.end ?? 0)
}

/** A place in a list of tokens. Whatever is not as expected ends in a refusal that shows where. */
class Reader {
  readonly sql: string
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(sql: string, tokens: readonly Token[] = tokenize(sql)) {
    this.sql = sql
    this.#tokens = tokens
  }

  get position(): number {
    return this.#at
  }

  get isDone(): boolean {
    return this.#at >= this.#tokens.length
  }

  isAt(...keywords: readonly string[]): boolean {
    return keywords.some((keyword) => isWord(this.#tokens[this.#at], keyword))
  }

  isNext(keyword: string): boolean {
    return isWord(this.#tokens[this.#at + 1], keyword)
  }

  isAtOperator(operator: string): boolean {
    return isOperator(this.#tokens[this.#at], operator)
  }

  take(keyword: string): boolean {
    if (!this.isAt(keyword)) return false
    this.#at++
    return true
  }

  takeOperator(operator: string): boolean {
    if (!this.isAtOperator(operator)) return false
    this.#at++
    return true
  }

  takeAny(...kinds: readonly Token['kind'][]): Token | undefined {
    const token = this.#tokens[this.#at]
    if (token === undefined || !kinds.includes(token.kind)) return undefined
    this.#at++
    return token
  }

  any(...kinds: readonly Token['kind'][]): Token {
    return this.takeAny(...kinds) ?? this.fail()
  }

  expect(keyword: string): void {
    if (!this.take(keyword)) this.fail()
  }

  expectOperator(operator: string): void {
    if (!this.takeOperator(operator)) this.fail()
  }

  /** A name: SQLite takes it bare, in any of its quotes, and as a string. */
  name(): string {
    return this.any('word', 'name', 'string').value
  }

  onlyName(): string {
    const name = this.name()
    this.end()
    return name
  }

  ifNotExists(): void {
    if (this.take('IF')) for (const keyword of ['NOT', 'EXISTS']) this.expect(keyword)
  }

  /** The tokens inside the parentheses that open here. */
  parentheses(): readonly Token[] {
    const close = closingIndex(this.#tokens, this.#at)
    if (!this.isAtOperator('(') || close === -1) this.fail()
    const inside = this.#tokens.slice(this.#at + 1, close)
    this.#at = close + 1
    return inside
  }

  /** The parts, between commas, of the parentheses that open here. */
  group(): Token[][] {
    const parts: Token[][] = [[]]
    let depth = 0
    for (const token of this.parentheses()) {
      if (isOperator(token, '(')) depth++
      if (isOperator(token, ')')) depth--
      if (depth === 0 && isOperator(token, ',')) parts.push([])
      else parts.at(-1)?.push(token)
    }
    return parts
  }

  rest(): readonly Token[] {
    const rest = this.#tokens.slice(this.#at)
    this.#at = this.#tokens.length
    return rest
  }

  tokensFrom(start: number, end?: number): readonly Token[] {
    return this.#tokens.slice(start, end)
  }

  end(): void {
    if (!this.isDone) this.fail()
  }

  fail(): never {
    const near = this.#tokens[this.#at]?.text ?? 'its end'
    return refuse('notSupported', { what: `this SQL, near ${near}: ${this.sql}` })
  }
}
