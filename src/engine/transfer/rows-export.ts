import { type FileHandle, open } from 'node:fs/promises'
import type Database from 'better-sqlite3'
import type { SqlValue, WireValue } from '../../../protocol/values.ts'
import { refuse } from '../../base/refusal.ts'
import { findTable, type Table } from '../../schema/model.ts'
import { rowidName } from '../../schema/rows.ts'
import { quoteName } from '../../schema/sql.ts'
import type { Progress } from '../edit.ts'
import { Slices } from '../slices.ts'
import type { Tenant } from '../tenant.ts'
import { type Cell, cellOf } from './cells.ts'
import { openSnapshot } from './copy.ts'
import { csvLine } from './csv.ts'

export interface RowsExportOptions {
  readonly format: 'csv' | 'json' | 'ndjson'
  readonly table: string
  readonly delimiter?: string
}

const chunkLength = 64 * 1024
const rowsBetweenClockLooks = 32

/** Write the rows of a table in the order of their ids. Computed columns are left out: an import computes them again. */
export function exportRows(
  tenant: Tenant,
  target: string,
  options: RowsExportOptions,
  progress: Progress,
): Promise<number> {
  return tenant.keepInPlace((source) => {
    const { schema } = tenant.branch.head
    const table = findTable(schema, options.table) ?? refuse('tableNotFound', { table: options.table })
    return exportTable(source, table, target, options, progress)
  })
}

async function exportTable(
  source: string | null,
  table: Table,
  target: string,
  options: RowsExportOptions,
  progress: Progress,
): Promise<number> {
  const cells = table.columns.filter(({ generated }) => !generated).map((column) => cellOf(table, column))
  const text = writers[options.format](cells, options.delimiter)
  const db = source === null ? undefined : await openSnapshot(source, progress.signal)
  try {
    const file = await open(target, 'wx', 0o600)
    try {
      const rows = db ? rowsOf(db, table, cells) : []
      return await writeRows(file, rows, text, progress)
    } finally {
      await file.close()
    }
  } finally {
    db?.close()
  }
}

/** A chunk at a time: the next one is made when this one is with the system. */
async function writeRows(
  file: FileHandle,
  rows: Iterable<SqlValue[]>,
  text: Writer,
  progress: Progress,
): Promise<number> {
  const slices = new Slices(progress)
  let count = 0
  let chunk = text.start
  const done = () => ({ stage: 'rows', rows: count })
  for (const row of rows) {
    chunk += text.row(row, count === 0)
    count++
    if (chunk.length >= chunkLength) {
      await file.writeFile(chunk)
      chunk = ''
      await slices.next(done)
    } else if (count % rowsBetweenClockLooks === 0 && slices.isOver) await slices.next(done)
  }
  await file.writeFile(chunk + text.end(count))
  return count
}

function rowsOf(db: Database.Database, table: Table, cells: readonly Cell[]): Iterable<SqlValue[]> {
  const key = table.primaryKey?.columns.map(({ name }) => quoteName(name)).join(', ')
  const order = rowidName(table) ?? key
  const columns = cells.map(({ column }) => quoteName(column.name)).join(', ')
  const sql = `select ${columns} from ${quoteName(table.name)}${order === undefined ? '' : ` order by ${order}`}`
  return db.prepare<[], SqlValue[]>(sql).raw().safeIntegers().iterate()
}

/** How rows become text. */
interface Writer {
  readonly start: string
  row(row: readonly SqlValue[], isFirst: boolean): string
  end(rows: number): string
}

const writers: {
  readonly [format in RowsExportOptions['format']]: (cells: readonly Cell[], delimiter?: string) => Writer
} = {
  csv: (cells, delimiter) => ({
    start: csvLine(
      cells.map(({ column }) => column.name),
      delimiter,
    ),
    row: (row) =>
      csvLine(
        cells.map((cell, at) => cell.toText(row[at] as SqlValue)),
        delimiter,
      ),
    end: () => '',
  }),
  json: (cells) => ({
    start: '[',
    row: (row, isFirst) => `${isFirst ? '\n' : ',\n'}${jsonRow(cells, row)}`,
    end: (rows) => (rows === 0 ? ']\n' : '\n]\n'),
  }),
  ndjson: (cells) => ({
    start: '',
    row: (row) => `${jsonRow(cells, row)}\n`,
    end: () => '',
  }),
}

function jsonRow(cells: readonly Cell[], row: readonly SqlValue[]): string {
  const object: { [column: string]: WireValue } = Object.create(null)
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at] as Cell
    object[cell.column.name] = cell.toJson(row[at] as SqlValue)
  }
  return JSON.stringify(object)
}
