import { type FileHandle, open } from 'node:fs/promises'
import type Database from 'better-sqlite3'
import type { SqlValue, WireValue } from '../../../protocol/values.ts'
import type { Table } from '../../schema/model.ts'
import { rowidName } from '../../schema/rows.ts'
import { quoteName } from '../../schema/sql.ts'
import { type KeyText, openMemory } from '../../storage/connection.ts'
import type { Link } from '../chores/link.ts'
import type { Progress } from '../edit.ts'
import { Slices } from '../slices.ts'
import { type Cell, cellOf } from './cells.ts'
import { openSnapshot } from './copy.ts'
import { type CsvStyle, csvLine } from './csv.ts'

export interface RowsExport {
  /** The path of a tenant's file, or the bytes of an empty database. */
  readonly source: string | Uint8Array
  /** Of a file that is encrypted. */
  readonly key?: KeyText
  /** Where the rows go to; must not exist. */
  readonly target: string
  readonly table: Table
  readonly format: 'csv' | 'json' | 'ndjson'
  readonly csv: CsvWriting
}

/** How a CSV file is written. */
export interface CsvWriting extends CsvStyle {
  /** Whether the columns are named in the first line. True by default. */
  readonly header?: boolean
}

const chunkLength = 256 * 1024
const rowsBetweenClockLooks = 32

/**
 * In a process: write the rows of a table in the order of their ids, and have them on disk. Computed columns are left out: an
 * import computes them again.
 */
export async function exportRows(job: RowsExport, link: Link): Promise<number> {
  const { source, key, target, table, format, csv } = job
  const cells = table.columns.filter(({ generated }) => !generated).map((column) => cellOf(table, column))
  const text = writers[format](cells, csv)
  const db =
    typeof source === 'string'
      ? await openSnapshot({ path: source, key }, link.signal)
      : openMemory(Buffer.from(source))
  try {
    link.snapshot()
    const file = await open(target, 'wx', 0o600)
    try {
      const rows = await writeRows(file, rowsOf(db, table, cells), text, link)
      await file.sync()
      return rows
    } finally {
      await file.close()
    }
  } finally {
    db.close()
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
  let bytes = 0
  const done = () => ({ stage: 'rows', rows: count, bytes })
  for (const row of rows) {
    chunk += text.row(row, count === 0)
    count++
    if (chunk.length >= chunkLength) {
      await file.writeFile(chunk)
      bytes += chunk.length
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
  readonly [format in RowsExport['format']]: (cells: readonly Cell[], csv: CsvWriting) => Writer
} = {
  csv: (cells, { header = true, ...style }) => ({
    start: header
      ? csvLine(
          cells.map(({ column }) => column.name),
          style,
        )
      : '',
    row: (row) =>
      csvLine(
        cells.map((cell, at) => cell.toText(row[at] as SqlValue)),
        style,
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
