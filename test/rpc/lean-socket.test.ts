import net from 'node:net'
import path from 'node:path'
import { expect, test } from 'vitest'
import { leanSocket } from '../../src/rpc/lean-socket.ts'
import { defer } from '../support/cleanup.ts'
import { temporaryFolder } from '../support/project.ts'

test('an accepted connection reads every chunk into the same memory, writes, pauses and ends like any other', async () => {
  const socketPath = path.join(temporaryFolder(), 's')
  const memories = new Set<unknown>()
  const accepted: net.Socket[] = []
  let closed = 0
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const lean = leanSocket(socket)
    accepted.push(lean)
    lean.on('data', (chunk: Buffer) => {
      memories.add(chunk.buffer)
      lean.write(String(chunk).toUpperCase())
    })
    lean.on('end', () => lean.end('END'))
    lean.on('close', () => closed++)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  defer(() => server.close())
  const client = net.connect(socketPath)
  let answer = ''
  client.on('data', (chunk) => {
    answer += chunk
  })
  const answered = async (text: string) => {
    while (!answer.endsWith(text)) await new Promise((resolve) => client.once('data', resolve))
  }
  client.write('one')
  await answered('ONE')
  client.write('two')
  await answered('TWO')
  expect(memories.size).toBe(1)

  accepted[0]?.pause()
  client.write('three')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(answer).toBe('ONETWO')
  accepted[0]?.resume()
  await answered('THREE')

  client.end()
  await answered('END')
  await new Promise((resolve) => client.once('close', resolve))
  await new Promise((resolve) => server.close(resolve))
  expect(closed).toBe(1)
})
