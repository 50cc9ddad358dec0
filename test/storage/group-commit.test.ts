import path from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Refusal } from '../../src/base/refusal.ts'
import { rootChangeSet } from '../../src/engine/heads.ts'
import { Checkpointer } from '../../src/storage/checkpointer.ts'
import { openFile, openMemory } from '../../src/storage/connection.ts'
import { createDurably, sizeOf } from '../../src/storage/files.ts'
import { GroupCommit } from '../../src/storage/group-commit.ts'
import { markTable, TenantFile, writeChangeSet } from '../../src/storage/tenant-file.ts'
import { defer } from '../support/cleanup.ts'
import { ask, temporaryFolder } from '../support/project.ts'

let location: string
let file: TenantFile

beforeEach(() => {
  location = path.join(temporaryFolder(), 'x.db')
  const template = openMemory()
  template.exec(markTable)
  writeChangeSet(template, rootChangeSet)
  template.exec(`
    create table t (a integer primary key, b text unique, c integer references t deferrable initially deferred);
    create table u (a integer primary key on conflict rollback)
  `)
  const image = template.serialize()
  template.close()
  image[18] = 2
  image[19] = 2
  createDurably(location, image)
  file = open()
  defer(() => file.close())
})

function open(): TenantFile {
  const checkpointer = new Checkpointer()
  return new TenantFile(location, { name: 'x', durability: 'normal', checkpointBytes: 1_000_000, checkpointer })
}

const run = (sql: string) => file.write(() => file.db.prepare(sql).run().changes)
const insert = (a: number, c: number | null = null) => run(`insert into t values (${a}, 'b${a}', ${c})`)
const stored = (table = 't') => ask<number>(file.path, `select a from ${table} order by a`)
const outcomes = async (works: Promise<unknown>[]) =>
  (await Promise.allSettled(works)).map((each) => (each.status === 'fulfilled' ? 'done' : each.reason))

test('writes of one turn share one commit, and are there when they are acknowledged', async () => {
  await insert(0)
  const frames = (work: () => Promise<unknown>) => {
    file.checkpoint()
    return work().then(() => Math.floor((sizeOf(`${file.path}-wal`) - 32) / (4_096 + 24)))
  }
  const one = await frames(() => insert(1))
  const many = await frames(() => Promise.all([2, 3, 4, 5, 6, 7, 8, 9].map((a) => insert(a))))
  expect(many).toBe(one)
  expect(stored()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a write is not acknowledged before others can see it', async () => {
  const seen: number[][] = []
  const works = [1, 2, 3].map((a) => insert(a).then(() => seen.push(stored())))
  expect(stored()).toEqual([])
  await Promise.all(works)
  expect(seen).toEqual([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ])
})

test('a read sees the writes before it, and is answered after their commit', async () => {
  const written = insert(1)
  const read = file.read(() => file.db.prepare('select a from t').pluck().all())
  expect(read).toBeInstanceOf(Promise)
  expect(await read).toEqual([1])
  await written
  expect(await file.read(() => file.db.prepare('select a from t').pluck().all())).toEqual([1])
})

test('a write after reads of the same turn sees what others wrote', async () => {
  expect(await file.read(() => file.db.prepare('select count(*) from t').pluck().get())).toBe(0)
  await Promise.all([insert(1), insert(2)])
  expect(stored()).toEqual([1, 2])
})

describe('a write that fails takes nothing else with it', () => {
  test('when its statement fails', async () => {
    const failed = run("insert into t values (9, 'b1', null)")
    const results = await outcomes([insert(2), insert(2), failed, insert(1), run('nothing'), insert(3)])
    expect(results.map((each) => each === 'done')).toEqual([true, false, true, false, false, true])
  })

  test('when it fails half way', async () => {
    const half = file.write(() => {
      file.db.exec("insert into t values (7, 'x', null)")
      throw new Error('half way')
    })
    expect((await outcomes([insert(1), half, insert(2)])).map((each) => each === 'done')).toEqual([true, false, true])
    expect(stored()).toEqual([1, 2])
  })

  test('when a deferred constraint fails at the commit', async () => {
    const results = await outcomes([insert(1), insert(2, 99), insert(3, 1), insert(4, 98)])
    expect(results.map((each) => each === 'done')).toEqual([true, false, true, false])
    for (const at of [1, 3]) {
      expect(results[at]).toBeInstanceOf(Refusal)
      expect((results[at] as Refusal).data).toMatchObject({ constraint: 'foreignKey' })
    }
    expect(stored()).toEqual([1, 3])
  })

  test('when it rolls the whole transaction back', async () => {
    await run('insert into u values (1)')
    const results = await outcomes([
      insert(1),
      run('insert into u values (1)'),
      insert(2),
      run('insert into u values (1)'),
      insert(3),
    ])
    expect(results.map((each) => each === 'done')).toEqual([true, false, true, false, true])
    expect(stored()).toEqual([1, 2, 3])
  })
})

test('a write alone first commits what waits, and fails by itself', async () => {
  const waiting = insert(1)
  await expect(file.writeAlone(() => file.db.exec("insert into t values (5, 'b1', null)"))).rejects.toThrow()
  const alone = file.writeAlone(() => file.db.exec("insert into t values (2, 'b2', null)"))
  expect(stored()).toEqual([1, 2])
  await alone
  await waiting
})

test('closing commits what waits', async () => {
  const waiting = insert(1)
  file.close()
  await waiting
  expect(stored()).toEqual([1])
})

test('only a log that was not there is begun without a sync, and nothing else is written so', async () => {
  const syncsAsBefore = () => expect(file.db.pragma('synchronous', { simple: true })).toBe(1)
  const [logHead, frame] = [32, 24 + 4096]
  await insert(1)
  const newLog = file.logBytes
  syncsAsBefore()
  await insert(2)
  const perInsert = file.logBytes - newLog
  expect(newLog).toBe(logHead + frame + perInsert)

  const other = openFile(file.path, 'normal')
  defer(() => other.close())
  file.close()
  file = open()
  const before = file.logBytes
  await insert(3)
  expect([before > 0, file.logBytes - before]).toEqual([true, perInsert])
  syncsAsBefore()
})

test('a log that cannot be begun refuses the write, and the next one goes through', async () => {
  const other = openFile(file.path, 'normal')
  defer(() => other.close())
  other.exec('begin immediate')
  await expect(async () => insert(1)).rejects.toThrow('locked')
  expect(file.db.pragma('synchronous', { simple: true })).toBe(1)
  other.exec('rollback')
  await insert(1)
  expect(stored()).toEqual([1])
})

test('reads let go of the log by themselves', async () => {
  for (let a = 0; a < 3; a++) await file.read(() => file.db.prepare('select a from t').all())
  expect(file.db.inTransaction).toBe(true)
  await vi.waitFor(() => expect(file.db.inTransaction).toBe(false))
})

test('reads that share a transaction see what was committed aside', async () => {
  const count = () => file.read(() => file.db.prepare('select count(*) from t').pluck().get())
  await count()
  await count()
  const other = openFile(file.path, 'normal')
  other.exec("insert into t values (1, 'b1', null)")
  other.close()
  file.wroteAside()
  expect(await count()).toBe(1)
})

describe('commits that have to be durable', () => {
  /** A group whose syncs end when the test says so. */
  const durable = (here = () => false) => {
    const db = openMemory()
    db.exec('create table t (a integer primary key)')
    defer(() => db.close())
    const syncs: { done(): void; fail(error: Error): void }[] = []
    const group = new GroupCommit(db, {
      sync: { here: () => here(), aside: () => new Promise((done, fail) => syncs.push({ done, fail })) },
    })
    const answered: string[] = []
    const insert = (a: number) =>
      group
        .write(() => db.exec(`insert into t values (${a})`))
        .then(
          () => answered.push(`wrote ${a}`),
          ({ message }) => answered.push(`${a}: ${message}`),
        )
    const count = () =>
      Promise.resolve(group.read(() => db.prepare('select count(*) from t').pluck().get())).then((found) => {
        answered.push(`counted ${found}`)
      })
    const turn = () => new Promise((resolve) => setTimeout(resolve, 5))
    return { group, syncs, answered, insert, count, turn }
  }

  test('are acknowledged after a sync that began after them; those made meanwhile share the next one', async () => {
    const { syncs, answered, insert, turn } = durable()
    void insert(1)
    await turn()
    void insert(2)
    await turn()
    void insert(3)
    await turn()
    expect([syncs.length, answered]).toEqual([1, []])
    syncs[0]?.done()
    await turn()
    expect([syncs.length, answered]).toEqual([2, ['wrote 1']])
    syncs[1]?.done()
    await turn()
    expect([syncs.length, answered]).toEqual([2, ['wrote 1', 'wrote 2', 'wrote 3']])
  })

  test('are told to no reader before', async () => {
    const { syncs, answered, insert, count, turn } = durable()
    void insert(1)
    await turn()
    void count()
    void insert(2)
    await turn()
    void count()
    await turn()
    expect(answered).toEqual([])
    syncs[0]?.done()
    await turn()
    expect(answered).toEqual(['wrote 1', 'counted 1'])
    syncs[1]?.done()
    await turn()
    expect(answered).toEqual(['wrote 1', 'counted 1', 'wrote 2', 'counted 2'])
    void count()
    await turn()
    expect(answered.at(-1)).toBe('counted 2')
  })

  test('are not acknowledged where the sync fails', async () => {
    const { group, syncs, answered, insert, turn } = durable()
    void insert(1)
    await turn()
    syncs[0]?.fail(new Error('the disk is gone'))
    await turn()
    expect(answered).toEqual(['1: the disk is gone'])
    expect(group.syncing).toBeUndefined()
  })

  test('are acknowledged at once where they are synced at once', async () => {
    const { group, syncs, answered, insert, count, turn } = durable(() => true)
    void insert(1)
    await turn()
    void count()
    await turn()
    expect([syncs.length, group.syncing, answered]).toEqual([0, undefined, ['wrote 1', 'counted 1']])
  })

  test('wait for the sync that is under way, however quick another one would be', async () => {
    let isQuick = false
    const { syncs, answered, insert, turn } = durable(() => isQuick)
    void insert(1)
    await turn()
    isQuick = true
    void insert(2)
    await turn()
    expect(answered).toEqual([])
    syncs[0]?.done()
    await turn()
    syncs[1]?.done()
    await turn()
    expect(answered).toEqual(['wrote 1', 'wrote 2'])
  })

  test('are not acknowledged where the sync at once fails', async () => {
    const { answered, insert, turn } = durable(() => {
      throw new Error('the disk is gone')
    })
    void insert(1)
    await turn()
    expect(answered).toEqual(['1: the disk is gone'])
  })
})
