/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += widthOf(segment)
  return width
}

/** The text, or as much of it as fits with an ellipsis behind it. */
export function cut(text: string, width: number, ellipsis = '…'): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let taken = 0
  for (const { segment } of segmenter.segment(text)) {
    taken += widthOf(segment)
    if (taken > width - 1) break
    kept += segment
  }
  return width < 1 ? '' : `${kept}${ellipsis}`
}

/** The text in lines of at most this width, broken between words where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.match(/\s+|\S+/g) ?? ['']) {
    if (displayWidth(line) + displayWidth(word) <= width) {
      line += word
      continue
    }
    if (line.trim() !== '') lines.push(line.trimEnd())
    line = ''
    if (word.trim() === '') continue
    for (const { segment } of segmenter.segment(word)) {
      if (displayWidth(line) + widthOf(segment) > width) {
        lines.push(line)
        line = ''
      }
      line += segment
    }
  }
  return [...lines, line.trimEnd()]
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function widthOf(grapheme: string): number {
  if (/^[\p{Mark}\p{Format}]+$/u.test(grapheme)) return 0
  return isWide(grapheme) ? 2 : 1
}

function isWide(grapheme: string): boolean {
  return /^(\p{Emoji_Presentation}|.\ufe0f|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])/u.test(
    grapheme,
  )
}
