import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { openFile } from '../../src/storage/connection.ts'
import { openImage } from '../../src/storage/image.ts'
import { temporaryFolder } from '../support/project.ts'

/** A closed file in WAL mode, with one row. */
function makeFile(): string {
  const file = path.join(temporaryFolder(), 'x.db')
  fs.writeFileSync(file, '')
  const db = openFile(file, 'normal')
  db.exec('create table t (a); insert into t values (1)')
  db.close()
  return file
}

test('an image holds the rows of the file, and what is written to it stays there', () => {
  const file = makeFile()
  const before = fs.readFileSync(file)
  const image = openImage(file)
  image?.exec('insert into t values (2); create index i on t (a)')
  expect(image?.prepare('select a from t').pluck().all()).toEqual([1, 2])
  image?.close()
  expect(fs.readFileSync(file)).toEqual(before)
  expect(fs.readdirSync(path.dirname(file))).toEqual(['x.db'])
})

test('a file whose rows are in a log in part has no image', () => {
  const file = makeFile()
  const db = openFile(file, 'normal')
  db.exec('insert into t values (2)')
  expect(openImage(file)).toBeUndefined()
  db.pragma('wal_checkpoint(truncate)')
  const image = openImage(file)
  expect(image?.prepare('select a from t').pluck().all()).toEqual([1, 2])
  image?.close()
  db.close()
})

test('a large file has no image, and one that is not there neither', () => {
  const file = makeFile()
  expect(openImage(`${file}x`)).toBeUndefined()
  const db = new Database(file)
  db.exec('insert into t values (zeroblob(3000000))')
  db.close()
  expect(openImage(file)).toBeUndefined()
})

test('bytes that are no database of SQLite’s, such as an encrypted one, have no image', () => {
  const file = makeFile()
  const bytes = fs.readFileSync(file)
  fs.writeFileSync(
    file,
    bytes.map((byte) => byte ^ 0x5a),
  )
  expect(openImage(file)).toBeUndefined()
})
