import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

test('a hundred clients with mixed work meet limits at most, and lose nothing', { timeout: 180_000 }, async () => {
  const args = [path.join(root, 'scripts/bench/mixed.mjs'), '--clients', '100', '--seconds', '4']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toMatch(/^passed$/m)
  for (const piece of ['point read', 'insert', 'update']) expect(stdout).toContain(`${piece}: done`)
})
