import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as z from 'zod'
import { refuse } from '../base/refusal.ts'
import { codeOf } from '../storage/faults.ts'
import { replaceDurably } from '../storage/files.ts'
import type { Layout } from '../storage/layout.ts'

/** What a running daemon says of itself in `.cinchdb/daemon.json`. */
const Discovery = z.object({
  pid: z.int(),
  socket: z.string(),
  version: z.string(),
  protocolVersion: z.string(),
  startedAt: z.string(),
})
export type Discovery = z.infer<typeof Discovery>

/** The longest path of a Unix socket: 104 bytes with its NUL on macOS, 108 on Linux. */
const maxSocketPathBytes = 103

/**
 * Where the daemon's socket goes: into the project where the path is short enough, else into a folder that only this
 * user can enter.
 */
export function chooseSocketPath(layout: Layout, wanted?: string): string {
  const inProject = wanted === undefined ? layout.socket : path.resolve(wanted)
  if (Buffer.byteLength(inProject) <= maxSocketPathBytes) return inProject
  if (wanted !== undefined) {
    refuse('pathRefused', { path: inProject, reason: `a socket’s path has at most ${maxSocketPathBytes} bytes` })
  }
  const name = createHash('sha256').update(layout.project).digest('hex').slice(0, 16)
  return path.join(privateFolder(), `${name}.sock`)
}

export function writeDiscovery(layout: Layout, discovery: Discovery): void {
  replaceDurably(layout.discovery, `${JSON.stringify(discovery, null, 2)}\n`)
}

/** What the daemon of a project says of itself; undefined where none does, or what is there makes no sense. */
export function readDiscovery(layout: Layout): Discovery | undefined {
  try {
    return Discovery.safeParse(JSON.parse(fs.readFileSync(layout.discovery, 'utf8'))).data
  } catch (error) {
    if (error instanceof SyntaxError || codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export function removeDiscovery(layout: Layout): void {
  fs.rmSync(layout.discovery, { force: true })
}

/** A folder for sockets that belongs to this user and that nobody else can enter. */
function privateFolder(): string {
  const folder = process.env.XDG_RUNTIME_DIR
    ? path.join(process.env.XDG_RUNTIME_DIR, 'cinch')
    : path.join(os.tmpdir(), `cinch-${os.userInfo().uid}`)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = fs.lstatSync(folder)
  const isPrivate = uid === os.userInfo().uid && (mode & 0o077) === 0 && fs.lstatSync(folder).isDirectory()
  if (!isPrivate) refuse('pathRefused', { path: folder, reason: 'others could reach the socket in this folder' })
  return folder
}
