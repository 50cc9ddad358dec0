import process from 'node:process'
import type { WriteStream } from 'node:tty'

/** Ways to set text off; each gives it back unchanged where colour is not wanted. */
export type Style = Readonly<Record<keyof typeof codes, (text: string) => string>>

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const

type Terminal = Partial<Pick<WriteStream, 'isTTY'>>

/** Colour only on a terminal, and not with NO_COLOR (https://no-color.org); FORCE_COLOR goes before both. */
export function styler(stream: Terminal): Style {
  const paint = isColourWanted(stream)
    ? ([on, off]: readonly [number, number]) =>
        (text: string) =>
          `\x1b[${on}m${text}\x1b[${off}m`
    : () => (text: string) => text
  // Each name gets a way of its own, so the keys are those of `codes`.
  return Object.fromEntries(Object.entries(codes).map(([name, code]) => [name, paint(code)])) as unknown as Style
}

function isColourWanted({ isTTY }: Terminal): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = process.env
  if (forced) return forced !== '0' && forced !== 'false'
  return isTTY === true && !refused && terminal !== 'dumb'
}

/** Text without what would move the cursor or change the terminal: line ends and controls are written out. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const known: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
    return known[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
