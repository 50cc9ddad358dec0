import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Encoding } from '../../../protocol/encodings.ts'

const chunkBytes = 256 * 1024

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
  encoding: Encoding | undefined,
  parser: RecordParser<T>,
  onBytes: (bytes: number, total: number) => void,
): AsyncGenerator<Located<T>[]> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const { size } = await handle.stat()
    let bytes = 0
    for await (const { text, length } of readText(handle, encoding)) {
      bytes += length
      onBytes(bytes, size)
      yield parser.push(text)
    }
    yield parser.end()
  } finally {
    await handle.close()
  }
}

/** Text of this encoding and nothing else; a byte order mark at the start is left out, and decides where none is named. */
async function* readText(
  handle: FileHandle,
  given: Encoding | undefined,
): AsyncGenerator<{ text: string; length: number }> {
  const buffer = Buffer.alloc(chunkBytes)
  let encoding: Encoding | undefined = given === 'utf-16' ? undefined : given
  let decode: ((chunk: Uint8Array) => string) | undefined
  let line = 1
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null)
    const chunk = buffer.subarray(0, bytesRead)
    encoding ??= encodingOf(chunk, given)
    decode ??= decoderOf(encoding)
    let text: string
    try {
      text = decode(chunk)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new TextFault(line + linesBeforeFault(chunk, encoding), `not ${encoding.toUpperCase()}`)
    }
    if (text !== '') yield { text, length: bytesRead }
    if (bytesRead === 0) return
    line += count(text, '\n')
  }
}

function encodingOf(start: Uint8Array, given: Encoding | undefined): Encoding {
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be'
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le'
  return given === 'utf-16' ? 'utf-16le' : 'utf-8'
}

/** Takes chunks in order; an empty one is the end. Throws a `TypeError` where the bytes are no text. */
function decoderOf(encoding: Encoding): (chunk: Uint8Array) => string {
  // Not by TextDecoder, to which latin1 is windows-1252.
  if (encoding === 'latin1') return (chunk) => Buffer.from(chunk).toString('latin1')
  const decoder = new TextDecoder(encoding, { fatal: true })
  return (chunk) => decoder.decode(chunk, { stream: chunk.length > 0 })
}

/** How many lines end before the first byte of a chunk that is no text. A character may have begun in the chunk before. */
function linesBeforeFault(chunk: Uint8Array, encoding: Encoding): number {
  const isText = (end: number) => {
    const start = encoding === 'utf-8' ? continuations(chunk) : 0
    try {
      new TextDecoder(encoding, { fatal: true }).decode(chunk.subarray(start, end), { stream: true })
      return true
    } catch {
      return false
    }
  }
  let [good, bad] = [0, chunk.length]
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isText(middle)) good = middle
    else bad = middle
  }
  return count(new TextDecoder(encoding).decode(chunk.subarray(0, good)), '\n')
}

function continuations(chunk: Uint8Array): number {
  let start = 0
  while (start < 3 && ((chunk[start] ?? 0) & 0xc0) === 0x80) start++
  return start
}

function count(text: string, part: string): number {
  let found = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) found++
  return found
}
