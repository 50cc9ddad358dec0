/**
 * The limit for any daemon in Node: a socket, JSON in, one prepared statement, JSON out, one write for each chunk read.
 * It takes and gives the very messages that cinch does, and checks nothing.
 *
 *     node bare-loop.mjs DATABASE SOCKET SQL
 */
import net from 'node:net'
import Database from 'better-sqlite3'

const [file, socketPath, sql] = process.argv.slice(2)
const db = new Database(file)
const statement = db.prepare(sql).raw()
const columns = statement.columns().map(({ name, type }) => ({ name, type }))

net
  .createServer({ noDelay: true }, (socket) => {
    let rest = ''
    socket.on('data', (chunk) => {
      let outgoing = ''
      const text = rest + chunk.toString()
      let start = 0
      for (;;) {
        const end = text.indexOf('\n', start)
        if (end < 0) break
        const { id, params } = JSON.parse(text.slice(start, end))
        start = end + 1
        outgoing += `${JSON.stringify({ jsonrpc: '2.0', id, result: { columns, rows: [statement.get(params.params[0])] } })}\n`
      }
      rest = text.slice(start)
      socket.write(outgoing)
    })
    socket.on('error', () => {})
  })
  .listen(socketPath)
