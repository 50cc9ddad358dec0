import type {
  Check,
  Column,
  ForeignKey,
  Generated,
  Index,
  Key,
  Conflict as OnConflict,
  PrimaryKey,
  Schema,
  Table,
  Trigger,
  View,
  VirtualTable,
} from './model.ts'
import {
  checkForm,
  findColumn,
  findTable,
  findView,
  foreignKeyForm,
  indexForm,
  isKeyColumn,
  keyForm,
  viewForm,
  virtualForm,
} from './model.ts'
import { settle } from './parse.ts'
import { foldName, isOperator, isWord, normalSql, sameName, tokenize } from './sql.ts'

/** A schema taken apart, so that three of them can be laid over each other. By key, in the schema's order. */
export type Things = ReadonlyMap<string, Thing>

export interface Thing {
  /** `table:<id>`, `column:<table id>/<id>`, `index:<name>`, … The same in all three schemas. */
  readonly key: string
  readonly kind: ThingKind
  readonly id: string
  readonly name: string
  /** The key of what it goes with: the table of a column, an index, a trigger. */
  readonly owner?: string
  readonly attributes: ReadonlyMap<string, Attribute>
  /** As the model has it, without ids; a column with what is written at it. For people. */
  readonly definition: unknown
}

export type ThingKind = 'table' | 'column' | 'virtualTable' | 'index' | 'view' | 'trigger'

/** What two sides can change independently. */
export interface Attribute {
  /** Equal where the attributes are. */
  readonly form: string
  readonly value: unknown
  /** In paths. */
  readonly label: string
  /** Keys of the things it speaks of, as far as the model tells; of views and triggers only SQLite can. */
  readonly uses: readonly string[]
}

/** A column with the constraints of it alone. */
export interface ColumnDefinition extends Omit<Column, 'id'> {
  readonly uniques?: readonly Key[]
  readonly checks?: readonly Check[]
  readonly foreignKeys?: readonly ForeignKey[]
}

export interface Nullability {
  readonly nullable: boolean
  readonly notNullConflict?: OnConflict
}

/** Views, triggers, indexes and virtual tables are of one piece. */
export const whole = 'definition'

export function takeApart(schema: Schema): Things {
  const all: Thing[] = [
    ...schema.tables.flatMap((table) => [tableThing(schema, table), ...columnThings(schema, table)]),
    ...schema.virtualTables.map(virtualTableThing),
    ...schema.indexes.map((index) => indexThing(schema, index)),
    ...schema.views.map(viewThing),
    ...schema.triggers.map((trigger) => triggerThing(schema, trigger)),
  ]
  return new Map(all.map((thing) => [thing.key, thing]))
}

export function putTogether(things: Things): Schema {
  const all = [...things.values()]
  const ofKind = (kind: ThingKind) => all.filter((thing) => thing.kind === kind)
  return {
    tables: ofKind('table').map((table) =>
      settle(
        tableOf(
          table,
          all.filter(({ kind, owner }) => kind === 'column' && owner === table.key),
        ),
      ),
    ),
    virtualTables: ofKind('virtualTable').map((thing) => ({
      ...given<Omit<VirtualTable, 'id'>>(thing, whole),
      id: thing.id,
    })),
    indexes: ofKind('index').map((thing) => given<Index>(thing, whole)),
    views: ofKind('view').map((thing) => given<View>(thing, whole)),
    triggers: ofKind('trigger').map((thing) => given<Trigger>(thing, whole)),
  }
}

export function tableKey({ id }: { readonly id: string }): string {
  return `table:${id}`
}

export function viewKey(name: string): string {
  return `view:${foldName(name)}`
}

export function triggerKey(name: string): string {
  return `trigger:${foldName(name)}`
}

/** Names are given once in a space: tables, views, virtual tables and indexes share one, columns that of their table. */
export function spaceOf({ kind, owner }: Thing): string {
  if (kind === 'column') return owner ?? ''
  return kind === 'trigger' ? 'triggers' : 'schema'
}

/** The key of a thing whose name another one has already. */
export function findTwice(things: Things): string | undefined {
  const taken = new Set<string>()
  for (const thing of things.values()) {
    const place = `${spaceOf(thing)} ${foldName(thing.name)}`
    if (taken.has(place)) return thing.key
    taken.add(place)
  }
  return undefined
}

/** The keys of what goes when the thing goes, itself first. */
export function family(things: Things, key: string): string[] {
  const children = [...things.values()].filter(({ owner }) => owner === key)
  return [key, ...children.flatMap((child) => family(things, child.key))]
}

export function formOf(thing: Thing | undefined, attribute: string): string {
  return thing?.attributes.get(attribute)?.form ?? ''
}

/** The names of the attributes that differ. */
export function changedAttributes(a: Thing | undefined, b: Thing | undefined): string[] {
  const names = new Set([...(a?.attributes.keys() ?? []), ...(b?.attributes.keys() ?? [])])
  return [...names].filter((name) => formOf(a, name) !== formOf(b, name))
}

/** Put the attribute as `from` has it; for `whole`, the thing. */
export function revert(things: Things, key: string, attribute: string, from: Things): Things {
  const result = new Map(things)
  const [thing, other] = [things.get(key), from.get(key)]
  if (attribute !== whole) {
    if (thing) result.set(key, withAttribute(thing, attribute, other?.attributes.get(attribute)))
  } else if (other) {
    result.set(key, other)
  } else {
    for (const gone of family(things, key)) result.delete(gone)
  }
  return result
}

export function withAttribute(thing: Thing, name: string, attribute: Attribute | undefined): Thing {
  const attributes = new Map(thing.attributes)
  if (attribute) attributes.set(name, attribute)
  else attributes.delete(name)
  return { ...thing, attributes }
}

/** Without the thing and what goes with it. What else speaks of these is put as `from` has it. */
export function without(things: Things, key: string, from: Things): Things {
  const gone = new Set(family(things, key))
  let result: Things = new Map([...things].filter(([other]) => !gone.has(other)))
  for (const thing of result.values()) {
    for (const [name, { uses }] of thing.attributes) {
      if (!uses.some((use) => gone.has(use)) || !result.has(thing.key)) continue
      const old = from.get(thing.key)
      const isUsedThere = old?.attributes.get(name)?.uses.some((use) => gone.has(use)) ?? false
      // A generated column that computes from what is gone has nothing else to be.
      const isNothingElse = name === 'generated' && (old === undefined || isUsedThere)
      if (isNothingElse) result = without(result, thing.key, from)
      else result = revert(result, thing.key, name, isUsedThere ? new Map() : from)
    }
  }
  return result
}

/** With the thing as `from` has it, what goes with it, and what there speaks of them: all that its drop took away. */
export function restored(things: Things, key: string, from: Things): Things {
  const back = new Set(family(from, key))
  let result: Things = things
  for (const other of back) result = revert(result, other, whole, from)
  for (const thing of from.values()) {
    const isLost = !result.has(thing.key) && (thing.kind === 'view' || thing.kind === 'trigger')
    if (isLost && [...back].some((other) => mentions(thing, from.get(other)))) {
      result = revert(result, thing.key, whole, from)
    }
    for (const [name, { uses, form }] of thing.attributes) {
      if (!uses.some((use) => back.has(use)) || formOf(result.get(thing.key), name) === form) continue
      if (thing.owner === undefined || result.has(thing.owner)) result = revert(result, thing.key, name, from)
    }
  }
  return result
}

/** Whether the SQL of a view or trigger has the other thing's name in it. */
export function mentions({ kind, attributes }: Thing, other: Thing | undefined): boolean {
  if (kind !== 'view' && kind !== 'trigger') return false
  const sql = (attributes.get(whole)?.value as View | Trigger).sql
  return other !== undefined && tokenize(sql).some(({ value }) => sameName(value, other.name))
}

/** A table as a thing, and its columns; `schema` is where its foreign keys point. */
function tableThing(schema: Schema, table: Table): Thing {
  const key = tableKey(table)
  const attributes = new Map<string, Attribute>()
  const flag = (label: 'strict' | 'withoutRowid' | 'systemColumns') =>
    attributes.set(label, { label, form: String(table[label]), value: table[label], uses: [] })
  flag('strict')
  flag('withoutRowid')
  flag('systemColumns')
  if (table.primaryKey) {
    const uses = columnKeys(table, namesOf(table.primaryKey))
    attributes.set('primaryKey', {
      label: 'primaryKey',
      form: keyForm(table.primaryKey),
      value: table.primaryKey,
      uses,
    })
  }
  const manyUniques = table.uniques.filter(({ columns }) => columns.length !== 1)
  for (const group of groups(manyUniques, (unique) => columnIds(table, namesOf(unique)))) {
    const columns = namesOf(group.first)
    attributes.set(`unique:${group.key}`, {
      label: `unique:${columns.map(escaped).join(',')}`,
      ...listAttribute(group.items, keyForm),
      uses: columnKeys(table, columns),
    })
  }
  const ownChecks = table.checks.filter(({ column }) => column === undefined)
  for (const group of groups(ownChecks, (check) => (check.name ? foldName(check.name) : normalSql(check.expression)))) {
    attributes.set(`check:${group.key}`, {
      label: `check:${escaped(group.first.name ?? group.first.expression)}`,
      ...listAttribute(group.items, checkForm),
      uses: group.items.flatMap((check) => columnKeys(table, namesIn(check.expression))),
    })
  }
  const manyKeys = table.foreignKeys.filter(({ columns }) => columns.length !== 1)
  for (const group of groups(manyKeys, ({ columns }) => columnIds(table, columns))) {
    attributes.set(`foreignKey:${group.key}`, {
      label: `foreignKey:${group.first.columns.map(escaped).join(',')}`,
      ...listAttribute(group.items, foreignKeyForm),
      uses: [...columnKeys(table, group.first.columns), ...group.items.flatMap((item) => parentKeys(schema, item))],
    })
  }
  const { id: _, ...own } = table
  const definition = { ...own, columns: table.columns.map(withoutId) }
  return { key, kind: 'table', id: table.id, name: table.name, attributes, definition }
}

function columnThings(schema: Schema, table: Table): Thing[] {
  return table.columns.map((column) => {
    const isIt = (name: string | undefined) => name !== undefined && sameName(name, column.name)
    const isOnlyIt = (names: readonly string[]) => names.length === 1 && isIt(names[0])
    const uniques = table.uniques.filter((key) => isOnlyIt(namesOf(key)))
    const checks = table.checks.filter((check) => isIt(check.column))
    const foreignKeys = table.foreignKeys.filter(({ columns }) => isOnlyIt(columns))
    const definition: ColumnDefinition = {
      ...withoutId(column),
      ...(uniques.length > 0 && { uniques }),
      ...(checks.length > 0 && { checks }),
      ...(foreignKeys.length > 0 && { foreignKeys }),
    }
    const others = (expressions: readonly string[]) =>
      columnKeys(table, expressions.flatMap(namesIn)).filter((key) => key !== columnKey(table, column))
    const { nullable, notNullConflict, generated } = column
    const attributes = new Map<string, Attribute>()
    const set = (label: string, form: string, value: unknown, uses: readonly string[] = []) => {
      attributes.set(label, { label, form, value, uses })
    }
    set('type', normalSql(column.type), column.type)
    const nullability: Nullability = { nullable, ...(notNullConflict && { notNullConflict }) }
    set('nullable', nullable ? '' : `not null ${notNullConflict ?? ''}`, nullability)
    if (column.default !== undefined) set('default', `default ${normalSql(column.default)}`, column.default)
    if (column.collate !== undefined) set('collate', foldName(column.collate), column.collate)
    if (generated) {
      const form = `${normalSql(generated.expression)}${generated.stored ? ' stored' : ''}`
      set('generated', form, generated, others([generated.expression]))
    }
    const list = <T>(label: string, items: readonly T[], form: (item: T) => string, uses: readonly string[]) => {
      if (items.length > 0) attributes.set(label, { label, ...listAttribute(items, form), uses })
    }
    list('unique', uniques, keyForm, [])
    list('check', checks, checkForm, others(checks.map(({ expression }) => expression)))
    const parents = foreignKeys.flatMap((key) => parentKeys(schema, key))
    list('references', foreignKeys, foreignKeyForm, parents)
    const owner = tableKey(table)
    return {
      key: columnKey(table, column),
      kind: 'column',
      id: column.id,
      name: column.name,
      owner,
      attributes,
      definition,
    }
  })
}

function indexThing(schema: Schema, index: Index): Thing {
  const table = findTable(schema, index.table)
  const expressions = index.where === undefined ? [] : [index.where]
  const names = index.columns.flatMap((part) => (isKeyColumn(part) ? [part.name] : namesIn(part.expression)))
  const uses = table ? columnKeys(table, [...names, ...expressions.flatMap(namesIn)]) : []
  return wholeThing('index', index, indexForm(index), { uses, ...(table && { owner: tableKey(table) }) })
}

function viewThing(view: View): Thing {
  return wholeThing('view', view, viewForm(view), { uses: [] })
}

function virtualTableThing(table: VirtualTable): Thing {
  return { ...wholeThing('virtualTable', withoutId(table), virtualForm(table), { uses: [] }), id: table.id }
}

function triggerThing(schema: Schema, trigger: Trigger): Thing {
  const table = findTable(schema, trigger.table)
  const view = findView(schema, trigger.table)
  const uses = table ? columnKeys(table, updatedColumns(trigger)) : []
  const owner = table ? tableKey(table) : view && viewKey(view.name)
  return wholeThing('trigger', trigger, normalSql(trigger.sql), { uses, ...(owner !== undefined && { owner }) })
}

function wholeThing(
  kind: ThingKind,
  definition: { readonly name: string },
  form: string,
  { uses, owner }: { readonly uses: readonly string[]; readonly owner?: string },
): Thing {
  const { name } = definition
  const id = foldName(name)
  const attributes = new Map([[whole, { label: whole, form, value: definition, uses }]])
  return { key: `${kind}:${id}`, kind, id, name, ...(owner !== undefined && { owner }), attributes, definition }
}

/** The columns of UPDATE OF: SQLite takes one that is not there, and the trigger never fires. */
function updatedColumns({ sql }: Trigger): string[] {
  const tokens = tokenize(sql)
  const start = tokens.findIndex((token, i) => isWord(token, 'OF') && isWord(tokens[i - 1], 'UPDATE'))
  const end = tokens.findIndex((token) => isWord(token, 'ON'))
  if (start === -1 || end < start) return []
  return tokens.slice(start + 1, end).flatMap((token) => (isOperator(token, ',') ? [] : [token.value]))
}

function tableOf(thing: Thing, columns: readonly Thing[]): Table {
  const lists = (name: string) =>
    [...thing.attributes].flatMap(([key, { value }]) => (key.startsWith(`${name}:`) ? [value] : []))
  const atColumns = (name: string) => columns.flatMap((column) => column.attributes.get(name)?.value ?? [])
  const primaryKey = thing.attributes.get('primaryKey')?.value
  // The name of an attribute says what its value is: `takeApart` and `readDefinition` are the only ones that make them.
  return {
    id: thing.id,
    name: thing.name,
    columns: columns.map(columnOf),
    ...(primaryKey !== undefined && { primaryKey: primaryKey as PrimaryKey }),
    uniques: [...atColumns('unique'), ...lists('unique')].flat() as Key[],
    checks: [...atColumns('check'), ...lists('check')].flat() as Check[],
    foreignKeys: [...atColumns('references'), ...lists('foreignKey')].flat() as ForeignKey[],
    strict: given<boolean>(thing, 'strict'),
    withoutRowid: given<boolean>(thing, 'withoutRowid'),
    systemColumns: given<boolean>(thing, 'systemColumns'),
  }
}

function columnOf({ id, name, attributes }: Thing): Column {
  const value = (attribute: string) => attributes.get(attribute)?.value
  const nullability = (value('nullable') ?? { nullable: true }) as Nullability
  return {
    id,
    name,
    type: (value('type') ?? '') as string,
    ...nullability,
    ...(value('default') !== undefined && { default: value('default') as string }),
    ...(value('collate') !== undefined && { collate: value('collate') as string }),
    ...(value('generated') !== undefined && { generated: value('generated') as Generated }),
  }
}

function given<T>({ attributes }: Thing, name: string): T {
  return attributes.get(name)?.value as T
}

function listAttribute<T>(items: readonly T[], form: (item: T) => string): Pick<Attribute, 'form' | 'value'> {
  return { form: [...new Set(items.map(form))].sort().join(' | '), value: items }
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string) {
  const found = new Map<string, { readonly key: string; readonly first: T; readonly items: T[] }>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key) ?? { key, first: item, items: [] }
    group.items.push(item)
    found.set(key, group)
  }
  return found.values()
}

function withoutId<T extends { readonly id: string }>({ id: _, ...rest }: T): Omit<T, 'id'> {
  return rest
}

function namesOf({ columns }: Key): string[] {
  return columns.map(({ name }) => name)
}

function namesIn(expression: string): string[] {
  return tokenize(expression).flatMap(({ kind, value }) => (kind === 'word' || kind === 'name' ? [value] : []))
}

export function columnKey(table: Pick<Table, 'id'>, column: Pick<Column, 'id'>): string {
  return `column:${table.id}/${column.id}`
}

/** The names that are columns of the table; others are functions and keywords. */
function columnKeys(table: Table, names: readonly string[]): string[] {
  const columns = names.flatMap((name) => findColumn(table, name) ?? [])
  return [...new Set(columns.map((column) => columnKey(table, column)))]
}

function columnIds(table: Table, names: readonly string[]): string {
  return names.map((name) => findColumn(table, name)?.id ?? '').join(',')
}

function parentKeys(schema: Schema, { table, parentColumns }: ForeignKey): string[] {
  const parent = findTable(schema, table)
  return parent ? [tableKey(parent), ...columnKeys(parent, parentColumns ?? [])] : []
}

/** A name as a part of a path. */
export function escaped(name: string): string {
  return name.replace(/[%/]/g, encodeURIComponent)
}
