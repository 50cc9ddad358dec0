import type { Encoding } from '../../../protocol/encodings.ts'
import { refuse } from '../../base/refusal.ts'
import type { Progress } from '../edit.ts'
import { Slices } from '../slices.ts'
import { CsvParser, type CsvStyle, type Fields } from './csv.ts'
import { JsonArrayParser, type JsonRow, NdjsonParser } from './json.ts'
import { type Located, type RecordParser, readRecords, TextFault } from './text.ts'

/** Takes what stands in a text file, one record after the other. Says by a `TextFault` what it cannot take. */
export interface RecordSink {
  /** The columns that the records of a CSV file have, before the first of them. Undefined: nobody says. */
  header(names: Located<Fields> | undefined): void
  fields(record: Located<Fields>): void
  object(record: Located<JsonRow>): void
}

export interface RecordFile {
  /** Where it lies, its links followed. */
  readonly source: string
  /** As the client gave it. */
  readonly path: string
  readonly format: 'csv' | 'json' | 'ndjson'
  readonly csv: CsvReading
  /** Absent: UTF-8, or what a byte order mark says. */
  readonly encoding?: Encoding
  /** The longest record, in characters. */
  readonly maxLength: number
}

/** How a CSV file is read. */
export interface CsvReading extends CsvStyle {
  /** Whether the first record names the columns. True by default. */
  readonly header?: boolean
  /** The columns, in the order of the fields, whatever the file says of them. */
  readonly columns?: readonly string[]
}

const recordsBetweenClockLooks = 32

/** Hand every record of a file to `sink`, in slices. Refuses `importFailed` with the line of what is wrong. */
export async function eachRecord(file: RecordFile, sink: RecordSink, stage: string, progress: Progress): Promise<void> {
  const { maxLength, csv } = file
  switch (file.format) {
    case 'csv': {
      const { header = true, columns } = csv
      const named = columns && { line: 1, value: [...columns] }
      let hasBegun = !header
      if (!header) inPlace(file.path, () => sink.header(named))
      await each(file, new CsvParser({ ...csv, maxLength }), stage, progress, (record) => {
        if (hasBegun) return sink.fields(record)
        hasBegun = true
        sink.header(named ?? record)
      })
      if (!hasBegun) refuse('importFailed', { path: file.path, line: 1, reason: 'the line of column names is missing' })
      return
    }
    case 'json':
      return each(file, new JsonArrayParser(maxLength), stage, progress, (record) => sink.object(record))
    case 'ndjson':
      return each(file, new NdjsonParser(maxLength), stage, progress, (record) => sink.object(record))
  }
}

async function each<T>(
  { source, path, encoding }: RecordFile,
  parser: RecordParser<T>,
  stage: string,
  progress: Progress,
  take: (record: Located<T>) => void,
): Promise<void> {
  const slices = new Slices(progress)
  let records = 0
  let read = { bytes: 0, total: 0 }
  const done = () => ({ stage, records, ...read })
  const onBytes = (bytes: number, total: number) => {
    read = { bytes, total }
  }
  try {
    for await (const batch of readRecords(source, encoding, parser, onBytes)) {
      for (const record of batch) {
        take(record)
        if (++records % recordsBetweenClockLooks === 0 && slices.isOver) await slices.next(done)
      }
      await slices.next(done)
    }
  } catch (error) {
    if (error instanceof TextFault) refuseText(path, error)
    throw error
  }
}

/** Refuse `importFailed` where `work` throws a `TextFault`. */
export function inPlace<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TextFault) refuseText(path, error)
    throw error
  }
}

function refuseText(path: string, { line, column, message }: TextFault): never {
  return refuse('importFailed', { path, line, ...(column !== undefined && { column }), reason: message })
}
