import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Place, requireBuild } from './cinch-support.ts'

let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  await place.run(['init'])
  await place.run(['table', 'create', 't', 'a:text'])
})

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
})

const schemaFile = (dir: string) => path.join(place.folder, dir, 'schema.json')

test('generated code is written, written no more where nothing has changed, and checked', async () => {
  const first = await place.json('codegen', 'generate', 'json', 'out/code')
  expect(first).toMatchObject({ written: ['schema.json'], unchanged: 0 })
  expect(JSON.parse(fs.readFileSync(schemaFile('out/code'), 'utf8')).hash).toBe(first.hash)
  expect(await place.json('codegen', 'generate', 'json', 'out/code')).toMatchObject({ written: [], unchanged: 1 })
  expect((await place.run(['codegen', 'generate', 'json', 'out/code', '--check'])).code).toBe(0)
  fs.appendFileSync(schemaFile('out/code'), ' ')
  const { code, stdout, stderr } = await place.run(['codegen', 'generate', 'json', 'out/code', '--check'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: `${path.join('out/code', 'schema.json')}\n` })
  expect(stderr).toContain('cinch codegen generate writes it anew')
})

test('with --watch it follows the schema', async () => {
  const child = place.start(['codegen', 'generate', 'json', 'watched', '--watch'])
  try {
    const written = () => once(child.stdout as NodeJS.EventEmitter, 'data')
    await written()
    const columns = () =>
      JSON.parse(fs.readFileSync(schemaFile('watched'), 'utf8')).tables[0].fields.map(
        ({ name }: { name: string }) => name,
      )
    expect(columns()).not.toContain('b')
    const again = written()
    await place.run(['column', 'add', 't', 'b:text'])
    await again
    expect(columns()).toContain('b')
  } finally {
    child.kill()
  }
})
