/**
 * The limit for any daemon in Node: a socket, JSON in, one prepared statement, JSON out, one write for each chunk read.
 * It takes and gives the very messages that cinch does, and checks nothing.
 *
 *     node bare-loop.mjs DATABASE SOCKET SQL SYNCHRONOUS
 */
import net from 'node:net'
import Database from 'better-sqlite3'

const [file, socketPath, sql, synchronous] = process.argv.slice(2)
const db = new Database(file)
db.pragma(`synchronous = ${synchronous}`)
const statement = db.prepare(sql)
const run = statement.reader ? reading() : writing()

function reading() {
  const columns = statement.columns().map(({ name, type }) => ({ name, type }))
  statement.raw()
  return (values) => ({ columns, rows: [statement.get(values)] })
}

function writing() {
  return (values) => ({ changes: statement.run(values).changes })
}

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
        outgoing += `${JSON.stringify({ jsonrpc: '2.0', id, result: run(params.params) })}\n`
      }
      rest = text.slice(start)
      socket.write(outgoing)
    })
    socket.on('error', () => {})
  })
  .listen(socketPath)
