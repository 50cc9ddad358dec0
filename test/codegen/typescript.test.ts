import fs from 'node:fs'
import path from 'node:path'
import { test } from 'vitest'
import { output, root } from '../e2e/foreign-support.ts'
import { temporaryFolder } from '../support/project.ts'
import { testGolden } from './schemas.ts'

testGolden('typescript', { nasty: {}, 'nasty-bigint': { integers: 'bigint' }, chinook: {} })

test('generated TypeScript is in the format of its formatter', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  fs.cpSync(path.join(root, 'test/codegen/golden/typescript'), folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'biome.json'), '{ "root": true, "formatter": { "indentStyle": "space" } }\n')
  await output(path.join(root, 'node_modules/.bin/biome'), ['ci', '--linter-enabled=false', folder], { cwd: folder })
})
