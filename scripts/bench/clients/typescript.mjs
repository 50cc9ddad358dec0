// node typescript.mjs PROJECT SECONDS ROWS DIST
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [project, seconds, rows, dist] = process.argv.slice(2)
const { connect } = await import(pathToFileURL(path.join(dist, 'src/client/index.js')))
const client = await connect({ project, start: false })

async function readFor(milliseconds) {
  const startedAt = performance.now()
  let reads = 0
  while (performance.now() - startedAt < milliseconds) {
    const id = (((++reads * 48_271) % 2_147_483_647) % Number(rows)) + 1
    const { row } = await client.row.get({ table: 'item', id })
    if (row?.id !== id || row.name !== `name of ${id}`) throw new Error(`${id} is not ${JSON.stringify(row)}`)
  }
  return { reads, seconds: (performance.now() - startedAt) / 1000 }
}

// Node compiles what runs often.
await readFor(1000)
console.log(JSON.stringify(await readFor(Number(seconds) * 1000)))
await client.close()
