import type { Argv } from 'yargs'
import { UsageError } from './errors.ts'

/** `--limit N` */
export function limitOption<A>(parser: Argv<A>, describe: string) {
  return parser.option('limit', { ...wholeNumber('limit', 1), describe })
}

/** An option that takes a whole number. */
export function wholeNumber(name: string, min: number) {
  return {
    type: 'string',
    requiresArg: true,
    coerce: (text: string | undefined): number | undefined => {
      if (text === undefined) return undefined
      const number = Number(text)
      if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= min) return number
      throw new UsageError(`--${name} takes a whole number from ${min} up`)
    },
  } as const
}
