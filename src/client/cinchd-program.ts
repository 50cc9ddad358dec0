import { fileURLToPath } from 'node:url'

/** The daemon of this package. The CommonJS build has a module of its own in this one's place. */
export const cinchdProgram = fileURLToPath(new URL('../cinchd.js', import.meta.url))
