import * as z from 'zod'
import { ColumnName, IndexName, TableName, ViewName } from '../../protocol/names.ts'

/** The pieces of a schema as clients write and read them. */

const Action = z.enum(['CASCADE', 'SET NULL', 'SET DEFAULT', 'RESTRICT', 'NO ACTION'])

export const References = z
  .strictObject({
    table: TableName,
    column: ColumnName.optional().describe('default: the parent’s primary key'),
    onDelete: Action.optional(),
    onUpdate: Action.optional(),
  })
  .meta({ id: 'References', description: 'a foreign key of one column' })

export const Default = z
  .union([z.string(), z.number(), z.boolean(), z.null(), z.strictObject({ sql: z.string() })])
  .meta({ id: 'Default', description: 'a value, taken literally, or {"sql": expression}' })

export const Expression = z.string().min(1).max(10_000).describe('an SQL expression')

export const ColumnSpec = z
  .strictObject({
    name: ColumnName,
    type: z.string().max(100).describe('TEXT INTEGER REAL BLOB NUMERIC BOOLEAN, in any case'),
    nullable: z.boolean().optional().describe('default: true'),
    default: Default.optional(),
    unique: z.boolean().optional(),
    check: Expression.optional(),
    generated: z.strictObject({ expression: Expression, stored: z.boolean().optional() }).optional(),
    collate: z.string().max(100).optional(),
    references: References.optional(),
  })
  .meta({ id: 'ColumnSpec' })

const ordering = { collate: z.string().max(100).optional(), descending: z.boolean().optional() }

export const IndexSpec = z
  .strictObject({
    name: IndexName.optional().describe('default: idx_ or uniq_, the table and the columns'),
    columns: z
      .array(
        z.union([
          ColumnName,
          z.strictObject({ name: ColumnName, ...ordering }),
          z.strictObject({ expression: Expression, ...ordering }),
        ]),
      )
      .min(1)
      .max(100),
    unique: z.boolean().optional(),
    where: Expression.optional().describe('index only rows for which this holds'),
  })
  .meta({ id: 'IndexSpec' })

export const TableSpec = z
  .strictObject({
    name: TableName,
    columns: z.array(ColumnSpec).max(1_000),
    indexes: z.array(IndexSpec).max(64).optional(),
    primaryKey: z.array(ColumnName).min(1).max(64).optional(),
    uniques: z.array(z.array(ColumnName).min(1)).max(64).optional(),
    checks: z.array(Expression).max(64).optional(),
    strict: z.boolean().optional(),
    withoutRowid: z.boolean().optional(),
    systemColumns: z
      .boolean()
      .optional()
      .describe('default true: id (UUID version 7), created_at and updated_at, kept by the daemon'),
  })
  .meta({ id: 'TableSpec' })

export const ColumnResult = z.looseObject({ name: z.string(), type: z.string(), nullable: z.boolean() }).meta({
  id: 'Column',
})
export const TableResult = z
  .looseObject({ name: z.string(), columns: z.array(ColumnResult), systemColumns: z.boolean() })
  .meta({ id: 'Table' })
export const IndexResult = z
  .looseObject({ name: z.string(), table: z.string(), unique: z.boolean() })
  .meta({ id: 'Index' })
export const ViewResult = z.looseObject({ name: z.string(), sql: z.string() }).meta({ id: 'View' })

export const Step = z
  .object({
    sql: z.string(),
    danger: z
      .array(z.enum(['destroysData', 'rewritesTable', 'needsProof']))
      .readonly()
      .optional(),
    inverse: z.string().optional(),
  })
  .meta({ id: 'Step', description: 'one SQL statement of a plan' })

export const EditResult = z.object({
  changeSet: z.string().nullable().describe('null for a dry run, and where there was nothing to change'),
  plan: z.array(Step).readonly(),
  tenantsToProve: z.int().describe('tenants whose rows were, or would be, looked at first'),
})

/** What alterColumn can change; null takes away. */
export const alteration = {
  type: ColumnSpec.shape.type.optional(),
  nullable: z.boolean().optional(),
  default: Default.optional(),
  unique: z.boolean().optional(),
  check: Expression.nullable().optional(),
  generated: ColumnSpec.shape.generated.unwrap().nullable().optional(),
  collate: z.string().max(100).nullable().optional(),
  references: References.nullable().optional(),
}

export const Fill = Default.describe('what rows that hold NULL get')

/** One schema edit as schema.apply takes it. */
export const ChangeSpec = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('createTable'), ...TableSpec.shape }),
    z.strictObject({ kind: z.literal('dropTable'), name: TableName }),
    z.strictObject({ kind: z.literal('renameTable'), name: TableName, newName: TableName }),
    z.strictObject({ kind: z.literal('copyTable'), source: TableName, name: TableName, data: z.boolean().optional() }),
    z.strictObject({ kind: z.literal('addColumn'), table: TableName, column: ColumnSpec }),
    z.strictObject({ kind: z.literal('dropColumn'), table: TableName, name: ColumnName }),
    z.strictObject({ kind: z.literal('renameColumn'), table: TableName, name: ColumnName, newName: ColumnName }),
    z.strictObject({
      kind: z.literal('alterColumn'),
      table: TableName,
      name: ColumnName,
      ...alteration,
      fill: Fill.optional(),
    }),
    z.strictObject({ kind: z.literal('createIndex'), table: TableName, ...IndexSpec.shape }),
    z.strictObject({ kind: z.literal('dropIndex'), name: IndexName }),
    z.strictObject({ kind: z.literal('createView'), name: ViewName, sql: Expression }),
    z.strictObject({ kind: z.literal('updateView'), name: ViewName, sql: Expression }),
    z.strictObject({ kind: z.literal('dropView'), name: ViewName }),
    z.strictObject({ kind: z.literal('createTrigger'), sql: Expression.describe('a whole CREATE TRIGGER statement') }),
    z.strictObject({ kind: z.literal('dropTrigger'), name: z.string().max(1_000) }),
  ])
  .meta({ id: 'ChangeSpec', description: 'one schema edit; its kind tells which' })
