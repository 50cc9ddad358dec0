import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { refuse } from '../../base/refusal.ts'

/** One statement's rows, or why it failed. */
export type Outcome = { readonly rows: readonly unknown[][] } | { readonly error: string; readonly code: string }

/**
 * Run statements that read the whole of a file which nobody else uses, in a process of its own: SQLite cannot be
 * interrupted, a process can be ended; and what a broken file does to it does not reach the daemon.
 */
export function runAside(file: string, statements: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const child = spawn(process.execPath, ['--eval', program, sqlite, file], { stdio: ['pipe', 'pipe', 'ignore'] })
    const output: Buffer[] = []
    const stop = () => child.kill('SIGKILL')
    signal.addEventListener('abort', stop)
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(JSON.stringify(statements))
    child.once('error', reject)
    child.once('close', (code) => {
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return reject(signal.reason)
      if (code === 0) return resolve(JSON.parse(Buffer.concat(output).toString()))
      reject(new Error(`the process that reads ${file} ended early`))
    })
  })
}

/** The rows of a statement whose failure is the file's fault: `what` is broken. */
export function rowsOf(outcome: Outcome | undefined, what: string): readonly unknown[][] {
  if (outcome === undefined) return []
  return 'rows' in outcome ? outcome.rows : refuse('corrupt', { what, reason: outcome.error })
}

const sqlite = createRequire(import.meta.url).resolve('better-sqlite3')

const program = `
  const [sqlite, file] = process.argv.slice(1)
  const db = require(sqlite)(file, { readonly: true, fileMustExist: true })
  db.pragma('trusted_schema = off')
  const run = (sql) => {
    try {
      return { rows: db.prepare(sql).raw().all() }
    } catch (error) {
      return { error: error.message, code: String(error.code) }
    }
  }
  const statements = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
  process.stdout.write(JSON.stringify(statements.map(run)))
`
