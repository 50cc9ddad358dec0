import fs from 'node:fs'
import process from 'node:process'
import Database from 'better-sqlite3'
import { beforeEach, describe, expect, test } from 'vitest'
import { defer } from '../support/cleanup.ts'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { integrityOf, tenantPath } from '../support/project.ts'

const columns = [
  { name: 'a', type: 'INTEGER' },
  { name: 'b', type: 'TEXT' },
]

let started: TestDaemon
let client: RawClient

beforeEach(async () => {
  started = await startDaemon()
  client = started.client
  await client.call('table.create', { name: 't', columns, systemColumns: false })
})

const insert = (a: number, { branch = 'main', b = '' } = {}) =>
  client.call('row.insert', { branch, table: 't', rows: [{ a, b }], returning: 'none' })
const values = async (branch = 'main') =>
  (await client.call('query.run', { branch, sql: 'select a from t order by a' })).rows.flat()
const pathOf = (branch: string) => tenantPath(started.layout, 'main', 'main', branch)

describe.each([
  ['small', 10_000],
  ['large', 6_000_000],
])('the copy of a %s file', (_, length) => {
  beforeEach(() => insert(1, { b: 'x'.repeat(length) }))

  test('is a whole file with all rows, those in the log and those that others read included', async () => {
    const reader = new Database(pathOf('main'), { readonly: true })
    defer(() => reader.close())
    reader.exec('begin')
    reader.prepare('select * from t').all()
    await insert(2)
    await client.call('branch.create', { name: 'dev' })
    await insert(3, { branch: 'dev' })
    await insert(4)
    expect(await values('dev')).toEqual([1, 2, 3])
    expect(await values()).toEqual([1, 2, 4])
    await started.daemon.stop()
    expect(integrityOf(pathOf('dev'))).toBe('ok')
    expect(integrityOf(pathOf('main'))).toBe('ok')
  })

  test('has all rows, made of a file that nobody has open', async () => {
    await client.call('branch.create', { name: 'dev' })
    await started.daemon.stop()
    started = await startDaemon({ layout: started.layout })
    client = started.client
    await insert(3, { branch: 'dev' })
    await insert(4)
    expect(await values('dev')).toEqual([1, 3])
    expect(await values()).toEqual([1, 4])
  })

  // What another program would otherwise take for a file of which it is the last user: it removes the log.
  test.runIf(process.platform === 'linux')('leaves the daemon its lock on the original', async () => {
    expect(hasLock(pathOf('main'))).toBe(true)
    await client.call('branch.create', { name: 'dev' })
    await insert(3, { branch: 'dev' })
    expect(hasLock(pathOf('main'))).toBe(true)
    await insert(4)
    expect(hasLock(pathOf('main'))).toBe(true)
    expect(hasLock(pathOf('dev'))).toBe(true)
  })
})

/** Whether this process has a lock on a file. */
function hasLock(file: string): boolean {
  const { ino } = fs.statSync(file)
  const locks = fs.readFileSync('/proc/locks', 'utf8').split('\n')
  return locks.some((lock) => lock.includes(` ${process.pid} `) && lock.includes(`:${ino} `))
}
