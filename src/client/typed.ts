import type { CallOptions, Handle } from './cinch.ts'
import { CinchError, SchemaDiffersError, ValueKindError } from './errors.ts'
import type { ParamsOf } from './methods.ts'
import type { Row, RowInput, Value, ValueInput } from './values.ts'

/** What generated code says of a table or view: the types of its rows, and of what is written. */
export interface RowTypes {
  readonly row: object
  readonly insert?: object
  readonly update?: object
  readonly key?: unknown
}

/** What a column holds, and whether it can be null. `bigint` is an integer that is always read as one. */
export interface ColumnKind {
  readonly kind: 'text' | 'integer' | 'bigint' | 'real' | 'boolean' | 'blob' | 'time' | 'any'
  readonly nullable: boolean
}

/** A table or view as generated code describes it. */
export interface Description {
  readonly name: string
  readonly columns: { readonly [column: string]: ColumnKind }
}

/** A condition on rows of a type. What stands beside each other must all hold. */
export type RowWhere<R> = {
  readonly [C in keyof R]?: R[C] | Operators<R[C]> | undefined
} & {
  readonly and?: readonly RowWhere<R>[] | undefined
  readonly or?: readonly RowWhere<R>[] | undefined
  readonly not?: RowWhere<R> | undefined
}

export interface Operators<V> {
  readonly eq?: V | undefined
  readonly ne?: V | undefined
  readonly gt?: V | undefined
  readonly gte?: V | undefined
  readonly lt?: V | undefined
  readonly lte?: V | undefined
  /** `%` is any text, `_` one character. */
  readonly like?: string | undefined
  readonly in?: readonly V[] | undefined
  readonly notIn?: readonly V[] | undefined
  readonly between?: readonly [V, V] | undefined
  readonly isNull?: boolean | undefined
}

export interface ViewListOptions extends CallOptions {
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

export interface ListOptions<R> extends ViewListOptions {
  readonly where?: RowWhere<R> | undefined
  /** Column names; a leading `-` sorts from the greatest to the smallest. */
  readonly orderBy?: readonly (`${keyof R & string}` | `-${keyof R & string}`)[] | undefined
}

/** How many rows a list gives where it does not say. */
const defaultLimit = 1_000

/** The rows of a view. */
export class TypedView<T extends RowTypes> {
  readonly #handle: Handle
  readonly #description: Description & { readonly quoted: string }

  constructor(handle: Handle, description: Description & { readonly quoted: string }) {
    this.#handle = handle
    this.#description = description
  }

  /** Rows, as they come; without a limit 1,000. */
  async list({ limit = defaultLimit, offset = 0, ...callOptions }: ViewListOptions = {}): Promise<T['row'][]> {
    const sql = `select * from ${this.#description.quoted} limit ? offset ?`
    const { rows } = await this.#handle.query(sql, [limit, offset], callOptions)
    return rows.map((row) => checked<T>(this.#description, row))
  }

  async count(options?: CallOptions): Promise<number> {
    const sql = `select count(*) as n from ${this.#description.quoted}`
    const { rows } = await this.#handle.query<{ n: number }>(sql, [], options)
    return rows[0]?.n ?? 0
  }
}

/** The rows of a table that has no primary key. */
export class TypedTable<T extends RowTypes> {
  protected readonly handle: Handle
  protected readonly description: Description

  constructor(handle: Handle, description: Description) {
    this.handle = handle
    this.description = description
  }

  /** Rows that meet a condition; without a limit 1,000. */
  async list(options: ListOptions<T['row']> = {}): Promise<T['row'][]> {
    const [params, callOptions] = this.#listing(options)
    const { rows } = await this.handle.row.list(params, callOptions)
    return rows.map((row) => checked<T>(this.description, row))
  }

  /** Every row that meets a condition, read a page at a time. `limit` is the size of a page. */
  async *rows(options: Omit<ListOptions<T['row']>, 'offset'> = {}): AsyncGenerator<T['row'], void> {
    const [params, callOptions] = this.#listing(options)
    for await (const { rows } of this.handle.pages('row.list', params, callOptions)) {
      for (const row of rows) yield checked<T>(this.description, row)
    }
  }

  async count(where: RowWhere<T['row']> = {}, options?: CallOptions): Promise<number> {
    const { count } = await this.handle.row.count({ table: this.description.name, where }, options)
    return count
  }

  /** Insert one row, or many: all or none. Gives back what was stored. */
  insert(row: NonNullable<T['insert']>, options?: CallOptions): Promise<T['row']>
  insert(rows: readonly NonNullable<T['insert']>[], options?: CallOptions): Promise<T['row'][]>
  async insert(rows: object | readonly object[], options?: CallOptions): Promise<T['row'] | T['row'][]> {
    return this.written('row.insert', rows, options)
  }

  protected async written(method: 'row.insert' | 'row.update' | 'row.upsert', rows: object, options?: CallOptions) {
    const sent = (Array.isArray(rows) ? rows : [rows]) as RowInput[]
    if (sent.length === 0) return []
    const answer = await this.handle.call(method, { table: this.description.name, rows: sent }, options)
    const stored = answer.rows.map((row) => checked<T>(this.description, row))
    return Array.isArray(rows) ? stored : (stored[0] as T['row'])
  }

  #listing({ where, orderBy, limit, offset, ...callOptions }: ListOptions<T['row']>) {
    const params: ParamsOf<'row.list'> = { table: this.description.name, where, orderBy, limit, offset }
    return [params, callOptions] as const
  }
}

/** The rows of a table that are told from one another by a primary key. */
export class KeyedTable<T extends RowTypes> extends TypedTable<T> {
  /** The row of a key. */
  async get(key: T['key'], options?: CallOptions): Promise<T['row'] | undefined> {
    const { row } = await this.handle.row.get({ table: this.description.name, id: key as ValueInput }, options)
    return row === null ? undefined : checked<T>(this.description, row)
  }

  /** Update one row, or many, each told by the key that it carries: all or none. */
  update(row: NonNullable<T['update']>, options?: CallOptions): Promise<T['row']>
  update(rows: readonly NonNullable<T['update']>[], options?: CallOptions): Promise<T['row'][]>
  async update(rows: object | readonly object[], options?: CallOptions): Promise<T['row'] | T['row'][]> {
    return this.written('row.update', rows, options)
  }

  /** Insert rows, or update those whose primary key is there: all or none. */
  upsert(row: NonNullable<T['insert']>, options?: CallOptions): Promise<T['row']>
  upsert(rows: readonly NonNullable<T['insert']>[], options?: CallOptions): Promise<T['row'][]>
  async upsert(rows: object | readonly object[], options?: CallOptions): Promise<T['row'] | T['row'][]> {
    return this.written('row.upsert', rows, options)
  }

  /** Delete the rows of these keys: all or none. */
  async delete(keys: T['key'] | readonly T['key'][], options?: CallOptions): Promise<number> {
    const ids = (Array.isArray(keys) ? keys : [keys]) as ValueInput[]
    if (ids.length === 0) return 0
    const { count } = await this.handle.row.delete({ table: this.description.name, ids }, options)
    return count
  }
}

/** Throws `SchemaDiffersError` where tables and views are no longer those that code was generated from. */
export async function checkSchema(
  handle: Handle,
  expected: string,
  selection: { readonly tables: readonly string[]; readonly views: readonly string[] },
): Promise<void> {
  const found = await handle.codegen.hash(selection).then(({ hash }) => hash, unlessGone)
  if (found !== expected) throw new SchemaDiffersError(expected, found)
}

function unlessGone(error: unknown): undefined {
  const isGone = error instanceof CinchError && ['tableNotFound', 'viewNotFound'].includes(error.kind)
  if (!isGone) throw error
}

/** A row whose values are of their columns' kinds. */
function checked<T extends RowTypes>({ name: table, columns }: Description, row: Row): T['row'] {
  for (const [column, { kind, nullable }] of Object.entries(columns)) {
    const value = row[column] as Value
    if (value === null ? nullable : isOfKind(value, kind)) continue
    if (kind === 'bigint' && Number.isInteger(value)) row[column] = BigInt(value as number)
    else throw new ValueKindError({ table, column, kind, value })
  }
  return row
}

function isOfKind(value: Value, kind: ColumnKind['kind']): boolean {
  switch (kind) {
    case 'any':
      return value !== undefined
    case 'text':
    case 'time':
      return typeof value === 'string'
    case 'integer':
      return Number.isSafeInteger(value)
    case 'bigint':
      return typeof value === 'bigint'
    case 'real':
      return typeof value === 'number'
    case 'boolean':
      return typeof value === 'boolean'
    case 'blob':
      return value instanceof Uint8Array
  }
}
