import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { expect } from 'vitest'
import { root } from '../e2e/foreign-support.ts'
import { Cinchd } from '../support/cinchd.ts'
import { defer } from '../support/cleanup.ts'
import type { Framing } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { type Line, lineOver, play, readTranscripts, type Transcript } from './transcripts.ts'

export const framings = ['lines', 'headers'] as const
export const transcripts = readTranscripts(path.join(root, 'protocol/transcripts'))

/** Play a transcript in a project of its own, on the socket of a daemon. */
export async function playOverSocket(transcript: Transcript, framing: Framing): Promise<void> {
  const { layout, known } = stageFor(transcript)
  await startDaemon({ layout })
  await play(transcript, () => connectLine(layout.socket, framing), known)
}

/**
 * The same on the pipes of the built program, one process a connection: the first is the daemon, those after it pass bytes
 * to it. Each ends well when its connection has ended.
 */
export async function playOverStdio(transcript: Transcript, framing: Framing): Promise<void> {
  const { layout, known } = stageFor(transcript)
  const processes: Cinchd[] = []
  const open = async () => {
    const cinchd = new Cinchd({ project: layout.project, args: ['--stdio'] })
    processes.push(cinchd)
    return lineOver(cinchd.stdout, cinchd.stdin, framing)
  }
  await play(transcript, open, known)
  expect(await Promise.all(processes.map(({ exited }) => exited))).toEqual(processes.map(() => 0))
}

/** A project as a transcript wants it, and what it knows from the start. */
function stageFor({ config }: Transcript) {
  const layout = temporaryProject(config && { config })
  return { layout, known: { project: layout.project, file: path.join(temporaryFolder(), 'file') } }
}

/** A connection to a daemon's socket; it is gone after the test. */
export async function connectLine(socketPath: string, framing: Framing, patienceMs?: number): Promise<Line> {
  const socket = net.createConnection({ path: socketPath, allowHalfOpen: true })
  defer(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => {})
  return lineOver(socket, socket, framing, patienceMs)
}
