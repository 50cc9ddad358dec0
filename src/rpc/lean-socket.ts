import net from 'node:net'

const readBytes = 64 * 1024

/** As Node keeps it since version 12: the system's side of a socket. */
interface WithHandle {
  _handle?: unknown
}

/**
 * The same connection as a socket that reads into one buffer, again and again. Node's own sockets allocate 64 KiB for
 * every chunk, however short. A chunk given with `data` is therefore good only until the listener returns.
 *
 * `accepted` comes from a server with `pauseOnConnect` and is not used afterwards. Node offers the one buffer for
 * sockets that connect, not for those that are accepted, so the handle is moved; where there is none, `accepted` itself
 * is given back, which works as well and is slower.
 */
export function leanSocket(accepted: net.Socket): net.Socket {
  const holder = accepted as WithHandle
  const handle = holder._handle
  if (!handle) return accepted.resume()
  holder._handle = null
  const options: net.SocketConstructorOpts & { handle: unknown; onread: net.OnReadOpts } = {
    handle,
    allowHalfOpen: accepted.allowHalfOpen,
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback(bytes, buffer) {
        socket.emit('data', (buffer as Buffer).subarray(0, bytes))
        return true
      },
    },
  }
  const socket: net.Socket = new net.Socket(options)
  // The server counts the socket that it accepted.
  socket.once('close', () => accepted.destroy())
  return socket
}
