/** How a shell prints results: for people, or as programs read them. */
export const formats = ['table', 'json', 'csv', 'ndjson'] as const
export type Format = (typeof formats)[number]
