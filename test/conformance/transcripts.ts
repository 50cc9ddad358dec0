import fs from 'node:fs'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { type Framing, framed, readMessages } from '../support/client.ts'

/** A session as text: what a client sends, and what has to come. protocol/README.md tells the notation. */
export interface Transcript {
  readonly name: string
  /** The settings of the project it is played in. */
  readonly config: object | undefined
  readonly steps: readonly Step[]
}

export interface Step {
  readonly line: number
  readonly connection: number
  /** `>` send, `<` the next message, `~` one of so many in any order, `*` any number like it. */
  readonly mark: '>' | '<' | '~' | '*'
  /** A message, or `end`. */
  readonly text: string
}

/** One end of a connection, as a transcript plays it. */
export interface Line {
  send(json: string): void
  /** Say that nothing more is sent. */
  end(): void
  /** The next message that came, which stays there until it is taken; `undefined`: the other side has ended. */
  peek(): Promise<unknown>
  take(): void
}

/** What was sent or came is not what the transcript says. */
export class TranscriptFailure extends Error {
  override name = 'TranscriptFailure'

  constructor({ name }: Transcript, line: number, ...said: readonly string[]) {
    super(`${name}:${line}: ${said.join('\n  ')}`)
  }
}

const stepLine = /^(\d?)([><~*]) (\S.*)$/

/** Read a transcript. Throws where a line makes no sense. */
export function parseTranscript(name: string, text: string): Transcript {
  let config: object | undefined
  const steps: { line: number; connection: number; mark: Step['mark']; text: string }[] = []
  for (const [at, line] of text.split('\n').entries()) {
    const [, connection, mark, message] = stepLine.exec(line) ?? []
    if (line.trim() === '' || line.startsWith('#')) continue
    if (mark !== undefined && message !== undefined) {
      steps.push({ line: at + 1, connection: Number(connection || 1), mark: mark as Step['mark'], text: message })
    } else if (line.startsWith('  ') && steps.length > 0) {
      ;(steps.at(-1) as { text: string }).text += line.trim()
    } else if (line.startsWith('config ')) config = JSON.parse(line.slice('config '.length))
    else throw new Error(`${name}:${at + 1}: this line makes no sense: ${line}`)
  }
  if (!steps.some(({ mark }) => mark === '<' || mark === '~')) throw new Error(`${name} expects nothing`)
  for (const { line, mark, text } of steps) {
    if (mark !== '>' && text !== 'end') requireJson(name, line, text)
  }
  return { name, config, steps }
}

/** The transcripts of `protocol/transcripts`. */
export function readTranscripts(folder: string): Transcript[] {
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.rpc'))
  return files.sort().map((file) => parseTranscript(file, fs.readFileSync(path.join(folder, file), 'utf8')))
}

/**
 * Play a transcript: send what it sends, and compare what comes. At its end every connection is closed, and nothing more may
 * have come. `known` is what texts like `<project>` stand for.
 */
export async function play(
  transcript: Transcript,
  open: () => Promise<Line>,
  known: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const player = new Player(transcript, open, new Map(Object.entries(known)))
  for (let at = 0; at < transcript.steps.length; ) at += await player.step(at)
  await player.end()
}

class Player {
  readonly #transcript: Transcript
  readonly #open: () => Promise<Line>
  readonly #lines = new Map<number, Line>()
  #known: Known

  constructor(transcript: Transcript, open: () => Promise<Line>, known: Known) {
    this.#transcript = transcript
    this.#open = open
    this.#known = known
  }

  /** Play the step at this place, with those that belong to it, and tell how many they were. */
  async step(at: number): Promise<number> {
    const step = this.#transcript.steps[at] as Step
    const line = await this.#line(step.connection)
    if (step.mark === '~') return this.#anyOrder(at, line)
    if (step.mark === '*') await this.#anyNumber(step, line)
    else if (step.mark === '<') await this.#next(step, line)
    else if (step.text === 'end') line.end()
    else line.send(this.#filledIn(step))
    return 1
  }

  async end(): Promise<void> {
    const last = this.#transcript.steps.at(-1) as Step
    for (const line of this.#lines.values()) {
      line.end()
      const found = await this.#peek(last, line)
      if (found !== undefined) this.#fail(last, 'nothing more was expected', found, 'end')
    }
  }

  async #line(connection: number): Promise<Line> {
    let line = this.#lines.get(connection)
    if (line === undefined) {
      line = await this.#open()
      this.#lines.set(connection, line)
    }
    return line
  }

  async #next(step: Step, line: Line): Promise<void> {
    const found = await this.#peek(step, line)
    const reason = this.#tryMatch(step, found)
    if (reason !== undefined) this.#fail(step, reason, found)
    line.take()
  }

  async #anyNumber(step: Step, line: Line): Promise<void> {
    while (this.#tryMatch(step, await this.#peek(step, line)) === undefined) line.take()
  }

  async #anyOrder(at: number, line: Line): Promise<number> {
    const { steps } = this.#transcript
    const { connection } = steps[at] as Step
    const isOther = (step: Step, place: number) => place > at && (step.mark !== '~' || step.connection !== connection)
    const end = steps.findIndex(isOther)
    const group = steps.slice(at, end < 0 ? undefined : end)
    for (const missing = [...group]; missing.length > 0; line.take()) {
      const found = await this.#peek(missing[0] as Step, line)
      const met = missing.findIndex((step) => this.#tryMatch(step, found) === undefined)
      if (met < 0) {
        const [first] = missing as [Step]
        this.#fail(first, missing.length > 1 ? 'it is none of these' : (this.#tryMatch(first, found) ?? ''), found)
      }
      missing.splice(met, 1)
    }
    return group.length
  }

  /** What is different, or undefined where it matches: then what it captures is known from now on. */
  #tryMatch(step: Step, found: unknown): string | undefined {
    if (step.text === 'end') return found === undefined ? undefined : 'the end of the connection was expected'
    if (found === undefined) return 'the connection has ended'
    const expected: unknown = JSON.parse(step.text)
    const known = new Map(this.#known)
    // The answers to a batch come in any order.
    const reason = Array.isArray(expected) ? listDifference(expected, found, known) : difference(expected, found, known)
    if (reason === undefined) this.#known = known
    return reason
  }

  #filledIn({ line, text }: Step): string {
    return text.replaceAll(/"<(\w+)>"/g, (_, name: string) => {
      if (!this.#known.has(name)) throw new TranscriptFailure(this.#transcript, line, `nothing is known as <${name}>`)
      return JSON.stringify(this.#known.get(name))
    })
  }

  /** What came next, or undefined at the end of the connection. */
  async #peek({ line, text }: Step, connection: Line): Promise<unknown> {
    try {
      return await connection.peek()
    } catch (error) {
      throw new TranscriptFailure(this.#transcript, line, (error as Error).message, `expected: ${text}`)
    }
  }

  #fail({ line, text }: Step, reason: string, found: unknown, expected = text): never {
    throw new TranscriptFailure(this.#transcript, line, reason, `expected: ${expected}`, `found:    ${shown(found)}`)
  }
}

type Known = Map<string, unknown>

const wildcards: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: () => true,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  list: Array.isArray,
  object: isObject,
}

/** The first difference between what is expected and what was found, or undefined. Captures go into `known`. */
export function difference(expected: unknown, found: unknown, known: Known, where = ''): string | undefined {
  if (typeof expected === 'string') {
    const [, word, name] = /^<(\w+)(?::(\w+))?>$/.exec(expected) ?? []
    if (word !== undefined) return wordDifference(word, name, found, known, where)
  }
  const both = { expected, found }
  if (Array.isArray(expected)) {
    if (!Array.isArray(found)) return told(both, where)
    const wanted = withoutMore(expected)
    const isLong = expected.length === wanted.length ? found.length !== wanted.length : found.length < wanted.length
    return isLong
      ? `${at(where)}${wanted.length} elements were expected, ${found.length} found`
      : firstOf(wanted, (each, place) => difference(each, found[place], known, `${where}[${place}]`))
  }
  if (!isObject(expected)) return isDeepStrictEqual(expected, found) ? undefined : told(both, where)
  if (!isObject(found)) return told(both, where)
  const surplus = '...' in expected ? undefined : Object.keys(found).find((key) => !Object.hasOwn(expected, key))
  if (surplus !== undefined) return `${at(where)}${surplus} was not expected`
  const keys = Object.keys(expected).filter((key) => key !== '...')
  return firstOf(keys, (key) =>
    Object.hasOwn(found, key)
      ? difference(expected[key], found[key], known, where === '' ? key : `${where}.${key}`)
      : `${at(where)}${key} is missing`,
  )
}

/** The same of two lists whose order does not matter. */
function listDifference(expected: readonly unknown[], found: unknown, known: Known): string | undefined {
  if (!Array.isArray(found) || found.length !== expected.length) return `a list of ${expected.length} was expected`
  const left = [...found]
  return firstOf(expected, (each) => {
    const met = left.findIndex((candidate) => difference(each, candidate, new Map(known)) === undefined)
    if (met < 0) return `none of the list is ${shown(each)}`
    return difference(each, left.splice(met, 1)[0], known)
  })
}

function wordDifference(word: string, name: string | undefined, found: unknown, known: Known, where: string) {
  const wildcard = wildcards[word]
  if (wildcard === undefined) {
    const value = known.has(word) ? known.get(word) : `<${word}>`
    return isDeepStrictEqual(value, found) ? undefined : told({ expected: value, found }, where)
  }
  if (!wildcard(found)) return told({ expected: `<${word}>`, found }, where)
  if (name !== undefined) known.set(name, found)
  return undefined
}

function withoutMore(expected: readonly unknown[]): readonly unknown[] {
  return expected.at(-1) === '...' ? expected.slice(0, -1) : expected
}

function firstOf<T>(list: readonly T[], look: (each: T, place: number) => string | undefined): string | undefined {
  for (const [place, each] of list.entries()) {
    const reason = look(each, place)
    if (reason !== undefined) return reason
  }
  return undefined
}

function told({ expected, found }: { expected: unknown; found: unknown }, where: string): string {
  return `${at(where)}${shown(expected)} was expected, ${shown(found)} found`
}

const at = (where: string) => (where === '' ? '' : `at ${where}: `)

function shown(value: unknown): string {
  return value === undefined ? 'end' : JSON.stringify(value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function requireJson(name: string, line: number, text: string): void {
  try {
    JSON.parse(text)
  } catch (error) {
    throw new Error(`${name}:${line}: ${(error as Error).message}: ${text}`)
  }
}

/** A connection over a pair of streams. */
export function lineOver(input: Readable, output: Writable, framing: Framing, patienceMs = 30_000): Line {
  const messages: unknown[] = []
  let isEnded = false
  let wake = () => {}
  readMessages(input, framing, (message) => {
    messages.push(message)
    wake()
  })
  const end = () => {
    isEnded = true
    wake()
  }
  for (const event of ['end', 'close', 'error']) input.once(event, end)
  output.on('error', () => {})
  return {
    send: (json) => void output.write(framed(json, framing)),
    end: () => void output.end(),
    take: () => void messages.shift(),
    async peek() {
      const giveUp = AbortSignal.timeout(patienceMs)
      while (messages.length === 0 && !isEnded) {
        await new Promise<void>((resolve, reject) => {
          wake = resolve
          giveUp.onabort = () => reject(new Error(`nothing came for ${patienceMs / 1_000} seconds`))
        })
      }
      return messages[0]
    },
  }
}
