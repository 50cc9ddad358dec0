/**
 * How large a statement becomes while SQLite compiles it.
 *
 * SQLite copies the body of a CTE or view for every use, and an expression of a subquery for every place that names its
 * column. So a few hundred characters can ask for gigabytes (`with a as (select …), b as (select … from a, a), c as
 * (select … from b, b) …`), and a chain of thousands of CTEs overflows the stack: found by running, with SQLite 3.53.2
 * a chain of 20,000 ends the process. Two things cost more than they are long without being copied: every constant
 * within an expression is compared with all others, and a join of many tables by many conditions has many orders to weigh.
 *
 * Compiling cannot be interrupted, and SQLite has no limit for this; so the growth is estimated first, from the text
 * alone. The estimate errs upward in odd cases, and is a guard, not a proof: it knows the ways of growing that are named here.
 */

import { foldName, tokenize } from '../schema/sql.ts'

/**
 * About how many words the statement has once everything is copied to where it is used. Infinity where it is nested
 * or chained deeper than SQLite's stack is safe for. `views` are the schema's views by lower-case name.
 */
export function grownSize(sql: string, views: ReadonlyMap<string, string>): number {
  return sizeOf(tokensOf(sql), views)
}

/** Whether it would take SQLite too long to compile: it grows by more than `maxGrowth` words beyond its text. */
export function growsTooLarge(sql: string, views: ReadonlyMap<string, string>): boolean {
  const tokens = tokensOf(sql)
  return sizeOf(tokens, views) > tokens.length + maxGrowth
}

/** So many words compile within about a tenth of a second. */
const maxGrowth = 50_000

function sizeOf(tokens: readonly string[], views: ReadonlyMap<string, string>): number {
  const root = parse(tokens)
  if (root === undefined) return Number.POSITIVE_INFINITY
  const { size, constants } = new Estimate(views).measure(root, 0)
  return size + constants ** 2 / 1_000
}

const maxDepth = 200
const maxCtes = 1000

/** A select, or the statement around it, as far as the estimate needs it. */
interface Block {
  readonly parent: Block | undefined
  /** The expressions of its select list. */
  readonly items: Part[]
  readonly rest: Part
  readonly derived: Block[]
  /** Words that stand where a table's name may stand. */
  readonly sources: string[]
  readonly ctes: Map<string, Block>
  /** Names given to its columns from outside, as in `t(a, b) as (…)`. */
  columns: readonly string[]
  terms: number
  windows: number
  /** Tables that its FROM joins. */
  tables: number
  /** Comparisons, by which a table of a join may be looked up. */
  conditions: number
  /** Constants that are part of an expression: SQLite computes each different one once, and looks for equal ones. */
  constants: number
  // where the parser is
  section: 'select' | 'from' | 'rest'
  parens: number
}

interface Part {
  readonly words: string[]
  readonly nested: Block[]
}

/** What a block costs wherever it is used. */
interface Measure {
  readonly size: number
  /** The size of the expression behind each column that it gives. */
  readonly widths: ReadonlyMap<string, number>
  readonly terms: number
  readonly tables: number
  readonly conditions: number
  readonly constants: number
}

class Estimate {
  readonly #views: ReadonlyMap<string, string>
  readonly #parsedViews = new Map<string, Block | undefined>()
  readonly #measured = new Map<Block, Measure>()
  readonly #widths = new Map<Block, ReadonlyMap<string, number>>()

  constructor(views: ReadonlyMap<string, string>) {
    this.#views = views
  }

  measure(block: Block, depth: number): Measure {
    const known = this.#measured.get(block)
    if (known !== undefined) return known
    if (depth > maxDepth || block.ctes.size > maxCtes) return { ...small, size: Number.POSITIVE_INFINITY }
    // a recursive CTE names itself; SQLite does not copy it there
    this.#measured.set(block, small)

    const sources = [...block.derived, ...block.sources.flatMap((name) => this.#resolve(block, name) ?? [])].map(
      (source) => this.measure(source, depth + 1),
    )
    const widths = new Map<string, number>()
    for (const source of sources) for (const [name, width] of source.widths) raise(widths, name, width)
    this.#widths.set(block, widths)

    let { tables, conditions, constants } = block
    const sizeOf = (part: Part): number => {
      let size = 0
      for (const word of part.words) size += this.#widthOf(block, word)
      for (const nested of part.nested) {
        const measure = this.measure(nested, depth + 1)
        size += measure.size
        constants += measure.constants
      }
      return size
    }
    const given = new Map<string, number>()
    let own = 0
    let widest = 1
    for (const item of block.items) {
      const isNamed = item.words.at(-2) === 'as'
      const size = sizeOf(isNamed ? { ...item, words: item.words.slice(0, -2) } : item)
      own += size
      widest = Math.max(widest, size)
      const last = item.words.at(-1)
      if (last === '*') for (const [name, width] of widths) raise(given, name, width)
      else if (last !== undefined) raise(given, nameOf(last), size)
    }
    if (given.size > 0) for (const width of widths.values()) widest = Math.max(widest, width)
    // in a compound select, and under names given from outside, columns go by position
    if (block.terms > 1) for (const name of given.keys()) given.set(name, widest)
    for (const column of block.columns) given.set(column, widest)

    // where, group by, order by may also name what the select list gives
    this.#widths.set(
      block,
      new Map([...given, ...widths].map(([n]) => [n, Math.max(given.get(n) ?? 1, widths.get(n) ?? 1)])),
    )
    own += sizeOf(block.rest)

    // a subquery that is a union all is flattened by copying what is around it for each of its terms
    const copies = sources.reduce((sum, source) => sum + source.terms - 1, 1)
    constants *= copies
    let size = own * copies + block.windows ** 2
    for (const source of sources) {
      size += source.size
      constants += source.constants
      // one that is flattened brings its own tables into this join
      conditions += source.conditions
      tables += source.tables - 1
    }
    // one condition a table is what a join has; more let SQLite weigh more orders
    size += (tables ** 2 * Math.max(0, conditions - tables)) / 2
    const measure = { size, widths: given, terms: block.terms + copies - 1, tables, conditions, constants }
    this.#measured.set(block, measure)
    return measure
  }

  #widthOf(block: Block, word: string): number {
    const name = nameOf(word)
    for (let at: Block | undefined = block; at !== undefined; at = at.parent) {
      const width = this.#widths.get(at)?.get(name)
      if (width !== undefined) return width
    }
    return 1
  }

  #resolve(block: Block, name: string): Block | undefined {
    for (let at: Block | undefined = block; at !== undefined; at = at.parent) {
      const cte = at.ctes.get(name)
      if (cte !== undefined) return cte
    }
    const sql = this.#views.get(name)
    if (sql === undefined) return undefined
    if (!this.#parsedViews.has(name)) this.#parsedViews.set(name, parseView(sql))
    return this.#parsedViews.get(name)
  }
}

const small: Measure = { size: 1, widths: new Map(), terms: 1, tables: 1, conditions: 0, constants: 0 }

function raise(widths: Map<string, number>, name: string, width: number): void {
  if (width > (widths.get(name) ?? 0)) widths.set(name, width)
}

function parseView(sql: string): Block | undefined {
  const tokens = tokensOf(sql)
  const as = tokens.indexOf('as')
  const block = parse(tokens.slice(as + 1))
  const open = tokens.indexOf('(')
  if (block !== undefined && open !== -1 && open < as) block.columns = tokens.slice(open + 1, as - 1).map(nameOf)
  return block
}

/** The tree of a statement's selects. Undefined if it is nested too deep to look at. */
function parse(tokens: readonly string[]): Block | undefined {
  const root = newBlock(undefined)
  let block = root
  let depth = 0
  const open: Parenthesis[] = []
  const openedBy = new Map<number, number>() // index of `)` → index of its `(`

  for (const [i, token] of tokens.entries()) {
    const part = block.section === 'select' ? (block.items.at(-1) ?? block.rest) : block.rest
    const isOutside = block.parens === 0
    if (token === '(') {
      if (!startsSelect.has(tokens[i + 1] ?? '')) {
        block.parens++
        const around = open.at(-1)
        if (around?.list) around.list.isPlain = false
        const before = tokens[i - 1] ?? ''
        const isJoin = block.section === 'from' && beforeJoinGroup.has(before)
        const list = before === 'in' ? { isPlain: true, constants: 0 } : undefined
        open.push({ at: i, block: undefined, isJoin, list })
        continue
      }
      if (++depth > maxDepth) return undefined
      const child = newBlock(block)
      const cte = cteBefore(tokens, i, openedBy)
      if (cte !== undefined) {
        child.columns = cte.columns
        block.ctes.set(cte.name, child)
      } else if (block.section === 'from') block.derived.push(child)
      else part.nested.push(child)
      open.push({ at: i, block: child, isJoin: false, list: undefined })
      block = child
    } else if (token === ')') {
      const opened = open.pop()
      if (opened === undefined) continue
      openedBy.set(i, opened.at)
      if (opened.list?.isPlain === false) block.constants += opened.list.constants
      if (opened.block === undefined) block.parens--
      else if (opened.block.parent !== undefined) {
        block = opened.block.parent
        depth--
      }
    } else if (token === ',' && isOutside && block.section === 'select') {
      block.items.push(newPart())
    } else if (token === ',') {
      const { isJoin = false, list } = open.at(-1) ?? {}
      if (block.section === 'from' && (isOutside || isJoin)) block.tables++
      // `(a, b) = (c, d)` and `using (a, b)` are several conditions; lists of constants are none
      else if (!isOutside && list === undefined && !isConstant(tokens[i - 1] ?? '')) block.conditions++
      part.words.push(token)
    } else if ((token === 'select' || token === 'returning') && isOutside) {
      if (block.items.length > 0) block.terms++
      block.section = 'select'
      block.items.push(newPart())
    } else if (token === 'from' && isOutside && tokens[i - 1] !== 'distinct') {
      block.section = 'from'
    } else if (endsFrom.has(token) && isOutside) {
      block.section = 'rest'
    } else {
      const [before, after] = [tokens[i - 1] ?? '', tokens[i + 1] ?? '']
      if (token === 'over') block.windows++
      if (token === 'join') block.tables++
      if (token === 'natural') block.conditions += conditionsOfNaturalJoin
      if (comparisons.has(token)) block.conditions++
      const list = open.at(-1)?.list
      if (isConstant(token)) {
        const front = signs.has(before) ? (tokens[i - 2] ?? '') : before
        const standsAlone = beforeItem.has(front) && afterItem.has(after)
        if (!standsAlone) block.constants++
        else if (list) list.constants++
      } else if (list && !signs.has(token)) list.isPlain = false
      const mayBeTable = beforeTable.has(before) || (block.section === 'from' && beforeTableInFrom.has(before))
      if (mayBeTable) block.sources.push(nameOf(token))
      part.words.push(token)
    }
  }
  return root
}

/** A parenthesis that is open. */
interface Parenthesis {
  readonly at: number
  /** The select in it. */
  readonly block: Block | undefined
  /** Tables stand in it. */
  readonly isJoin: boolean
  /** Of `in (…)`: its constants are taken one by one where they are not alone. */
  readonly list: { isPlain: boolean; constants: number } | undefined
}

/** A guess: how many columns of one name two tables have. */
const conditionsOfNaturalJoin = 4

/** `'text'`, `x'00'`, `1.5`, `?1`, `:name` */
function isConstant(token: string): boolean {
  return /^(?:['\d?:@$]|x'|\.\d)/.test(token)
}

const comparisons = new Set('= == < > <= >= is in like glob match between using'.split(' '))
const beforeItem = new Set(['(', ',', 'select'])
const afterItem = new Set([')', ',', 'from', 'union', 'except', 'intersect', ''])
const signs = new Set(['+', '-'])
const beforeJoinGroup = new Set(['from', 'join', ',', '('])
const startsSelect = new Set(['select', 'with', 'values'])
const endsFrom = new Set('where group having window order limit union except intersect'.split(' '))
const beforeTable = new Set('from join in into update'.split(' '))
const beforeTableInFrom = new Set([',', '(', '.'])

/** `name [(columns)] as [[not] materialized]` in front of the parenthesis at `open`. */
function cteBefore(
  tokens: readonly string[],
  open: number,
  openedBy: ReadonlyMap<number, number>,
): { name: string; columns: readonly string[] } | undefined {
  let at = open - 1
  if (tokens[at] === 'materialized') at--
  if (tokens[at] === 'not') at--
  if (tokens[at] !== 'as') return undefined
  at--
  const columnsFrom = openedBy.get(at)
  const columns = columnsFrom === undefined ? [] : tokens.slice(columnsFrom + 1, at).map(nameOf)
  const name = tokens[columnsFrom === undefined ? at : columnsFrom - 1]
  return name === undefined ? undefined : { name: nameOf(name), columns }
}

function newBlock(parent: Block | undefined): Block {
  return {
    parent,
    items: [],
    rest: newPart(),
    derived: [],
    sources: [],
    ctes: new Map(),
    columns: [],
    terms: 1,
    windows: 0,
    tables: 1,
    conditions: 0,
    constants: 0,
    section: 'rest',
    parens: 0,
  }
}

function newPart(): Part {
  return { words: [], nested: [] }
}

/** Words and marks in lower case; quoted names with a leading `"` and strings with a leading `'`, so that they are no keywords. */
export function tokensOf(sql: string): string[] {
  return tokenize(sql).map(({ kind, text, value }) => {
    if (kind === 'name') return `"${foldName(value)}`
    if (kind === 'string') return `'${foldName(value)}`
    return foldName(text)
  })
}

/** A token as a name, without its sign: SQLite takes a string for a table's name, too. */
export function nameOf(token: string): string {
  return /^["']/.test(token) ? token.slice(1) : token
}
