import fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { evolve } from '../../src/schema/apply.ts'
import { diff } from '../../src/schema/diff.ts'
import { merge as mergeSchemas } from '../../src/schema/merge.ts'
import { differences, emptySchema, type Schema } from '../../src/schema/model.ts'
import { createTemplate } from '../../src/schema/snapshot.ts'
import { seed } from '../support/seed.ts'
import { byPath, mergedOf, swapped, withoutReason } from './merge-support.ts'
import { schemas } from './random.ts'
import { afterEdits, edits } from './random-edits.ts'
import { counter } from './support.ts'

const runs = (count: number) => count * Number(process.env.MERGE_RUNS ?? 1)
const done = { merges: 0 }
fc.configureGlobal({ seed })
vi.setConfig({ testTimeout: runs(120_000) })
afterAll(() => console.log(`merge properties: ${done.merges} merges of random schemas (seed ${seed})`))

function merge(...args: Parameters<typeof mergeSchemas>): ReturnType<typeof mergeSchemas> {
  done.merges++
  return mergeSchemas(...args)
}

const anyOrder = { columnOrder: false }

function made(schema: Schema): Schema {
  return evolved(emptySchema, schema).schema
}

function evolved(from: Schema, to: Schema) {
  const template = createTemplate(from)
  try {
    return evolve(template, from, diff(from, to, { byId: true }), counter('unexpected'))
  } finally {
    template.close()
  }
}

/** A base, and what two branches made of it. */
const branches = fc
  .tuple(
    schemas.filter(({ tables }) => tables.length > 0),
    edits,
    edits,
  )
  .map(([schema, ours, theirs]) => {
    const base = made(schema)
    return { base, a: afterEdits(base, ours, 'a'), b: afterEdits(base, theirs, 'b') }
  })

/** Three schemas that have little to do with each other but names and ids. */
const strangers = fc
  .tuple(schemas, schemas, schemas)
  .map(([base, a, b]) => ({ base: made(base), a: made(a), b: made(b) }))

test('the changes between two schemas turn the one into the other, ids and all', () => {
  fc.assert(
    fc.property(schemas, schemas, (a, b) => {
      const [start, end] = [made(a), made(b)]
      const { schema } = evolved(start, end)
      expect(differences(schema, end, anyOrder)).toEqual([])
      const ids = ({ tables }: Schema) =>
        tables.flatMap(({ id, columns }) => [id, ...columns.map((column) => column.id)]).sort()
      expect(ids(schema)).toEqual(ids(end))
    }),
    { numRuns: runs(200) },
  )
})

test.each([
  ['edited', branches],
  ['unrelated', strangers],
])('a side that did not move adds nothing, and the same on both sides is one: %s', (_name, three) => {
  fc.assert(
    fc.property(three, ({ base, a, b }) => {
      expect(mergedOf(merge(base, a, base))).toMatchObject({ schema: a, changes: [] })
      expect(mergedOf(merge(base, a, a))).toMatchObject({ schema: a, changes: [] })
      const forward = mergedOf(merge(base, base, b)).schema
      expect(differences(forward, b, anyOrder)).toEqual([])
    }),
    { numRuns: runs(100) },
  )
})

test.each([
  ['edited', branches, runs(300)],
  ['unrelated', strangers, runs(200)],
])('merging the other way round gives the same: %s', (_name, three, numRuns) => {
  const count = { merged: 0, conflicts: 0, replay: 0 }
  fc.assert(
    fc.property(three, ({ base, a, b }) => {
      const [forth, back] = [merge(base, a, b), merge(base, b, a)]
      if (forth.kind === 'conflicts' || back.kind === 'conflicts') {
        count.conflicts++
        const [mine, other] = [forth, back].map((result) => (result.kind === 'conflicts' ? result.conflicts : []))
        if (mine?.some(({ kind }) => kind === 'replay')) count.replay++
        expect(byPath(other?.map(swapped) ?? [])).toEqual(byPath(mine?.map(withoutReason) ?? []))
        expect(new Set(mine?.map(({ path }) => path)).size).toBe(mine?.length)
        return
      }
      count.merged++
      expect(differences(forth.schema, back.schema, anyOrder)).toEqual([])
      const template = createTemplate(a)
      expect(evolve(template, a, forth.changes, counter('unexpected')).schema).toEqual(forth.schema)
      template.close()
    }),
    { numRuns },
  )
  if (process.env.MERGE_COUNTS) console.log(_name, count)
  expect(Math.min(count.merged, count.conflicts)).toBeGreaterThan(5)
})

test('a branch that goes on after it was merged can be merged again, in both directions', () => {
  let merged = 0
  fc.assert(
    fc.property(branches, edits, edits, ({ base, a, b }, moreA, moreB) => {
      const first = merge(base, a, b)
      if (first.kind === 'conflicts') return
      const { sameAs } = first
      expect(mergedOf(merge(b, first.schema, b, { sameAs })).changes).toEqual([])
      expect(differences(mergedOf(merge(b, b, first.schema, { sameAs })).schema, first.schema, anyOrder)).toEqual([])

      const [laterA, laterB] = [afterEdits(first.schema, moreA, 'c'), afterEdits(b, moreB, 'd')]
      const second = merge(b, laterA, laterB, { sameAs })
      const pulled = merge(b, laterB, laterA, { sameAs })
      expect(pulled.kind).toBe(second.kind)
      if (second.kind === 'conflicts' || pulled.kind === 'conflicts') return
      merged++
      expect(differences(second.schema, pulled.schema, anyOrder)).toEqual([])
      const all = [...sameAs, ...second.sameAs]
      expect(mergedOf(merge(laterB, second.schema, laterB, { sameAs: all })).changes).toEqual([])
      // A merge back, and one more forth: the two have long become one.
      const back = mergedOf(merge(laterB, laterB, second.schema, { sameAs: all }))
      const known = [...all, ...back.sameAs]
      const third = mergedOf(merge(second.schema, second.schema, back.schema, { sameAs: known }))
      expect(third.changes).toEqual([])
    }),
    { numRuns: runs(150) },
  )
  expect(merged).toBeGreaterThan(20)
})

test('every conflict can be resolved by taking one side for all of them, or says why not', () => {
  const kinds = new Set<string>()
  fc.assert(
    fc.property(branches, fc.constantFrom('ours' as const, 'theirs' as const), ({ base, a, b }, take) => {
      const paths = new Set<string>()
      for (let round = 0; ; round++) {
        const result = merge(base, a, b, { resolutions: [...paths].map((path) => ({ path, take })) })
        if (result.kind === 'merged') return
        const open = result.conflicts.filter(({ path }) => !paths.has(path))
        for (const { kind, path, reason } of result.conflicts) {
          if (paths.has(path) || kind === 'replay') kinds.add(`${kind} ${path}: ${reason}`)
        }
        if (open.length < result.conflicts.length || open.some(({ kind }) => kind === 'replay')) return
        for (const { path } of open) paths.add(path)
        expect(round).toBeLessThan(10)
      }
    }),
    { numRuns: runs(150) },
  )
  if (process.env.MERGE_COUNTS) console.log([...kinds])
})
