import fs from 'node:fs'
import { openrpc } from '../dist/src/methods/openrpc.js'
import { reference } from '../dist/src/methods/reference.js'
import { goClient } from './clients/go.mjs'
import { pythonClient } from './clients/python.mjs'

const generated = {
  'protocol/openrpc.json': `${JSON.stringify(openrpc(), null, 2)}\n`,
  'protocol/reference.md': reference(),
  'protocol/clients/go/methods_gen.go': goClient(openrpc()),
  'protocol/clients/python/cinch/api.py': pythonClient(openrpc()),
}
const isCheck = process.argv.includes('--check')
for (const [file, text] of Object.entries(generated)) {
  const isFresh = fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text
  if (isFresh) continue
  if (isCheck) {
    console.error(`${file} is not what the registry says; run scripts/protocol`)
    process.exitCode = 1
  } else {
    fs.writeFileSync(file, text)
    console.log(`wrote ${file}`)
  }
}
