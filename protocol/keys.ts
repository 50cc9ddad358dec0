import * as z from 'zod'

/** The longest key of the key-value store, in bytes of UTF-8; a pattern may be as long. */
export const maxKeyBytes = 1_024

/** The longest time to live: some three hundred years. */
const maxTtlMs = 10_000_000_000_000

/** A key of the key-value store. Every method checks it by this, so what can be stored can be found and deleted. */
export const KvKey = z
  .string()
  .min(1, 'a key is not empty')
  .refine(isShortEnough, { error: `a key has at most ${maxKeyBytes} bytes of UTF-8` })
  .refine(isText, { error: 'a key has no NUL and no half of a surrogate pair' })
  .meta({
    id: 'KvKey',
    description: `any text but the empty one, without NUL, of at most ${maxKeyBytes} bytes of UTF-8`,
  })

/** Which keys are meant. */
export const KvPattern = z
  .string()
  .refine(isShortEnough, { error: `a pattern has at most ${maxKeyBytes} bytes of UTF-8` })
  .refine(isText, { error: 'a pattern has no NUL and no half of a surrogate pair' })
  .meta({
    id: 'KvPattern',
    description:
      '* is any text, ? one character, [abc] [a-z] one of these, [^a] one that is none of these; \\ takes the meaning off the next. Upper and lower case are two things',
  })

export const KvTtlMs = z.int().positive().max(maxTtlMs)

function isShortEnough(text: string): boolean {
  // A unit of UTF-16 takes three bytes at most.
  return text.length * 3 <= maxKeyBytes || Buffer.byteLength(text) <= maxKeyBytes
}

function isText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
