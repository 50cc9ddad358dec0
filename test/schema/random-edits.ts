import fc from 'fast-check'
import { Refusal } from '../../src/base/refusal.ts'
import { evolve } from '../../src/schema/apply.ts'
import type { Change } from '../../src/schema/change.ts'
import type { Column, Schema } from '../../src/schema/model.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'

/** An edit of whatever schema it meets: numbers choose among its tables and columns. */
export interface Edit {
  readonly kind: (typeof kinds)[number]
  readonly table: number
  readonly column: number
  readonly name: string
  readonly value: string
}

const kinds = [
  ...['createTable', 'dropTable', 'renameTable', 'addColumn', 'dropColumn', 'renameColumn', 'alterDefault'],
  ...['alterNullable', 'alterCheck', 'alterUnique', 'alterReference', 'createIndex', 'dropIndex', 'createView'],
  ...['updateView', 'dropView', 'createTrigger', 'dropTrigger', 'addKey', 'recreateTable'],
] as const

export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    table: fc.nat({ max: 3 }),
    column: fc.nat({ max: 4 }),
    name: fc.constantFrom('t', 'u', 'w', 'x', 'b', 'c', 'd'),
    value: fc.constantFrom('1', '2'),
  }),
  { minLength: 1, maxLength: 6 },
)

/** The schema after the edits that it takes; ids of what is new begin with `prefix`. */
export function afterEdits(schema: Schema, list: readonly Edit[], prefix: string): Schema {
  let next = 0
  const newId = () => `${prefix}${++next}`
  return list.reduce((current, edit) => {
    const template = createTemplate(current)
    try {
      return evolve(template, current, changesOf(current, edit, newId), newId).schema
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return current
    } finally {
      template.close()
    }
  }, schema)
}

function changesOf(schema: Schema, { kind, table: i, column: j, name, value }: Edit, newId: () => string): Change[] {
  const newColumn = (column: string): Column => ({ id: newId(), name: column, type: 'TEXT', nullable: true })
  const constraints = { uniques: [], checks: [], foreignKeys: [], strict: false, withoutRowid: false }
  const newTable = (called: string): Change => ({
    kind: 'createTable',
    table: { ...constraints, id: newId(), name: called, columns: ['a', value].map(newColumn), systemColumns: false },
  })
  if (kind === 'createTable') return [newTable(name)]
  const found = schema.tables[i % Math.max(1, schema.tables.length)]
  const column = found?.columns[j % found.columns.length]
  if (!found || !column) return []
  const table = found.name
  const [index, view, trigger] = [schema.indexes, schema.views, schema.triggers].map(
    (list) => list.at(j)?.name ?? 'none',
  )
  const alter = (to: Extract<Change, { kind: 'alterColumn' }>['to']): Change[] => [
    { kind: 'alterColumn', table, column: column.name, to },
  ]
  const sql = `select "${column.name}" from "${table}"`
  switch (kind) {
    case 'dropTable':
      return [{ kind, table }]
    case 'recreateTable':
      return [{ kind: 'dropTable', table }, newTable(table)]
    case 'renameTable':
      return [{ kind, table, newName: name }]
    case 'addColumn':
      return [{ kind, table, column: { ...newColumn(name), ...(value === '2' && { default: '2' }) } }]
    case 'dropColumn':
      return [{ kind, table, column: column.name }]
    case 'renameColumn':
      return [{ kind, table, column: column.name, newName: name }]
    case 'alterDefault':
      return alter({ default: value })
    case 'alterNullable':
      return alter({ nullable: !column.nullable })
    case 'alterCheck':
      return alter({ check: `"${column.name}" <> ${value}` })
    case 'alterUnique':
      return alter({ unique: value === '1' })
    case 'alterReference':
      return alter({ references: { table: schema.tables[0]?.name ?? '', onDelete: 'CASCADE', onUpdate: 'NO ACTION' } })
    case 'addKey':
      return [{ kind: 'alterTable', table, to: { uniques: [{ columns: [{ name: 'a' }, { name: column.name }] }] } }]
    case 'createIndex':
      return [{ kind, index: { name: `i${value}`, table, unique: false, columns: [{ name: column.name }] } }]
    case 'dropIndex':
      return [{ kind, index: index ?? '' }]
    case 'createView':
      return [{ kind, view: { name, sql } }]
    case 'updateView':
      return [{ kind, view: { name: view ?? '', sql } }]
    case 'dropView':
      return [{ kind, view: view ?? '' }]
    case 'createTrigger': {
      const body = `CREATE TRIGGER "g${value}" AFTER INSERT ON "${table}" BEGIN ${sql}; END`
      return [{ kind, trigger: { name: `g${value}`, table, sql: body } }]
    }
    case 'dropTrigger':
      return [{ kind, trigger: trigger ?? '' }]
    default:
      return []
  }
}
