import { refuse } from '../../base/refusal.ts'
import type { Progress } from '../edit.ts'
import { Slices } from '../slices.ts'
import { CsvParser, type Fields } from './csv.ts'
import { JsonArrayParser, type JsonRow, NdjsonParser } from './json.ts'
import { type Located, type RecordParser, readRecords, TextFault } from './text.ts'

/** Takes what stands in a text file, one record after the other. Says by a `TextFault` what it cannot take. */
export interface RecordSink {
  /** A record of CSV; the first one names the columns. */
  fields(record: Located<Fields>): void
  object(record: Located<JsonRow>): void
}

export interface RecordFile {
  /** Where it lies, its links followed. */
  readonly source: string
  /** As the client gave it. */
  readonly path: string
  readonly format: 'csv' | 'json' | 'ndjson'
  readonly delimiter?: string
  /** The longest record, in characters. */
  readonly maxLength: number
}

const recordsBetweenClockLooks = 32

/** Hand every record of a file to `sink`, in slices. Refuses `importFailed` with the line of what is wrong. */
export async function eachRecord(file: RecordFile, sink: RecordSink, stage: string, progress: Progress): Promise<void> {
  const { maxLength, delimiter } = file
  switch (file.format) {
    case 'csv': {
      let hasHeader = false
      await each(file, new CsvParser({ delimiter, maxLength }), stage, progress, (record) => {
        hasHeader = true
        sink.fields(record)
      })
      if (!hasHeader)
        refuse('importFailed', { path: file.path, line: 1, reason: 'the line of column names is missing' })
      return
    }
    case 'json':
      return each(file, new JsonArrayParser(maxLength), stage, progress, (record) => sink.object(record))
    case 'ndjson':
      return each(file, new NdjsonParser(maxLength), stage, progress, (record) => sink.object(record))
  }
}

async function each<T>(
  { source, path }: RecordFile,
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
    for await (const batch of readRecords(source, parser, onBytes)) {
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

export function refuseText(path: string, { line, column, message }: TextFault): never {
  return refuse('importFailed', { path, line, ...(column !== undefined && { column }), reason: message })
}
