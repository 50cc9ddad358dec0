import { extname } from 'node:path'
import type { Encoding } from '../../../protocol/encodings.ts'
import { refuse } from '../../base/refusal.ts'
import type { Secret } from '../../storage/cipher.ts'
import type { Progress } from '../edit.ts'
import type { EngineParts } from '../engine.ts'
import type { Tenant } from '../tenant.ts'
import type { RowCounts } from './count.ts'
import { sourceFile } from './paths.ts'
import type { CsvReading, RecordFile } from './records.ts'
import { importRows } from './rows-import.ts'
import { importSqlite } from './sqlite-import.ts'
import { hasMagic } from './take-in.ts'

export const formats = ['sqlite', 'csv', 'json', 'ndjson'] as const
export type Format = (typeof formats)[number]

export interface ImportOptions {
  /** Absolute. */
  readonly path: string
  /** Absent: by the file's extension, else by its content. */
  readonly format?: Format
  /** The table that rows of csv, json and ndjson go to. */
  readonly table?: string
  /** Make the table, where there is none, from what the file holds. */
  readonly create?: boolean
  readonly csv?: CsvReading
  /** Of csv, json and ndjson. Absent: UTF-8, or what a byte order mark says. */
  readonly encoding?: Encoding
  /** The key of an SQLite file that is encrypted. */
  readonly key?: Secret
  /** Kept in the history if the schema changes. */
  readonly message?: string
  readonly client?: string
}

export interface Imported {
  /** How many were imported into each table. */
  readonly rows: RowCounts
  /** Null where the schema did not change. */
  readonly changeSet: string | null
}

/** Take a file's rows into a tenant: all of them or none. An SQLite file becomes the tenant, schema and all. */
export async function importFile(
  parts: EngineParts,
  tenant: Tenant,
  options: ImportOptions,
  progress: Progress,
): Promise<Imported> {
  tenant.branch.requireWritable()
  const source = sourceFile(parts, options.path)
  const format = options.format ?? formatByName(options.path) ?? (hasMagic(source) ? 'sqlite' : undefined)
  if (format === undefined) refuse('importFailed', { path: options.path, reason: 'what format? name it' })
  requireTableFor(format, options.table)
  if (format === 'sqlite') return importSqlite(parts, tenant, source, options, progress)
  const { path, csv = {}, encoding, table = '' } = options
  const { maxMessageBytes: maxLength } = parts.config.limits
  const file: RecordFile = { source, path, format, csv, maxLength, ...(encoding && { encoding }) }
  return importRows(parts, tenant, file, { ...options, table }, progress)
}

/** The format that a file's extension stands for. */
export function formatByName(file: string): Format | undefined {
  return extensions[extname(file).toLowerCase()]
}

const extensions: { readonly [extension: string]: Format } = {
  '.db': 'sqlite',
  '.sqlite': 'sqlite',
  '.sqlite3': 'sqlite',
  '.csv': 'csv',
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
}

/** Rows go from or to one table; an SQLite file has all of them. */
export function requireTableFor(format: Format, table: string | undefined): void {
  if (format === 'sqlite' && table !== undefined) {
    refuse('invalidValue', { where: 'table', reason: 'an SQLite file holds all tables; name none' })
  }
  if (format !== 'sqlite' && table === undefined) {
    refuse('invalidValue', { where: 'table', reason: `${format} holds rows of one table; name it` })
  }
}
