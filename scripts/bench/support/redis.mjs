import { execFileSync, spawn } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { atEnd, temporaryFolder } from './cleanup.mjs'

/**
 * A Redis server of the bench's own on a Unix socket. It logs every write and syncs the log each second: like cinch with
 * durability normal, what it acknowledged survives its end. Undefined where there is none on this machine.
 */
export async function startRedis() {
  const version = versionOf()
  if (version === undefined) return undefined
  const folder = temporaryFolder('redis')
  const socket = path.join(folder, 's')
  const args = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'yes']
  const server = spawn('redis-server', args, { stdio: 'ignore' })
  const stop = atEnd(() => server.kill('SIGKILL'))
  for (let tries = 0; ; tries++) {
    try {
      return { version, stop, client: await RedisClient.connect(socket) }
    } catch (error) {
      if (tries === 200 || server.exitCode !== null) throw new Error('redis-server does not start', { cause: error })
      await sleep(20)
    }
  }
}

function versionOf() {
  try {
    return /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1]
  } catch {
    return undefined
  }
}

/** As lean as `LineClient`: it writes once for all that one chunk of answers brought about, and checks every answer. */
class RedisClient {
  #socket
  #rest = Buffer.alloc(0)
  #onAnswer = undefined
  #onChunkEnd = undefined
  #onEnd = undefined

  static connect(path) {
    return new Promise((resolve, reject) => {
      const socket = net.createConnection({ path, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RedisClient(socket))
      })
    })
  }

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#onEnd?.(error))
    socket.on('close', () => this.#onEnd?.(new Error('Redis closed the connection')))
  }

  /**
   * Keep `inFlight` commands going, for `durationMs` or until `count` are answered.
   *
   * @param {{ inFlight: number, durationMs?: number, count?: number, first?: number,
   *   command: (id: number) => readonly string[], check: (answer: any, id: number) => void }} options
   * @returns {Promise<{ done: number, perSecond: number, next: number }>}
   */
  loop({
    inFlight,
    durationMs = Number.POSITIVE_INFINITY,
    count = Number.POSITIVE_INFINITY,
    first = 1,
    command,
    check,
  }) {
    return new Promise((resolve, reject) => {
      const startedAt = performance.now()
      let next = first
      let answered = first
      let isLate = false
      let outgoing = ''
      const send = () => {
        outgoing += commandText(command(next++))
      }
      this.#onEnd = reject
      this.#onAnswer = (answer) => {
        check(answer, answered++)
        if (next - first < count && !isLate) send()
      }
      this.#onChunkEnd = () => {
        const now = performance.now()
        isLate = now - startedAt >= durationMs
        if (outgoing !== '') {
          this.#socket.write(outgoing)
          outgoing = ''
        } else if (answered === next) {
          this.#onAnswer = this.#onChunkEnd = this.#onEnd = undefined
          const done = answered - first
          resolve({ done, perSecond: (done * 1000) / (now - startedAt), next })
        }
      }
      for (let i = 0; i < inFlight && next - first < count; i++) send()
      this.#socket.write(outgoing)
      outgoing = ''
    })
  }

  close() {
    this.#onEnd = undefined
    this.#socket.destroy()
  }

  #read(chunk) {
    try {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      let at = 0
      for (let end = bytes.indexOf('\r\n', at); end >= 0; end = bytes.indexOf('\r\n', at)) {
        const line = bytes.latin1Slice(at + 1, end)
        const kind = bytes[at]
        let [answer, next] = [line, end + 2]
        if (kind === 0x2d) throw new Error(`Redis refused: ${line}`)
        if (kind === 0x3a) answer = Number(line)
        if (kind === 0x24) {
          const length = Number(line)
          if (bytes.length < next + length + 2) break
          answer = length < 0 ? null : bytes.utf8Slice(next, next + length)
          if (length >= 0) next += length + 2
        }
        at = next
        this.#onAnswer?.(answer)
      }
      this.#rest = bytes.subarray(at)
      this.#onChunkEnd?.()
    } catch (error) {
      this.#onEnd?.(error)
    }
  }
}

/** Of plain ASCII, so that characters are bytes. */
function commandText(words) {
  let text = `*${words.length}\r\n`
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`
  return text
}
