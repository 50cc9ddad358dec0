import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import type { Interface } from 'node:readline'
import { onOneLine } from './statements.ts'

const maxEntries = 1_000

/**
 * What was typed, for the arrow keys: kept in a file that its owner alone can read. What may hold a key or a password is
 * not kept, nor what begins with a space.
 */
export class History {
  /** Undefined once it could not be read or written: the shell goes on without it. */
  #file: string | undefined = historyFile()
  /** The newest first, as readline has them. */
  readonly #entries: string[] = []
  /** Readline's own list. */
  #shown: string[] = []
  readonly #warn: (text: string) => void

  constructor(warn: (text: string) => void) {
    this.#warn = warn
    this.#withFile((file) => this.#entries.push(...readEntries(file)))
  }

  get entries(): readonly string[] {
    return this.#entries
  }

  /** Have readline show these entries, and none that it adds by itself: its lines are parts of statements. */
  follow(terminal: Interface): void {
    terminal.on('history', (shown) => {
      this.#shown = shown
      this.#show()
    })
  }

  add(typed: string): void {
    const entry = typed.includes('\n') ? onOneLine(typed) : typed
    if (entry === undefined || entry.startsWith(' ') || mayHoldSecret(entry) || entry === this.#entries[0]) return
    this.#entries.unshift(entry)
    this.#entries.splice(maxEntries)
    this.#show()
    this.#withFile((file) => {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      fs.appendFileSync(file, `${entry}\n`, { mode: 0o600 })
    })
  }

  #withFile(work: (file: string) => void): void {
    if (this.#file === undefined) return
    try {
      work(this.#file)
    } catch (error) {
      this.#file = undefined
      this.#warn(`history is not kept: ${(error as Error).message}`)
    }
  }

  #show(): void {
    this.#shown.splice(0, this.#shown.length, ...this.#entries)
  }
}

/** In the folder that the system has for what programs remember (XDG Base Directory). */
function historyFile(): string {
  const { XDG_STATE_HOME: given } = process.env
  const state = given && path.isAbsolute(given) ? given : path.join(os.homedir(), '.local', 'state')
  return path.join(state, 'cinch', 'history')
}

function readEntries(file: string): string[] {
  if (!fs.existsSync(file)) return []
  fs.chmodSync(file, 0o600)
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const kept = lines.slice(-maxEntries)
  if (lines.length > 2 * maxEntries) fs.writeFileSync(file, `${kept.join('\n')}\n`)
  return kept.reverse()
}

/** Better one statement too many left out than one too few. */
function mayHoldSecret(text: string): boolean {
  return /\bpragma\s+\w*key\b|\bx'[0-9a-f]{64}'|passw|passphrase|secret|credential|token|api_?key|private_?key/i.test(
    text,
  )
}
