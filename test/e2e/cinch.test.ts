import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { productVersion } from '../../protocol/version.ts'
import { Place, requireBuild } from './cinch-support.ts'

let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  await place.run(['init'])
  await place.run(['table', 'create', 't', 'a:text', 'b:integer'])
})

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
})

describe('without a project', () => {
  test('the version is told', async () => {
    expect(await place.run(['--version'])).toEqual({ code: 0, stdout: `${productVersion}\n`, stderr: '' })
  })

  test('a command says how to make one', async () => {
    await using empty = new Place()
    const { code, stdout, stderr } = await empty.run(['table', 'list'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(`cinch: No project here: ${empty.folder}\n  cinch init makes one\n`)
  })

  test('init makes one, once', async () => {
    await using empty = new Place()
    expect(await empty.json('init', 'x')).toEqual({ path: path.join(empty.folder, 'x') })
    const again = await empty.run(['--json', 'init', 'x'])
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stderr).error.kind).toBe('projectExists')
  })
})

describe('usage', () => {
  const cases: readonly (readonly [string[], string])[] = [
    [['tabel', 'list'], 'cinch: no command tabel\n  did you mean table?\n'],
    [['table', 'lst'], 'cinch: no command table lst\n  did you mean list?\n'],
    [['table'], 'cinch: cinch table needs a command: create, list, info, rename, copy, drop\n'],
    [['query'], 'cinch: something is missing: cinch query <sql>\n'],
    [['query', 'select 1', '--cvs'], 'cinch: no option --cvs\n  did you mean csv?\n'],
    [['query', 'select 1', 'x'], 'cinch: unknown argument: x\n'],
    [['query', 'select 1', '--csv', '--ndjson'], 'cinch: one of --json, --csv and --ndjson\n'],
    [['--tenant', 'x', '--tenant', 'y', 'status'], 'cinch: --tenant was given twice\n'],
    [['data', 'list', 't', '--limit', 'x'], 'cinch: --limit takes a whole number from 1 up\n'],
    [['data', 'list', 't', '--where', 'a__gtr=1'], 'cinch: --where a__gtr=1: no operator gtr\n  did you mean gt?\n'],
    [['data', 'insert', 't', '-d', '{'], 'cinch: --data is not JSON'],
    [['table', 'create', 'x', 'a'], 'cinch: column a: a column is NAME:TYPE'],
    [['table', 'create', 'x', 'a:text:uniqe'], 'cinch: column a:text:uniqe: uniqe is no attribute'],
    [['column', 'alter', 't', 'a'], 'cinch: nothing to change is named\n'],
    [['codegen', 'generate', 'json', 'x', '--check', '--watch'], 'cinch: one of --check and --watch\n'],
  ]

  test.each(cases)('%j is refused with exit code 2', async (args, start) => {
    const { code, stdout, stderr } = await place.run(args)
    expect(stderr.slice(0, start.length)).toBe(start)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test('--json tells errors as JSON on standard error', async () => {
    const usage = await place.run(['--json', 'tabel'])
    expect({ code: usage.code, stdout: usage.stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(usage.stderr).error).toMatchObject({ kind: 'usage', data: { suggestion: 'table' } })

    const refused = await place.run(['table', 'info', 'nope', '--json'])
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 1, stdout: '' })
    expect(JSON.parse(refused.stderr).error).toEqual({
      kind: 'tableNotFound',
      message: 'No such table',
      data: { table: 'nope' },
    })
  })

  test('help of a command tells the syntax of columns', async () => {
    const { code, stdout } = await place.run(['table', 'create', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('NAME:TYPE[:not_null][:unique][:default=VALUE][:fk=TABLE[.COLUMN][.ACTION]]')
  })
})

describe('query', () => {
  const sql = "select 'x' as a, '' as b, null as c, 9007199254740993 as d, x'00ff' as e, 1.5 as f"

  test('a table shows NULL and an empty text apart, and integers exactly', async () => {
    const { stdout } = await place.run(['query', sql])
    expect(stdout).toBe(
      [
        'a  b  c     d                 e        f',
        '-  -  ----  ----------------  -------  ---',
        "x     NULL  9007199254740993  x'00ff'  1.5",
        '',
      ].join('\n'),
    )
  })

  test('--csv has NULL empty and an empty text quoted', async () => {
    const { stdout } = await place.run(['query', '--csv', sql])
    expect(stdout).toBe('a,b,c,d,e,f\nx,"",,9007199254740993,AP8=,1.5\n')
  })

  test('--ndjson prints an object a row', async () => {
    const { stdout } = await place.run(['query', '--ndjson', 'select 1 as a union select 2'])
    expect(stdout).toBe('{"a":1}\n{"a":2}\n')
  })

  test('--ndjson refuses two columns of one name', async () => {
    const { code, stderr } = await place.run(['query', '--ndjson', 'select 1 as a, 2 as a'])
    expect(code).toBe(1)
    expect(stderr).toContain('cinch: Two columns have one name: a')
  })

  test('--json prints the answer as it came', async () => {
    expect(await place.json('query', sql)).toMatchObject({
      columns: [{ name: 'a', type: null }, {}, {}, {}, {}, {}],
      rows: [['x', '', null, { $int: '9007199254740993' }, { $blob: 'AP8=' }, 1.5]],
    })
  })

  test('parameters are JSON, or else text', async () => {
    const given = ['007', '7', '9223372036854775807', 'null', 'true', '-1', 'x', '"5"', '{"$blob":"AP8="}', '1e999']
    const marks = given.map(() => 'typeof(?)').join(', ')
    const args = given.map((value) => `--param=${value}`)
    const { rows } = await place.json('query', `select ${marks}`, ...args)
    const integers = ['integer', 'integer', 'null', 'integer', 'integer']
    expect(rows).toEqual([['text', ...integers, 'text', 'text', 'blob', 'text']])
  })

  test('- reads the statement from standard input', async () => {
    const { stdout } = await place.run(['query', '-', '--csv'], { input: 'select 1 as a' })
    expect(stdout).toBe('a\n1\n')
  })

  test('what follows -- is no option', async () => {
    const { stdout } = await place.run(['query', '--csv', '--', '-- a comment\nselect 1 as a'])
    expect(stdout).toBe('a\n1\n')
  })

  test('control characters do not reach the terminal', async () => {
    const { stdout } = await place.run(['query', "select char(27) || '[2J' || char(10) as a"])
    expect(stdout.split('\n')[2]).toBe('\\u001b[2J\\n')
  })

  test('--limit cuts the rows and says so', async () => {
    const { code, stdout, stderr } = await place.run(['query', '--csv', '--limit', '1', 'select 1 as a union select 2'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'a\n1\n' })
    expect(stderr).toContain('there are more rows')
  })

  test('what programs read comes whole, however much it is', async () => {
    const many =
      'with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000) select i, i * 2 as b from n'
    const csv = await place.run(['query', '--csv', many])
    expect(csv.stdout.trimEnd().split('\n').slice(150_000)).toEqual(['150000,300000'])
    const ndjson = await place.run(['query', '--ndjson', many])
    expect(ndjson.stdout.trimEnd().split('\n').slice(149_999)).toEqual(['{"i":150000,"b":300000}'])
    const { columns, rows, truncated } = await place.json('query', many)
    expect([columns.length, rows.length, rows.at(-1), truncated]).toEqual([2, 150_000, [150_000, 300_000], undefined])
    expect(await place.json('query', many, '--limit', '2')).toMatchObject({
      rows: [
        [1, 2],
        [2, 4],
      ],
      truncated: true,
    })
    expect(await place.json('query', 'select 1 as a where false')).toEqual({
      columns: [{ name: 'a', type: null }],
      rows: [],
    })
    expect((await place.run(['query', '--csv', 'select 1 as a where false'])).stdout).toBe('a\n')
    expect((await place.run(['query', '--ndjson', 'select 1 as a where false'])).stdout).toBe('')
  })

  test('a reader that leaves early ends it quietly', async () => {
    const many =
      'with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) select i, hex(i) from n'
    const child = place.start(['query', '--csv', many])
    let stderr = ''
    child.stderr?.on('data', (chunk) => {
      stderr += chunk
    })
    child.stdout?.once('data', () => child.stdout?.destroy())
    await once(child, 'close')
    expect(stderr).toBe('')
  })

  test('execute tells how many rows changed', async () => {
    expect(await place.json('execute', "insert into t (a) values ('execute'), ('execute')")).toEqual({ changes: 2 })
    const { stdout, stderr } = await place.run(['execute', "delete from t where a = 'execute' returning a", '--csv'])
    expect({ stdout, stderr }).toEqual({ stdout: 'a\nexecute\nexecute\n', stderr: '2 rows changed.\n' })
  })
})

describe('data', () => {
  test('rows go in, are found, changed and deleted', async () => {
    const { rows } = await place.json('data', 'insert', 't', '-d', '[{"a": "007", "b": 9007199254740993}, {"a": ""}]')
    expect(rows).toMatchObject([
      { a: '007', b: { $int: '9007199254740993' } },
      { a: '', b: null },
    ])
    const { id } = rows[0]
    expect(await place.json('data', 'get', 't', id)).toEqual({ row: rows[0] })
    expect(await place.json('data', 'count', 't', '--where', 'a=007')).toEqual({ count: 1 })

    const updated = await place.json('data', 'update', 't', '--id', id, '--set', 'a=x=y', '--set', 'b=null')
    expect(updated.rows).toMatchObject([{ id, a: 'x=y', b: null }])
    expect(await place.json('data', 'delete', 't', '--yes', '--id', id, '--id', rows[1].id)).toEqual({ count: 2 })

    const { code, stderr } = await place.run(['data', 'get', 't', id])
    expect({ code, stderr }).toEqual({ code: 1, stderr: `cinch: No such row: ${id}\n  table: t\n` })
  })

  test('standard input may hold a row a line', async () => {
    const input = '{"a": "line", "b": 1}\n\n{"a": "line", "b": 2}\n'
    const inserted = await place.run(['data', 'insert', 't', '-d', '-', '--no-returning'], { input })
    expect(inserted).toEqual({ code: 0, stdout: '', stderr: 'Inserted 2 rows.\n' })
    const { stdout } = await place.run([
      'data',
      'list',
      't',
      '-w',
      'a=line',
      '--columns',
      'b,a',
      '--order-by=-b',
      '--csv',
    ])
    expect(stdout).toBe('b,a\n2,line\n1,line\n')
  })

  test('conditions take operators, lists and JSON, and all must hold', async () => {
    await place.run(['data', 'insert', 't', '-d', '[{"a":"w","b":1},{"a":"w","b":2},{"a":"w","b":3},{"a":"w"}]'])
    const count = async (...where: string[]) => {
      const { stdout } = await place.run([
        'data',
        'count',
        't',
        ...where.flatMap((each) => ['--where', each]),
        '-w',
        'a=w',
      ])
      return Number(stdout)
    }
    expect(await count('b__gte=2')).toBe(2)
    expect(await count('b__gt=1', 'b__lt=3')).toBe(1)
    expect(await count('b__in=1,3,9')).toBe(2)
    expect(await count('b__in=1,3', 'b__lte=1')).toBe(1)
    expect(await count('b__not=1')).toBe(3)
    expect(await count('b__not=null')).toBe(3)
    expect(await count('b__not_in=1,2')).toBe(1)
    expect(await count('b__between=2,3')).toBe(2)
    expect(await count('b__is_null=true')).toBe(1)
    expect(await count('b=null')).toBe(1)
    expect(await count('{"or": [{"b": 1}, {"b": {"isNull": true}}]}')).toBe(2)
  })

  test('rows are upserted, and listed page by page', async () => {
    await place.run(['table', 'create', 'w', 'a:text:unique', 'b:integer', '--no-system-columns'])
    const upsert = (rows: string) => place.run(['data', 'upsert', 'w', '--on', 'a', '-d', rows])
    await upsert('[{"a": "x", "b": 1}, {"a": "y", "b": 2}, {"a": "z"}]')
    expect((await upsert('[{"a": "x", "b": 5}, {"a": "v"}]')).stderr).toContain('Inserted 1 row, updated 1 row.')
    const list = (...more: string[]) => place.json('data', 'list', 'w', '--order-by', 'a', '--limit', '2', ...more)
    const first = await list()
    expect(first.rows).toEqual([
      { a: 'v', b: null },
      { a: 'x', b: 5 },
    ])
    expect((await list('--cursor', first.nextCursor)).rows).toEqual([
      { a: 'y', b: 2 },
      { a: 'z', b: null },
    ])
  })

  test('rows are changed by a condition, and masked', async () => {
    await place.run(['data', 'insert', 't', '-d', '[{"a":"m","b":1},{"a":"m","b":2},{"a":"m","b":3}]'])
    const updated = await place.json('data', 'update-where', 't', '-w', 'a=m', '-w', 'b__gt=1', '--set', 'b=7')
    expect(updated).toEqual({ count: 2 })
    const masked = await place.json('query', 'select a, b from t where a = ?', '--param', 'm', '--mask', 't.b')
    expect(masked.rows).toEqual(Array(3).fill(['m', '***']))
    const del = (...more: string[]) => place.run(['data', 'delete-where', 't', '-w', 'a=m', '-w', 'b=7', ...more])
    expect((await del()).code).toBe(1)
    expect((await del('--yes')).stderr).toContain('Deleted 2 rows.')
    const refused = await place.run(['data', 'delete-where', 't', '-w', '{}', '--yes'])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('every row')])
  })

  test('a broken constraint is told in plain words', async () => {
    await place.run(['table', 'create', 'u', 'a:text:unique', '--no-system-columns'])
    await place.run(['data', 'insert', 'u', '-d', '{"a": "x"}'])
    const { code, stderr } = await place.run(['data', 'insert', 'u', '-d', '{"a": "x"}'])
    expect(code).toBe(1)
    expect(stderr).toContain('UNIQUE constraint failed: u.a')
    expect(stderr).not.toContain('    at ')
  })
})

describe('schema', () => {
  test('a table is made as its columns say', async () => {
    const columns = ["a:text:not_null:default='x:y'", 'b:integer:default=7', 'c:text:fk=t.id.cascade:unique']
    await place.json('table', 'create', 'made', ...columns, 'd:text:default=(lower(hex(1)))')
    expect((await place.json('column', 'list', 'made')).columns).toMatchObject([
      { name: 'id' },
      { name: 'created_at' },
      { name: 'updated_at' },
      { name: 'a', nullable: false, default: 'x:y' },
      { name: 'b', default: 7 },
      { name: 'c', unique: true, references: { table: 't', column: 'id', onDelete: 'CASCADE' } },
      { name: 'd', default: { sql: expect.stringContaining('lower') } },
    ])
    expect((await place.run(['table', 'info', 'made'])).stdout).toContain('→ t.id on delete cascade')
  })

  test('every edit has its command', async () => {
    const edits = [
      ['table', 'create', 'edits', 'a:text', 'b:integer'],
      ['table', 'rename', 'edits', 'edits2', '-m', 'why'],
      ['table', 'copy', 'edits2', 'edits3', '--no-data'],
      ['column', 'add', 'edits2', 'c:real'],
      ['column', 'rename', 'edits2', 'c', 'd'],
      ['column', 'alter', 'edits2', 'd', '--default', '1.5', '--not-null', '--fill', '0'],
      ['column', 'drop', 'edits2', 'd', '--yes'],
      ['index', 'create', 'edits2', 'a', 'b:desc', '--name', 'edits_index'],
      ['index', 'drop', 'edits_index', '--yes'],
      ['view', 'create', 'edits_view', 'select a from edits2'],
      ['view', 'update', 'edits_view', 'select b from edits2'],
      ['view', 'drop', 'edits_view', '--yes'],
      ['table', 'drop', 'edits2', '--yes'],
    ]
    for (const edit of edits) expect(await place.json(...edit)).toMatchObject({ changeSet: expect.any(String) })
    const { changeSets } = await place.json('branch', 'history', '--limit', String(edits.length))
    expect(changeSets.map(({ changes }: { changes: { kind: string }[] }) => changes[0]?.kind).reverse()).toEqual(
      'createTable renameTable copyTable addColumn renameColumn alterColumn dropColumn createIndex dropIndex createView updateView dropView dropTable'.split(
        ' ',
      ),
    )
    expect(changeSets.at(-2).message).toBe('why')
  })

  test('every noun can be listed and looked at', async () => {
    await place.run(['index', 'create', 't', 'b', '--name', 'looked_at'])
    await place.run(['view', 'create', 'looked_at_view', '-'], { input: 'select a from t' })
    expect((await place.json('table', 'list')).tables[0].name).toBe('t')
    expect(await place.json('column', 'info', 't', 'b')).toMatchObject({ name: 'b', type: 'INTEGER' })
    expect((await place.json('index', 'list', 't')).indexes).toMatchObject([{ name: 'looked_at', table: 't' }])
    expect(await place.json('index', 'info', 'looked_at')).toMatchObject({ unique: false })
    expect((await place.json('view', 'list')).views).toMatchObject([{ name: 'looked_at_view' }])
    expect((await place.run(['view', 'info', 'looked_at_view'])).stdout).toBe('select a from t\n')
    expect((await place.json('branch', 'list')).branches).toMatchObject([{ name: 'main' }])
    expect(await place.json('branch', 'get')).toMatchObject({ name: 'main' })
    expect(await place.json('branch', 'status')).toMatchObject({ files: { failed: 0 } })
    expect(await place.json('status')).toMatchObject({ scope: { database: 'main', branch: 'main', tenant: 'main' } })
  })

  test('--dry-run prints the plan and changes nothing', async () => {
    await place.run(['table', 'create', 'dry', 'a:text'])
    const { code, stdout } = await place.run(['table', 'drop', 'dry', '--dry-run'])
    expect(code).toBe(0)
    expect(stdout).toContain('-- destroys data (destroysData)\nDROP TABLE "dry";')
    expect(await place.json('table', 'info', 'dry')).toMatchObject({ name: 'dry' })
  })

  test('rows that stand against an edit are shown', async () => {
    await place.run(['table', 'create', 'twice', 'a:text'])
    await place.run(['data', 'insert', 'twice', '-d', '[{"a":"same"},{"a":"same"}]'])
    const { code, stderr } = await place.run(['index', 'create', 'twice', 'a', '--unique'])
    expect(code).toBe(1)
    expect(stderr).toContain('tenant main, table twice: (a) is not unique\n')
    expect(stderr).toContain('same')
  })
})

describe('what destroys is refused without --yes where nobody can be asked', () => {
  test.each([
    ['db', 'delete', 'x'],
    ['branch', 'delete', 'x'],
    ['tenant', 'delete', 'x'],
    ['table', 'drop', 't'],
    ['column', 'drop', 't', 'a'],
    ['index', 'drop', 'x'],
    ['view', 'drop', 'x'],
    ['data', 'delete', 't', '--id', 'x'],
  ])('%s %s', async (...args) => {
    const { code, stdout, stderr } = await place.run([...args, '--json'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(JSON.parse(stderr).error).toMatchObject({
      kind: 'confirmationNeeded',
      hint: expect.stringContaining('--yes'),
    })
  })
})

test('databases are made, listed, used and deleted', async () => {
  expect(await place.json('db', 'create', 'other', '--description', 'd')).toMatchObject({ name: 'other' })
  expect(await place.json('db', 'get', 'other')).toMatchObject({ description: 'd' })
  expect((await place.json('db', 'list')).databases).toMatchObject([{ name: 'main' }, { name: 'other' }])
  expect(await place.json('--database', 'other', 'table', 'list')).toEqual({ tables: [] })
  expect(await place.json('db', 'delete', 'other', '--yes')).toEqual({})
})

test('tenants are made, listed, used, looked after and deleted', async () => {
  expect(await place.json('tenant', 'create', 'acme')).toMatchObject({ name: 'acme', hasFile: false })
  await place.json('--tenant', 'acme', 'data', 'insert', 't', '-d', '{"a": "of acme"}')
  expect(await place.json('--tenant', 'acme', 'data', 'count', 't', '-w', 'a=of acme')).toEqual({ count: 1 })
  expect(await place.json('data', 'count', 't', '-w', 'a=of acme')).toEqual({ count: 0 })
  expect((await place.json('tenant', 'list', '--prefix', 'ac')).tenants).toMatchObject([{ name: 'acme' }])
  expect(await place.json('tenant', 'list', '--limit', '1')).toMatchObject({ nextCursor: 'acme' })
  expect(await place.json('tenant', 'get', '--tenant', 'acme')).toMatchObject({ name: 'acme', hasFile: true })
  expect(await place.json('tenant', 'size', 'acme')).toMatchObject({ fileBytes: expect.any(Number) })
  expect(await place.json('tenant', 'vacuum', 'acme')).toMatchObject({ after: { walBytes: expect.any(Number) } })
  expect(await place.json('tenant', 'verify', 'acme')).toEqual({ sound: true, problems: [] })
  expect(await place.json('tenant', 'rename', 'acme', 'acme2')).toMatchObject({ name: 'acme2' })
  expect(await place.json('tenant', 'delete', 'acme2', '--yes')).toEqual({})
})

describe('branches', () => {
  test('every command works on the branch that is named, or is the active one', { timeout: 60_000 }, async () => {
    await using other = new Place()
    await other.run(['init'])
    await other.run(['table', 'create', 't', 'a:text', '--no-system-columns'])
    await other.run(['branch', 'create', 'dev'])
    const count = (...args: string[]) => other.json(...args, 'data', 'count', 't').then(({ count }) => count)

    await other.json('--branch', 'dev', 'data', 'insert', 't', '-d', '[{"a":"x"},{"a":"y"}]')
    await other.json('--branch', 'dev', 'execute', "delete from t where a = 'y'")
    fs.writeFileSync(path.join(other.folder, 'rows.csv'), 'a\nz\n')
    await other.json('--branch', 'dev', 'tenant', 'import', 'rows.csv', '--table', 't')
    await other.json('--branch', 'dev', 'index', 'create', 't', 'a', '--unique')
    expect([await count(), await count('--branch', 'dev')]).toEqual([0, 2])
    expect((await other.json('index', 'list')).indexes).toEqual([])

    await other.run(['daemon', 'stop'])
    fs.writeFileSync(path.join(other.folder, '.cinchdb', 'config.json'), '{"activeBranch": "dev"}')
    await other.json('data', 'insert', 't', '-d', '{"a":"w"}')
    expect([await count('--branch', 'main'), await count()]).toEqual([0, 3])
    expect((await other.json('index', 'list', 't')).indexes).toHaveLength(1)
    await other.json('branch', 'create', 'leaf')
    expect(await other.json('branch', 'get', 'leaf')).toMatchObject({ parent: 'dev' })
    expect(await other.json('branch', 'create', 'twig', '--from', 'main')).toMatchObject({ parent: 'main' })
  })

  test('are forked, compared, merged, taken back, renamed and deleted', { timeout: 60_000 }, async () => {
    await using other = new Place()
    await other.run(['init'])
    await other.run(['table', 'create', 't', 'a:text', 'b:integer'])
    expect(await other.json('branch', 'create', 'dev', '--description', 'd')).toMatchObject({ parent: 'main' })
    await other.json('--branch', 'dev', 'column', 'add', 't', 'c:text')
    await other.json('--branch', 'dev', 'view', 'create', 'v', 'select a from t')
    expect((await other.run(['branch', 'diff', 'main', 'dev'])).stdout).toContain('ADD COLUMN "c" TEXT')

    await other.json('view', 'create', 'v', 'select b from t')
    const stopped = await other.run(['branch', 'merge', 'dev'])
    expect(stopped.code).toBe(1)
    expect(stopped.stdout).toContain('view:v')
    expect(stopped.stderr).toContain('cinch: 1 conflict; nothing was changed')
    const { stdout } = await other.run(['branch', 'merge', 'dev', '--theirs', 'view:v', '--dry-run'])
    expect(stdout).toContain('CREATE VIEW "v"')
    const { changeSet } = await other.json('branch', 'merge', 'dev', '--theirs', 'view:v', '-m', 'why')
    expect((await other.json('branch', 'history', '--limit', '1')).changeSets).toMatchObject([
      { id: changeSet, message: 'why', parents: [expect.any(String), expect.any(String)] },
    ])
    expect((await other.json('column', 'list', 't')).columns.at(-1)).toMatchObject({ name: 'c' })

    expect(await other.json('branch', 'revert', changeSet)).toMatchObject({ status: 'merged' })
    expect((await other.json('column', 'list', 't')).columns.at(-1)).toMatchObject({ name: 'b' })
    expect(await other.json('branch', 'rename', 'dev', 'old')).toMatchObject({ name: 'old' })
    expect(await other.json('branch', 'delete', 'old', '--yes')).toEqual({})
    expect((await other.json('branch', 'list')).branches).toMatchObject([{ name: 'main' }])
  })
})

test('a table goes out to a file and comes in again, by paths as seen from here', async () => {
  await place.run(['table', 'create', 'goes_out', 'a:text', '--no-system-columns'])
  await place.run(['data', 'insert', 'goes_out', '-d', '[{"a":"x"},{"a":""},{"a":null}]'])
  const exported = await place.json('tenant', 'export', 'out.csv', '--table', 'goes_out')
  expect(exported.rows).toEqual({ goes_out: 3 })
  expect(fs.readFileSync(path.join(place.folder, 'out.csv'), 'utf8').replaceAll('\r', '')).toBe('a\nx\n""\n\n')
  const again = await place.run(['tenant', 'export', 'out.csv', '--table', 'goes_out', '--json'])
  expect(JSON.parse(again.stderr).error.kind).toBe('fileExists')

  await place.run(['tenant', 'create', 'importer'])
  const imported = await place.json('tenant', 'import', 'out.csv', 'importer', '--table', 'goes_out')
  expect(imported).toEqual({ rows: { goes_out: 3 }, changeSet: null })
  const { stdout } = await place.run(['tenant', 'import', 'out.csv', '--table', 'came_in', '--create'])
  expect(stdout).toBe('table    rows\n-------  ----\ncame_in     3\n')
})

test('rpc calls any method', async () => {
  expect(await place.json('rpc', 'ping')).toEqual({})
  expect(await place.json('rpc', 'row.count', '{"table": "t", "where": {"a": "nobody"}}')).toEqual({ count: 0 })
  const fromInput = await place.run(['rpc', 'query.run', '-'], { input: '{"sql": "select 1"}' })
  expect(JSON.parse(fromInput.stdout).rows).toEqual([[1]])
  const { code, stderr } = await place.run(['rpc', 'table.lst'])
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean table.list?') })
})

test('the active database comes from config.json, and its branch with it', async () => {
  await using other = new Place()
  await other.run(['init'])
  await other.run(['db', 'create', 'second'])
  const config = path.join(other.folder, '.cinchdb', 'config.json')
  fs.writeFileSync(config, JSON.stringify({ activeDatabase: 'second', activeBranch: 'nope' }))
  const { stderr } = await other.run(['--json', 'table', 'list'])
  expect(JSON.parse(stderr).error).toMatchObject({
    kind: 'branchNotFound',
    data: { database: 'second', branch: 'nope' },
  })
  expect(await other.json('--branch', 'main', 'status')).toMatchObject({
    scope: { database: 'second', branch: 'main' },
  })
  expect(await other.json('--database', 'main', 'status')).toMatchObject({
    scope: { database: 'main', branch: 'main' },
  })
})

test('the project is found from a folder below, by --project and by CINCH_PROJECT', async () => {
  await using elsewhere = new Place()
  const found = { project: { path: place.folder } }
  expect(await elsewhere.json('--project', place.folder, 'status')).toMatchObject(found)
  const { stdout } = await elsewhere.run(['status', '--json'], { env: { CINCH_PROJECT: place.folder } })
  expect(JSON.parse(stdout)).toMatchObject(found)
})

test('a daemon is started, told of, restarted and stopped', async () => {
  await using other = new Place()
  await other.run(['init'])
  expect(await other.json('daemon', 'status')).toEqual({ running: false })
  expect(await other.json('daemon', 'stop')).toEqual({ stopped: false })

  const { pid, socket } = await other.json('daemon', 'start')
  expect(await other.json('daemon', 'start')).toMatchObject({ started: false, pid })
  expect(await other.json('daemon', 'socket-path')).toEqual({ socket })
  expect(await other.json('daemon', 'status')).toMatchObject({
    running: true,
    pid,
    version: productVersion,
    sessions: 1,
  })
  await other.run(['query', 'select 1'])
  const { stdout } = await other.run(['daemon', 'status'])
  expect(stdout).toMatch(/^method +calls +failed +p50 ms +p90 ms +p99 ms +max ms/m)
  expect(stdout).toMatch(/^query\.run +1 +0 /m)
  expect(stdout).toMatch(/^inline +\d+ /m)
  expect(await other.json('daemon', 'logs')).toContainEqual(expect.objectContaining({ msg: 'listening', socket }))
  expect((await other.run(['daemon', 'logs', '-n', '1'])).stdout).toContain(' info listening ')

  const restarted = await other.json('daemon', 'restart')
  expect(restarted.pid).not.toBe(pid)
  expect(await other.json('daemon', 'stop')).toEqual({ stopped: true, pid: restarted.pid })
  expect(fs.existsSync(socket)).toBe(false)
})

test('a daemon that cannot start is told of at once, with its reason', async () => {
  await using other = new Place()
  await other.run(['init'])
  fs.writeFileSync(path.join(other.folder, '.cinchdb', 'config.json'), '{"durabilty": "full"}')
  const { code, stderr } = await other.run(['status'])
  expect(code).toBe(1)
  expect(stderr).toContain('the daemon did not start: invalidConfig')
})

test('a backup is made, listed, checked, restored as a branch and as a tenant, and deleted', async () => {
  await using own = new Place()
  await own.run(['init'])
  await own.run(['table', 'create', 't', 'a:integer'])
  await own.run(['tenant', 'create', 'x'])
  await own.run(['--tenant', 'x', 'data', 'insert', 't', '-d', '{"a": 1}'])
  const made = await own.run(['backup', 'create', 'one', '--description', 'first'])
  expect(made).toMatchObject({ code: 0, stdout: 'one\n', stderr: expect.stringMatching(/^Backed up 2 tenants, /) })
  const beside = await own.run(['backup', 'create', './there', '--only', 'x'])
  expect(beside.stdout).toBe(`${path.join(own.folder, 'there')}\n`)
  expect((await own.run(['backup', 'list'])).stdout).toMatch(/one +20.* main\/main +2 .*first/)
  expect((await own.run(['backup', 'verify', 'one'])).stdout).toBe('sound\n')
  const restored = await own.run(['backup', 'restore', 'one', '--as-branch', 'old'])
  expect(restored).toMatchObject({ code: 0, stderr: 'Restored branch old with 2 tenants.\n' })
  await own.run(['backup', 'restore', './there', '--as-tenant', 'y'])
  for (const scope of [
    ['--branch', 'old', '--tenant', 'x'],
    ['--tenant', 'y'],
  ]) {
    expect((await own.json(...scope, 'query', 'select a from t')).rows).toEqual([[1]])
  }
  const again = await own.run(['backup', 'restore', 'one'])
  expect(again.stderr).toMatch(/^cinch: The branch exists: main\n/)
  fs.rmSync(path.join(own.folder, '.cinchdb/backups/one/tenants.ndjson'))
  const broken = await own.run(['backup', 'verify', 'one'])
  expect(broken).toMatchObject({ code: 1, stdout: 'tenants.ndjson is missing\n' })
  expect((await own.run(['backup', 'delete', 'one'])).code).toBe(1)
  await own.run(['backup', 'delete', 'one', '--yes'])
  expect((await own.json('backup', 'list')).backups).toEqual([])
}, 90_000)

test('csv goes in and out as it is described, a tenant is copied, and nothing of progress is in a pipe', async () => {
  await using own = new Place()
  await own.run(['init'])
  fs.writeFileSync(path.join(own.folder, 'in.csv'), Buffer.from("1;'\xe4'\nN;x\n", 'latin1'))
  const style = ['--delimiter', ';', '--quote', "'", '--null', 'N', '--no-header']
  const read = ['--table', 't', '--create', '--columns', 'n,word', '--encoding', 'latin1']
  const imported = await own.run(['tenant', 'import', 'in.csv', ...style, ...read])
  expect(imported).toMatchObject({ code: 0, stderr: 'Imported in.csv.\n' })
  await own.run(['tenant', 'copy', 'main', 'copy'])
  await own.run(['tenant', 'export', 'out.csv', 'copy', '--table', 't', ...style])
  const lines = fs.readFileSync(path.join(own.folder, 'out.csv'), 'utf8').split('\r\n')
  expect(lines.map((line) => line.split(';').slice(-2))).toEqual([['1', 'ä'], ['N', 'x'], ['']])
})
