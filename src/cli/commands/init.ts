import path from 'node:path'
import process from 'node:process'
import { body, optional } from '../command.ts'
import { CliError } from '../errors.ts'

export const init = body(
  (parser) => parser.positional('dir', optional('where; default: --project, CINCH_PROJECT, or here')),
  async ({ output }, { dir, project }) => {
    const folder = path.resolve(dir ?? project ?? process.env.CINCH_PROJECT ?? process.cwd())
    await make(folder)
    output.result({ path: folder }, () => {
      output.note(`Made a project in ${folder}, with database main, branch main and tenant main.`)
      output.note('Next: cinch table create users name:text email:text:unique')
    })
  },
)

/** The one command that opens a project by itself: there is none yet for a daemon to hold. */
async function make(folder: string): Promise<void> {
  const { createProject } = await import('../../engine/engine.ts')
  const { Refusal } = await import('../../base/refusal.ts')
  const { errors } = await import('../../../protocol/errors.ts')
  try {
    createProject(folder)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new CliError(error.kind, errors[error.kind].message, { data: error.data })
  }
}
