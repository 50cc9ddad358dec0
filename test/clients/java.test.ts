import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeNasty } from '../codegen/schemas.ts'
import { cinchdCommand, findProgram, output, root, run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'

const client = path.join(root, 'protocol/clients/java')
const javac = findProgram('javac') && findProgram('java')
const timeout = 600_000
const env = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  CINCH_VECTORS: path.join(root, 'protocol/vectors/values.json'),
}

describe.skipIf(skipWithout(javac))('the Java client', () => {
  test('its documentation is complete', { timeout }, async () => {
    const files = sourcesIn(path.join(client, 'src/main/java'))
    const { code, stdout, stderr } = await run('javadoc', [
      ...['-quiet', '-Xdoclint:all', '-Werror', '-encoding', 'UTF-8', '-d', temporaryFolder()],
      ...files,
    ])
    expect(stdout + stderr).toBe('')
    expect(code).toBe(0)
  })

  test('its own tests pass, and leave nothing behind', { timeout }, async () => {
    const classes = await compiled(sourcesIn(path.join(client, 'src')))
    const folder = temporaryFolder()
    const { code, stdout, stderr } = await java(classes, 'cinch.client.ClientTest', { TMPDIR: folder })
    expect(code, stdout + stderr).toBe(0)
    expect(stdout.match(/^ok /gm)?.length).toBeGreaterThan(15)
    expect(fs.readdirSync(folder)).toEqual([])
  })

  test('every vector is sent and read as it is', { timeout }, async () => {
    const classes = await compiled(sourcesIn(path.join(client, 'src')))
    const { code, stdout, stderr } = await java(classes, 'cinch.client.Vectors', { TMPDIR: temporaryFolder() })
    expect(code, stdout + stderr).toBe(0)
    const [, passed, all] = /^(\d+) of (\d+) vectors$/m.exec(stdout) ?? []
    expect(passed).toBe(all)
    expect(Number(all)).toBeGreaterThan(50)
  })

  test('the program of its README prints what it says', { timeout }, async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const file = path.join(temporaryFolder(), 'Notes.java')
    const readme = fs.readFileSync(path.join(client, 'README.md'), 'utf8')
    fs.writeFileSync(file, /```java\n(.*?)```/s.exec(readme)?.[1] ?? '')
    const classes = await compiled([...sourcesIn(path.join(client, 'src/main/java')), file])
    const { stdout, stderr } = await java(classes, 'Notes', { CINCH_PROJECT: layout.project })
    expect(stderr).toBe('')
    expect(stdout).toBe('hello 2.0\n1 of acme\nsqlError 1300\n')
  })

  test('generated code compiles without a warning, and does what it says', { timeout }, async () => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const raw = await cinchd.connect()
    await makeNasty(raw)
    await raw.call('table.create', { name: 'stamped', columns: [{ name: 'name', type: 'text' }] })
    const { files } = await raw.call('codegen.generate', { language: 'java' })
    const folder = temporaryFolder()
    for (const { path: name, text } of files) {
      const file = path.join(folder, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
    }
    const program = path.join(root, 'test/clients/java/TablesTest.java')
    const classes = await compiled([...sourcesIn(path.join(client, 'src/main/java')), ...sourcesIn(folder), program])
    const { stdout, stderr } = await java(classes, 'TablesTest', { CINCH_PROJECT: layout.project })
    expect(stderr).toBe('')
    expect(stdout).toBe('done\n')
  })

  test('generated code is documented, whatever names it is given', { timeout }, async () => {
    const golden = path.join(root, 'test/codegen/golden/java')
    const classes = await compiled(sourcesIn(path.join(client, 'src/main/java')))
    for (const schema of fs.readdirSync(golden)) {
      const files = sourcesIn(path.join(golden, schema))
      const { code, stdout, stderr } = await run('javadoc', [
        ...['-quiet', '-Xdoclint:all', '-Werror', '-encoding', 'UTF-8', '-cp', classes, '-d', temporaryFolder()],
        ...files,
      ])
      expect(stdout + stderr).toBe('')
      expect(code).toBe(0)
    }
  })
})

function sourcesIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.java'))
    .map((name) => path.join(folder, name))
}

/** The folder of the classes that come of some files, of which the compiler has nothing to say. */
async function compiled(files: readonly string[]): Promise<string> {
  const classes = temporaryFolder()
  await output('javac', ['-Xlint:all', '-Werror', '-encoding', 'UTF-8', '--release', '17', '-d', classes, ...files])
  return classes
}

function java(classes: string, program: string, more: { readonly [name: string]: string }) {
  const options = more.TMPDIR ? [`-Djava.io.tmpdir=${more.TMPDIR}`] : []
  return run('java', [...options, '-cp', classes, program], { env: { ...env, ...more } })
}
