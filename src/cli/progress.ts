import type { WriteStream } from 'node:tty'
import { sizeText } from './size.ts'
import { visible } from './style.ts'
import { cut } from './width.ts'

const msBetweenDraws = 1_000

/** A line of a terminal that tells where a long call is. It comes when there is something to tell, or after a second. */
export class ProgressLine {
  readonly #terminal: WriteStream
  readonly #text = new ProgressText()
  readonly #timer = setInterval(() => this.#draw(), msBetweenDraws).unref()
  #value: Readonly<Record<string, unknown>> = { stage: 'working' }
  #isDrawn = false

  constructor(terminal: WriteStream) {
    this.#terminal = terminal
    this.#text.text(this.#value, performance.now())
  }

  show(value: Readonly<Record<string, unknown>>): void {
    this.#value = value
    this.#draw()
  }

  /** Take it away, as if it had not been. */
  clear(): void {
    clearInterval(this.#timer)
    if (this.#isDrawn) this.#terminal.write('\r\x1b[K')
  }

  #draw(): void {
    this.#isDrawn = true
    const text = visible(this.#text.text(this.#value, performance.now()))
    this.#terminal.write(`\r\x1b[K${cut(text, (this.#terminal.columns ?? 80) - 1)}`)
  }
}

const barWidth = 24
const secondsBeforeRate = 0.5

/** What a long call says of where it is, as one line: a bar, how much of how much, how fast, and how much longer. */
export class ProgressText {
  #stage: unknown
  #from: { readonly amount: number; readonly ms: number } | undefined

  /** @param ms now, on a clock that only goes forward */
  text(value: Readonly<Record<string, unknown>>, ms: number): string {
    const { stage, done, bytes, pages, total, ...others } = value
    const amount = numberOf(bytes ?? pages ?? done)
    if (this.#from === undefined || stage !== this.#stage) {
      this.#stage = stage
      this.#from = { amount, ms }
    }
    const seconds = (ms - this.#from.ms) / 1000
    const rate = seconds < secondsBeforeRate ? 0 : (amount - this.#from.amount) / seconds
    const of = typeof total === 'number' && total > 0 ? total : undefined
    const shown = (count: number) => (bytes === undefined ? count.toLocaleString('en') : sizeText(count))
    const isKnown = (bytes ?? pages ?? done) !== undefined
    return [
      String(stage ?? ''),
      of === undefined ? '' : bar(amount / of),
      isKnown ? (of === undefined ? shown(amount) : `${shown(amount)} of ${shown(of)}`) : '',
      pages === undefined ? '' : 'pages',
      ...Object.entries(others).map(([name, each]) => `${numberOf(each).toLocaleString('en')} ${name}`),
      rate > 0 ? `${shown(Math.round(rate))}/s` : '',
      rate > 0 && of !== undefined ? `${timeText((of - amount) / rate)} left` : '',
      rate === 0 && Math.round(seconds) > 0 ? timeText(Math.round(seconds)) : '',
    ]
      .filter(Boolean)
      .join('  ')
  }
}

function bar(share: number): string {
  const filled = Math.round(Math.min(1, share) * barWidth)
  return `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${Math.floor(Math.min(1, share) * 100)} %`
}

function timeText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
