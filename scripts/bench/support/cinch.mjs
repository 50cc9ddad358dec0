import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { atEnd, temporaryFolder } from './cleanup.mjs'
import { LineClient } from './line-client.mjs'

/** Make a project with these settings; gives its folder. */
export async function makeProject(dist, config = {}) {
  const folder = temporaryFolder('project')
  const { createProject } = await import(pathToFileURL(path.join(dist, 'src/engine/engine.js')))
  createProject(folder)
  fs.writeFileSync(path.join(folder, '.cinchdb/config.json'), JSON.stringify(config))
  return folder
}

/**
 * A daemon on a project of its own.
 *
 * @param {{ dist: string, nodeArgs: readonly string[] }} options
 * @returns the daemon: `pid`, `connect`, `project`, `stop`
 */
export async function startCinch({ dist, nodeArgs }, config = {}) {
  const project = await makeProject(dist, config)
  const socket = path.join(project, 'd.sock')
  const args = [...nodeArgs, path.join(dist, 'src/cinchd.js'), '--project', project, '--socket', socket]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  let isStopping = false
  child.stderr.on('data', (text) => {
    said = (said + text).slice(-4000)
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  void ended.then((code) => {
    if (!isStopping) console.error(`cinchd ended by itself (${code}): ${said}`)
  })
  const kill = atEnd(() => {
    isStopping = true
    child.kill('SIGKILL')
  })
  // The socket is there a moment before it takes connections.
  for (let tries = 0; !(await accepts(socket)); tries++) {
    if (tries === 500 || child.exitCode !== null) throw new Error(`cinchd does not start: ${said}`)
    await sleep(20)
  }
  return {
    project,
    pid: child.pid,
    connect: () => LineClient.connect(socket),
    residentBytes: () => residentBytes(child.pid),
    /** Stop in good order, and remove the project. */
    async stop() {
      isStopping = true
      child.kill('SIGTERM')
      await ended
      kill()
      fs.rmSync(project, { recursive: true, force: true })
    },
  }
}

async function accepts(socket) {
  try {
    ;(await LineClient.connect(socket)).close()
    return true
  } catch {
    return false
  }
}

export function residentBytes(pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(kilobytes) * 1024
}
