import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import process from 'node:process'
import type { ParamsOf } from '../client/client.ts'
import { CliError, UsageError } from './errors.ts'
import { askSecret, canAsk } from './prompt.ts'

export type Key = ParamsOf<'tenant.unlock'>['key']

/** Where a key comes from; of these at most one is given. */
export interface KeySource {
  /** On the command line itself, where every process of the machine can see it. */
  readonly text?: string
  readonly file?: string
  readonly command?: string
  readonly prompt?: boolean
}

/** The key, as it goes over the wire; undefined where none is given. `option` is how the command line calls it. */
export async function readKey(source: KeySource, option: string, question: string): Promise<Key | undefined> {
  const { text, file, command, prompt } = source
  const given = [text, file, command, prompt || undefined].filter((each) => each !== undefined)
  if (given.length > 1) throw new UsageError(`of --${option}, --${option}-file, -command and -prompt give one`)
  if (file !== undefined) return keyOf(lineOf(readFile(file)), `the file ${file}`)
  if (command !== undefined) return keyOf(lineOf(outputOf(command)), 'what the command prints')
  if (prompt) {
    if (!canAsk()) throw new UsageError(`--${option}-prompt needs a terminal`)
    return keyOf(await askSecret(question), 'what was typed')
  }
  return text === undefined ? undefined : keyOf(text, `--${option}`)
}

/** A key as text: a passphrase, or the bits themselves in the way of SQLCipher's tools. */
function keyOf(text: string, what: string): Key {
  if (text === '') throw new UsageError(`${what} is no key: it is empty`)
  const raw = /^x'([0-9a-f]{64})'$/i.exec(text)?.[1]
  return raw === undefined ? text : { raw }
}

function readFile(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError('keyNotRead', 'The key cannot be read', { data: { reason: (error as Error).message } })
  }
}

function outputOf(command: string): string {
  const { status, stdout } = spawnSync(command, { shell: true, stdio: ['inherit', 'pipe', 'inherit'] })
  if (status !== 0)
    throw new CliError('keyNotRead', 'The key cannot be read', { data: { reason: `${command} failed` } })
  return stdout.toString('utf8')
}

/** Text without the line's end that editors and programs put after it. */
function lineOf(text: string): string {
  return text.replace(/\r?\n$/, '')
}

/** Take the key out of the environment, so that no program that is started from here has it. */
export function takeKeyFromEnvironment(): string | undefined {
  const { CINCH_TENANT_KEY: key } = process.env
  delete process.env.CINCH_TENANT_KEY
  return key
}
