import { Engine } from '../../dist/src/engine/engine.js'
import { importFile } from '../../dist/src/engine/transfer/import.js'

// Imports a file into the main tenant of a project when it is told to, and tells when it is ready.
const [project, file] = process.argv.slice(2)
const engine = Engine.open(project, { log: { warn() {}, error() {} } })
process.once('message', async () => {
  const table = file.endsWith('.csv') ? 't' : undefined
  const progress = { signal: new AbortController().signal, report() {} }
  await importFile(engine.parts, engine.tenant('main', 'main', 'main'), { path: file, table }, progress)
  await engine.close()
  process.disconnect()
})
process.send('ready')
