import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { Refusal } from '../../src/base/refusal.ts'
import { type Process, Processes } from '../../src/storage/processes.ts'
import { defer } from '../support/cleanup.ts'

const program = createRequire(import.meta.url).resolve('#statement-process')

function make(limits: { maxProcesses: number; maxProcessesPerOwner?: number; maxWaiting?: number }) {
  const processes = new Processes(program, { maxProcessesPerOwner: limits.maxProcesses, maxWaiting: 1_000, ...limits })
  defer(() => processes.close())
  const served: string[] = []
  const owners = new Map<string, object>()
  const ask = (name: string, signal = new AbortController().signal) => {
    const owner = owners.get(name) ?? { name }
    owners.set(name, owner)
    const taken = processes.take({ signal, owner })
    taken.then(
      () => served.push(name),
      (error) => served.push(`${name}: ${error instanceof Refusal ? error.data.limit : error}`),
    )
    return taken
  }
  return { processes, served, ask }
}

test('who waits with many is served in turn with who waits with one', async () => {
  const { processes, served, ask } = make({ maxProcesses: 1, maxWaiting: 2_000 })
  let process: Process = await ask('flood')
  const all = [...Array(1_000).keys()].map(() => ask('flood'))
  const [b, c] = [ask('b'), ask('c')]
  const more = ask('b')
  for (const next of [all[0], b, c, all[1], more, all[2]] as Promise<Process>[]) {
    processes.giveBack(process)
    process = await next
  }
  expect(served).toEqual(['flood', 'flood', 'b', 'c', 'flood', 'b', 'flood'])
  expect(processes.waiting).toBe(997)
})

test('one owner leaves some processes to others', async () => {
  const { processes, served, ask } = make({ maxProcesses: 3, maxProcessesPerOwner: 2 })
  const first = await ask('a')
  await ask('a')
  const third = ask('a')
  await ask('b')
  expect(served).toEqual(['a', 'a', 'b'])
  const other = ask('c')
  processes.giveBack(first)
  await Promise.all([third.then(() => {}), Promise.resolve()])
  expect(served).toEqual(['a', 'a', 'b', 'a'])
  processes.kill(await third)
  await other
  expect([processes.busy, processes.waiting]).toEqual([3, 0])
})

test('of more than may wait, the last of the owner is refused that has most of them', async () => {
  const { processes, served, ask } = make({ maxProcesses: 1, maxWaiting: 3 })
  const process = await ask('flood')
  const waiting = [ask('flood'), ask('flood'), ask('flood')]
  await expect(ask('flood')).rejects.toMatchObject({
    kind: 'limitExceeded',
    data: { limit: 'maxWaitingStatements', max: 3 },
  })
  const other = ask('b')
  await expect(waiting[2]).rejects.toMatchObject({ data: { limit: 'maxWaitingStatements' } })
  processes.giveBack(process)
  processes.giveBack(await (waiting[0] as Promise<Process>))
  await other
  expect(served.at(-1)).toBe('b')
})

test('who waits no more leaves its place', async () => {
  const { processes, ask } = make({ maxProcesses: 1 })
  const process = await ask('a')
  const leaving = new AbortController()
  const gone = [ask('b', leaving.signal), ask('a', leaving.signal)]
  const next = ask('a')
  leaving.abort(new Error('gone'))
  const refused = await Promise.allSettled(gone)
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(processes.waiting).toBe(1)
  processes.giveBack(process)
  expect(await next).toBe(process)
  expect(() => ask('a', leaving.signal)).toThrow('gone')
})
