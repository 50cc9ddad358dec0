import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { endTurn, nextTurn } from '../../src/base/turn.ts'
import { LogSync } from '../../src/storage/log-sync.ts'
import { defer } from '../support/cleanup.ts'
import { temporaryFolder } from '../support/project.ts'

const [one, other] = [{}, {}]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function heard(connection: object): void {
  nextTurn(connection)
  endTurn()
}

/** The log of a file, synced so often that the disk counts as quick, for one connection that is alone. */
async function quickLog(): Promise<LogSync> {
  const file = path.join(temporaryFolder(), 'x.db-wal')
  fs.writeFileSync(file, 'log')
  const log = new LogSync(file)
  defer(() => log.close())
  heard(one)
  vi.advanceTimersByTime(200)
  heard(one)
  for (let times = 0; times < 4; times++) await log.aside()
  return log
}

test('one who is alone with a quick disk is not made to wait for a thread', async () => {
  const log = await quickLog()
  expect(log.here()).toBe(true)
})

test('with somebody else there, no sync holds the thread', async () => {
  const log = await quickLog()
  heard(other)
  expect(log.here()).toBe(false)
})

test('a disk that is slow once holds the thread once', async () => {
  const log = await quickLog()
  vi.spyOn(fs, 'fdatasyncSync').mockImplementation(() => {
    vi.advanceTimersByTime(5)
  })
  expect([log.here(), log.here()]).toEqual([true, false])
  for (let times = 0; times < 4; times++) await log.aside()
  expect(log.here()).toBe(true)
})
