import { refuseResolution } from './conflicts.ts'
import type { Action, Conflict as OnConflict, Schema, Table } from './model.ts'
import { emptySchema } from './model.ts'
import { parseTrigger } from './parse.ts'
import { sameName } from './sql.ts'
import { type Attribute, type Thing, type Things, takeApart, whole } from './things.ts'

/** The place that a given definition is for, and what it says. */
export interface Given {
  readonly path: string
  readonly definition: unknown
}

/**
 * An attribute from a definition as a conflict shows it; undefined if it is null. Refuses `invalidChange` for another
 * shape. What SQL it holds is looked at when the changes are planned.
 */
export function readAttribute(name: string, { path, definition }: Given): Attribute | undefined {
  const read = attributeReaders[name.replace(/:.*/s, '')] ?? refuseResolution(path, 'this cannot be given')
  if (definition === null && read !== flag) return undefined
  const value = read(definition, new Fault(path))
  // Its form is compared with nothing any more, and what it speaks of is found out by SQLite.
  return { label: name, form: JSON.stringify(value), value, uses: [] }
}

/** A table or column from a definition as a conflict shows it, with its columns. Ids are those of `known`, by name. */
export function readThings(thing: Thing, given: Given, { known, newId }: ReadOptions): Things {
  const fault = new Fault(given.path)
  const column = thing.kind === 'column' ? columnDefinition(given.definition, fault) : undefined
  const table = column ? tableAround(column) : tableDefinition(given.definition, fault)
  const idOf = (name: string) => known.find((other) => other.kind === 'column' && sameName(other.name, name))?.id
  const columns = table.columns.map((each) => ({ ...each, id: column ? thing.id : (idOf(each.name) ?? newId()) }))
  const owner = thing.owner?.replace(/^table:/, '')
  const identified: Table = { ...table, columns, id: owner ?? thing.id }
  const schema: Schema = { ...emptySchema, tables: [identified] }
  return new Map([...takeApart(schema)].filter(([, { kind }]) => kind === 'column' || !column))
}

export interface ReadOptions {
  readonly known: readonly Thing[]
  readonly newId: () => string
}

type Read<T> = (value: unknown, fault: Fault) => T

/** Where in a definition the reader is. */
class Fault {
  readonly #path: string
  readonly #place: string

  constructor(path: string, place = 'the definition') {
    this.#path = path
    this.#place = place
  }

  in(field: string | number): Fault {
    return new Fault(this.#path, `${this.#place}.${field}`)
  }

  refuse(wanted: string): never {
    return refuseResolution(this.#path, `${this.#place} is not ${wanted}`)
  }
}

const text: Read<string> = (value, fault) => (typeof value === 'string' ? value : fault.refuse('text'))
const flag: Read<boolean> = (value, fault) => (typeof value === 'boolean' ? value : fault.refuse('true or false'))

function list<T>(item: Read<T>): Read<readonly T[]> {
  return (value, fault) =>
    Array.isArray(value) ? value.map((each, i) => item(each, fault.in(i))) : fault.refuse('a list')
}

function oneOf<T extends string>(...words: readonly T[]): Read<T> {
  return (value, fault) => words.find((word) => word === value) ?? fault.refuse(words.join(', '))
}

function either<A, B>(isA: (value: unknown) => boolean, a: Read<A>, b: Read<B>): Read<A | B> {
  return (value, fault) => (isA(value) ? a(value, fault) : b(value, fault))
}

type Fields = Readonly<Record<string, Read<unknown>>>
type ReadFields<F extends Fields> = { readonly [K in keyof F]: F[K] extends Read<infer T> ? T : never }

/** Fields that are not known are left out: a conflict's own definition may be sent back with its ids. */
function shape<R extends Fields, O extends Fields>(
  required: R,
  optional: O,
): Read<ReadFields<R> & Partial<ReadFields<O>>> {
  return (value, fault) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fault.refuse('an object')
    const given = new Map<string, unknown>(Object.entries(value))
    const entries = [...Object.entries(required), ...Object.entries(optional).filter(([name]) => given.has(name))]
    const read = entries.map(([name, field]) => [name, field(given.get(name), fault.in(name))])
    // `Object.fromEntries` forgets which field is of which type.
    return Object.fromEntries(read) as ReadFields<R> & Partial<ReadFields<O>>
  }
}

const onConflict = oneOf<OnConflict>('ROLLBACK', 'FAIL', 'IGNORE', 'REPLACE')
const action = oneOf<Action>('NO ACTION', 'RESTRICT', 'SET NULL', 'SET DEFAULT', 'CASCADE')
const keyColumn = shape({ name: text }, { collate: text, descending: flag })
const keyFields = { name: text, onConflict }
const key = shape({ columns: list(keyColumn) }, keyFields)
const primaryKey = shape({ columns: list(keyColumn) }, { ...keyFields, autoincrement: flag })
const check = shape({ expression: text }, { name: text, column: text })
const foreignKey = shape(
  { columns: list(text), table: text, onDelete: action, onUpdate: action },
  { name: text, parentColumns: list(text), match: text, deferrable: text },
)
const generated = shape({ expression: text, stored: flag }, {})
const nullability = shape({ nullable: flag }, { notNullConflict: onConflict })
const columnFields = { default: text, collate: text, generated, notNullConflict: onConflict }
const column = shape({ name: text, type: text, nullable: flag }, columnFields)
const columnDefinition = shape(
  { name: text, type: text, nullable: flag },
  { ...columnFields, uniques: list(key), checks: list(check), foreignKeys: list(foreignKey) },
)
const tableDefinition = shape(
  {
    name: text,
    columns: list(column),
    uniques: list(key),
    checks: list(check),
    foreignKeys: list(foreignKey),
    strict: flag,
    withoutRowid: flag,
    systemColumns: flag,
  },
  { primaryKey },
)
const indexExpression = shape({ expression: text }, { collate: text, descending: flag })
const hasExpression = (value: unknown) => typeof value === 'object' && value !== null && 'expression' in value
const index = shape(
  { name: text, table: text, unique: flag, columns: list(either(hasExpression, indexExpression, keyColumn)) },
  { where: text },
)
const view = shape({ name: text, sql: text }, { columns: list(text) })
const virtualTable = shape({ name: text, module: text, arguments: text }, {})
const trigger: Read<unknown> = (value, fault) => parseTrigger(shape({ sql: text }, {})(value, fault).sql)

const attributeReaders: Readonly<Record<string, Read<unknown>>> = {
  type: text,
  nullable: nullability,
  default: text,
  collate: text,
  generated,
  unique: list(key),
  check: list(check),
  references: list(foreignKey),
  foreignKey: list(foreignKey),
  primaryKey,
  strict: flag,
  withoutRowid: flag,
  systemColumns: flag,
}

const wholeReaders: Readonly<Record<string, Read<unknown>>> = { index, view, virtualTable, trigger }

/** An index, view, trigger or virtual table from a definition as a conflict shows it. It keeps its name. */
export function readWhole(thing: Thing, { path, definition }: Given): Thing {
  const read = wholeReaders[thing.kind] ?? refuseResolution(path, 'this cannot be given')
  const value = read(definition, new Fault(path)) as { readonly name: string }
  if (!sameName(value.name, thing.name)) refuseResolution(path, `the definition is one of ${thing.name}`)
  const attribute: Attribute = { label: whole, form: JSON.stringify(value), value, uses: [] }
  return { ...thing, attributes: new Map([[whole, attribute]]), definition: value }
}

function tableAround({ uniques, checks, foreignKeys, ...own }: ReturnType<typeof columnDefinition>): Omit<Table, 'id'> {
  return {
    name: '',
    columns: [{ ...own, id: '' }],
    uniques: uniques ?? [],
    checks: (checks ?? []).map((each) => ({ ...each, column: own.name })),
    foreignKeys: foreignKeys ?? [],
    strict: false,
    withoutRowid: false,
    systemColumns: false,
  }
}
