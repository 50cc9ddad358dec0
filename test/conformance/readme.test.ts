import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { errors } from '../../protocol/errors.ts'
import { Limits } from '../../protocol/limits.ts'
import { findPython, output, root, skipWithout } from '../e2e/foreign-support.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { framings, playOverSocket } from './played.ts'
import { type Block, blocks, environmentWith, readme, theBlock } from './readme.ts'
import { difference, parseTranscript } from './transcripts.ts'

test('every block of the page is of a kind that is tried here, or in editors.test.ts', () => {
  const kinds = new Set(blocks.map(({ language }) => language))
  expect([...kinds].sort()).toEqual(['bash', 'elisp', 'js', 'json', 'lua', 'python', 'rpc', 'text'])
})

test.each(
  framings,
)('the sessions of the page are one session, which is answered as it says, over %s', async (framing) => {
  const sessions = blocks.filter(({ language }) => language === 'rpc')
  const lines: string[] = []
  for (const { line, text } of sessions)
    lines.push(...Array(line - lines.length - 1).fill(''), ...text.trimEnd().split('\n'))
  await playOverSocket(parseTranscript('protocol/README.md', lines.join('\n')), framing)
})

describe('what the shell is told prints what the page says', () => {
  const told = blocks.flatMap((block, at) =>
    block.language === 'bash' ? [[block, blocks[at + 1] as Block] as const] : [],
  )

  test.each(told)('$text', { timeout: 60_000 }, async ({ text }, { language, text: expected }) => {
    const { project } = temporaryProject()
    const printed = await output('bash', ['-c', text], { cwd: project, env: environmentWith(temporaryFolder()) })
    if (language === 'text') expect(printed).toBe(expected)
    else expect(difference(JSON.parse(expected), JSON.parse(printed), new Map())).toBeUndefined()
  })
})

test.skipIf(skipWithout(findPython()))(
  'the small client starts a daemon, and prints what the page says',
  { timeout: 60_000 },
  async () => {
    const { project } = temporaryProject()
    const env = environmentWith(temporaryFolder())
    const folder = path.join(project, 'deeper')
    fs.mkdirSync(folder)
    const expected = blocks[blocks.findIndex(({ language }) => language === 'python') + 1]?.text
    for (const _ of ['without a daemon', 'with one']) {
      expect(
        await output('python3', ['-W', 'ignore::ResourceWarning', '-c', theBlock('python')], { cwd: folder, env }),
      ).toBe(expected)
    }
    expect(await output('cinch', ['daemon', 'stop'], { cwd: project, env })).toBeDefined()
  },
)

test('its errors have their numbers, and every kind is in one family', () => {
  const rows = [...readme.matchAll(/^\| (-?\d+) \| `(\w+)` \|/gm)].map(([, code, kind]) => [kind, Number(code)])
  expect(rows.length).toBeGreaterThan(10)
  for (const [kind, code] of rows) expect(errors).toHaveProperty(kind as string, expect.objectContaining({ code }))
  const named = ['constraintFailed', 'limitExceeded', 'messageTooLarge', 'requestCancelled', 'timeout']
  for (const kind of named) expect(readme).toMatch(new RegExp(`^\\| [a-z ]+ \\|.*\`${kind}\``, 'm'))
  for (const kind of named) expect(kind).not.toMatch(/(NotFound|Exists)$/)
})

test('its limits are those of the settings', () => {
  const limits = Limits.parse({})
  const rows = [...readme.matchAll(/^\| `limits\.(\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)])
  expect(rows.length).toBeGreaterThan(10)
  for (const [name, value] of rows) expect(limits).toHaveProperty(name as string, value)
})

test('its links lead to files and headings that are there', () => {
  const slugs = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading
        ?.toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    )
  for (const [, target = ''] of readme.matchAll(/\]\((?!https:)([^)]+)\)/g)) {
    const [file = '', heading] = target.split('#')
    const place = path.join(root, 'protocol', file)
    expect(fs.existsSync(place), target).toBe(true)
    if (heading)
      expect(
        slugs(fs.readFileSync(file === '' ? path.join(root, 'protocol/README.md') : place, 'utf8')),
        target,
      ).toContain(heading)
  }
})
