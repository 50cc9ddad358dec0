import { beforeEach, expect, test } from 'vitest'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

let client: TestDaemon['client']

beforeEach(async () => {
  const daemon = await startDaemon()
  client = daemon.client
})

const generate = async (params: object = {}) => {
  const { files, hash } = await client.call('codegen.generate', { language: 'json', ...params })
  return { hash, model: JSON.parse(files[0].text) }
}

test('the model tells what each column takes and gives', async () => {
  await client.call('table.create', { name: 'author', columns: [{ name: 'name', type: 'text', nullable: false }] })
  await client.call('table.create', {
    name: 'book',
    columns: [
      { name: 'number', type: 'integer' },
      { name: 'title', type: 'text', nullable: false },
      { name: 'price', type: 'real', nullable: false, default: 1.5 },
      { name: 'sold', type: 'boolean' },
      { name: 'cover', type: 'blob' },
      { name: 'rating', type: 'numeric' },
      { name: 'author', type: 'text', references: { table: 'author' } },
      { name: 'shout', type: 'text', generated: { expression: 'upper(title)' } },
    ],
    primaryKey: ['number'],
    systemColumns: false,
  })
  await client.call('view.create', {
    name: 'titles',
    sql: 'select title, sold, count(*) as n from book group by title',
  })
  const { model, hash } = await generate()
  expect(model.hash).toBe(hash)
  const told = (fields: { [key: string]: unknown }[]) =>
    fields.map(({ name, kind, nullable, insert, isUpdatable }) => [name, kind, nullable, insert, isUpdatable].join(' '))
  const [author, book] = model.tables
  expect(author.key).toEqual(['id'])
  expect(told(author.fields)).toEqual([
    'id text false optional false',
    'created_at time false never false',
    'updated_at time false never false',
    'name text false required true',
  ])
  expect(told(book.fields)).toEqual([
    'number integer false optional false',
    'title text false required true',
    'price real false optional true',
    'sold boolean true optional true',
    'cover blob true optional true',
    'rating any true optional true',
    'author text true optional true',
    'shout text true never false',
  ])
  expect(book.fields[2].default).toBe('1.5')
  expect(book.fields[6].references).toEqual({ table: 'author' })
  expect(told(model.views[0].fields)).toEqual([
    'title text true never false',
    'sold boolean true never false',
    'n any true never false',
  ])
})

test('the hash changes with what code is generated from, and with nothing else', async () => {
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'text' }] })
  await client.call('table.create', { name: 'u', columns: [] })
  const hash = async (params: object = {}) => (await client.call('codegen.hash', params)).hash
  const [whole, ofT] = [await hash(), await hash({ tables: ['t'], views: [] })]
  await client.call('column.add', { table: 'u', column: { name: 'b', type: 'text' } })
  expect(await hash()).not.toBe(whole)
  expect(await hash({ tables: ['t'], views: [] })).toBe(ofT)
  await client.call('index.create', { table: 't', columns: ['a'] })
  expect(await hash({ tables: ['t'], views: [] })).toBe(ofT)
  expect((await generate({ tables: ['t'], views: [] })).hash).toBe(ofT)
})

test.each([
  ['codegen.generate', { language: 'cobol' }, 'languageNotFound'],
  ['codegen.generate', { language: 'jsom' }, 'languageNotFound'],
  ['codegen.generate', { language: 'json', options: { a: 'b' } }, 'invalidValue'],
  ['codegen.generate', { language: 'json', tables: ['nowhere'] }, 'tableNotFound'],
  ['codegen.hash', { views: ['nowhere'] }, 'viewNotFound'],
  ['codegen.hash', { branch: 'nowhere' }, 'branchNotFound'],
] as const)('%s %j is refused', async (method, params, kind) => {
  expect((await client.refused(method, params)).kind).toBe(kind)
})
