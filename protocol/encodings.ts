/** Encodings of text files that are imported. `utf-16`: by the byte order mark, without one little-endian. */
export const encodings = ['utf-8', 'utf-16', 'utf-16le', 'utf-16be', 'latin1', 'windows-1252'] as const
export type Encoding = (typeof encodings)[number]
