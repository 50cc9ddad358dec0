import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { quoteName, quoteText } from '../../src/schema/sql.ts'
import { go, goEnv, gofmtComplaints, writeGenerated, writeModule } from '../clients/go-support.ts'
import { output, run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { makeNasty, testGolden } from './schemas.ts'

const oddNames = [
  ...['`a`', "''b``", 'c\n// d', '"e\\', '# f', '- g', '[h]: i', '\ufeffj', '²', 'İ k', 'ß', '漢', '\u202el', '_'],
  ...['DB', 'open', 'client', 'in', 'tenant', 'type', 'nil', 'id', 'a insert', 'a update', 'a key'],
]

testGolden('go')

test('the form of a package’s name is told', async () => {
  const { client } = await startDaemon()
  const { languages } = await client.call('codegen.languages', {})
  const { options, forms } = languages.find(({ name }: { name: string }) => name === 'go')
  expect(options).toEqual({ package: ['schema'] })
  expect(['shop', 'main', 'v2', 'select', 'Shop'].filter((name) => new RegExp(forms.package).test(name))).toEqual([
    'shop',
    'main',
    'v2',
  ])
})

test.each(['func', 'Shop', '', '1st', 'a-b'])('a package is not called %j', async (name) => {
  const { client } = await startDaemon()
  const refusal = await client.refused('codegen.generate', { language: 'go', options: { package: name } })
  expect(refusal).toMatchObject({ kind: 'invalidValue', where: 'options.package' })
})

describe.skipIf(skipWithout(go))('generated Go code', () => {
  const program = go as string

  test('does what its types say, against a daemon', { timeout: 600_000 }, async () => {
    const layout = temporaryProject()
    const client = await (await startCinchd(layout)).connect()
    await makeNasty(client)
    const columns = [
      { name: 'text', type: 'text', nullable: false },
      { name: 'weight', type: 'real' },
    ]
    await client.call('table.create', { name: 'note', columns })
    const folder = temporaryFolder()
    writeModule(folder, 'generated')
    await writeGenerated(client, folder, 'shop')
    fs.copyFileSync(path.resolve('test/codegen/programs/go.go'), path.join(folder, 'main.go'))
    expect(await gofmtComplaints(folder)).toBe('')
    const env = { ...goEnv, CINCH_PROJECT: layout.project }
    await output(program, ['vet', './...'], { cwd: folder, env })
    const { code, stdout, stderr } = await run(program, ['run', '.'], { cwd: folder, env })
    expect(stderr).toBe('')
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'all is well\n' })
  })

  test('compiles, and is as gofmt wants it, whatever the names are', { timeout: 180_000 }, async () => {
    const { client } = await startDaemon()
    const folder = temporaryFolder()
    writeModule(folder, 'generated')
    await writeGenerated(client, folder, 'empty')
    await client.call('tenant.import', { name: 'main', path: oddFile() })
    await writeGenerated(client, folder, 'odd')
    expect(await gofmtComplaints(folder)).toBe('')
    await output(program, ['vet', './...'], { cwd: folder, env: goEnv })
  })
})

/** A database whose tables, views and columns have names that are no names in Go, and defaults of such text. */
function oddFile(): string {
  const file = path.join(temporaryFolder(), 'odd.db')
  const db = new Database(file)
  const columns = oddNames.map((name) => `${quoteName(name)} text default ${quoteText(name)}`)
  for (const name of oddNames) {
    db.exec(`create table ${quoteName(name)} (${columns.join(', ')}, primary key (${quoteName(name)}))`)
    db.exec(`create view ${quoteName(`${name} view`)} as select * from ${quoteName(name)}`)
  }
  db.close()
  return file
}
