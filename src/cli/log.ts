import { visible } from './style.ts'
import { valueText } from './values.ts'

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** The entries of a log: a JSON object a line; what is none, such as a crash of the process itself, is kept as text. */
export function entriesOf(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    try {
      return JSON.parse(line)
    } catch {
      return line
    }
  })
}

/** An entry as people read it: time, level, message, and what belongs to it. */
export function entryText(entry: unknown): string {
  if (typeof entry !== 'object' || entry === null) return visible(String(entry))
  const { time, level, msg, pid: _, err, ...rest } = entry as Record<string, unknown>
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${valueText(value)}`)
  const head = [new Date(Number(time)).toISOString(), levels[Number(level)] ?? level, msg, ...fields].join(' ')
  const stack = (err as { stack?: unknown } | undefined)?.stack
  return typeof stack === 'string' ? `${visible(head)}\n${stack.split('\n').map(visible).join('\n')}` : visible(head)
}
