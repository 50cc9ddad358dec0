import process from 'node:process'
import { UsageError } from './errors.ts'
import { parseJson } from './values.ts'

/** An argument, or standard input where it is `-`. */
export async function argumentOrInput(argument: string): Promise<string> {
  if (argument !== '-') return argument
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** JSON of an argument or of standard input. */
export async function jsonOf(argument: string, what: string): Promise<unknown> {
  const text = await argumentOrInput(argument)
  try {
    return parseJson(text)
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}`)
  }
}

/** Rows: one JSON object, an array of them, or one a line. */
export async function rowsOf(argument: string): Promise<Record<string, never>[]> {
  const text = await argumentOrInput(argument)
  const parsed = parseRows(text)
  const rows = Array.isArray(parsed) ? parsed : [parsed]
  const strange = rows.findIndex((row) => typeof row !== 'object' || row === null || Array.isArray(row))
  if (strange >= 0) throw new UsageError(`row ${strange + 1} of --data is not an object`)
  if (rows.length === 0) throw new UsageError('--data has no rows')
  return rows as Record<string, never>[]
}

function parseRows(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (lines.length < 2) throw new UsageError(`--data is not JSON: ${(error as Error).message}`)
    return lines.map(parseLine)
  }
}

function parseLine(line: string, at: number): unknown {
  try {
    return parseJson(line)
  } catch (error) {
    throw new UsageError(`--data is neither JSON nor JSON a line; row ${at + 1}: ${(error as Error).message}`)
  }
}
