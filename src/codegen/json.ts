import type { Language } from './generate.ts'

/** The model itself, for generators of one's own. */
export const json: Language = {
  name: 'json',
  summary: 'one file that describes tables and views, for a generator of your own',
  options: {},
  generate: (model) => [{ path: 'schema.json', text: `${JSON.stringify(model, null, 2)}\n` }],
}
