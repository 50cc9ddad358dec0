import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { cinchdCommand, findProgram, output, root, run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'

const client = path.join(root, 'protocol/clients/go')
const go = findProgram('go', ['version']) ?? findProgram('/usr/local/go/bin/go', ['version'])
const env = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  GOCACHE: process.env.GOCACHE ?? path.join(os.tmpdir(), 'cinch-gocache'),
  GOFLAGS: '-mod=mod',
  GOPROXY: 'off',
  GOTOOLCHAIN: 'local',
}

describe.skipIf(skipWithout(go))('the Go client', () => {
  const program = go as string

  test('is as gofmt and go vet want it', { timeout: 180_000 }, async () => {
    expect(await output(path.join(goRoot(await output(program, ['env', 'GOROOT'])), 'gofmt'), ['-l', client])).toBe('')
    await output(program, ['vet', './...'], { cwd: client, env })
  })

  test('its own tests pass, and leave nothing behind', { timeout: 300_000 }, async () => {
    const folder = temporaryFolder()
    const { code, stdout, stderr } = await run(program, ['test', '-count=1', '-v', './...'], {
      cwd: client,
      env: { ...env, CI: 'true', TMPDIR: folder },
    })
    expect(code, stdout + stderr).toBe(0)
    expect(stdout.match(/^--- PASS/gm)?.length).toBeGreaterThan(15)
    expect(stdout).not.toMatch(/^--- SKIP/m)
    expect(fs.readdirSync(folder)).toEqual([])
  })

  test('the program of its README prints what it says', { timeout: 180_000 }, async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const folder = temporaryFolder()
    const readme = fs.readFileSync(path.join(client, 'README.md'), 'utf8')
    fs.writeFileSync(path.join(folder, 'main.go'), /```go\n(.*?)```/s.exec(readme)?.[1] ?? '')
    fs.writeFileSync(
      path.join(folder, 'go.mod'),
      `module example\n\ngo 1.24\n\nrequire cinch v0.1.0\n\nreplace cinch => ${client}\n`,
    )
    const printed = await output(program, ['run', '.'], { cwd: folder, env: { ...env, CINCH_PROJECT: layout.project } })
    expect(printed).toBe('hello 2\nsqlError 1300\n1 of acme\n')
  })
})

function goRoot(printed: string): string {
  return path.join(printed.trim(), 'bin')
}
