import { describe, expect, test } from 'vitest'
import { chooseLane, planShape } from '../../src/query/lane.ts'
import { startDaemon } from '../support/daemon.ts'

const MiB = 1024 * 1024

describe('the lane of a plan', () => {
  const cases: [details: string[], fileBytes: number, lane: string][] = [
    [['SEARCH t USING INTEGER PRIMARY KEY (rowid=?)', 'SEARCH u USING INDEX i (a=?)'], 1e12, 'inline'],
    [['SCAN t'], MiB, 'inline'],
    [['SCAN t'], MiB + 1, 'process'],
    [['SCAN t USING COVERING INDEX i'], MiB + 1, 'process'],
    [['SEARCH t USING INDEX i (a>? AND a<?)'], MiB + 1, 'process'],
    [['SEARCH t USING INDEX i (a=? AND b>?)'], 1e12, 'inline'],
    [['SCAN t', 'SEARCH u USING INDEX i (a=?)'], MiB, 'inline'],
    [['SCAN t', 'SCAN u'], 32 * 1024, 'inline'],
    [['SCAN t', 'SCAN u'], 32 * 1024 + 1, 'process'],
    [['SCAN t', 'SCAN u', 'SCAN v'], 4_096, 'process'],
    [['SETUP', 'SCAN CONSTANT ROW', 'RECURSIVE STEP', 'SCAN r'], 4_096, 'process'],
    [['SCAN generate_series VIRTUAL TABLE INDEX 3:'], 4_096, 'process'],
    [['SCAN j VIRTUAL TABLE INDEX 1:'], 4_096, 'inline'],
    [['SCAN CONSTANT ROW'], 1e12, 'inline'],
    [['SCAN 3-ROW VALUES CLAUSE'], MiB, 'inline'],
  ]
  test.each(cases)('%j with %d bytes: %s', (details, fileBytes, lane) => {
    expect(chooseLane(planShape(details), fileBytes, false).name).toBe(lane)
  })

  test('a statement that was slow goes to a process, whatever its plan', () => {
    expect(chooseLane(planShape(['SEARCH t USING INDEX i (a=?)']), 4_096, true).name).toBe('process')
  })
})

test('query.explain tells the lane and the reason, of statements with parameters too', async () => {
  const { client } = await startDaemon()
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
  const laneOf = async (sql: string) => (await client.call('query.explain', { sql })).lane
  expect(await laneOf('select * from t where rowid = ?')).toEqual({
    name: 'inline',
    reason: 'it finds its rows by their keys',
  })
  expect((await laneOf('select * from t where a > :least')).name).toBe('inline')
  const { name, reason } = await laneOf(
    'with recursive r(n) as (select ? union all select n + 1 from r) select n from r limit ?',
  )
  expect({ name, reason }).toEqual({ name: 'process', reason: 'it is recursive' })
  await client.call('row.insert', {
    table: 't',
    rows: Array.from({ length: 60_000 }, (_, a) => ({ a })),
    returning: 'none',
  })
  await client.call('column.add', { table: 't', column: { name: 'b', type: 'TEXT' } })
  await client.call('query.execute', { sql: 'update t set b = hex(randomblob(20))' })
  expect(await laneOf('select count(*) from t where a > ?')).toEqual({
    name: 'process',
    reason: 'it scans a large file',
  })
  expect((await laneOf('select b from t where rowid = ?')).name).toBe('inline')
})
