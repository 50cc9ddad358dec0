import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cinchdCommand, findProgram, output, root } from '../e2e/foreign-support.ts'
import type { RawClient } from '../support/client.ts'

export const goClient = path.join(root, 'protocol/clients/go')

/** The `go` of this machine; undefined where there is none. */
export const go = findProgram('go', ['version']) ?? findProgram('/usr/local/go/bin/go', ['version'])

export const goEnv = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  GOCACHE: process.env.GOCACHE ?? path.join(os.tmpdir(), 'cinch-gocache'),
  GOFLAGS: '-mod=mod',
  GOPROXY: 'off',
  GOTOOLCHAIN: 'local',
}

/** What gofmt would change below a folder: nothing. */
export async function gofmtComplaints(folder: string): Promise<string> {
  const goRoot = await output(go as string, ['env', 'GOROOT'])
  return output(path.join(goRoot.trim(), 'bin/gofmt'), ['-l', '-d', folder])
}

/** Make a folder a module of that name, which uses the client. */
export function writeModule(folder: string, name: string): void {
  const text = `module ${name}\n\ngo 1.24\n\nrequire cinch v0.1.0\n\nreplace cinch => ${goClient}\n`
  fs.writeFileSync(path.join(folder, 'go.mod'), text)
}

/** Generate the package of that name into a folder of its own, as `cinch codegen generate go NAME -o package=NAME` does. */
export async function writeGenerated(client: RawClient, folder: string, name: string): Promise<void> {
  const { files } = await client.call('codegen.generate', { language: 'go', options: { package: name } })
  const target = path.join(folder, name)
  fs.mkdirSync(target)
  for (const { path: file, text } of files) fs.writeFileSync(path.join(target, file), text)
}
