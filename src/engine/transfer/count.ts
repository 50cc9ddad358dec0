import { quoteName } from '../../schema/sql.ts'
import { openReadOnly } from '../../storage/connection.ts'
import type { KeyedFile } from '../../storage/rewrite.ts'

export type RowCounts = { readonly [table: string]: number }

/** How many rows each of these tables has. Reads all of them. */
export function countRows({ path, key }: KeyedFile, tables: readonly string[]): RowCounts {
  const db = openReadOnly(path, key)
  try {
    return Object.fromEntries(
      tables.map((name) => [
        name,
        db
          .prepare(`select count(*) from ${quoteName(name)}`)
          .pluck()
          .get() as number,
      ]),
    )
  } finally {
    db.close()
  }
}
