import net from 'node:net'
import type { Readable, Writable } from 'node:stream'

/** Connect to a socket; rejects with the system's error where nobody listens. */
export function connectSocket(socketPath: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.createConnection({ path: socketPath, allowHalfOpen: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/**
 * Pass bytes both ways between a client and the daemon that holds the project, whatever their framing. Settles when the
 * daemon has said everything.
 */
export function forward(input: Readable, output: Writable, socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    input.pipe(socket)
    socket.pipe(output)
    // Either side may vanish: what is left is to let go of the other.
    output.on('error', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    // The daemon says its last word when it has ended the session: `exit` ends this process too, whatever its input does.
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      input.destroy()
      resolve()
    })
  })
}
