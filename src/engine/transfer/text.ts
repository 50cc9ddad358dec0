import { isUtf8 } from 'node:buffer'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

const chunkBytes = 128 * 1024

/** Why a file's text cannot be taken, and where. */
export class TextFault extends Error {
  override name = 'TextFault'
  readonly line: number
  readonly column: string | undefined

  constructor(line: number, reason: string, column?: string) {
    super(reason)
    this.line = line
    this.column = column
  }
}

/** One record of a file: what stands in it, and the line it starts at. */
export interface Located<T> {
  readonly line: number
  readonly value: T
}

/** Turns chunks of text into records. What it holds back of one chunk is at most a record's length. */
export interface RecordParser<T> {
  push(chunk: string): Located<T>[]
  /** The text is at its end. */
  end(): Located<T>[]
}

/** The records of a file, a chunk's at a time. `onBytes` is told how far it was read. */
export async function* readRecords<T>(
  file: string,
  parser: RecordParser<T>,
  onBytes: (bytes: number, total: number) => void,
): AsyncGenerator<Located<T>[]> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const { size } = await handle.stat()
    let bytes = 0
    for await (const { text, length } of readText(handle)) {
      bytes += length
      onBytes(bytes, size)
      yield parser.push(text)
    }
    yield parser.end()
  } finally {
    await handle.close()
  }
}

/** UTF-8 and nothing else; a byte order mark at the start is left out. */
async function* readText(handle: FileHandle): AsyncGenerator<{ text: string; length: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const buffer = Buffer.alloc(chunkBytes)
  let line = 1
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null)
    const chunk = buffer.subarray(0, bytesRead)
    let text: string
    try {
      text = decoder.decode(chunk, { stream: bytesRead > 0 })
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new TextFault(line + linesBeforeFault(chunk), 'not UTF-8')
    }
    if (text !== '') yield { text, length: bytesRead }
    if (bytesRead === 0) return
    line += count(chunk, newline)
  }
}

const newline = 0x0a

/** How many lines end before the first byte that is no UTF-8. A character may have begun in the chunk before. */
function linesBeforeFault(chunk: Uint8Array): number {
  let start = 0
  while (start < 3 && ((chunk[start] ?? 0) & 0xc0) === 0x80) start++
  for (let lines = 0; ; lines++) {
    const end = chunk.indexOf(newline, start)
    if (end < 0) return start >= chunk.length || isUtf8(chunk.subarray(start)) ? 0 : lines
    if (!isUtf8(chunk.subarray(start, end))) return lines
    start = end + 1
  }
}

function count(chunk: Uint8Array, byte: number): number {
  let found = 0
  for (let at = chunk.indexOf(byte); at >= 0; at = chunk.indexOf(byte, at + 1)) found++
  return found
}
