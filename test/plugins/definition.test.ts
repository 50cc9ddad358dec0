import { expect, expectTypeOf, test } from 'vitest'
import { defineMethod, definePlugin, z } from '../../src/plugins/definition.ts'

test('a definition is given back as it is, and its types are those of its schemas', async () => {
  const definition = {
    name: 'typed',
    version: '1.0.0',
    settings: z.strictObject({ limit: z.int().default(5) }),
  }
  const plugin = definePlugin({
    ...definition,
    beforeQuery({ sql, access }, { settings }) {
      expectTypeOf(settings).toEqualTypeOf<{ limit: number }>()
      expectTypeOf(access).toEqualTypeOf<'read' | 'write'>()
      if (sql.length > settings.limit) return { veto: 'too long' }
    },
    async afterQuery(_, { rows }, { db }) {
      const found = await db.query('select 1')
      expectTypeOf(found.rows).toEqualTypeOf<NonNullable<typeof rows>>()
    },
    onEvent(event) {
      if (event.kind === 'branchMerged') expectTypeOf(event.source).toEqualTypeOf<string>()
    },
    extendDatabase: () => ({
      double: defineMethod({
        summary: 'Double a number.',
        params: z.object({ a: z.number() }),
        result: z.object({ b: z.number() }),
        handle: ({ a }) => ({ b: a * 2 }),
      }),
    }),
  })

  expect(plugin).toMatchObject(definition)
  // @ts-expect-error: what is neither a statement nor a veto
  definePlugin({ ...definition, beforeQuery: () => ({ sqll: 'select 1' }) })
  defineMethod({
    summary: 'Wrong.',
    params: z.object({}),
    result: z.object({ b: z.number() }),
    // @ts-expect-error: a result of another type than declared
    handle: () => ({ b: 'x' }),
  })
  // @ts-expect-error: no version
  definePlugin({ name: 'a' })
})
