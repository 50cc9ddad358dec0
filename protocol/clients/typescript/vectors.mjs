// Sends and reads every value of ../../vectors/values.json; a line each, and how many went well. Run: node vectors.mjs
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { connect, real } from 'cinch'
import { createProject } from '../../../dist/src/engine/engine.js'

const file = process.env.CINCH_VECTORS ?? new URL('../../vectors/values.json', import.meta.url)
const { values, refused } = JSON.parse(fs.readFileSync(file, 'utf8'))
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'cinch-vectors-'))
createProject(project)
const db = await connect({ project, stdio: true })
let passed = 0

for (const vector of values) await check(vector.name, () => sendAndRead(vector))
for (const vector of refused.filter(({ by }) => by === 'client')) await check(vector.name, () => refuse(vector))
await db.close()
fs.rmSync(project, { recursive: true })

const all = values.length + refused.filter(({ by }) => by === 'client').length
console.log(`${passed} of ${all} vectors`)
if (passed !== all) process.exitCode = 1

async function check(name, work) {
  try {
    await work()
    passed++
    console.log(`ok ${name}`)
  } catch (error) {
    console.log(`FAIL ${name}: ${error.message}`)
  }
}

async function sendAndRead({ kind, value, sql, typeof: type }) {
  const native = nativeOf(kind, value)
  const given = [native, native]
  const options = { rowFormat: 'array' }
  const { rows } = await db.query(`select ?1 is ${sql}, typeof(?1), ?2, ${sql}`, given, options)
  const [isEqual, typeFound, returned, read] = rows[0]
  assert.equal(isEqual, 1)
  assert.equal(typeFound, type)
  assert.deepStrictEqual(returned, plain(native))
  assert.deepStrictEqual(read, plain(native))
}

async function refuse({ kind, value }) {
  await assert.rejects(db.query('select ?', [nativeOf(kind, value)]), RangeError)
}

function nativeOf(kind, value) {
  switch (kind) {
    case 'null':
      return null
    case 'boolean':
      return value === 'true'
    case 'integer':
      return Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value)
    case 'real':
      return Number.isSafeInteger(Number(value)) ? real(Number(value)) : Number(value)
    case 'text':
      return value
    case 'blob':
      return new Uint8Array(Buffer.from(value, 'hex'))
  }
}

/** As a result has it: SQLite has no booleans of its own, and a real is a number. */
function plain(native) {
  if (typeof native === 'boolean') return Number(native)
  return native?.value ?? native
}
