import { spawn } from 'node:child_process'
import fs from 'node:fs'
import type net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Cinchd, descriptorsOf, program, residentMegabytes, startCinchd, startStdio } from '../support/cinchd.ts'
import { defer } from '../support/cleanup.ts'
import { connectRaw, RawClient } from '../support/client.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'

const columns = [{ name: 'a', type: 'INTEGER' }]
const plainTable = { name: 't', columns, systemColumns: false }

const framings = ['lines', 'headers'] as const

describe.each(framings)('cinchd --stdio, %s', (framing) => {
  test('serves its client, and ends with its input once everything is answered', async () => {
    const { cinchd, client } = startStdio(temporaryProject(), framing)
    expect((await client.call('initialize', { client: { name: 'test' } })).protocolVersion).toBe('1.0')
    const calls = [client.call('table.create', plainTable), client.call('row.insert', { table: 't', rows: [{ a: 1 }] })]
    client.output.end()
    expect(await Promise.all(calls)).toHaveLength(2)
    expect(await cinchd.exited).toBe(0)
  })

  test('shutdown and exit end it', async () => {
    const { cinchd, client } = startStdio(temporaryProject(), framing)
    expect(await client.call('shutdown')).toBeNull()
    client.notify('exit')
    expect(await cinchd.exited).toBe(0)
  })

  test('passes on to the daemon that runs, and ends with it', async () => {
    const layout = temporaryProject()
    const first = await startCinchd(layout)
    const { cinchd, client } = startStdio(layout, framing)
    expect((await client.call('project.info')).pid).toBe(first.pid)
    const large = 'ä'.repeat(200_000)
    const { rows } = await client.call('query.run', { sql: 'select ?', params: [large] })
    expect(rows).toEqual([[large]])
    expect(await first.kill('SIGTERM')).toBe(0)
    expect(await cinchd.exited).toBe(0)
  })

  test('that passes on ends with its input once everything is answered', async () => {
    const layout = temporaryProject()
    const first = await startCinchd(layout)
    const { cinchd, client } = startStdio(layout, framing)
    const call = client.call('table.create', plainTable)
    client.output.end()
    expect((await call).changeSet).toEqual(expect.any(String))
    expect(await cinchd.exited).toBe(0)
    expect(await (await first.connect()).call('ping')).toEqual({})
  })
})

test('twenty started at once leave one daemon, and every client works', { timeout: 60_000 }, async () => {
  const layout = temporaryProject()
  const started = Array.from({ length: 20 }, (_, at) => {
    const args = at % 2 ? ['--socket'] : ['--stdio']
    return { args, cinchd: new Cinchd({ project: layout.project, args }) }
  })
  const clients = started
    .filter(({ args }) => args[0] === '--stdio')
    .map(({ cinchd }) => new RawClient(cinchd.stdout, cinchd.stdin))
  const pids = await Promise.all(clients.map(async (client) => (await client.call('project.info')).pid))
  expect(new Set(pids).size).toBe(1)
  const { socket, pid } = JSON.parse(fs.readFileSync(layout.discovery, 'utf8'))
  expect(pid).toBe(pids[0])
  const others = started.filter(({ args, cinchd }) => args[0] === '--socket' && cinchd.pid !== pid)
  expect(await Promise.all(others.map(({ cinchd }) => cinchd.exited))).toEqual(others.map(() => 0))
  const client = await connectRaw(socket)
  expect((await client.call('project.info')).pid).toBe(pid)
  await client.call('daemon.stop')
  expect(await Promise.all(started.map(({ cinchd }) => cinchd.exited))).toEqual(Array(20).fill(0))
})

test('what a killed daemon left is cleaned up by the next one', async () => {
  const layout = temporaryProject()
  const first = await startCinchd(layout)
  await (await first.connect()).call('table.create', plainTable)
  await first.kill('SIGKILL')
  expect(fs.existsSync(layout.socket) && fs.existsSync(layout.discovery)).toBe(true)
  const second = await startCinchd(layout)
  const client = await second.connect()
  expect((await client.call('table.list')).tables).toHaveLength(1)
  expect(JSON.parse(fs.readFileSync(layout.discovery, 'utf8')).pid).toBe(second.pid)
  await client.call('daemon.stop')
  expect(await second.exited).toBe(0)
  expect(fs.existsSync(layout.socket) || fs.existsSync(layout.discovery)).toBe(false)
})

test.each([['not JSON'], ['{}'], ['{"pid":1}'], ['']])('a daemon.json that says %j is no obstacle', async (text) => {
  const layout = temporaryProject()
  fs.writeFileSync(layout.discovery, text)
  const cinchd = await startCinchd(layout)
  expect(await (await cinchd.connect()).call('ping')).toEqual({})
})

test('nobody else can open the socket or the folder', async () => {
  const layout = temporaryProject()
  const cinchd = await startCinchd(layout)
  const client = await cinchd.connect()
  await client.call('table.create', plainTable)
  await client.call('row.insert', { table: 't', rows: [{ a: 1 }] })
  const modes = new Map<string, number>()
  const look = (file: string) => {
    const stat = fs.lstatSync(file)
    modes.set(path.relative(layout.project, file), stat.mode & 0o077)
    if (stat.isDirectory()) for (const name of fs.readdirSync(file)) look(path.join(file, name))
  }
  look(layout.root)
  expect([...modes].filter(([, others]) => others !== 0)).toEqual([])
  expect(fs.statSync(layout.socket).mode & 0o777).toBe(0o600)
  expect(fs.statSync(layout.root).mode & 0o777).toBe(0o700)
  expect(modes.get('.cinchdb/main-main/0d/main.db')).toBe(0)
})

test('a project with a long path has its socket in a private folder', async () => {
  const folder = path.join(temporaryFolder(), 'x'.repeat(120))
  fs.mkdirSync(folder)
  const layout = temporaryProject({ folder })
  const env = { XDG_RUNTIME_DIR: temporaryFolder() }
  const cinchd = await startCinchd(layout, { env })
  const { socket } = JSON.parse(fs.readFileSync(layout.discovery, 'utf8'))
  expect(socket.startsWith(path.join(env.XDG_RUNTIME_DIR, 'cinch'))).toBe(true)
  expect(fs.statSync(path.dirname(socket)).mode & 0o777).toBe(0o700)
  expect(fs.statSync(socket).mode & 0o777).toBe(0o600)
  const client = await cinchd.connect()
  await client.call('daemon.stop')
  expect(await cinchd.exited).toBe(0)
  expect(fs.existsSync(socket)).toBe(false)
})

test('a private folder that others can enter is refused', async () => {
  const folder = path.join(temporaryFolder(), 'x'.repeat(120))
  fs.mkdirSync(folder)
  const env = { XDG_RUNTIME_DIR: temporaryFolder() }
  fs.mkdirSync(path.join(env.XDG_RUNTIME_DIR, 'cinch'))
  fs.chmodSync(path.join(env.XDG_RUNTIME_DIR, 'cinch'), 0o755)
  const cinchd = new Cinchd({ project: temporaryProject({ folder }).project, args: ['--socket'], env })
  expect(await cinchd.exited).toBe(1)
  expect(cinchd.stderr).toContain('pathRefused')
})

test('where there is no project, it says so', async () => {
  const cinchd = new Cinchd({ project: temporaryFolder(), args: ['--stdio'] })
  expect(await cinchd.exited).toBe(1)
  expect(cinchd.stderr).toContain('projectNotFound')
  expect(cinchd.stderr).not.toContain('    at ')
})

test('a client of another protocol version is refused, and may try again', async () => {
  const { client } = startStdio(temporaryProject())
  const wanted = { client: { name: 'test' }, protocolVersion: '2.0' }
  expect(await client.refused('initialize', wanted)).toMatchObject({
    kind: 'versionMismatch',
    client: '2.0',
    daemon: '1.0',
  })
  expect(await client.call('initialize', { ...wanted, protocolVersion: '1.9' })).toMatchObject({
    protocolVersion: '1.0',
  })
})

test.each([
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
] as const)('%s: every call is answered or told, and the project is free', async (signal) => {
  const layout = temporaryProject()
  const cinchd = await startCinchd(layout)
  const client = await cinchd.connect()
  await client.call('table.create', plainTable)
  const answers: Promise<string>[] = []
  for (let a = 0; a < 500; a++) {
    const answer = client.request('row.insert', { table: 't', rows: [{ a }] })
    answers.push(
      answer.then(
        ({ error }) => error?.data.kind ?? 'done',
        () => 'ended',
      ),
    )
  }
  await answers[0]
  cinchd.child.kill(signal)
  const kinds = await Promise.all(answers)
  expect(await cinchd.exited).toBe(0)
  const again = await startCinchd(layout)
  const { rows } = await (await again.connect()).call('query.run', { sql: 'select a from t' })
  const stored = rows.map(([a]: [number]) => a)
  // What is done is there, and nothing else: whatever was begun was answered.
  expect(stored).toEqual(kinds.flatMap((kind, a) => (kind === 'done' ? [a] : [])))
})

test('a client that does not read cannot keep it from stopping', async () => {
  const cinchd = await startCinchd(temporaryProject())
  const client = await cinchd.connect()
  await client.call('ping')
  client.input.pause()
  for (let id = 0; id < 50; id++) void client.request('query.run', { sql: 'select zeroblob(1000000)' }).catch(() => {})
  await (await cinchd.connect()).call('ping')
  expect(await cinchd.kill('SIGTERM')).toBe(0)
})

test('a stdio client that does not read holds up nobody else', async () => {
  const layout = temporaryProject()
  const { cinchd, client } = startStdio(layout)
  await client.call('ping')
  client.input.pause()
  for (let id = 0; id < 20; id++) void client.request('query.run', { sql: 'select zeroblob(1000000)' }).catch(() => {})
  await cinchd.logs(/"listening"/)
  const other = await connectRaw(JSON.parse(fs.readFileSync(layout.discovery, 'utf8')).socket)
  expect(await other.call('ping')).toEqual({})
})

test('it stops when nobody was connected for a while', async () => {
  const layout = temporaryProject()
  const cinchd = await startCinchd(layout, { args: ['--socket', '--idle-exit', '0.3'] })
  const client = await cinchd.connect()
  await sleep(600)
  expect(await client.call('ping')).toEqual({})
  await client.close()
  expect(await cinchd.exited).toBe(0)
})

describe('when its parent dies while its input stays open', () => {
  // The middle process starts cinchd with a pipe whose other end this test keeps open, and is killed.
  const middle = `
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, process.argv.slice(1), { stdio: [3, 4, 2] })
    process.send?.(child.pid)
    console.error('started ' + child.pid)
    setInterval(() => {}, 1e6)
  `
  async function orphan(project: string) {
    const parent = spawn(process.execPath, ['-e', middle, '--', program, '--project', project, '--stdio'], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    })
    const pid = await new Promise<number>((resolve) => {
      parent.stderr?.on('data', (text) => resolve(Number(/started (\d+)/.exec(String(text))?.[1])))
    })
    defer(() => {
      parent.kill('SIGKILL')
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    })
    const client = new RawClient(parent.stdio[4] as net.Socket, parent.stdio[3] as unknown as net.Socket)
    expect(await client.call('ping')).toEqual({})
    parent.kill('SIGKILL')
    await client.ended
    const isAlive = () =>
      fs.existsSync(`/proc/${pid}`) && !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    while (isAlive()) await sleep(20)
  }

  test('the daemon stops', () => orphan(temporaryProject().project))

  test('a forwarder stops', async () => {
    const layout = temporaryProject()
    await startCinchd(layout)
    await orphan(layout.project)
  })
})

test('fifty rounds of clients leave no descriptor open', { timeout: 60_000 }, async () => {
  const layout = temporaryProject({ config: { limits: { maxOpenFiles: 4 } } })
  const cinchd = await startCinchd(layout)
  const admin = await cinchd.connect()
  await admin.call('table.create', plainTable)
  const round = async (at: number) => {
    const clients = await Promise.all([cinchd.connect(), cinchd.connect('headers'), cinchd.connect()])
    const [first, second, third] = clients as [RawClient, RawClient, RawClient]
    const tenant = `x${at % 8}`
    await first.request('tenant.create', { name: tenant })
    await second.call('row.insert', { tenant, table: 't', rows: [{ a: at }] })
    third.send('{"jsonrpc":"2.0","id":1,"method":"query.run"')
    await first.close()
    second.destroy()
    third.destroy()
  }
  for (let at = 0; at < 8; at++) await round(at)
  const settled = async () => {
    while ((await admin.call('project.stats')).sessions > 1) await sleep(1)
    return descriptorsOf(cinchd.pid)
  }
  const before = await settled()
  for (let at = 0; at < 50; at++) await round(at)
  expect(await settled()).toBeLessThanOrEqual(before)
})

test('a client that vanishes in the middle of calls leaves nothing half done', { timeout: 60_000 }, async () => {
  const cinchd = await startCinchd(temporaryProject())
  const admin = await cinchd.connect()
  await admin.call('table.create', plainTable)
  for (let at = 0; at < 20; at++) {
    const client = await cinchd.connect(framings[at % 2])
    const send = (method: string, params: object) => void client.request(method, params).catch(() => {})
    const rows = Array.from({ length: 500 }, () => ({ a: at }))
    for (let burst = 0; burst < 5; burst++) send('row.insert', { table: 't', rows })
    send('schema.apply', {
      changes: [
        { kind: 'createTable', name: `u${at}`, columns },
        { kind: 'createTable', name: `v${at}`, columns },
      ],
    })
    for (let burst = 0; burst < 5; burst++) send('row.insert', { table: 't', rows })
    if (at % 2) await new Promise(setImmediate)
    client.destroy()
  }
  while ((await admin.call('project.stats')).sessions > 1) await sleep(5)
  const { rows } = await admin.call('query.run', { sql: 'select a, count(*) from t group by a' })
  expect(rows.filter(([, count]: [number, number]) => count % 500 !== 0)).toEqual([])
  const { tables } = await admin.call('table.list')
  const names = new Set(tables.map(({ name }: { name: string }) => name))
  for (let at = 0; at < 20; at++) expect(names.has(`u${at}`)).toBe(names.has(`v${at}`))
  expect(cinchd.stderr).not.toMatch(/request failed|"level":[56]0/)
})

describe('memory', () => {
  test('a client that reads late gets everything, and its answers do not fill the memory', {
    timeout: 60_000,
  }, async () => {
    const cinchd = await startCinchd(temporaryProject())
    const client = await cinchd.connect()
    await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'TEXT' }], systemColumns: false })
    await client.call('row.insert', { table: 't', rows: [{ a: 'x'.repeat(50_000) }] })
    const before = residentMegabytes(cinchd.pid)
    client.input.pause()
    const count = 10_000
    const answers = Promise.all(
      Array.from({ length: count }, (_, id) =>
        client.request('query.run', { sql: 'select ?, a from t where rowid = 1', params: [id] }),
      ),
    )
    const other = await cinchd.connect()
    let peak = 0
    for (let look = 0; look < 30; look++) {
      expect(await other.call('ping')).toEqual({})
      peak = Math.max(peak, residentMegabytes(cinchd.pid))
      await sleep(20)
    }
    expect(peak - before).toBeLessThan(400)
    client.input.resume()
    expect((await answers).map(({ result }) => result.rows[0][0])).toEqual([...Array(count).keys()])
  })

  test('requests that arrive together with very large answers do not end the daemon', { timeout: 60_000 }, async () => {
    const cinchd = await startCinchd(temporaryProject())
    const client = await cinchd.connect()
    const sql = "select printf('%*c', 10000000, 'x')"
    const answers = await Promise.all(Array.from({ length: 60 }, () => client.request('query.run', { sql })))
    expect(answers.filter(({ error }) => error)).toEqual([])
    expect(await client.call('ping')).toEqual({})
  })

  test.each(framings)('a message of 200 MB, %s, is refused without being kept', {
    timeout: 60_000,
  }, async (framing) => {
    const cinchd = await startCinchd(temporaryProject())
    const client = await cinchd.connect(framing)
    await client.call('ping')
    const before = residentMegabytes(cinchd.pid)
    const chunk = Buffer.alloc(1_000_000, 'x')
    if (framing === 'headers') client.write(`Content-Length: ${200 * chunk.length}\r\n\r\n`)
    for (let at = 0; at < 200; at++) {
      if (!client.output.write(chunk))
        await new Promise<void>((resolve) => client.output.once('drain', () => resolve()))
    }
    if (framing === 'lines') client.write('\n')
    expect((await client.next()).error.data).toMatchObject({ kind: 'messageTooLarge' })
    expect(await client.call('ping')).toEqual({})
    expect(residentMegabytes(cinchd.pid) - before).toBeLessThan(framing === 'headers' ? 60 : 200)
  })
})
