import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../src/base/refusal.ts'
import { Catalog } from '../../src/catalog/catalog.ts'
import { createProject, Engine } from '../../src/engine/engine.ts'
import { ask, temporaryFolder, temporaryProject } from '../support/project.ts'

const log = pino({ level: 'silent' })

function kindOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof Refusal) return error.kind
    throw error
  }
  return 'done'
}

function edit(file: string, sql: string): void {
  const db = new Database(file)
  db.exec(sql)
  db.close()
}

test('a new project has the format of this version, and tells whose it is', () => {
  const layout = temporaryProject()
  expect(ask(layout.catalog, 'pragma user_version')[0]).toBeGreaterThanOrEqual(1)
  expect(ask(layout.catalog, 'pragma application_id')).toEqual([0x636e6368])
  expect(ask(layout.catalog, 'pragma foreign_key_check')).toEqual([])
})

test('an empty file becomes a catalog', () => {
  const file = path.join(temporaryFolder(), 'metadata.db')
  fs.writeFileSync(file, '')
  const catalog = Catalog.open(file)
  expect(catalog.databases.all()).toEqual([])
  catalog.close()
  expect(ask(file, 'pragma application_id')).toEqual([0x636e6368])
})

describe('is refused, and left as it is:', () => {
  test.each<[string, (file: string) => void, string]>([
    ['a newer format', (file) => edit(file, 'pragma user_version = 1000'), 'formatTooNew'],
    ['a file of another program', (file) => edit(file, 'pragma application_id = 7'), 'notADatabase'],
    ['a file that is no database', (file) => fs.writeFileSync(file, 'x'.repeat(5_000)), 'notADatabase'],
    ['a file of which half is missing', (file) => fs.truncateSync(file, 5_000), 'corrupt'],
  ])('%s', (_, spoil, kind) => {
    const layout = temporaryProject()
    for (const suffix of ['-wal', '-shm']) fs.rmSync(layout.catalog + suffix, { force: true })
    spoil(layout.catalog)
    const before = fs.readFileSync(layout.catalog)
    expect(kindOf(() => Engine.open(layout.project, { log }))).toBe(kind)
    expect(fs.readFileSync(layout.catalog).equals(before)).toBe(true)
  })

  test.each<[string, string]>([
    ['settings that are no JSON', '{'],
    ['an unknown setting', '{"nothing": 1}'],
    ['a limit below one', '{"limits": {"maxBatch": 0}}'],
    ['an unknown durability', '{"durability": "some"}'],
  ])('%s', (_, text) => {
    const layout = temporaryProject()
    fs.writeFileSync(layout.config, text)
    expect(kindOf(() => Engine.open(layout.project, { log }))).toBe('invalidConfig')
  })

  test('a folder without a project, and a second project in one folder', () => {
    expect(kindOf(() => Engine.open(temporaryFolder(), { log }))).toBe('projectNotFound')
    const layout = temporaryProject()
    expect(kindOf(() => createProject(layout.project))).toBe('projectExists')
  })
})

test('what another process holds is busy, and free when that is gone', async () => {
  const layout = temporaryProject()
  const engine = Engine.open(layout.project, { log })
  const script = `
    import { Catalog } from ${JSON.stringify(path.resolve('dist/src/catalog/catalog.js'))}
    try { Catalog.open(process.argv[1]).close(); console.log('done') } catch (error) { console.log(error.kind) }
  `
  const attempt = () => {
    return execFileSync(process.execPath, ['--input-type=module', '-e', script, layout.catalog], {
      encoding: 'utf8',
    }).trim()
  }
  const whileOpen = attempt()
  await engine.close()
  expect(whileOpen).toBe('projectBusy')
  expect(attempt()).toBe('done')
})

test('a project whose making was cut short can be made again', () => {
  const folder = temporaryFolder()
  fs.mkdirSync(path.join(folder, '.cinchdb'))
  fs.writeFileSync(path.join(folder, '.cinchdb', 'metadata.db.new'), 'half')
  const layout = temporaryProject({ folder })
  expect(ask(layout.catalog, 'select name from database')).toEqual(['main'])
})
