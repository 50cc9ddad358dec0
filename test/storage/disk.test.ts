import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { startCinchd } from '../support/cinchd.ts'
import { defer } from '../support/cleanup.ts'
import type { RawClient } from '../support/client.ts'
import { integrityOf, temporaryFolder, temporaryProject, tenantPath } from '../support/project.ts'

/** Whether this machine lets us mount a small disk in memory. Where it does not, these tests are shown as skipped. */
const canMount = tryMount()

const table = {
  name: 't',
  columns: [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ],
  systemColumns: false,
}

/** A project on a disk of this size. */
function projectOnDisk(sizeKilobytes: number) {
  const folder = temporaryFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKilobytes}k`, 'tmpfs', folder])
  defer(() => execFileSync('umount', ['-l', folder]))
  return temporaryProject({ folder })
}

/** Leave about so many bytes free. Whoever calls the result frees the rest again. */
function fill(folder: string, leaveBytes = 0): () => void {
  const ballast = path.join(folder, 'ballast')
  const handle = fs.openSync(ballast, 'w')
  const { bavail, bsize } = fs.statfsSync(folder)
  const wanted = Math.max(0, bavail * bsize - leaveBytes)
  try {
    for (let written = 0; written < wanted; )
      written += fs.writeSync(handle, Buffer.alloc(Math.min(65_536, wanted - written)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    fs.closeSync(handle)
  }
  return () => fs.rmSync(ballast)
}

async function kindOf(client: RawClient, method: string, params: object): Promise<string> {
  return (await client.request(method, params)).error?.data.kind ?? 'done'
}

describe.skipIf(!canMount)('a full disk', () => {
  test('writes answer storageFull, reads go on, nothing acknowledged is lost, and it goes on once there is room', {
    timeout: 60_000,
  }, async () => {
    const layout = projectOnDisk(4_096)
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await client.call('tenant.create', { name: 'x' })
    const acknowledged: number[] = []
    const insert = async (a: number, bytes: number) => {
      const kind = await kindOf(client, 'row.insert', { table: 't', rows: [{ a, b: 'x'.repeat(bytes) }] })
      if (kind === 'done') acknowledged.push(a)
      return kind
    }
    expect(await insert(0, 10)).toBe('done')
    const free = fill(layout.project, 200_000)
    const kinds = new Set<string>()
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 5 }, (_, at) => insert(1 + round * 5 + at, 8_000)))
      for (const kind of answers) kinds.add(kind)
    }
    expect([...kinds].sort()).toEqual(['done', 'storageFull'])
    const stored = async () => (await client.call('query.run', { sql: 'select a from t order by a' })).rows.flat()
    expect(await stored()).toEqual([...acknowledged].sort((a, b) => a - b))
    // A file that is yet to be made.
    expect(await kindOf(client, 'row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] })).toMatch(
      /storageFull|storageError/,
    )
    free()
    expect(await kindOf(client, 'row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] })).toBe('done')
    expect(await insert(1_000, 8_000)).toBe('done')
    expect(await stored()).toEqual([...acknowledged].sort((a, b) => a - b))
    expect(cinchd.stderr).not.toContain('request failed')
    await client.call('daemon.stop')
    expect(await cinchd.exited).toBe(0)
    expect(integrityOf(tenantPath(layout))).toBe('ok')
    expect(integrityOf(tenantPath(layout, 'x'))).toBe('ok')
  })

  test('catalog writes and schema edits are refused whole, and go on once there is room', {
    timeout: 60_000,
  }, async () => {
    const layout = projectOnDisk(4_096)
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }] })
    const free = fill(layout.project)
    const state = async () => [
      (await client.call('schema.get')).tables.map(({ name }: { name: string }) => name),
      (await client.call('tenant.list')).tenants.map(({ name }: { name: string }) => name),
      (await client.call('database.list')).databases.map(({ name }: { name: string }) => name),
    ]
    const expected = (await state()) as string[][]
    const kinds = new Set<string>()
    const attempt = async (method: string, params: object, list: number, name: string) => {
      const kind = await kindOf(client, method, params)
      kinds.add(kind)
      if (kind === 'done') expected[list]?.push(name)
      // In the list of an answer or not at all, at once.
      expect((await state()).map((names) => [...names].sort())).toEqual(expected.map((names) => [...names].sort()))
    }
    for (let at = 0; at < 12; at++) {
      await attempt('tenant.create', { name: `x${at}`, description: 'x'.repeat(9_000) }, 1, `x${at}`)
      await attempt('table.create', { ...table, name: `u${at}`, message: 'x'.repeat(9_000) }, 0, `u${at}`)
      await attempt('database.create', { name: `d${at}`, description: 'x'.repeat(9_000) }, 2, `d${at}`)
    }
    expect([...kinds].filter((kind) => kind !== 'done')).toEqual(['storageFull'])
    expect(await kindOf(client, 'tenant.delete', { name: 'nothing' })).toBe('tenantNotFound')
    free()
    for (const name of ['y', 'z']) await attempt('tenant.create', { name }, 1, name)
    await attempt('table.create', { ...table, name: 'v' }, 0, 'v')
    await client.call('row.insert', { table: 'v', rows: [{ a: 1 }] })
    expect(cinchd.stderr).not.toContain('request failed')
    await cinchd.kill('SIGKILL')
    const again = await (await startCinchd(layout)).connect()
    const tables = (await again.call('schema.get')).tables.map(({ name }: { name: string }) => name)
    expect(tables.sort()).toEqual(expected[0]?.sort())
  })

  test('a daemon on a full disk stops in good order', async () => {
    const layout = projectOnDisk(4_096)
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }] })
    await client.call('column.add', { table: 't', column: { name: 'c', type: 'TEXT' } })
    fill(layout.project)
    expect(await cinchd.kill('SIGTERM')).toBe(0)
    expect(integrityOf(tenantPath(layout))).toBe('ok')
  })
})

describe.skipIf(!canMount)('a disk that cannot be written', () => {
  test('becomes read-only while the daemon runs: writes are refused, reads go on', async ({ skip }) => {
    const layout = projectOnDisk(4_096)
    const cinchd = await startCinchd(layout)
    const client = await cinchd.connect()
    await client.call('table.create', table)
    await client.call('row.insert', { table: 't', rows: [{ a: 1 }] })
    await client.call('tenant.create', { name: 'x' })
    try {
      execFileSync('mount', ['-o', 'remount,ro', layout.project], { stdio: 'ignore' })
    } catch {
      skip('this kernel does not let a disk become read-only while files are open for writing')
    }
    expect(await kindOf(client, 'row.insert', { tenant: 'x', table: 't', rows: [{ a: 1 }] })).toBe('storageReadOnly')
    expect((await client.call('query.run', { sql: 'select a from t' })).rows).toEqual([[1]])
  })

  test('is refused at the start with a clear error', async () => {
    const layout = projectOnDisk(4_096)
    execFileSync('mount', ['-o', 'remount,ro', layout.project])
    const refused = startCinchd(layout)
    await expect(refused).rejects.toThrow(/storageReadOnly|storageError/)
  })
})

function tryMount(): boolean {
  const folder = fs.mkdtempSync('/tmp/cinch-mount-')
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    fs.rmdirSync(folder)
  }
}
