import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { deferToEnd } from '../support/cleanup.ts'
import type { Json, RawClient } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { seed } from '../support/seed.ts'

/** Columns by the affinity that SQLite gives them. */
const types = { i: 'INTEGER', r: 'REAL', t: 'TEXT', n: 'NUMERIC', b: 'BLOB' }
type Column = keyof typeof types
const columns = Object.keys(types) as Column[]

/** A value as SQLite holds it. */
type Held = null | bigint | number | string | Buffer
type Stored = { readonly k: number } & { readonly [column in Column]: Held }

const wire = fc.constantFrom<Json>(
  ...[null, 0, 1, -1, 2, 10, 1.5, -0.5, 2.25],
  ...['9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775807'].map(($int) => ({ $int })),
  ...['Infinity', '-Infinity', '9007199254740992', '-0'].map(($real) => ({ $real })),
  ...[
    '',
    '1',
    '2',
    '10',
    '1.5',
    ' 1',
    '1x',
    'a',
    'A',
    'ab',
    'é',
    '\u0000',
    'a\u0000b',
    '\uffff',
    '\u{1F600}',
    '%',
    '_',
  ],
  ...['', 'AA==', 'MQ==', 'YQ==', '/w=='].map(($blob) => ({ $blob })),
)

let client: RawClient

beforeAll(async () => {
  client = (await startDaemon({ keep: deferToEnd })).client
  const declared = Object.entries({ k: 'INTEGER', ...types }).map(([name, type]) => ({ name, type }))
  await client.call('table.create', { name: 't', columns: declared, primaryKey: ['k'], systemColumns: false })
})

test(`conditions hold as in SQLite’s comparisons, and rows come in its order (seed ${seed})`, async () => {
  const row = fc.record({ i: wire, r: wire, t: wire, n: wire, b: wire })
  const rows = fc.array(row, { minLength: 12, maxLength: 12 })
  const conditions = fc.array(condition, { minLength: 10, maxLength: 10 })
  const order = fc.tuple(fc.constantFrom(...columns), fc.boolean(), fc.constantFrom(...columns))
  await fc.assert(
    fc.asyncProperty(rows, conditions, order, async (rows, conditions, [first, descending, second]) => {
      const stored = await fill(rows as Json[])
      for (const where of conditions) {
        const { rows } = await client.call('row.list', { table: 't', where, orderBy: ['k'], columns: ['k'] })
        const expected = stored.filter((row) => holds(where, row) === true).map(({ k }) => k)
        expect(rows.map(({ k }: { k: number }) => k)).toEqual(expected)
        expect((await client.call('row.count', { table: 't', where })).count).toBe(expected.length)
      }
      const paged: number[] = []
      let cursor: string | undefined
      do {
        const orderBy = [`${descending ? '-' : ''}${first}`, second]
        const page = await client.call('row.list', { table: 't', orderBy, limit: 5, cursor, columns: ['k'] })
        paged.push(...page.rows.map(({ k }: { k: number }) => k))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      const sorted = [...stored].sort((x, y) => {
        const byFirst = compare(x[first], y[first]) * (descending ? -1 : 1)
        return byFirst || compare(x[second], y[second]) || x.k - y.k
      })
      expect(paged).toEqual(sorted.map(({ k }) => k))
    }),
    { numRuns: 25, seed },
  )
})

/** Store rows, and tell what is held of them. */
async function fill(rows: readonly Json[]): Promise<Stored[]> {
  await client.call('query.execute', { sql: 'delete from t' })
  await client.call('row.insert', { table: 't', rows: rows.map((row, k) => ({ ...(row as object), k })) })
  // An expression has no declared type, so nothing is shown otherwise than it is held; `typeof` tells integers from reals.
  const list = columns.map((column) => `+${column}, typeof(${column})`).join(', ')
  const { rows: found } = await client.call('query.run', { sql: `select k, ${list} from t order by k` })
  return found.map(([k, ...held]: [number, ...Json[]]) => {
    const values = columns.map((column, at) => [column, heldOf(held[2 * at] as Json, held[2 * at + 1] === 'integer')])
    return { k, ...Object.fromEntries(values) }
  })
}

function heldOf(value: Json, isInteger: boolean): Held {
  if (typeof value === 'number') return isInteger ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value as string | null
  const [[tag, text]] = Object.entries(value) as [[string, string]]
  return tag === '$int' ? BigInt(text) : tag === '$real' ? Number(text) : Buffer.from(text, 'base64')
}

/** An operand, after the affinity of the column that it is compared with. */
function operandOf(column: Column, value: Json): Held {
  const held = heldOf(value, Number.isInteger(value))
  if (column === 't') {
    if (typeof held === 'bigint') return String(held)
    if (typeof held === 'number') return textOfReal(held)
  } else if (column !== 'b' && typeof held === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(held)) {
    return held.includes('.') ? Number(held) : BigInt(held.trim())
  }
  return held
}

/** Of the reals that are tried. */
function textOfReal(real: number): string {
  if (real === Infinity) return 'Inf'
  if (real === -Infinity) return '-Inf'
  if (Object.is(real, -0)) return '0.0'
  return real === 2 ** 53 ? '9007199254740992.0' : String(real)
}

const classOf = (value: Held) => (value === null ? 0 : typeof value === 'string' ? 2 : Buffer.isBuffer(value) ? 3 : 1)

/** SQLite’s order: null, numbers, texts, blobs. */
function compare(a: Held, b: Held): number {
  if (classOf(a) !== classOf(b)) return classOf(a) - classOf(b)
  if (a === null) return 0
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
  if (Buffer.isBuffer(a)) return Buffer.compare(a, b as Buffer)
  // JavaScript compares a bigint with a number exactly.
  return a < (b as bigint) ? -1 : a > (b as bigint) ? 1 : 0
}

/** Of three truths: null is neither. */
type Truth = boolean | null
const not = (truth: Truth): Truth => (truth === null ? null : !truth)
const all = (truths: readonly Truth[]): Truth => (truths.includes(false) ? false : truths.includes(null) ? null : true)
const any = (truths: readonly Truth[]): Truth => not(all(truths.map(not)))

function holds(where: Json, row: Stored): Truth {
  return all(
    Object.entries(where as object).map(([name, operand]): Truth => {
      if (name === 'and') return all(operand.map((part: Json) => holds(part, row)))
      if (name === 'or') return any(operand.map((part: Json) => holds(part, row)))
      if (name === 'not') return not(holds(operand, row))
      const column = name as Column
      const isOperators = typeof operand === 'object' && operand !== null && !Object.keys(operand)[0]?.startsWith('$')
      const operators = isOperators ? Object.entries(operand) : [['eq', operand]]
      return all(operators.map(([operator, value]) => holdsFor(row[column], operator as string, value as Json, column)))
    }),
  )
}

function holdsFor(held: Held, operator: string, value: Json, column: Column): Truth {
  const order = (other: Json): number | null => {
    const operand = operandOf(column, other)
    return held === null || operand === null ? null : compare(held, operand)
  }
  const by = (other: Json, test: (order: number) => boolean): Truth => {
    const found = order(other)
    return found === null ? null : test(found)
  }
  const isSame = (other: Json) => compare(held, operandOf(column, other)) === 0
  switch (operator) {
    case 'eq':
      return isSame(value)
    case 'ne':
      return !isSame(value)
    case 'gt':
      return by(value, (order) => order > 0)
    case 'gte':
      return by(value, (order) => order >= 0)
    case 'lt':
      return by(value, (order) => order < 0)
    case 'lte':
      return by(value, (order) => order <= 0)
    case 'between': {
      const [low, high] = value as Json[]
      return all([by(low as Json, (order) => order >= 0), by(high as Json, (order) => order <= 0)])
    }
    case 'in':
      return any((value as Json[]).map((each) => by(each, (order) => order === 0)))
    case 'notIn':
      return not(holdsFor(held, 'in', value, column))
    default:
      return (held === null) === value
  }
}

const operators = fc.oneof(
  fc.tuple(fc.constantFrom('eq', 'ne', 'gt', 'gte', 'lt', 'lte'), wire),
  fc.tuple(fc.constant('between'), fc.array(wire, { minLength: 2, maxLength: 2 })),
  fc.tuple(fc.constantFrom('in', 'notIn'), fc.array(wire, { maxLength: 5 })),
  fc.tuple(fc.constant('isNull'), fc.boolean()),
)

const onColumn = fc
  .tuple(fc.constantFrom(...columns), fc.oneof(wire, fc.array(operators, { maxLength: 2 }).map(Object.fromEntries)))
  .map(([column, operand]) => ({ [column]: operand }) as Json)

const condition: fc.Arbitrary<Json> = fc.letrec<{ condition: Json }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    onColumn,
    fc.array(tie('condition'), { maxLength: 3 }).map((parts) => ({ and: parts }) as Json),
    fc.array(tie('condition'), { maxLength: 3 }).map((parts) => ({ or: parts }) as Json),
    tie('condition').map((part) => ({ not: part }) as Json),
    fc.tuple(onColumn, onColumn).map(([a, b]) => ({ ...(a as object), ...(b as object) }) as Json),
  ),
})).condition
