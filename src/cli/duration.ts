import { UsageError } from './errors.ts'

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const durationHelp = 'a time with its unit: 500ms, 30s, 5m, 2h, 7d'

/** `1.5h` in ms. Without a unit, whoever wrote it may mean any. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Number(amount) * (unitsMs[unit ?? ''] ?? Number.NaN)
  if (!Number.isSafeInteger(ms) || ms <= 0) throw new UsageError(`${text} is not ${durationHelp}`)
  return ms
}

/** An option that takes a time. */
export function duration(describe: string) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe}; ${durationHelp}`,
    coerce: (text: string | undefined) => (text === undefined ? undefined : parseDuration(text)),
  } as const
}
