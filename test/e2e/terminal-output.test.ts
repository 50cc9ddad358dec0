import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { displayWidth } from '../../src/cli/width.ts'
import { Place, requireBuild } from './cinch-support.ts'
import { Terminal, type TerminalOptions } from './terminal.ts'

let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  await place.run(['init'])
  await place.run(['table', 'create', 't', 'a:text', '--no-system-columns', '-m', 'the first table'])
  await place.run(['branch', 'create', 'dev'])
  await place.run(['branch', 'create', 'level'])
  await place.run(['--branch', 'dev', 'view', 'create', 'v', 'select a from t'])
  await place.run(['--branch', 'dev', 'column', 'add', 't', 'b:text'])
  await place.run(['view', 'create', 'v', "select a || '!' as a from t"])
}, 90_000)

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
})

/** What a command shows at a terminal, and its exit code. */
async function shown(args: readonly string[], options?: TerminalOptions) {
  await using terminal = new Terminal(place, args, options)
  const code = await terminal.end()
  return { code, text: terminal.text, raw: terminal.raw }
}

const id = '[0-9a-f]{8}-[0-9a-f]{4}'

test('the graph of branches has their heads, forks and merges, and who is how far ahead', {
  timeout: 60_000,
}, async () => {
  const { code, text } = await shown(['branch', 'graph'], { env: { LC_ALL: 'C.UTF-8' } })
  expect(code).toBe(0)
  expect(text.split('\n').slice(0, -1)).toEqual([
    expect.stringMatching(`^● +${id}  \\(\\* main\\)  createView v$`),
    expect.stringMatching(`^│ ● +${id}  \\(dev: 2 ahead, 1 behind main\\)  addColumn t\\.b$`),
    expect.stringMatching(`^│ ● +${id}  createView v$`),
    '├─╯',
    expect.stringMatching(`^● +${id}  \\(level: 1 behind main\\)  the first table$`),
    expect.stringMatching(/^○ +the empty schema$/),
  ])

  const narrow = await shown(['branch', 'graph', '--branch', 'dev'], { columns: 40, env: { LC_ALL: 'C' } })
  const lines = narrow.text.split('\n')
  expect(lines[0]).toMatch(new RegExp(`^\\* +${id}  \\(main\\)`))
  expect(lines[1]).toMatch(/^\| \* .*~$/)
  expect(lines[3]).toBe("|-'")
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(40)

  const { branches, changeSets } = await place.json('branch', 'graph')
  expect(branches).toMatchObject([
    { name: 'main', active: true, base: null },
    { name: 'dev', active: false, base: 'main', ahead: 2, behind: 1, exact: true },
    { name: 'level', ahead: 0, behind: 1 },
  ])
  expect(changeSets).toHaveLength(4)
})

test('a merge is drawn, also of a branch that is gone', { timeout: 60_000 }, async () => {
  await using own = new Place()
  await own.run(['init'])
  await own.run(['table', 'create', 't', 'a:text'])
  await own.run(['branch', 'create', 'gone'])
  await own.run(['--branch', 'gone', 'column', 'add', 't', 'b:text'])
  await own.run(['column', 'add', 't', 'c:text'])
  await own.run(['branch', 'merge', 'gone', '--delete-source', '-m', 'joined'])
  const { stdout } = await own.run(['branch', 'graph', '--ascii'])
  expect(stdout.trimEnd().split('\n')).toEqual([
    expect.stringMatching(`^M +${id}  \\(\\* main\\)  joined$`),
    '|-.',
    expect.stringMatching(`^\\* \\| +${id}  addColumn t\\.c$`),
    expect.stringMatching(`^\\| \\* +${id}  addColumn t\\.b$`),
    "|-'",
    expect.stringMatching(`^\\* +${id}  createTable t$`),
    expect.stringMatching(/^o +the empty schema$/),
  ])
  const cut = await own.run(['branch', 'graph', '--ascii', '--limit', '2'])
  expect(cut.stdout.trimEnd().split('\n').at(-1)).toBe(': 2 older change sets; --limit N shows more')
})

test('a diff is DDL, with colour at a terminal', async () => {
  const { raw, text } = await shown(['branch', 'diff', 'main', 'dev'])
  expect(raw).toContain('\x1b[32mALTER TABLE "t" ADD COLUMN "b" TEXT;\x1b[39m')
  const piped = await place.run(['branch', 'diff', 'main', 'dev'])
  expect(text).toBe(piped.stdout)
  expect((await place.run(['branch', 'diff', 'dev', 'main'])).stdout).toContain('DROP COLUMN "b"')
})

test('conflicts stand side by side, each with the commands that settle it', { timeout: 60_000 }, async () => {
  for (const columns of [80, 40]) {
    const { code, text } = await shown(['branch', 'merge', 'dev'], { columns })
    expect(code).toBe(1)
    expect(text).toContain('conflict 1 of 1  view:v')
    if (columns === 80) expect(text).toMatch(/^base +│ ours \(main\) +│ theirs \(dev\)$/m)
    if (columns === 80) expect(text).toMatch(/^\(nothing\) +│ .*select a \|\| .* +│ .*select a from t$/m)
    else expect(text).toContain('ours (main):\n  ')
    const boxes = text.split('\n').filter((line) => !/cinch|settle each/.test(line))
    for (const line of boxes) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
  }
  const { stdout } = await place.run(['branch', 'merge', 'dev'])
  const [ours, theirs] = [...stdout.matchAll(/^(?:ours|theirs) +cinch (.*)$/gm)].map(
    ([, line]) => line?.split(' ') ?? [],
  )
  expect(ours).toEqual(['branch', 'merge', 'dev', '--ours', 'view:v'])
  expect((await place.run([...(theirs as string[]), '--dry-run'])).stdout).toContain('CREATE VIEW "v"')
})

test('a table fits the terminal, and has colour there alone', async () => {
  const sql = "select '漢字' as word, null as none, 'x' || hex(zeroblob(60)) as long, zeroblob(100) as bytes"
  const { raw, text } = await shown(['query', sql], { columns: 70 })
  for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(70)
  expect(text).toContain('…')
  expect(raw).toContain('\x1b[1mword\x1b[22m')
  expect(raw).toContain('\x1b[2mNULL\x1b[22m')
  expect((await shown(['query', sql], { env: { NO_COLOR: '1' } })).raw).not.toContain('\x1b[1m')
  expect((await place.run(['query', sql])).stdout).not.toContain('\x1b')
  expect((await place.run(['query', sql], { env: { FORCE_COLOR: '1' } })).stdout).toContain('\x1b[2mNULL\x1b[22m')
})

test('progress is shown at a terminal and taken away, and not with --quiet, nor in a pipe', {
  timeout: 90_000,
}, async () => {
  const rows = Array.from({ length: 60_000 }, (_, at) => `${at},${'x'.repeat(60)}`)
  fs.writeFileSync(path.join(place.folder, 'rows.csv'), `n,word\n${rows.join('\n')}\n`)
  const take = (table: string) => ['tenant', 'import', 'rows.csv', '--create', '--table', table]
  const { code, raw } = await shown(take('one'), { columns: 60 })
  expect(code).toBe(0)
  const drawn = raw.split('\r\x1b[K')
  expect(drawn.length).toBeGreaterThan(2)
  expect(drawn.some((line) => /^\w+ {2}\[[#.]{24}\] \d+ % {2}/.test(line))).toBe(true)
  for (const line of drawn.slice(0, -1)) expect(displayWidth(line)).toBeLessThan(60)
  expect(drawn.at(-1)).toContain('60000')

  const quiet = await shown([...take('two'), '--quiet'])
  expect(quiet.raw).not.toContain('\x1b[K')
  expect(quiet.text).not.toContain('Imported')
  expect((await place.run(take('three'))).stderr).toBe('Imported rows.csv.\n')
})

test('a call that tells nothing of itself shows the time that went by', { timeout: 60_000 }, async () => {
  await using terminal = new Terminal(place, [
    'query',
    'with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000000) select count(*) as many from n',
  ])
  await terminal.expect('working  0:01')
  await terminal.expect('many')
  expect(terminal.raw).toContain('\r\x1b[K')
})

test('status --wait comes back when the files have followed', { timeout: 60_000 }, async () => {
  await place.run(['data', 'insert', 't', '-d', '{"a": "x"}'])
  await place.run(['column', 'add', 't', 'late:text'])
  expect((await place.json('branch', 'status', '--wait')).files).toMatchObject({ behind: 0, failed: 0 })
})
