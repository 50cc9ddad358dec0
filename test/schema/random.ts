import fc from 'fast-check'
import type { Column, ForeignKey, Index, Schema, Table, View } from '../../src/schema/model.ts'

/** Random schemas over few names and ids, so that two of them have much in common: renames, swaps, drops and edits. */
export const schemas: fc.Arbitrary<Schema> = fc
  .uniqueArray(
    fc.record({ id: fc.constantFrom('t1', 't2', 't3', 't4'), name: fc.constantFrom('t', 'u', 'v v', 'order') }),
    { maxLength: 3, selector: ({ id }) => id },
  )
  .filter((list) => new Set(list.map(({ name }) => name)).size === list.length)
  .chain((list) =>
    fc.tuple(
      ...list.map(({ id, name }) =>
        tables(
          id,
          name,
          list.map((other) => other.name),
        ),
      ),
    ),
  )
  .chain((list) =>
    fc.record({
      tables: fc.constant(list.map((table) => ({ ...table, foreignKeys: soundKeys(table, list) }))),
      indexes: indexes(list),
      views: views(list),
      triggers: fc.constant([]),
      virtualTables: fc.constantFrom([], [{ id: 'f', name: 'f', module: 'fts5', arguments: 'a' }]),
    }),
  )
  .map((schema) => ({ ...schema, triggers: schema.tables.slice(0, 1).map(triggerOn) }))

/** The names of columns; `a` is in every table, so that views, triggers and keys have something to hold on to. */
const columnNames = ['b', 'c', 'x y', 'end', 'B2']

function tables(id: string, name: string, all: readonly string[]): fc.Arbitrary<Table> {
  return fc
    .record({ strict: fc.boolean(), key: fc.constantFrom('none', 'rowid', 'auto', 'text', 'pair', 'withoutRowid') })
    .chain(({ strict, key }) =>
      fc
        .uniqueArray(columns(id, strict), { maxLength: 4, selector: ({ name: column }) => column })
        .filter((list) => new Set(list.map((column) => column.id)).size === list.length)
        .chain((rest) => {
          const isRowid = key === 'rowid' || key === 'auto'
          const first: Column = {
            id: `${id}a`,
            name: 'a',
            type: isRowid ? 'INTEGER' : 'TEXT',
            nullable: !(strict && key !== 'none' && !isRowid) && key !== 'withoutRowid',
          }
          const plain = rest.filter((column) => !column.generated)
          const second = key === 'pair' ? plain[0] : undefined
          const list = [first, ...rest].map((column) =>
            column === second && strict ? { ...column, nullable: false } : column,
          )
          const keyColumns = [{ name: 'a' }, ...(second ? [{ name: second.name, descending: true }] : [])]
          return fc.record({
            id: fc.constant(id),
            name: fc.constant(name),
            columns: fc.shuffledSubarray(list, { minLength: list.length }),
            primaryKey: fc.constant(
              key === 'none' ? undefined : { columns: keyColumns, ...(key === 'auto' && { autoincrement: true }) },
            ),
            uniques: fc.subarray(plain.map((column) => ({ columns: [{ name: 'a' }, { name: column.name }] }))),
            checks: fc.subarray([
              { expression: "a <> 'no'" },
              { name: 'k', expression: 'length(a) < 100', column: 'a' },
              ...plain.map((column) => ({ expression: `"${column.name}" is not 'never'`, column: column.name })),
              ...plain.map((column) => ({ expression: `a is not null or "${column.name}" <> 'b'` })),
            ]),
            foreignKeys: fc.subarray(
              all.flatMap((table) =>
                ['a', ...plain.map((column) => column.name)].map(
                  (column): ForeignKey => ({
                    columns: [column],
                    table,
                    parentColumns: ['a'],
                    onDelete: 'CASCADE',
                    onUpdate: 'NO ACTION',
                  }),
                ),
              ),
            ),
            strict: fc.constant(strict),
            withoutRowid: fc.constant(key === 'withoutRowid'),
            systemColumns: fc.constant(false),
          })
        }),
    )
    .map((table) => JSON.parse(JSON.stringify(table)) as Table)
}

function columns(table: string, strict: boolean): fc.Arbitrary<Column> {
  return fc
    .record({
      id: fc.constantFrom(...['1', '2', '3', '4', '5'].map((id) => `${table}-${id}`)),
      name: fc.constantFrom(...columnNames),
      type: strict ? fc.constantFrom('TEXT', 'ANY') : fc.constantFrom('TEXT', 'INTEGER', '', 'VARCHAR(10)'),
      nullable: fc.boolean(),
      default: fc.constantFrom(undefined, "'it''s'", "'x'", "('a' || 1)"),
      collate: fc.constantFrom(undefined, undefined, 'NOCASE'),
      generated: fc.constantFrom(
        ...[undefined, undefined, undefined],
        { expression: "a || 'g'", stored: true },
        { expression: 'lower(a)', stored: false },
      ),
    })
    .map((column) => (column.generated ? { ...column, default: undefined } : column))
    .map((column) => JSON.parse(JSON.stringify(column)) as Column)
}

/** Only keys to tables whose `a` is unique by itself. */
function soundKeys(table: Table, all: readonly Table[]): readonly ForeignKey[] {
  const parents = new Set(all.filter((other) => other.primaryKey?.columns.length === 1).map(({ name }) => name))
  return table.foreignKeys.filter((key) => parents.has(key.table))
}

function indexes(all: readonly Table[]): fc.Arbitrary<Index[]> {
  const one = (name: string) =>
    fc.constantFrom(...all).chain((table) =>
      fc.record({
        name: fc.constant(name),
        table: fc.constant(table.name),
        unique: fc.constant(false),
        columns: fc
          .shuffledSubarray([...table.columns], { minLength: 1 })
          .map((list) => [
            ...list.map((column) => ({ name: column.name })),
            { expression: 'lower(a)', descending: true },
          ]),
        where: fc.constantFrom('a is not null', "a > 'b'"),
      }),
    )
  return all.length === 0 ? fc.constant([]) : fc.tuple(one('i'), one('j')).chain((list) => fc.subarray(list))
}

function views(all: readonly Table[]): fc.Arbitrary<View[]> {
  if (all.length === 0) return fc.constant([])
  return fc
    .record({
      table: fc.constantFrom(...all),
      select: fc.constantFrom('a', '*', 'count(a) as a'),
      nested: fc.boolean(),
    })
    .map(({ table, select, nested }) => [
      { name: 'w', sql: `select ${select} from "${table.name}"` },
      ...(nested ? [{ name: 'w2', sql: 'select a from w' }] : []),
    ])
}

function triggerOn(table: Table) {
  const sql = `CREATE TRIGGER "g" AFTER UPDATE OF a ON "${table.name}" BEGIN UPDATE "${table.name}" SET a = a WHERE 0; END`
  return { name: 'g', table: table.name, sql }
}
