import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Place, requireBuild } from './cinch-support.ts'
import { Terminal, type TerminalOptions } from './terminal.ts'

let place: Place

beforeAll(async () => {
  requireBuild()
  place = new Place()
  await place.run(['init'])
  await place.run(['table', 'create', 'planets', 'name:text', 'moons:integer', '--no-system-columns'])
  await place.run(['tenant', 'create', 'acme'])
  await place.run(['branch', 'create', 'feature'])
}, 60_000)

afterAll(async () => {
  await place?.[Symbol.asyncDispose]()
})

const endless = 'with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;'

describe('in a pipe', () => {
  const run = (input: string, ...args: string[]) => place.run(['shell', ...args], { input })

  test('statements are read over lines, and reads and writes are told apart by what they do', async () => {
    const { code, stdout, stderr } = await run(
      "insert into planets\n  values ('Earth; or so', 1),\n -- a comment;\n ('Mars', 2) returning name;\nwith p as (select 1) update planets set moons = 1 where name = 'x';\nselect * from planets order by moons desc; delete from planets",
      '--csv',
    )
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'name\nEarth; or so\nMars\nname,moons\nMars,2\nEarth; or so,1\n',
      stderr: '2 rows changed.\n0 rows changed.\n2 rows changed.\n',
    })
  })

  test('the first error ends it, with exit code 1, and what is behind it is not done', async () => {
    const { code, stdout, stderr } = await run(
      "insert into planets values ('kept', 0);\nselect nope;\ndelete from planets;\n",
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe('1 row changed.\ncinch: SQL error: no such column: nope\n')
    expect((await run('select name from planets', '--ndjson')).stdout).toBe('{"name":"kept"}\n')
    await run('delete from planets')
  })

  test('--json has a value a line for each statement, and errors as JSON', async () => {
    const { code, stdout, stderr } = await run("insert into planets values ('x', 1); select 1 as a; selct;", '--json')
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ changes: 1 }, { columns: [{ name: 'a', type: null }], rows: [[1]] }])
    expect([code, JSON.parse(stderr).error.kind]).toEqual([1, 'sqlError'])
    await run('delete from planets')
  })

  test('a transaction is committed, rolled back, or told of where it was neither', async () => {
    const { stdout } = await run(
      "\\begin\ninsert into planets values ('a', 1);\n\\commit\nbegin;\ninsert into planets values ('b', 2);\nselect count(*) as within from planets;\nrollback;\nselect name from planets;\n",
      '--csv',
    )
    expect(stdout).toBe('within\n2\nname\na\n')
    const { code, stderr } = await run("begin; insert into planets values ('c', 3);")
    expect([code, stderr]).toEqual([1, '1 row changed.\ncinch: The transaction was not committed: it is rolled back\n'])
    expect((await run('select count(*) as n from planets; delete from planets;', '--csv')).stdout).toBe('n\n1\n')
  })

  test('commands go elsewhere; a wrong one is told of', async () => {
    const { stdout } = await run(
      "\\tenant acme\ninsert into planets values ('of acme', 1);\n\\branch feature\nselect name from planets;\n\\tenant main\n\\branch main\nselect name from planets;\n",
      '--csv',
    )
    expect(stdout).toBe('name\nname\n')
    const wrong = await run('\\tennant acme\n')
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      'cinch: no command \\tennant\n  did you mean \\tenant?\n  \\help lists them\n',
    ])
    expect((await run('\\branch nope\n')).stderr).toContain('No such branch: nope')
    expect((await run('\\branch\n')).stdout).toBe('* main\n  feature\n')
  })

  test('a result of any size comes whole', async () => {
    const many = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000) select i from n;'
    expect((await run(many, '--csv')).stdout.trimEnd().split('\n')).toHaveLength(150_001)
    const cut = await run(many, '--csv', '--limit', '2')
    expect([cut.stdout, cut.stderr]).toEqual(['i\n1\n2\n', 'cinch: there are more rows: only the first 2 are here\n'])
  })

  test('EXPLAIN is shown, whatever it explains', async () => {
    const { code, stdout } = await run('explain query plan delete from planets where moons = 1;', '--csv')
    expect([code, stdout]).toEqual([0, expect.stringContaining('SCAN planets')])
  })
})

describe('at a terminal', { timeout: 60_000 }, () => {
  const open = (options?: TerminalOptions, ...args: string[]) => new Terminal(place, ['shell', ...args], options)

  test('the prompt tells where you are, a statement may be of several lines, and Ctrl-D ends it', async () => {
    await using terminal = open()
    await terminal.expect('main/main/main> ')
    terminal.type('select 7\r')
    await terminal.expect('-> ')
    terminal.type('* 6 as answer;\r')
    expect(await terminal.expect('main/main/main> ')).toContain('answer\n------\n    42\n(1 row)')
    terminal.type('\\branch feature\r')
    await terminal.expect('main/feature/main> ')
    terminal.type('\\tenant acme\r')
    await terminal.expect('main/feature/acme> ')
    terminal.type('\x04')
    expect(await terminal.end()).toBe(0)
  })

  test('an error is told, and the shell goes on', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    terminal.type('select nope;\r')
    await terminal.expect('cinch: SQL error: no such column: nope')
    await terminal.expect('> ')
    terminal.type('\\describe planet\r')
    await terminal.expect('did you mean planets?')
    await terminal.expect('> ')
    terminal.type('\\quit\r')
    expect(await terminal.end()).toBe(0)
  })

  test('Ctrl-C cancels what runs or is typed, and not the shell', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    terminal.type(`${endless}\r`)
    await terminal.expect(endless)
    await running(place)
    terminal.type('\x03')
    await terminal.expect('Cancelled.')
    await terminal.expect('> ')
    terminal.type("select 'half\r")
    await terminal.expect('-> ')
    terminal.type('\x03')
    await terminal.expect('main/main/main> ')
    terminal.type('select 1 as still_here;\r')
    await terminal.expect('still_here\n')
    terminal.type('\x04')
    expect(await terminal.end()).toBe(0)
  })

  test('a transaction shows in the prompt, and is over when a statement in it is cancelled', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    terminal.type('\\begin\r')
    await terminal.expect('main/main/main*> ')
    terminal.type("insert into planets values ('gone', 1);\r")
    await terminal.expect('1 row changed.')
    await terminal.expect('main/main/main*> ')
    terminal.type(`${endless}\r`)
    await terminal.expect(endless)
    await running(place)
    terminal.type('\x03')
    await terminal.expect('Cancelled.')
    await terminal.expect('the transaction was rolled back')
    await terminal.expect('main/main/main> ')
    terminal.type('select count(*) as n from planets;\r')
    expect(await terminal.expect('(1 row)')).toContain('n\n-\n0\n')
  })

  test('Tab completes commands, keywords, tables and columns, of the schema as it is now', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    const complete = async (typed: string, completed: string) => {
      terminal.type(`${typed}\t`)
      await terminal.expect(completed)
    }
    await complete('\\desc', '\\describe')
    await complete(' plan', 'planets')
    terminal.type('\r')
    await terminal.expect('moons')
    await terminal.expect('> ')
    await place.run(['table', 'create', 'zodiac', 'constellation:text', '--no-system-columns'])
    await complete('sel', 'select')
    await complete(' const', 'constellation')
    await complete(' fr', 'from')
    await complete(' zod', 'zodiac')
    terminal.type(';\r')
    await terminal.expect('constellation\n')
    await terminal.expect('> ')
    await complete('select * from planets p where p.moo', 'p.moons')
    terminal.type(' = 1;\r')
    await terminal.expect('(0 rows)')
    await terminal.expect('> ')
    await complete('\\branch fea', 'feature')
    terminal.type('\r')
    await terminal.expect('main/feature/main> ')
  })

  test('history is kept for its owner alone, whole statements of it, without secrets', async () => {
    const file = path.join(place.folder, 'state', 'cinch', 'history')
    fs.rmSync(file, { force: true })
    {
      await using terminal = open()
      await terminal.expect('> ')
      for (const line of ["pragma key = 'abc';", " select 'not kept';", "select 'the password';"]) {
        terminal.type(`${line}\r`)
        await terminal.expect(line)
        await terminal.expect('> ')
      }
      terminal.type('select 1, -- one\r')
      await terminal.expect('-> ')
      terminal.type('  2 as second;\r')
      await terminal.expect('second')
      await terminal.expect('> ')
      terminal.type('\x04')
      expect(await terminal.end()).toBe(0)
    }
    expect(fs.readFileSync(file, 'utf8')).toBe('select 1, 2 as second;\n')
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    await using terminal = open()
    await terminal.expect('> ')
    terminal.type('\x1b[A')
    await terminal.expect('select 1, 2 as second;')
    terminal.type('\r')
    await terminal.expect('(1 row)')
  })

  test('formats, timing and limits can be set', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    for (const [line, shown] of [
      ['\\format csv', '> '],
      ['select 1 as a, null as b;', 'a,b\n1,\n'],
      ['\\format json', '> '],
      ['select 1 as a;', '"rows":[[1]]'],
      ['\\format table', '> '],
      ['\\timing', 'Timing is on.'],
      ['select 1;', 'Time: '],
      ['\\limit 1', '> '],
      ['select 1 as a union select 2;', 'only the first 1 are here; \\limit N shows more'],
    ] as const) {
      terminal.type(`${line}\r`)
      await terminal.expect(line)
      await terminal.expect(shown)
    }
  })

  test('it connects anew when the daemon was ended', async () => {
    await using terminal = open()
    await terminal.expect('> ')
    terminal.type('\\tenant acme\r')
    await terminal.expect('main/main/acme> ')
    await place.run(['daemon', 'restart'])
    terminal.type('select 1 as again;\r')
    await terminal.expect('again\n')
    await terminal.expect('main/main/acme> ')
  })
})

/** Wait until a statement runs that has no end. */
async function running(place: Place): Promise<void> {
  for (let seen = 0; seen < 2; ) {
    const { inFlight } = await place.json('rpc', 'project.stats')
    // This very call is in flight, too.
    seen = inFlight > 1 ? seen + 1 : 0
  }
}
