import fs from 'node:fs'
import path from 'node:path'
import { cinchdCommand, root } from '../e2e/foreign-support.ts'

export const readme = fs.readFileSync(path.join(root, 'protocol/README.md'), 'utf8')

export interface Block {
  readonly language: string
  readonly text: string
  /** The line of the first line of its text. */
  readonly line: number
}

/** The code blocks of the page, in their order. */
export const blocks: readonly Block[] = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ({ 1: language = '', 2: text = '', index }) => ({
    language,
    text,
    line: readme.slice(0, index).split('\n').length + 1,
  }),
)

/** The only block of a language. */
export function theBlock(language: string): string {
  const found = blocks.filter((block) => block.language === language)
  if (found.length !== 1) throw new Error(`protocol/README.md has ${found.length} blocks of ${language}`)
  return (found[0] as Block).text
}

/** An environment in which `cinchd` and `cinch` are the built programs. */
export function environmentWith(folder: string): NodeJS.ProcessEnv {
  const programs = path.join(folder, 'bin')
  fs.mkdirSync(programs)
  const cinch = `"${process.execPath}" "${path.join(root, 'dist/src/cinch.js')}"`
  for (const [name, command] of Object.entries({ cinch, cinchd: cinchdCommand })) {
    fs.writeFileSync(path.join(programs, name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 })
  }
  const { CINCH_PROJECT: _, ...inherited } = process.env
  return { ...inherited, CINCH_CHECK_RESULTS: '1', PATH: `${programs}${path.delimiter}${process.env.PATH}` }
}
