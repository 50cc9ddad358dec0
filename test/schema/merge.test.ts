import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkMerge, type MergeCase } from './merge-support.ts'

/**
 * The cases are SQL files. `-- # name` begins one, and `-- base`, `-- ours`, `-- theirs` begin its parts; then comes
 * `-- merged` with the whole schema, or `-- conflicts` with a `-- kind path` a line, and with `-- take ours` and
 * `-- take theirs` the whole schema if all conflicts are resolved so.
 */
const folder = path.join(import.meta.dirname, 'cases')
const files = fs.readdirSync(folder).filter((file) => file.endsWith('.sql'))

describe.each(files)('%s', (file) => {
  const text = fs.readFileSync(path.join(folder, file), 'utf8')
  const cases = text
    .split(/^-- # /m)
    .slice(1)
    .map((one) => [one.slice(0, one.indexOf('\n')), parseCase(one)] as const)
  test.each(cases)('%s', (_name, one) => checkMerge(one))
})

function parseCase(text: string): MergeCase {
  const part = (name: string) =>
    new RegExp(`^-- ${name}\\n(.*?)(?=^-- (?:base|ours|theirs|merged|conflicts|take)|$(?!\\n))`, 'ms').exec(text)?.[1]
  const conflicts = part('conflicts')
  const [merged, takeOurs, takeTheirs] = [part('merged'), part('take ours'), part('take theirs')]
  expect((merged === undefined) !== (conflicts === undefined)).toBe(true)
  return {
    base: part('base') ?? '',
    ours: part('ours') ?? '',
    theirs: part('theirs') ?? '',
    ...(merged !== undefined && { merged }),
    ...(conflicts !== undefined && { conflicts: conflicts.match(/(?<=^-- ).+$/gm) ?? [] }),
    ...(takeOurs !== undefined && { takeOurs }),
    ...(takeTheirs !== undefined && { takeTheirs }),
  }
}
