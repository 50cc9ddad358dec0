import { encodeValue, type SqlValue, type WireValue } from '../../protocol/values.ts'
import { noLimits, readRows } from '../query/execute.ts'
import type { Proof } from '../schema/plan.ts'
import type { Reader } from '../storage/tenant-file.ts'

/** Characters of a text, or bytes of a blob, that a witness shows. */
const maxShown = 1_000

/** Rows of a tenant that stand against an edit. */
export interface Witness {
  readonly tenant: string
  readonly table: string
  readonly reason: string
  readonly columns: readonly string[]
  readonly rows: WireValue[][]
}

/** What of a tenant's rows stands against an edit; nothing where it may be done. */
export function probe(reader: Reader, tenant: string, proofs: readonly Proof[]): Witness[] {
  const witnesses: Witness[] = []
  for (const { table, reason, sql } of proofs) {
    const { columns, rows } = readRows(reader.statements.get(sql), [], noLimits)
    if (rows.length === 0) continue
    const shown = rows.map((row) => row.map((value) => encodeValue(cut(value))))
    witnesses.push({ tenant, table, reason, columns: columns.map(({ name }) => name), rows: shown })
  }
  return witnesses
}

/** What is shown of a value: enough to know it by. */
function cut(value: SqlValue): SqlValue {
  const isLong = (typeof value === 'string' || value instanceof Uint8Array) && value.length > maxShown
  return isLong ? value.slice(0, maxShown) : value
}
