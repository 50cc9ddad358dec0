import fs from 'node:fs'
import { openrpc } from '../dist/src/methods/openrpc.js'
import { reference } from '../dist/src/methods/reference.js'
import { goClient } from './clients/go.mjs'
import { javaClient } from './clients/java.mjs'
import { pythonClient } from './clients/python.mjs'
import { rustClient } from './clients/rust.mjs'
import { typescriptClient } from './clients/typescript.mjs'

const generated = {
  'protocol/openrpc.json': `${JSON.stringify(openrpc(), null, 2)}\n`,
  'protocol/reference.md': reference(),
  'protocol/clients/go/methods_gen.go': goClient(openrpc()),
  'src/client/methods.ts': typescriptClient(openrpc()),
  'protocol/clients/rust/src/methods.rs': rustClient(openrpc()),
  'protocol/clients/java/src/main/java/cinch/client/Api.java': javaClient(openrpc()),
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
