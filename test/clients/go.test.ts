import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { output, root, run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { go, goClient, goEnv, gofmtComplaints, writeGenerated, writeModule } from './go-support.ts'

describe.skipIf(skipWithout(go))('the Go client', () => {
  const program = go as string

  test('is as gofmt and go vet want it', { timeout: 180_000 }, async () => {
    expect(await gofmtComplaints(goClient)).toBe('')
    await output(program, ['vet', './...'], { cwd: goClient, env: goEnv })
  })

  test('its own tests pass, and leave nothing behind', { timeout: 600_000 }, async () => {
    const folder = temporaryFolder()
    const { code, stdout, stderr } = await run(program, ['test', '-count=1', '-v', './...'], {
      cwd: goClient,
      env: { ...goEnv, CI: 'true', TMPDIR: folder },
    })
    expect(code, stdout + stderr).toBe(0)
    expect(stdout.match(/^--- PASS/gm)?.length).toBeGreaterThan(15)
    expect(stdout).not.toMatch(/^--- SKIP/m)
    expect(fs.readdirSync(folder)).toEqual([])
  })

  test('every value of the vectors is sent and read as it is', { timeout: 180_000 }, async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const { values, refused } = JSON.parse(fs.readFileSync(path.join(root, 'protocol/vectors/values.json'), 'utf8'))
    const ofClient = refused.filter(({ by }: { by: string }) => by === 'client')
    const { code, stdout, stderr } = await run(program, ['run', './internal/vectors'], {
      cwd: goClient,
      env: { ...goEnv, CINCH_PROJECT: layout.project },
    })
    expect(code, stdout + stderr).toBe(0)
    const count = values.length + ofClient.length
    expect(stdout.match(/^ok \S/gm)?.length ?? 0, stdout).toBe(count)
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(`${count} of ${count} vectors`)
  })

  test('the programs of its README print what they say', { timeout: 180_000 }, async () => {
    const layout = temporaryProject()
    const client = await (await startCinchd(layout)).connect()
    const readme = fs.readFileSync(path.join(goClient, 'README.md'), 'utf8')
    const [plain, typed] = [...readme.matchAll(/```go\n(.*?)```/gs)].map(([, code]) => code as string)
    const env = { ...goEnv, CINCH_PROJECT: layout.project }
    const folder = temporaryFolder()
    writeModule(folder, 'example')
    const printed = (code = '') => {
      fs.writeFileSync(path.join(folder, 'main.go'), code)
      return output(program, ['run', '.'], { cwd: folder, env })
    }
    expect(await printed(plain)).toBe('hello 2\nsqlError 1300\n1 of acme\n')

    await client.call('table.drop', { name: 'note' })
    const columns = [
      { name: 'text', type: 'text', nullable: false },
      { name: 'weight', type: 'real' },
    ]
    await client.call('table.create', { name: 'note', columns })
    await writeGenerated(client, folder, 'shop')
    expect(await printed(typed)).toBe('hello true\nb\na\n')
    expect(await gofmtComplaints(folder)).toBe('')
  })
})
