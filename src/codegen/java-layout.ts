/** Columns of a line, as google-java-format has them. */
export const width = 100

/** Words in lines of the usual width; all but the first are indented. What stands in braces is one word. */
export function filled(text: string, margin: string, indent = ''): string[] {
  const lines: string[] = []
  let line = margin
  let isEmpty = true
  for (const word of text.split(/ (?![^{]*\})/)) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = margin + indent
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line]
}

/** What stands in brackets: in one line, in the next one, or in one for each, whichever is the first to have room. */
export function listed(head: string, items: readonly string[], tail: string): string {
  const line = `${head}${items.join(', ')}${tail}`
  if (line.length <= width || items.length === 0) return line
  const margin = ' '.repeat(head.length - head.trimStart().length + 4)
  const next = `${margin}${items.join(', ')}${tail}`
  return `${head}\n${next.length <= width ? next : `${margin}${items.join(`,\n${margin}`)}${tail}`}`
}
