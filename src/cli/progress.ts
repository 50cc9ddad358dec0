import { sizeText } from './size.ts'

const barWidth = 24
const secondsBeforeRate = 0.5

/** What a long call says of where it is, as one line: a bar, how much of how much, how fast, and how much longer. */
export class ProgressText {
  #stage: unknown
  #from = { amount: 0, ms: 0 }

  /** @param ms now, on a clock that only goes forward */
  text(value: Readonly<Record<string, unknown>>, ms: number): string {
    const { stage, done, bytes, pages, total, ...others } = value
    const amount = numberOf(bytes ?? pages ?? done)
    if (stage !== this.#stage) {
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
