import assert from 'node:assert/strict'
import net from 'node:net'

/**
 * A lean client of one JSON object a line: the same for cinch and for the bare loop, so that what it costs is alike.
 * It writes once for all that one chunk of answers brought about, and parses and checks every answer.
 */
export class LineClient {
  #socket
  #rest = []
  #onAnswer = undefined
  #onChunkEnd = undefined
  #onEnd = undefined
  #onData = (chunk) => this.#read(chunk)

  /** @returns {Promise<LineClient>} */
  static connect(path) {
    return new Promise((resolve, reject) => {
      const socket = net.createConnection({ path, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new LineClient(socket))
      })
    })
  }

  constructor(socket) {
    this.#socket = socket
    socket.on('data', this.#onData)
    socket.on('error', (error) => this.#onEnd?.(error))
    socket.on('close', () => this.#onEnd?.(new Error('the server closed the connection')))
  }

  /** One call by itself. */
  async call(method, params) {
    const answer = await this.exchange(
      `{"jsonrpc":"2.0","id":0,"method":"${method}","params":${JSON.stringify(params)}}`,
    )
    return resultOf(answer)
  }

  /** Send one line of any size and take the one answer to it. */
  exchange(line) {
    return new Promise((resolve, reject) => {
      this.#onEnd = reject
      this.#onAnswer = (answer) => {
        this.#onAnswer = this.#onEnd = undefined
        resolve(answer)
      }
      this.#socket.write(`${line}\n`)
    })
  }

  /** Send one line that has no answer. */
  tell(line) {
    this.#socket.write(`${line}\n`)
  }

  /**
   * Send one line and take what comes, up to its answer, for the number of its bytes: too much to parse in passing. Gives
   * the answer as well where the result is streamed, and it is short.
   */
  exchangeBytes(line) {
    return new Promise((resolve, reject) => {
      const isStreamed = line.includes('"partialResultToken"')
      let bytes = 0
      let end = Buffer.alloc(0)
      const count = (chunk) => {
        bytes += chunk.length
        end = Buffer.concat([end, chunk]).subarray(-4096)
        if (end.at(-1) !== 10) return
        const last = end.subarray(end.lastIndexOf(10, end.length - 2) + 1)
        const isAnswer = last.length < end.length && last.includes('{"jsonrpc":"2.0","id":')
        if (isStreamed && !isAnswer) return
        this.#socket.off('data', count)
        this.#socket.on('data', this.#onData)
        resolve({ bytes, answer: isStreamed ? JSON.parse(last.toString()) : undefined })
      }
      this.#onEnd = reject
      this.#socket.off('data', this.#onData)
      this.#socket.on('data', count)
      this.#socket.write(`${line}\n`)
    })
  }

  /**
   * Keep `inFlight` requests going, for `durationMs` or until `count` are answered.
   *
   * @param {{ inFlight: number, durationMs?: number, count?: number, first?: number,
   *   request: (id: number) => string, check: (answer: any, id: number) => void }} options
   *   `request` gives the line for an id, `check` throws where its answer is wrong
   * @returns {Promise<{ done: number, perSecond: number, next: number }>}
   */
  loop({
    inFlight,
    durationMs = Number.POSITIVE_INFINITY,
    count = Number.POSITIVE_INFINITY,
    first = 1,
    request,
    check,
  }) {
    return new Promise((resolve, reject) => {
      const startedAt = performance.now()
      let next = first
      let done = 0
      let isLate = false
      let outgoing = ''
      const end = () => {
        this.#onAnswer = this.#onChunkEnd = this.#onEnd = undefined
      }
      const send = () => {
        outgoing += `${request(next++)}\n`
      }
      this.#onEnd = (error) => {
        end()
        reject(error)
      }
      this.#onAnswer = (answer) => {
        if (Array.isArray(answer)) for (const each of answer) check(each, each.id)
        else check(answer, answer.id)
        done++
        if (next - first < count && !isLate) send()
      }
      this.#onChunkEnd = () => {
        const now = performance.now()
        isLate = now - startedAt >= durationMs
        if (outgoing !== '') {
          this.#socket.write(outgoing)
          outgoing = ''
        } else if (done === next - first) {
          end()
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
      let start = 0
      for (;;) {
        const end = chunk.indexOf(10, start)
        if (end < 0) break
        let line
        if (this.#rest.length === 0) line = chunk.utf8Slice(start, end)
        else {
          line = Buffer.concat([...this.#rest, chunk.subarray(start, end)]).toString()
          this.#rest = []
        }
        start = end + 1
        this.#onAnswer?.(JSON.parse(line))
      }
      if (start < chunk.length) this.#rest.push(chunk.subarray(start))
      this.#onChunkEnd?.()
    } catch (error) {
      this.#onEnd?.(error)
    }
  }
}

export function resultOf(answer) {
  if (answer.error) assert.fail(`refused: ${JSON.stringify(answer.error)}`)
  return answer.result
}
