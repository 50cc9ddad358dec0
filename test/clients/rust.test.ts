import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeNasty } from '../codegen/schemas.ts'
import { cinchdCommand, findProgram, output, root, run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'

const client = path.join(root, 'protocol/clients/rust')
const cargo = findProgram('cargo') ?? findProgram(path.join(os.homedir(), '.cargo/bin/cargo'))
const env = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  CARGO_TARGET_DIR: path.join(os.tmpdir(), 'cinch-cargo-target'),
  CARGO_INCREMENTAL: '0',
  CARGO_PROFILE_DEV_DEBUG: '0',
}

describe.skipIf(skipWithout(cargo))('the Rust client', () => {
  const program = cargo as string

  test('is as rustfmt, clippy and rustdoc want it', { timeout: 900_000 }, async () => {
    expect(await output(program, ['fmt', '--check'], { cwd: client, env })).toBe('')
    await output(program, ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings'], { cwd: client, env })
    const strict = { ...env, RUSTDOCFLAGS: '-D warnings' }
    await output(program, ['doc', '--locked', '--no-deps'], { cwd: client, env: strict })
  })

  test('its own tests pass, and leave nothing behind', { timeout: 900_000 }, async () => {
    await output(program, ['test', '--locked', '--no-run'], { cwd: client, env })
    const folder = temporaryFolder()
    const { code, stdout, stderr } = await run(program, ['test', '--locked', '--lib', '--tests'], {
      cwd: client,
      env: { ...env, TMPDIR: folder },
    })
    expect(code, stdout + stderr).toBe(0)
    expect(stdout.match(/^test .* \.\.\. ok$/gm)?.length).toBeGreaterThan(15)
    expect(stdout.match(/[1-9]\d* ignored/)).toBeNull()
    expect(fs.readdirSync(folder)).toEqual([])
  })

  test('every value of the vectors goes both ways', { timeout: 900_000 }, async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const printed = await output(program, ['run', '--locked', '--example', 'vectors'], {
      cwd: client,
      env: { ...env, CINCH_PROJECT: layout.project },
    })
    const [, good, all] = /(\d+) of (\d+) vectors\n$/.exec(printed) ?? []
    expect(Number(good)).toBeGreaterThan(50)
    expect(good, printed).toBe(all)
  })

  test('the program of its README prints what it says', { timeout: 900_000 }, async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const readme = fs.readFileSync(path.join(client, 'README.md'), 'utf8')
    const folder = makeCrate('readme', { 'main.rs': /```rust\n(.*?)```/s.exec(readme)?.[1] ?? '' })
    const printed = await output(program, ['run'], { cwd: folder, env: { ...env, CINCH_PROJECT: layout.project } })
    expect(printed).toBe('hello 2\nSome("sqlError") None\n1 of acme\n')
  })

  test('code that is generated is used as it says, and fails where the schema differs', {
    timeout: 900_000,
  }, async () => {
    const layout = temporaryProject()
    const cinchd = await startCinchd(layout)
    const raw = await cinchd.connect()
    await makeNasty(raw)
    const { files } = await raw.call('codegen.generate', { language: 'rust' })
    const folder = makeCrate('generated', {
      'main.rs': fs.readFileSync(path.join(root, 'test/clients/rust/main.rs'), 'utf8'),
      [files[0].path]: files[0].text,
    })
    await output(program, ['clippy'], { cwd: folder, env })
    const printed = await output(program, ['run'], { cwd: folder, env: { ...env, CINCH_PROJECT: layout.project } })
    expect(printed).toBe('table class, column select: a text was found where an integer was wanted\nschema differs\n')
  })

  test('is packed with what it needs to be built', { timeout: 900_000 }, async () => {
    const listed = await output(program, ['package', '--locked', '--allow-dirty', '--list'], { cwd: client, env })
    expect(listed.split('\n')).toEqual(
      expect.arrayContaining(['Cargo.lock', 'README.md', 'src/lib.rs', 'src/methods.rs']),
    )
    expect(listed).not.toMatch(/target/)
    await output(program, ['package', '--locked', '--allow-dirty'], { cwd: client, env })
  })
})

/** A crate of its own that uses the client, at the versions that the client is tested with. */
function makeCrate(name: string, sources: { readonly [file: string]: string }): string {
  const folder = temporaryFolder()
  fs.mkdirSync(path.join(folder, 'src'))
  for (const [file, text] of Object.entries(sources)) fs.writeFileSync(path.join(folder, 'src', file), text)
  fs.copyFileSync(path.join(client, 'Cargo.lock'), path.join(folder, 'Cargo.lock'))
  fs.writeFileSync(
    path.join(folder, 'Cargo.toml'),
    `[package]
name = "${name}"
version = "0.0.0"
edition = "2021"

[dependencies]
cinch-client = { path = "${client}" }
serde_json = "1"

[workspace]
`,
  )
  return folder
}
