import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { findProgram, run, skipWithout } from '../e2e/foreign-support.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { temporaryFolder } from '../support/project.ts'
import { testGolden } from './schemas.ts'

const rustfmt = findProgram('rustfmt') ?? findProgram(path.join(os.homedir(), '.cargo/bin/rustfmt'))

testGolden('rust')

const name = (length: number) => `${'abcdefgh_'.repeat(20).slice(0, length - 1)}z`

test.skipIf(skipWithout(rustfmt))('names of every length are laid out as rustfmt does it', async () => {
  const { client } = await startDaemon()
  const names = Array.from({ length: 60 }, (_, at) => name(at + 1))
  const file = path.join(temporaryFolder(), 'lengths.db')
  const db = new Database(file)
  for (const [at, name] of names.entries()) {
    const key = at % 2 ? `"${name}"` : `"${name}", "a"`
    const columns = [name, 'a', `b${name}`, `漢字${name.slice(-24)}`].map((column) => `"${column}" text not null`)
    db.exec(`create table "${name}" (${columns.join(', ')}, "c${name}" integer, primary key (${key}))`)
  }
  db.close()
  await client.call('tenant.import', { name: 'main', path: file })
  await expectFormatted(client)
  // Few and short names stand beside each other.
  for (const count of [1, 2, 3, 6, 7, 8, 9]) await expectFormatted(client, names.slice(0, count))
})

test.skipIf(skipWithout(rustfmt))('a branch without tables has a module, too', async () => {
  const { client } = await startDaemon()
  await expectFormatted(client)
})

async function expectFormatted(client: TestDaemon['client'], tables?: readonly string[]): Promise<void> {
  const { files } = await client.call('codegen.generate', { language: 'rust', ...(tables && { tables }) })
  const file = path.join(temporaryFolder(), files[0].path)
  fs.writeFileSync(file, files[0].text)
  for (const edition of ['2021', '2024']) {
    const { code, stdout } = await run(rustfmt as string, ['--check', '--edition', edition, file])
    expect(stdout).toBe('')
    expect(code).toBe(0)
  }
}
