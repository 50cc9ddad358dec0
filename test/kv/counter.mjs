/** `counter.mjs SOCKET KEY TIMES`: add 1 to a key so many times, 64 in flight, and print every value that was told. */
import net from 'node:net'

const [path, key, times] = process.argv.slice(2)
const total = Number(times)
const socket = net.createConnection(path).setEncoding('utf8')
const told = []
let sent = 0
let rest = ''
const send = () => {
  if (sent < total)
    socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: ++sent, method: 'kv.increment', params: { key } })}\n`)
}
socket.on('data', (text) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop()
  for (const line of lines) {
    const { result, error } = JSON.parse(line)
    if (error) throw new Error(error.message)
    told.push(result.value)
    send()
  }
  if (told.length < total) return
  socket.end()
  process.stdout.write(JSON.stringify(told))
})
for (let at = 0; at < 64; at++) send()
