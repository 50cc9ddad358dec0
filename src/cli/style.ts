import type { WriteStream } from 'node:tty'

/** Ways to set text off; each gives it back unchanged where colour is not wanted. */
export interface Style {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
}

/** Colour only on a terminal, and not with NO_COLOR (https://no-color.org). */
export function styler(stream: Partial<Pick<WriteStream, 'isTTY'>>): Style {
  const isWanted = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  const paint = (on: number, off: number) => (text: string) => (isWanted ? `\x1b[${on}m${text}\x1b[${off}m` : text)
  return { bold: paint(1, 22), dim: paint(2, 22), red: paint(31, 39) }
}

/** Text without what would move the cursor or change the terminal: line ends and controls are written out. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const known: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
    return known[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
