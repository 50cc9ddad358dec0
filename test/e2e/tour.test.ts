import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { requireBuild } from './cinch-support.ts'
import { output, root } from './foreign-support.ts'

const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
const chinook = path.resolve(root, '../shared/data/chinook/chinook.sqlite')
const without = '\nThe second part was left out: no Chinook database at /nowhere (CHINOOK=FILE tells where it lies).\n'

test('the tour prints what the README says', { timeout: 120_000 }, async () => {
  expect(await tour('/nowhere')).toBe(stable(`\n${block('planets')}${without}`))
})

test.skipIf(!fs.existsSync(chinook))('so does its part with the Chinook database', { timeout: 240_000 }, async () => {
  expect(await tour(chinook)).toBe(stable(`\n${block('planets')}\n${block('chinook')}`))
})

/** What the tour prints, as a terminal shows it. */
async function tour(chinook: string): Promise<string> {
  requireBuild()
  const printed = await output('bash', ['-c', 'bash scripts/tour 2>&1'], {
    cwd: root,
    env: { ...process.env, CHINOOK: chinook },
  })
  return stable(printed)
}

function block(name: string): string {
  const [, text] = new RegExp(`^\`\`\`console ${name}\\n(.*?)^\`\`\`$`, 'ms').exec(readme) ?? []
  if (!text) throw new Error(`the README has no block ${name}`)
  return text
}

/** The same text for every run. Change sets are told apart by the order in which they are met. */
function stable(text: string): string {
  const ids: string[] = []
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!ids.includes(id)) ids.push(id)
      return `change set ${ids.indexOf(id)}`
    })
    .replace(/\/\S+\/(planets|chinook)(?=[,\n])/g, '/home/ada/$1')
    .replace(/pid \d+/g, 'pid')
    .replace(/^(at head|behind|shared) +\d+/gm, '$1, as far as files have come by now')
}
