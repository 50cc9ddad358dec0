import assert from 'node:assert/strict'
import net from 'node:net'

/**
 * As little of PostgreSQL's wire protocol (version 3) as a fair peer needs: trust, prepared statements, and any number
 * of Bind/Execute/Sync under way on a connection. Like `LineClient` it writes once for all that one chunk of answers
 * brought about, and decodes every row.
 */
export class PgClient {
  #socket
  #rest = undefined
  #out = Buffer.allocUnsafe(64 * 1024)
  #at = 0
  #rows = []
  #error = undefined
  /** What waits for a ReadyForQuery, in order: told of the rows, or the error, of its query. */
  #waiting = []
  #onChunkEnd = undefined
  #onEnd = undefined
  #parsers = []

  /** @param {{ socket: string, user: string, database: string, options?: string }} where @returns {Promise<PgClient>} */
  static async connect({ socket: path, user, database, options = '' }) {
    const socket = net.createConnection({ path, noDelay: true })
    await new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', resolve)
    })
    const client = new PgClient(socket)
    await client.#start({ user, database, options })
    return client
  }

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#onEnd?.(error))
    socket.on('close', () => this.#onEnd?.(new Error('postgres closed the connection')))
  }

  /** Prepare a statement under a name. @param {readonly ('int' | 'text')[]} types of its columns */
  async prepare(name, sql, types) {
    await this.#ask(() => {
      this.#message('P', () => {
        this.#text(name)
        this.#text(sql)
        this.#int16(0)
      })
      this.#message('D', () => {
        this.#byte('S')
        this.#text(name)
      })
      this.#sync()
    })
    this.#parsers = types.map((type) => (type === 'int' ? Number : String))
  }

  /** Run SQL with no parameters, and give its rows as texts. */
  async query(sql) {
    this.#parsers = []
    return this.#ask(() => this.#message('Q', () => this.#text(sql)))
  }

  /** Run a prepared statement once. */
  execute(name, params) {
    return this.#ask(() => this.#execution(name, params))
  }

  /**
   * Keep `inFlight` executions of a prepared statement going on each of `clients`.
   *
   * @param {readonly PgClient[]} clients
   * @param {{ statement: string, inFlight: number, durationMs: number, first?: number,
   *   params: (id: number) => readonly unknown[], check: (rows: any[][], id: number) => void }} options
   * @returns {Promise<{ done: number, perSecond: number, next: number }>}
   */
  static loop(clients, { statement, inFlight, durationMs, first = 1, params, check }) {
    return new Promise((resolve, reject) => {
      const startedAt = performance.now()
      let next = first
      let done = 0
      let isLate = false
      for (const client of clients) {
        const send = () => {
          const id = next++
          client.#execution(statement, params(id))
          client.#waiting.push((error, rows) => {
            if (error) return reject(error)
            check(rows, id)
            done++
            if (!isLate) send()
          })
        }
        client.#onEnd = reject
        client.#onChunkEnd = () => {
          const now = performance.now()
          isLate = now - startedAt >= durationMs
          client.#flush()
          if (done < next - first) return
          for (const each of clients) each.#onChunkEnd = each.#onEnd = undefined
          resolve({ done, perSecond: (done * 1000) / (now - startedAt), next })
        }
        for (let i = 0; i < inFlight; i++) send()
        client.#flush()
      }
    })
  }

  close() {
    this.#onEnd = undefined
    this.#socket.destroy()
  }

  #start({ user, database, options }) {
    return this.#ask(() => {
      const settings = ['user', user, 'database', database, 'options', options, ''].join('\0')
      const body = Buffer.from(`${settings}\0`)
      this.#int32(body.length + 8)
      this.#int32(196608)
      this.#bytes(body)
    })
  }

  #ask(write) {
    return new Promise((resolve, reject) => {
      this.#onEnd = reject
      this.#waiting.push((error, rows) => (error ? reject(error) : resolve(rows)))
      write()
      this.#flush()
    })
  }

  #execution(name, params) {
    this.#message('B', () => {
      this.#text('')
      this.#text(name)
      this.#int16(0)
      this.#int16(params.length)
      for (const param of params) {
        const text = String(param)
        const lengthAt = this.#at
        this.#int32(0)
        this.#reserve(text.length * 3)
        const written = this.#out.write(text, this.#at)
        this.#out.writeInt32BE(written, lengthAt)
        this.#at += written
      }
      this.#int16(0)
    })
    this.#message('E', () => {
      this.#text('')
      this.#int32(0)
    })
    this.#sync()
  }

  #sync() {
    this.#message('S', () => {})
  }

  #flush() {
    if (this.#at === 0) return
    this.#socket.write(Buffer.from(this.#out.subarray(0, this.#at)))
    this.#at = 0
  }

  #message(type, body) {
    this.#byte(type)
    const lengthAt = this.#at
    this.#int32(0)
    body()
    this.#out.writeInt32BE(this.#at - lengthAt, lengthAt)
  }

  #byte(letter) {
    this.#reserve(1)
    this.#out[this.#at++] = letter.charCodeAt(0)
  }

  #int16(value) {
    this.#reserve(2)
    this.#at = this.#out.writeInt16BE(value, this.#at)
  }

  #int32(value) {
    this.#reserve(4)
    this.#at = this.#out.writeInt32BE(value, this.#at)
  }

  #text(value) {
    this.#reserve(value.length * 3 + 1)
    this.#at += this.#out.write(value, this.#at)
    this.#out[this.#at++] = 0
  }

  #bytes(value) {
    this.#reserve(value.length)
    this.#at += value.copy(this.#out, this.#at)
  }

  #reserve(bytes) {
    if (this.#at + bytes <= this.#out.length) return
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2)
    this.#out.copy(larger, 0, 0, this.#at)
    this.#out = larger
  }

  #read(chunk) {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    try {
      while (at + 5 <= data.length) {
        const end = at + 1 + data.readInt32BE(at + 1)
        if (end > data.length) break
        this.#receive(data[at], data, at + 5, end)
        at = end
      }
      this.#rest = at < data.length ? data.subarray(at) : undefined
      this.#onChunkEnd?.()
    } catch (error) {
      this.#onEnd?.(error)
    }
  }

  #receive(type, data, from, end) {
    switch (type) {
      case 0x44: // D, a row
        this.#rows.push(this.#row(data, from))
        break
      case 0x5a: {
        // Z, ready for the next query
        const rows = this.#rows
        const error = this.#error
        this.#rows = []
        this.#error = undefined
        this.#waiting.shift()(error, rows)
        break
      }
      case 0x45: // E, an error
        this.#error = new Error(data.utf8Slice(from, end).replaceAll('\0', ' '))
        if (this.#waiting.length === 0) this.#onEnd?.(this.#error)
        break
      case 0x52: // R, how to show who we are
        assert.equal(data.readInt32BE(from), 0, 'postgres wants a password')
        break
    }
  }

  #row(data, from) {
    const row = new Array(data.readInt16BE(from))
    let at = from + 2
    for (let column = 0; column < row.length; column++) {
      const length = data.readInt32BE(at)
      at += 4
      if (length < 0) row[column] = null
      else {
        const text = data.utf8Slice(at, at + length)
        row[column] = this.#parsers[column] === Number ? Number(text) : text
        at += length
      }
    }
    return row
  }
}
