import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Layout } from '../../src/storage/layout.ts'
import { program, startCinchd } from '../support/cinchd.ts'
import { temporaryProject } from '../support/project.ts'
import { findProgram, findPython, output, root, skipWithout } from './foreign-support.ts'

const python = findPython()
const env = { ...process.env, CINCH_CHECK_RESULTS: '1', PYTHONDONTWRITEBYTECODE: '1' }

const library = 'python-lsp-jsonrpc==1.1.2'
const foreignPython = python && installLibrary()

describe.skipIf(skipWithout(foreignPython))(`a client written with ${library}`, () => {
  test('holds a session over stdio', async () => {
    const layout = temporaryProject()
    const where = ['stdio', process.execPath, program, '--stdio', '--project', layout.project]
    const { 'exit code': exitCode, ...said } = await holdSession(where)
    expect(said).toEqual(expectedOf(layout))
    expect(exitCode).toBe(0)
  })

  test('holds the same session over a socket', async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    expect(await holdSession(['socket', layout.socket])).toEqual(expectedOf(layout))
  })

  test('holds the same session over stdio through another daemon', async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const where = ['stdio', process.execPath, program, '--stdio', '--project', layout.project]
    const { 'exit code': exitCode, ...said } = await holdSession(where)
    expect(said).toEqual(expectedOf(layout))
    expect(exitCode).toBe(0)
  })
})

describe('plain tools', () => {
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  const pong = '{"jsonrpc":"2.0","id":1,"result":{}}'
  const framings = [
    ['a line', `${ping}\n`, `${pong}\n`],
    ['a line without its end', ping, `${pong}\n`],
    ['a header', headed(ping), headed(pong)],
    [
      'two lines',
      `${ping}\n{"jsonrpc":"2.0","id":2,"method":"query.run","params":{"sql":"select 1"}}\n`,
      `${pong}\n{"jsonrpc":"2.0","id":2,"result":{"columns":[{"name":"1","type":null}],"rows":[[1]]}}\n`,
    ],
  ] as const

  test.each(framings)('%s piped into cinchd --stdio gets its answer', async (_, asked, answered) => {
    const { project } = temporaryProject()
    expect(await pipeInto(`"$NODE" "$CINCHD" --stdio --project "$PROJECT"`, asked, { PROJECT: project })).toBe(answered)
  })

  test.each(framings)('%s piped into a forwarder gets it too', async (_, asked, answered) => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const command = `"$NODE" "$CINCHD" --stdio --project "$PROJECT"`
    expect(await pipeInto(command, asked, { PROJECT: layout.project })).toBe(answered)
  })

  test.skipIf(skipWithout(python)).each(framings)('%s through a few lines of Python', async (_, asked, answered) => {
    const layout = temporaryProject()
    await startCinchd(layout)
    const script = [
      'import shutil, socket, sys',
      's = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])',
      's.sendall(sys.stdin.buffer.read()); s.shutdown(socket.SHUT_WR)',
      'shutil.copyfileobj(s.makefile("rb"), sys.stdout.buffer)',
    ].join('\n')
    const command = `python3 -c '${script}' "$SOCKET"`
    expect(await pipeInto(command, asked, { SOCKET: layout.socket })).toBe(answered)
  })

  test.skipIf(!findProgram('socat', ['-V'])).each(framings)('%s through socat', async (_, asked, answered) => {
    const layout = temporaryProject()
    await startCinchd(layout)
    expect(await pipeInto('socat -t 30 - "UNIX-CONNECT:$SOCKET"', asked, { SOCKET: layout.socket })).toBe(answered)
  })

  test.skipIf(!findNetcat()).each(framings)('%s through nc -U', async (_, asked, answered) => {
    const layout = temporaryProject()
    await startCinchd(layout)
    expect(await pipeInto('nc -N -U "$SOCKET"', asked, { SOCKET: layout.socket })).toBe(answered)
  })
})

/** What the library's session is answered with. */
function expectedOf(layout: Layout) {
  return {
    initialize: {
      server: { name: 'cinchd', version: expect.any(String) },
      protocolVersion: '1.0',
      capabilities: expect.arrayContaining(['cancel']),
      project: { path: layout.project },
    },
    query: {
      columns: [
        { name: 'a', type: 'INTEGER' },
        { name: 'b', type: 'TEXT' },
      ],
      rows: [
        [1, 'ä😀'],
        [{ $int: '9223372036854775807' }, null],
      ],
    },
    'without params': {},
    constraint: {
      code: 1302,
      message: 'A constraint stands against it',
      data: expect.objectContaining({ kind: 'constraintFailed', constraint: 'unique', table: 't', columns: ['b'] }),
    },
    count: { count: 2 },
    'no such table': { code: 1200, message: 'No such table', data: { kind: 'tableNotFound', table: 'u' } },
    'no such method': {
      code: -32601,
      message: 'No such method',
      data: {
        kind: 'methodNotFound',
        method: 'row.lists',
        suggestion: 'row.list',
        hint: 'rpc.discover lists every method',
      },
    },
    'unknown parameter': {
      code: -32602,
      message: 'Parameters refused',
      data: { kind: 'invalidParams', issues: expect.any(Array) },
    },
    cancelled: { code: -32800, data: { kind: 'requestCancelled' } },
    indexes: [],
    shutdown: null,
    ended: true,
  }
}

async function holdSession(where: readonly string[]): Promise<Record<string, unknown>> {
  const script = path.join(root, 'test/e2e/foreign-client.py')
  return JSON.parse(await output(foreignPython ?? 'no-python', [script, ...where], { env }))
}

/** What a shell's pipe from `printf` into a command prints. */
function pipeInto(command: string, input: string, variables: Record<string, string>): Promise<string> {
  return output('sh', ['-c', `printf '%s' "$INPUT" | ${command}`], {
    env: { ...env, ...variables, INPUT: input, NODE: process.execPath, CINCHD: program },
  })
}

function headed(json: string): string {
  return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
}

/** A netcat that can speak to a Unix socket and say when it has said everything. */
function findNetcat(): boolean {
  const { stdout, stderr } = spawnSync('nc', ['-h'], { encoding: 'utf8' })
  const help = `${stdout ?? ''}${stderr ?? ''}`
  return /-[\w]*U/.test(help) && /-[\w]*N/.test(help)
}

/** A Python with the library, in an environment of its own that is kept; undefined where it cannot be had. */
function installLibrary(): string | undefined {
  const folder = path.join(root, 'node_modules/.cache/foreign-venv')
  const inside = path.join(folder, 'bin/python')
  if (spawnSync(inside, ['-c', 'import pylsp_jsonrpc']).status === 0) return inside
  fs.rmSync(folder, { recursive: true, force: true })
  const made = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' })
  const options = ['--quiet', '--disable-pip-version-check', '--retries', '1', '--timeout', '20']
  const installed = spawnSync(inside, ['-m', 'pip', 'install', ...options, library], { encoding: 'utf8' })
  if (installed.status === 0) return inside
  console.warn(`${library} cannot be installed: ${made.stderr}${installed.stderr ?? ''}`)
  return undefined
}
