import process from 'node:process'
import type { ErrorData } from '../../protocol/errors.ts'
import type { CinchError } from '../client/client.ts'
import { CliError, UsageError } from './errors.ts'
import { styler, visible } from './style.ts'
import { valueText } from './values.ts'

/** An error as it is told, whoever it came from. */
interface Failure {
  readonly kind: string
  readonly message: string
  readonly data: Readonly<Record<string, unknown>>
  readonly hint?: string
}

/** 1 for what was refused or failed, 2 for a command line that is written wrong. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError ? 2 : 1
}

/** Tell what went wrong on standard error: in plain words, or as JSON. */
export function report(error: unknown, { json }: { json: boolean }): void {
  const failure = failureOf(error)
  const text = json ? JSON.stringify({ error: failure }) : plainText(failure)
  process.stderr.write(`${text}\n`)
  if (process.env.CINCH_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}

function failureOf(error: unknown): Failure {
  if (error instanceof CliError || isCinchError(error)) {
    const { kind, message, data, hint } = error
    return { kind, message, data, hint }
  }
  if (!(error instanceof Error)) return { kind: 'failed', message: String(error), data: {} }
  if (error.name === 'NoProjectError') {
    const { path } = error as Error & { path: string }
    return { kind: 'projectNotFound', message: 'No project here', data: { path }, hint: 'cinch init makes one' }
  }
  const isLost = /connection got disposed|connection is closed|connection is disposed/i.test(error.message)
  if (isLost) {
    const hint = 'cinch daemon logs may tell why'
    return { kind: 'connectionLost', message: 'The daemon ended the connection', data: {}, hint }
  }
  return { kind: 'failed', message: error.message, data: {} }
}

/** By its name, since the client that has the class may not be loaded. */
function isCinchError(error: unknown): error is CinchError {
  return error instanceof Error && error.name === 'CinchError'
}

function plainText(failure: Failure): string {
  const { headline, lines } = inWords(failure)
  const { suggestion } = failure.data
  const style = styler(process.stderr)
  return [
    `${style.red('cinch:')} ${visible(headline)}`,
    ...lines.map((line) => `  ${line}`),
    ...(typeof suggestion === 'string' ? [`  did you mean ${visible(suggestion)}?`] : []),
    ...(failure.hint === undefined ? [] : [style.dim(`  ${visible(failure.hint)}`)]),
  ].join('\n')
}

interface Words {
  readonly headline: string
  readonly lines: readonly string[]
}

/** What is said after the message, the most telling first; the other fields follow, each on its line. */
const subjects = [
  'method',
  'name',
  'view',
  'index',
  'trigger',
  'column',
  'id',
  'table',
  'tenant',
  'branch',
  'database',
  'path',
  'what',
  'limit',
]

function inWords({ kind, message, data }: Failure): Words {
  switch (kind) {
    case 'usage':
      return { headline: message, lines: [] }
    case 'invalidParams': {
      const issues = data.issues as readonly { path: string; message: string }[]
      return {
        headline: message,
        lines: issues.map((issue) => visible([issue.path, issue.message].filter(Boolean).join(': '))),
      }
    }
    case 'proofFailed':
      return { headline: message, lines: witnessLines(data) }
    case 'constraintFailed':
      return { headline: `${message}: ${data.reason}`, lines: fieldLines(data, ['reason']) }
    default: {
      const subject = subjects.find((name) => data[name] !== undefined)
      const said = [subject, 'reason', 'rule'].filter(
        (name) => name !== undefined && data[name] !== undefined,
      ) as string[]
      const words = said.map((name) => valueText(data[name]))
      return { headline: [message, ...words].join(': '), lines: fieldLines(data, said) }
    }
  }
}

/** Told elsewhere, or of no use to people. */
const unsaid = ['suggestion', 'sqliteCode']

function fieldLines(data: Failure['data'], said: readonly string[]): string[] {
  return Object.entries(data)
    .filter(([name, value]) => ![...said, ...unsaid].includes(name) && value !== undefined)
    .map(([name, value]) =>
      visible(`${name}: ${Array.isArray(value) ? value.map(valueText).join(', ') : valueText(value)}`),
    )
}

/** The rows that stand against an edit, tenant by tenant. */
function witnessLines(data: Failure['data']): string[] {
  const witnesses = data.witnesses as ErrorData<'proofFailed'>['witnesses']
  const lines = witnesses.flatMap(({ tenant, table, reason, columns, rows }) => [
    visible(`tenant ${tenant}, table ${table}: ${reason}`),
    ...rows.map((row) => `  ${visible(row.map((value, at) => `${columns[at]} ${shown(value)}`).join(', '))}`),
  ])
  const tenants = Number(data.tenants)
  return [...lines, tenants === 1 ? 'in 1 tenant' : `in ${tenants} tenants`]
}

function shown(value: unknown): string {
  return value === null ? 'NULL' : valueText(value)
}
