import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { type ErrorEntry, errors } from '../../protocol/errors.ts'
import { productVersion } from '../../protocol/version.ts'
import { methods } from '../../src/methods/index.ts'
import { openrpc } from '../../src/methods/openrpc.ts'
import { reference } from '../../src/methods/reference.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')

test('the generated protocol documents are fresh', () => {
  expect(JSON.parse(read('protocol/openrpc.json'))).toEqual(JSON.parse(JSON.stringify(openrpc())))
  expect(read('protocol/reference.md')).toBe(reference())
})

test('every method is described: a summary that is a sentence, and known refusals', () => {
  for (const [name, method] of methods) {
    expect(method.summary, name).toMatch(/^[A-Z].*\.$/)
    expect(new Set(method.refusals).size, `${name} lists a refusal twice`).toBe(method.refusals.length)
    for (const kind of method.refusals) expect(errors, name).toHaveProperty(kind)
  }
})

test('every name on the wire is noun.verb, or belongs to the connection', () => {
  const others = [...methods.keys()].filter((name) => !/^[a-z]+\.[a-z][a-zA-Z]*$/.test(name))
  expect(others).toEqual(['initialize', 'ping', 'shutdown'])
})

test('no number of an error is used twice, and its data leaves kind and hint to the wire', () => {
  const entries = Object.values<ErrorEntry>(errors)
  expect(new Set(entries.map(({ code }) => code)).size).toBe(entries.length)
  for (const { data } of entries) expect(Object.keys(data.shape)).not.toEqual(expect.arrayContaining(['kind', 'hint']))
})

test('every method, error and setting stands in the reference', () => {
  const text = read('protocol/reference.md')
  for (const name of methods.keys()) expect(text).toContain(`### ${name}\n`)
  for (const kind of Object.keys(errors)) expect(text).toContain(`| \`${kind}\` |`)
  expect(text).toContain('| `limits.maxMessageBytes` |')
})

test('the version is the package’s', () => {
  expect(productVersion).toBe(JSON.parse(read('package.json')).version)
})
