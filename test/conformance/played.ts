import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { expect } from 'vitest'
import { Cinchd } from '../support/cinchd.ts'
import { defer } from '../support/cleanup.ts'
import type { Framing } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { type Line, lineOver, play, type Transcript } from './transcripts.ts'

type Known = Readonly<Record<string, unknown>>

export const framings = ['lines', 'headers'] as const
export const ways = ['a socket', 'stdio'] as const

/** Play a transcript in a project of its own: on a daemon's socket, or on the pipes of the built programs. */
export async function playedBy(transcript: Transcript, way: (typeof ways)[number], framing: Framing): Promise<void> {
  const layout = temporaryProject(transcript.config && { config: transcript.config })
  const known = { project: layout.project, file: path.join(temporaryFolder(), 'file') }
  if (way === 'stdio') return playOverStdio(transcript, layout.project, framing, known)
  await startDaemon({ layout })
  await play(transcript, () => connectLine(layout.socket, framing), known)
}

/** The first process is the daemon, those after it pass bytes to it. Each ends well when its connection has ended. */
async function playOverStdio(transcript: Transcript, project: string, framing: Framing, known: Known): Promise<void> {
  const processes: Cinchd[] = []
  const open = async () => {
    const cinchd = new Cinchd({ project, args: ['--stdio'] })
    processes.push(cinchd)
    return lineOver(cinchd.stdout, cinchd.stdin, framing)
  }
  await play(transcript, open, known)
  expect(await Promise.all(processes.map(({ exited }) => exited))).toEqual(processes.map(() => 0))
}

/** A connection to a daemon's socket; it is gone after the test. */
export async function connectLine(socketPath: string, framing: Framing, patienceMs?: number): Promise<Line> {
  const socket = net.createConnection({ path: socketPath, allowHalfOpen: true })
  defer(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => {})
  return lineOver(socket, socket, framing, patienceMs)
}
