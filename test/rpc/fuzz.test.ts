import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type ErrorKind, errors } from '../../protocol/errors.ts'
import { methods } from '../../src/methods/index.ts'
import { deferToEnd } from '../support/cleanup.ts'
import type { Answer, Json } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { seed } from '../support/seed.ts'

/** Methods that end the connection, or the daemon. */
const ending = new Set(['daemon.stop', 'shutdown'])
const names = [...methods.keys()].filter((name) => !ending.has(name))

let started: TestDaemon

beforeAll(async () => {
  started = await startDaemon({ keep: deferToEnd, config: { limits: { maxResultRows: 1_000 } } })
})

/** An answer is a result, or an error of the table with its number and its declared data; never an internal one. */
function requireDeclared(answer: Answer, request: string): void {
  if (answer.error === undefined) return
  const { code, message, data } = answer.error
  const entry = errors[data.kind as ErrorKind]
  const context = `${request.slice(0, 1_000)} → ${JSON.stringify(answer).slice(0, 1_000)}`
  const log = JSON.stringify(started.logged.filter(({ msg }) => msg === 'request failed').at(-1))?.slice(0, 2_000)
  if (data.kind === 'internalError') expect.fail(`${context}\n${log}`)
  expect({ code, message }, context).toEqual({ code: entry?.code, message: entry?.message })
  const { kind: _, hint: __, ...rest } = data
  expect(z.strictObject(entry.data.shape).safeParse(rest).error, context).toBeUndefined()
}

async function ask(method: string, params: Json): Promise<Answer> {
  const answer = await started.client.request(method, params as object)
  requireDeclared(answer, `${method} ${JSON.stringify(params)}`)
  return answer
}

/** Texts that have meant something to somebody. */
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('t', 'u', 'a', 'b', 'main', 'x1', 'v', 'i') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '',
      '..',
      '../x',
      'a/b',
      '.',
      'a\u0000b',
      '\n',
      'A',
      'con',
      '__x',
      'sqlite_x',
      'select',
      '__proto__',
      'constructor',
      'toString',
      'ä',
      '😀',
      '\ud800',
      '"',
      "'",
      '`',
      ';',
      '--',
      'a'.repeat(64),
      'a'.repeat(1_001),
      '%',
      '*',
      '-a',
      'id',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'select 1',
      'select * from t',
      'select ?',
      'select :a',
      'insert into t (a) values (1)',
      'delete from t',
      'drop table t',
      'pragma user_version',
      'begin',
      'select',
      'TEXT',
      'INTEGER',
      'BOOLEAN',
      'a > 0',
      '(',
      'null',
      'create trigger r after insert on t begin select 1; end',
      'with x as (select 1) select * from x',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
)
const scalar = fc.oneof(
  fc.constantFrom<Json>(null, true, false, 0, 1, -1, 2, 0.5, 1e300, 2 ** 53, -(2 ** 53), 1_000_000_000_000),
  fc.constantFrom<Json>(
    { $int: '9223372036854775807' },
    { $int: 'x' },
    { $blob: 'AA==' },
    { $real: 'Infinity' },
    { $x: '' },
  ),
  text,
)
const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom('a', 'b', 'and', 'or', 'not', 'gt', 'in', 'between', 'name', 'type', 'sql'),
      tie('value'),
      {
        maxKeys: 3,
      },
    ),
  ),
})).value

const sql = fc.constantFrom(
  ...[
    'select * from t',
    'select a, b, count(*) from t group by a',
    'select * from v',
    'select :a, ?2',
    'select 1; select 2',
  ],
  ...[
    'insert into t (a, b) values (?, ?)',
    'insert or replace into u values (1, 2)',
    'update t set a = :a returning *',
  ],
  ...[
    'delete from u',
    'drop table t',
    'pragma user_version',
    'begin',
    'select',
    'insert into v values (1)',
    'explain select 1',
  ],
  ...[
    'select * from t where a in (select a from u) order by b limit 2',
    'select abs(-9223372036854775808)',
    "select json('{')",
  ],
  ...[
    'create trigger r after insert on t begin delete from u; end',
    'create trigger r before delete on t begin select raise(rollback, 1); end',
  ],
)

/** Texts that fit a parameter of this name. */
const byName: { readonly [key: string]: fc.Arbitrary<Json> } = {
  sql,
  type: fc.constantFrom('TEXT', 'integer', 'REAL', 'BLOB', 'NUMERIC', 'BOOLEAN', 'VARCHAR(3)', ''),
  table: fc.constantFrom('t', 't', 'u', 'v', 'nothing'),
  source: fc.constantFrom('t', 'u', 'v'),
  collate: fc.constantFrom('nocase', 'binary', 'nothing'),
  check: fc.constantFrom('a > 0', 'length(b) < 9', 'nothing > 0', '(', 'random()'),
  expression: fc.constantFrom('a + 1', 'lower(b)', 'nothing', '(select 1)', 'random()'),
  where: fc.constantFrom('a > 0', 'b is not null', 'random()'),
  id: fc.constantFrom<Json>(1, 'x', null, { a: 1 }, { a: 1, b: 2 }, { $int: '1' }, [1]),
}

const where = fc.dictionary(fc.constantFrom('a', 'b', 'id', 'and', 'or', 'not', 'nothing'), value, { maxKeys: 3 })
const row = fc.dictionary(fc.constantFrom('a', 'b', 'id', 'updated_at'), scalar, { maxKeys: 4 })

function isTenantKey({ anyOf }: Record<string, unknown>): boolean {
  return ((anyOf ?? []) as { properties?: object }[]).some(({ properties }) => properties && 'raw' in properties)
}

/** A value of about the shape that a schema asks for, and now and then of none. */
function near(schema: unknown, key = '', depth = 0): fc.Arbitrary<Json> {
  const node = (schema ?? {}) as Record<string, unknown>
  const { type, enum: options, const: constant, properties, required, items } = node
  // A passphrase takes a while to become a key.
  if (isTenantKey(node)) return fc.constantFrom({ raw: 'a'.repeat(64) }, { raw: 'b'.repeat(64) })
  const kinds = (node.anyOf ?? node.oneOf) as unknown[] | undefined
  const meant = (): fc.Arbitrary<Json> => {
    if (depth > 6) return scalar
    if (kinds) return fc.oneof(...kinds.map((each) => near(each, key, depth + 1)))
    if (options) return fc.constantFrom(...(options as Json[]))
    if (constant !== undefined) return fc.constant(constant as Json)
    if (key === 'rows') return row
    if (key === 'where' && type === 'object') return where
    switch (type) {
      case 'string':
        return byName[key] ? fc.oneof({ weight: 9, arbitrary: byName[key] }, { weight: 1, arbitrary: text }) : text
      case 'boolean':
        return fc.boolean()
      case 'number':
      case 'integer':
        return fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.constantFrom(-1, 0, 2 ** 53, 0.5))
      case 'array':
        return fc.array(near(items, key, depth + 1), { minLength: 1, maxLength: 3 })
      case 'object': {
        if (!properties) return fc.dictionary(text, near(node.additionalProperties, key, depth + 1), { maxKeys: 3 })
        const arbitraries = Object.entries(properties as object).map(([name, each]) => {
          return [name, near(each, name, depth + 1)] as const
        })
        return fc.record(Object.fromEntries(arbitraries), { requiredKeys: (required ?? []) as string[] })
      }
      default:
        return byName[key] ?? value
    }
  }
  return fc.oneof({ weight: 60, arbitrary: meant() }, { weight: 1, arbitrary: value })
}

/** Left out, so that most calls go where something is. */
const scopes = ['database', 'branch', 'tenant', 'timeoutMs', 'progressToken', 'dryRun']

/** The parameters of a method, with the schema's references resolved. */
function paramsOf(name: string): fc.Arbitrary<Json> {
  const schema = z.toJSONSchema(methods.get(name)?.params as z.ZodObject, {
    io: 'input',
    unrepresentable: 'any',
  }) as { $defs?: Record<string, unknown>; properties?: object; required?: string[] }
  const resolve = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(resolve)
    if (typeof node !== 'object' || node === null) return node
    const ref = (node as { $ref?: string }).$ref
    if (ref) return resolve(schema.$defs?.[ref.replace('#/$defs/', '')])
    return Object.fromEntries(Object.entries(node).map(([key, each]) => [key, resolve(each)]))
  }
  const properties = Object.entries(schema.properties ?? {}).filter(([key]) => {
    // A key for what is not encrypted is refused, whatever else is asked.
    return !scopes.includes(key) && (key !== 'key' || schema.required?.includes(key))
  })
  return near(resolve({ ...schema, properties: Object.fromEntries(properties) }))
}

describe(`whatever is asked, the answer is declared (seed ${seed})`, () => {
  test('random params of about the right shape', { timeout: 240_000 }, async () => {
    const common = names.filter((name) => !/Maintenance|^rpc|^project|^initialize|setScope|encrypt/.test(name))
    const request = fc.constantFrom(...common).chain((name) => fc.tuple(fc.constant(name), paramsOf(name)))
    const columns = [
      { name: 'a', type: 'INTEGER' },
      { name: 'b', type: 'TEXT' },
    ]
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 30, maxLength: 30 }), async (requests) => {
        await ask('table.create', { name: 't', columns })
        await ask('table.create', { name: 'u', columns, primaryKey: ['a', 'b'], systemColumns: false })
        await ask('view.create', { name: 'v', sql: 'select a, b from t' })
        await ask('row.insert', { table: 't', rows: [{ id: 'x', a: 1, b: 'x' }] })
        await Promise.all(requests.map(([name, params]) => ask(name, params)))
      }),
      { numRuns: 100, seed },
    )
    expect(await started.client.call('ping')).toEqual({})
  })

  test('params of the wrong shape', { timeout: 240_000 }, async () => {
    for (const name of names) {
      const keys = Object.keys((methods.get(name)?.params as z.ZodObject).shape)
      const wrong: Json[] = [null, 0, '', [], [1], {}, { nothing: 1 }]
      for (const key of keys) {
        for (const each of [null, [], {}, 1, -1, 'x'.repeat(2_000), true]) wrong.push({ [key]: each })
      }
      await Promise.all(wrong.map((params) => ask(name, params)))
    }
  })
})
