/** The thread of one plugin: loads it, and has it answer what the daemon asks. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import type { PluginLog } from './definition.ts'
import { Host } from './host.ts'
import { type DatabaseRequest, type Exempt, ParamsFault, PluginFault } from './question.ts'
import { type Answer, bundled, type FromThread, type ThreadData, type ToThread } from './thread-messages.ts'

assert(parentPort, 'this program is a thread')
const port = parentPort
const { url, settings } = workerData as ThreadData
const asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
let lastId = 0

const post = bundled<FromThread>(send)
const logAt = (level: keyof PluginLog) => {
  return (message: string, fields: object = {}) => post({ kind: 'log', level, message: String(message), fields })
}
const log: PluginLog = { info: logAt('info'), warn: logAt('warn'), error: logAt('error') }

try {
  const host = await Host.load(url, settings, { database, log })
  port.on('message', (messages: readonly ToThread[]) => {
    for (const message of messages) hear(host, message)
  })
  post({ kind: 'loaded', manifest: host.manifest })
} catch (error) {
  post({ kind: 'notLoaded', reason: messageOf(error) })
}

function hear(host: Host, message: ToThread): void {
  switch (message.kind) {
    case 'ask':
      void answer(host, message)
      return
    case 'databaseAnswer': {
      const { id, answer } = message
      const waiting = asked.get(id)
      asked.delete(id)
      if (answer.kind === 'value') waiting?.resolve(answer.value)
      else waiting?.reject(new Error(answer.kind === 'error' ? answer.message : 'parameters refused'))
      return
    }
    case 'ping':
      post({ kind: 'pong' })
  }
}

async function answer(host: Host, { id, question, exempt }: Extract<ToThread, { kind: 'ask' }>): Promise<void> {
  try {
    post({ kind: 'answer', id, answer: { kind: 'value', value: await host.ask(question, exempt) } })
  } catch (error) {
    post({ kind: 'answer', id, answer: faultOf(error) })
  }
}

function database(request: DatabaseRequest, exempt: Exempt): Promise<unknown> {
  const id = ++lastId
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject })
    post({ kind: 'database', id, request, exempt })
  })
}

function send(messages: readonly FromThread[]): void {
  try {
    port.postMessage(messages)
  } catch {
    // One of them cannot go: the others can.
    for (const message of messages) sendAlone(message)
  }
}

function sendAlone(message: FromThread): void {
  try {
    port.postMessage([message])
  } catch (error) {
    const fault = new PluginFault(`what it says cannot be sent: ${messageOf(error)}`)
    if (message.kind === 'answer') post({ kind: 'answer', id: message.id, answer: faultOf(fault) })
    if (message.kind !== 'database') return
    asked.get(message.id)?.reject(fault)
    asked.delete(message.id)
  }
}

function faultOf(error: unknown): Answer {
  if (error instanceof ParamsFault) return { kind: 'paramsFault', issues: error.issues }
  return { kind: 'error', message: messageOf(error) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
