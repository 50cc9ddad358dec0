/** The files of a new plugin, by name: code, a test that runs it in a daemon of its own, and how to go on. */
export function pluginSkeleton(name: string): { readonly [file: string]: string } {
  return { 'plugin.mjs': code(name), 'plugin.test.mjs': test(name), 'README.md': readme(name) }
}

function code(name: string): string {
  return `/**
 * What the daemon loads. It hands in what \`cinch/plugin\` exports, so this file needs no package.
 *
 * @type {import('cinch/plugin').PluginModule}
 */
export const cinchPlugin = ({ definePlugin, defineMethod, z }) =>
  definePlugin({
    name: '${name}',
    version: '0.1.0',
    description: 'Refuses statements that name a table it is to protect, and counts the others.',

    // What \`settings\` in config.json may have.
    settings: z.strictObject({ protect: z.array(z.string()).default([]) }),

    // Before a client's statement: another one, a veto, or nothing.
    async beforeQuery({ sql, access }, { settings, db }) {
      if (access === 'read' || settings.protect.length === 0) return
      const { writes } = await db.explain(sql)
      const table = writes.find((table) => settings.protect.includes(table))
      if (table !== undefined) return { veto: \`the table \${table} is protected\` }
    },

    // After it: another result, or nothing.
    afterQuery() {
      statements++
    },

    // On the wire: plugin.${name}.count
    extendDatabase: () => ({
      count: defineMethod({
        summary: 'Tell how many statements ran.',
        access: 'read',
        params: z.strictObject({}),
        result: z.object({ statements: z.int() }),
        handle: () => ({ statements }),
      }),
    }),
  })

let statements = 0
`
}

function test(name: string): string {
  return `import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'

const project = fs.mkdtempSync(path.join(os.tmpdir(), '${name}-'))
/** How \`cinch\` is run: CINCH, or what is on the PATH. */
const [program, ...first] = (process.env.CINCH ?? 'cinch').split(' ')

function cinch(...args) {
  const text = execFileSync(program, [...first, '--project', project, '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  return text.length === 0 ? undefined : JSON.parse(text)
}

before(() => {
  execFileSync(program, [...first, 'init', project], { stdio: 'ignore' })
  const plugins = [{ path: path.join(import.meta.dirname, 'plugin.mjs'), settings: { protect: ['ledger'] } }]
  fs.writeFileSync(path.join(project, '.cinchdb', 'config.json'), JSON.stringify({ plugins }))
  for (const table of ['ledger', 'note']) cinch('table', 'create', table, 'text:text')
})

after(() => {
  cinch('daemon', 'stop')
  fs.rmSync(project, { recursive: true })
})

test('a protected table is not written to', () => {
  assert.throws(() => cinch('execute', "insert into ledger (text) values ('x')"), /the table ledger is protected/)
  assert.deepEqual(cinch('query', 'select count(*) from ledger').rows, [[0]])
})

test('others are, and statements are counted', () => {
  const { statements } = cinch('rpc', 'plugin.${name}.count')
  cinch('execute', "insert into note (text) values ('x')")
  assert.deepEqual(cinch('rpc', 'query.run', '{"sql":"select text from note"}').rows, [['x']])
  assert.equal(cinch('rpc', 'plugin.${name}.count').statements, statements + 2)
})
`
}

function readme(name: string): string {
  return `# ${name}

A plugin of cinch. It runs with the rights of the daemon: load only what you trust.

\`\`\`bash
node --test                          # its tests, with a daemon of their own
cinch plugin load plugin.mjs         # into the daemon that runs, until it stops
cinch rpc plugin.${name}.count
cinch plugin unload ${name}
\`\`\`

For every start of the daemon, in \`.cinchdb/config.json\`; a path is seen from the project's folder:

\`\`\`json
{ "plugins": [{ "path": "${name}/plugin.mjs", "settings": { "protect": ["ledger"] } }] }
\`\`\`
`
}
