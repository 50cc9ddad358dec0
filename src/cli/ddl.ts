import type { Style } from './style.ts'

/** A statement that edits a schema, in the colour of what it does: it makes, takes away, or changes. */
export function ddlText(sql: string, style: Style): string {
  const paint = paintOf(sql, style)
  return sql
    .split('\n')
    .map((line) => (line === '' ? line : paint(line)))
    .join('\n')
}

function paintOf(sql: string, style: Style): (text: string) => string {
  if (/^\s*(create\b|alter table .* add\b)/is.test(sql)) return style.green
  if (/^\s*(drop\b|alter table .* drop\b)/is.test(sql)) return style.red
  return style.yellow
}
