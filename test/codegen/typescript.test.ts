import fs from 'node:fs'
import path from 'node:path'
import { test } from 'vitest'
import { output, root } from '../e2e/foreign-support.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder } from '../support/project.ts'
import { chinook, expectGolden, makeNasty } from './schemas.ts'

test('the TypeScript of a schema that makes generators stumble is as it was', async () => {
  const { client } = await startDaemon()
  await makeNasty(client)
  await expectGolden(client, 'typescript', 'nasty')
  await expectGolden(client, 'typescript', 'nasty-bigint', { integers: 'bigint' })
})

test.runIf(chinook)('the TypeScript of Chinook is as it was', async () => {
  const { client } = await startDaemon()
  await client.call('tenant.import', { name: 'main', path: chinook })
  await expectGolden(client, 'typescript', 'chinook')
})

test('generated TypeScript is in the format of its formatter', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  fs.cpSync(path.join(root, 'test/codegen/golden/typescript'), folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'biome.json'), '{ "root": true, "formatter": { "indentStyle": "space" } }\n')
  await output(path.join(root, 'node_modules/.bin/biome'), ['ci', '--linter-enabled=false', folder], { cwd: folder })
})
