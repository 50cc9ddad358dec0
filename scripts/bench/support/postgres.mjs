import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { atEnd, temporaryFolder } from './cleanup.mjs'
import { PgClient } from './pg-client.mjs'

/**
 * A PostgreSQL server of the bench's own: trust over a Unix socket, `fsync` on, everything else as it comes. Undefined
 * where there is none on this machine.
 */
export async function startPostgres() {
  const programs = findPrograms()
  if (!programs) return undefined
  const folder = temporaryFolder('postgres')
  const as = unprivileged()
  if (as) fs.chownSync(folder, as.uid, as.gid)
  const data = path.join(folder, 'data')
  const run = (program, args) => execFileSync(programs[program], args, { ...as, cwd: folder, encoding: 'utf8' })
  run('initdb', ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'])
  const server = spawn(
    programs.postgres,
    ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=on', '-c', 'max_connections=100'],
    { ...as, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  server.stderr.on('data', (text) => {
    said = (said + text).slice(-4000)
  })
  // SIGQUIT: at once, and its own children with it.
  const stop = atEnd(() => {
    server.kill('SIGQUIT')
    waitForEnd(server.pid)
  })
  const where = { socket: path.join(folder, '.s.PGSQL.5432'), user: 'bench', database: 'postgres' }
  for (let tries = 0; ; tries++) {
    try {
      const client = await PgClient.connect(where)
      const [[version]] = await client.query('show server_version')
      client.close()
      return {
        version,
        stop,
        connect: (options) => PgClient.connect({ ...where, options }),
        /** The same question to psql, which knows the protocol for sure; undefined where psql is missing. */
        psql: (sql) =>
          programs.psql &&
          run('psql', ['-h', folder, '-U', 'bench', '-d', 'postgres', '-At', '-F', '\t', '-c', sql]).trim(),
      }
    } catch (error) {
      if (tries === 200 || server.exitCode !== null)
        throw new Error(`postgres does not start: ${said}`, { cause: error })
      await sleep(50)
    }
  }
}

function findPrograms() {
  const versions = '/usr/lib/postgresql'
  const installed = fs.existsSync(versions) ? fs.readdirSync(versions).map((v) => path.join(versions, v, 'bin')) : []
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...installed]
  const find = (name) => folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file))
  const [postgres, initdb, psql] = ['postgres', 'initdb', 'psql'].map(find)
  return postgres && initdb ? { postgres, initdb, psql } : undefined
}

/** postgres does not run as root. */
function unprivileged() {
  if (process.getuid() !== 0) return undefined
  for (const user of ['postgres', 'nobody']) {
    try {
      const id = (flag) =>
        Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // No such user here.
    }
  }
  return undefined
}

/** Its folder can only go when it is gone. A zombie is gone, too. */
function waitForEnd(pid) {
  for (let tries = 0; tries < 200; tries++) {
    const stat = fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'utf8') : ') Z'
    if (/\) [ZX]/.test(stat)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  }
}
