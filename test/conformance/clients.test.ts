import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { run, skipWithout } from '../e2e/foreign-support.ts'
import { startCinchd } from '../support/cinchd.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { canRun, clientEnvironment, clients, vectorsPrograms } from './clients.ts'
import { type Column, tableOf, vectorNames } from './table.ts'

const names = vectorNames()
const columns: Column[] = []

describe('clients and values', () => {
  const runnable = vectorsPrograms.filter((program) => !skipWithout(canRun(program)))

  for (const program of vectorsPrograms) {
    const { language, folder, command } = program
    test.skipIf(!runnable.includes(program))(
      `${language} sends and reads every value`,
      { timeout: 900_000 },
      async () => {
        const layout = temporaryProject()
        await startCinchd(layout)
        const { code, stdout, stderr } = await run('sh', ['-c', command], {
          cwd: path.join(clients, folder),
          env: { ...clientEnvironment, CINCH_PROJECT: layout.project, OUT: temporaryFolder() },
        })
        const column = { language, printed: stdout }
        columns.push(column)
        expect(tableOf(names, [column]).faults, stderr).toEqual([])
        expect(code, stderr).toBe(0)
      },
    )
  }

  test('are one table, which has every value, and every client that this machine can run', () => {
    const { text, faults } = tableOf(names, columns)
    console.log(text)
    expect(faults).toEqual([])
    expect(columns.map(({ language }) => language)).toEqual(runnable.map(({ language }) => language))
  })
})

test('every client has a program that tries the vectors', () => {
  expect(fs.readdirSync(clients).sort()).toEqual(vectorsPrograms.map(({ folder }) => folder).sort())
})

describe('the table tells', () => {
  const lines = ['ok a', 'ok b', '2 of 2 vectors']

  test.each<[string, string[], string[]]>([
    ['nothing where all is well', lines, []],
    [
      'what failed',
      ['ok a', 'FAIL b', '1 of 2 vectors'],
      ['X: b: FAIL', 'X ends with 1 of 2 vectors, not with 2 of 2 vectors'],
    ],
    ['what failed with a reason', ['ok a', 'FAIL b: 1 is not 2', '2 of 2 vectors'], ['X: b: FAIL']],
    ['what was not tried', ['ok a', '2 of 2 vectors'], ['X: b: not tried']],
    ['what was tried twice', ['ok a', ...lines], ['X says a twice']],
    ['what is no vector', ['ok c', ...lines], ['X tries c, which is no vector']],
    ['a program that ended early', ['ok a', 'ok b'], ['X ends with ok b, not with 2 of 2 vectors']],
    [
      'a program that said nothing',
      [''],
      ['X: a: not tried', 'X: b: not tried', 'X ends with , not with 2 of 2 vectors'],
    ],
  ])('%s', (_, printed, faults) => {
    expect(tableOf(['a', 'b'], [{ language: 'X', printed: `${printed.join('\n')}\n` }]).faults).toEqual(faults)
  })

  test('how each fared, side by side', () => {
    const columns = [
      { language: 'X', printed: lines.join('\n') },
      { language: 'Why', printed: 'FAIL a: so\n' },
    ]
    expect(tableOf(['a', 'b'], columns).text).toBe('vector  X   Why\na       ok  FAIL\nb       ok  -')
  })
})
