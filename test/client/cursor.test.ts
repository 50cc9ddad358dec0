import net from 'node:net'
import { expect, test, vi } from 'vitest'
import { Client } from '../../src/client/client.ts'
import { Cursor } from '../../src/client/cursor.ts'
import { defer } from '../support/cleanup.ts'
import { startDaemon } from '../support/daemon.ts'

const counting = (count: number) =>
  `with recursive r(n) as (select 1 union all select n + 1 from r where n < ${count}) select n from r`

async function connect() {
  const { daemon, layout } = await startDaemon()
  const socket = net.createConnection(`${layout.root}/daemon.sock`)
  const client = new Client(socket, socket)
  defer(() => client.close())
  return { client, cursors: daemon.engine.cursors }
}

test('a cursor is a loop over rows, however many', async () => {
  const { client, cursors } = await connect()
  const cursor = await Cursor.open(client, { sql: counting(12_345) }, 1_000)
  expect(cursor.columns).toEqual([{ name: 'n', type: null }])
  let count = 0
  for await (const row of cursor) expect(row).toEqual([++count])
  expect([count, cursor.isTruncated, cursors.size]).toEqual([12_345, false, 0])
  const cut = await Cursor.open(client, { sql: counting(100), maxRows: 50, rowFormat: 'object' }, 30)
  const lengths: number[] = []
  for await (const rows of cut.batches()) lengths.push(rows.length)
  expect([lengths, cut.isTruncated]).toEqual([[30, 20], true])
})

test('a loop that is left, fails, or was never begun leaves no cursor', async () => {
  const { client, cursors } = await connect()
  for await (const row of await Cursor.open(client, { sql: counting(10_000_000) })) {
    expect(row).toEqual([1])
    break
  }
  expect(cursors.size).toBe(0)
  const sql = `select json_extract(iif(n < 5000, '{}', '{'), '$') from (${counting(5_000)})`
  const failing = await Cursor.open(client, { sql }, 10)
  const all = async () => {
    for await (const _ of failing);
  }
  await expect(all()).rejects.toMatchObject({ kind: 'sqlError' })
  await vi.waitFor(() => expect(cursors.size).toBe(0))
  {
    await using _ = await Cursor.open(client, { sql: counting(10_000_000) })
    expect(cursors.size).toBe(1)
  }
  expect(cursors.size).toBe(0)
})
