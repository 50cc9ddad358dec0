import process from 'node:process'
import { Daemon } from '../../dist/src/daemon/daemon.js'
import { createProject } from '../../dist/src/engine/engine.js'

// A daemon that serves its standard streams until they end, as `cinchd --stdio` does, and is there sooner. What is behind
// is brought forward before it stops. With `create` it makes the project first.
const [project, create] = process.argv.slice(2)
if (create) createProject(project)
const log = { info() {}, warn() {}, error() {}, debug() {}, trace() {}, fatal() {} }
const daemon = new Daemon({ project, log })
const { drain } = daemon.engine.parts
const stop = drain.stop.bind(drain)
drain.stop = async () => {
  await drain.settled()
  await stop()
}
daemon.serveStdio(process.stdin, process.stdout)
await daemon.stopped
