import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Place, program, requireBuild } from './cinch-support.ts'
import { findPython, output, skipWithout } from './foreign-support.ts'

const raw = `x'${'ab'.repeat(32)}'`
const limits = { timeout: 120_000 }

/** A project with a table, and an encrypted tenant `x` that has one row; its key is in the file `key`. */
let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  fs.writeFileSync(path.join(place.folder, 'key'), `${raw}\n`)
  await place.json('init')
  await place.json('table', 'create', 't', 'b:TEXT')
  const created = await place.json('tenant', 'create', 'x', '--encrypt', '--key-file', 'key')
  expect(created).toMatchObject({ name: 'x', encrypted: true })
  await place.json('data', 'insert', 't', '--data', '{"b": "hello"}', '--tenant', 'x', '--key-file', 'key')
}, 120_000)

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
}, 60_000)

test('a key comes from a file, a command, the environment or, with a warning, the command line', limits, async () => {
  const query = ['query', 'select b from t', '--tenant', 'x']
  const locked = await place.run(query)
  expect(locked).toMatchObject({ code: 1 })
  expect(locked.stderr).toMatch(/locked/)
  for (const options of [
    ['--key-file', 'key'],
    ['--key-command', 'cat key'],
    ['--key', raw],
    [`--key=${raw}`],
    ['--tenant-key', raw],
  ]) {
    const { code, stdout, stderr } = await place.run([...query, ...options])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('hello')
    expect(/other users of this machine/.test(stderr), options[0]).toBe(
      /^--(tenant-)?key(=|$)/.test(options[0] as string),
    )
  }
  const found = await place.run(query, { env: { CINCH_TENANT_KEY: raw } })
  expect(found.stdout).toContain('hello')
  await place.json('kv', 'set', 'k', '7', '--tenant', 'x', '--key-file', 'key')
  expect(await place.json('kv', 'get', 'k', '--tenant', 'x', '--key', raw)).toMatchObject({ value: 7 })
  // What lists rows and looks at the schema meanwhile needs the key once.
  const listed = await place.json('data', 'list', 't', '--tenant', 'x', '--key-file', 'key')
  expect(listed.rows).toMatchObject([{ b: 'hello' }])
})

test('a wrong key, two keys, none and one that cannot be read are told apart', limits, async () => {
  const query = ['query', 'select b from t', '--tenant', 'x']
  const kind = async (...options: string[]) => {
    const { code, stderr } = await place.run([...query, ...options, '--json'])
    return [code, JSON.parse(stderr).error.kind]
  }
  expect(await kind('--key-command', 'echo guess')).toEqual([1, 'wrongKey'])
  expect(await kind()).toEqual([1, 'tenantLocked'])
  expect(await kind('--key-file', 'nothing')).toEqual([1, 'keyNotRead'])
  expect(await kind('--key-command', 'exit 3')).toEqual([1, 'keyNotRead'])
  expect(await kind('--key-command', 'true')).toEqual([2, 'usage'])
  expect(await kind('--key-file', 'key', '--key-command', 'cat key')).toEqual([2, 'usage'])
  expect(await kind('--key-prompt')).toEqual([2, 'usage'])
  const plain = await place.run(['tenant', 'create', 'z', '--key-file', 'key'])
  expect(plain).toMatchObject({ code: 2, stderr: expect.stringMatching(/--encrypt/) })
})

test('a tenant is encrypted, gets another key, is exported and decrypted', limits, async () => {
  fs.writeFileSync(path.join(place.folder, 'new'), 'correct horse')
  await place.json('tenant', 'create', 'y')
  await place.json('data', 'insert', 't', '--data', '{"b": "hello"}', '--tenant', 'y')
  await place.json('tenant', 'encrypt', 'y', '--key-file', 'key')
  await place.json('tenant', 'rekey', 'y', '--key-file', 'key', '--new-key-file', 'new')
  const refused = await place.run(['query', 'select b from t', '--tenant', 'y', '--key-file', 'key'])
  expect(refused.stderr).toMatch(/Wrong key/)
  await place.json('tenant', 'export', 'out.db', 'y', '--key-file', 'new')
  expect(fs.readFileSync(path.join(place.folder, 'out.db')).includes('hello')).toBe(false)
  await place.json('tenant', 'create', 'copy')
  await place.json('tenant', 'import', 'out.db', 'copy', '--key-file', 'new')
  expect(await place.json('tenant', 'verify', 'copy', '--key-file', 'new')).toMatchObject({ sound: true })
  await place.json('tenant', 'decrypt', 'y', '--key-file', 'new')
  expect((await place.json('query', 'select b from t', '--tenant', 'y')).rows).toEqual([['hello']])
})

test('a daemon that is started by a command does not have the key in its environment', limits, async () => {
  await place.run(['daemon', 'stop'])
  const found = await place.run(['query', 'select b from t', '--tenant', 'x'], { env: { CINCH_TENANT_KEY: raw } })
  expect(found.stdout).toContain('hello')
  const { pid } = JSON.parse(fs.readFileSync(path.join(place.folder, '.cinchdb', 'daemon.json'), 'utf8'))
  expect(fs.readFileSync(`/proc/${pid}/environ`, 'latin1')).toContain('PATH=')
  expect(fs.readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain('CINCH_TENANT_KEY')
})

test.skipIf(skipWithout(findPython()))('a key that is typed is not shown', limits, async () => {
  const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    said += chunk
    if said.endswith(b"Key: "):
        os.write(terminal, b"${raw}\\n")
sys.stdout.write(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
  const command = [process.execPath, program, 'query', 'select b from t', '--tenant', 'x', '--key-prompt', '--json']
  const said = await output('python3', ['-c', script, ...command], { cwd: place.folder })
  expect(said).toContain('hello')
  expect(said).not.toContain('abab')
})
