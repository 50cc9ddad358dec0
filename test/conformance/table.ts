import fs from 'node:fs'
import path from 'node:path'
import { root } from '../e2e/foreign-support.ts'

/** The file of vectors that clients try. */
export const vectorsFile = path.join(root, 'protocol/vectors/values.json')

/** What the vectors program of one client printed. */
export interface Column {
  readonly language: string
  readonly printed: string
}

/** Clients side by side: how each fared with each vector. */
export interface Table {
  readonly text: string
  /** What is missing in it, or failed. */
  readonly faults: readonly string[]
}

/** The vectors that every client tries: values, and what it has to refuse by itself. */
export function vectorNames(): string[] {
  const { values, refused } = JSON.parse(fs.readFileSync(vectorsFile, 'utf8')) as {
    values: readonly { name: string }[]
    refused: readonly { name: string; by: string }[]
  }
  return [...values, ...refused.filter(({ by }) => by === 'client')].map(({ name }) => name)
}

/** Put together what `ok NAME`, `FAIL NAME` and the last line `N of N vectors` of each say. */
export function tableOf(names: readonly string[], columns: readonly Column[]): Table {
  const faults: string[] = []
  const outcomes = columns.map(({ language, printed }) => {
    const lines = printed.trimEnd().split('\n')
    const outcome = new Map<string, string>()
    for (const line of lines) {
      const [, word, said] = /^(ok|FAIL) (.*)$/.exec(line) ?? []
      if (word === undefined || said === undefined) continue
      // A failure may say why.
      const name = names.find((each) => said === each || said.startsWith(`${each}: `))
      if (name === undefined) faults.push(`${language} tries ${said}, which is no vector`)
      else if (outcome.has(name)) faults.push(`${language} says ${name} twice`)
      else outcome.set(name, word)
    }
    for (const name of names) {
      if (outcome.get(name) !== 'ok') faults.push(`${language}: ${name}: ${outcome.get(name) ?? 'not tried'}`)
    }
    const end = `${names.length} of ${names.length} vectors`
    if (lines.at(-1) !== end) faults.push(`${language} ends with ${lines.at(-1)}, not with ${end}`)
    return outcome
  })
  const rows = names.map((name) => [name, ...outcomes.map((outcome) => outcome.get(name) ?? '-')])
  return { text: aligned([['vector', ...columns.map(({ language }) => language)], ...rows]), faults }
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
