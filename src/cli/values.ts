import type { WireValue } from '../../protocol/values.ts'

/**
 * A value as people write it: a number, `true`, `false`, `null`, a text in double quotes, or a tagged value
 * (`{"$blob": …}`) is what JSON says; all else is text as it stands, so `007` keeps its zeros and `1.` its dot.
 */
export function parseValue(text: string): WireValue {
  const isScalar = /^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null|".*")$/s.test(text)
  if (!isScalar && !/^\{\s*"\$/.test(text)) return text
  try {
    const value = parseJson(text) as WireValue
    return Number.isFinite(value ?? 0) || typeof value !== 'number' ? value : text
  } catch {
    return text
  }
}

/** A primary key as people write it: digits are a number, an object is a key of several columns, all else is text. */
export function parseKey(text: string): unknown {
  if (/^-?(0|[1-9]\d*)$/.test(text)) return parseJson(text)
  if (!text.startsWith('{')) return text
  try {
    return parseJson(text)
  } catch {
    return text
  }
}

/** As `JSON.parse`, but an integer beyond 2^53 becomes `{"$int": digits}` and stays exact. */
export function parseJson(text: string): unknown {
  // Strings are matched too, so that digits inside them are left alone.
  const exact = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `{"$int":"${token}"}` : token,
  )
  return JSON.parse(exact)
}

/** `name=value`, split at the first `=`. */
export function splitPair(pair: string): { name: string; text: string } | undefined {
  const at = pair.indexOf('=')
  return at > 0 ? { name: pair.slice(0, at), text: pair.slice(at + 1) } : undefined
}

/** A value in plain words, exact: what tables and CSV show. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return String(value)
  if ('$int' in value) return String(value.$int)
  if ('$real' in value) return String(value.$real)
  if ('$blob' in value) return `x'${Buffer.from(String(value.$blob), 'base64').toString('hex')}'`
  return JSON.stringify(value)
}

export function isNumeric(value: unknown): boolean {
  return (
    typeof value === 'number' || (typeof value === 'object' && value !== null && ('$int' in value || '$real' in value))
  )
}
