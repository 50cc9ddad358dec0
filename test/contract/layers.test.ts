import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

/** From the top of the house to its ground. A file imports from its own layer or from one further down. */
const layers: readonly (readonly string[])[] = [
  ['src/cinchd.ts', 'src/cinch.ts'],
  ['src/cli', 'src/daemon'],
  ['src/client'],
  ['src/methods'],
  ['src/rpc'],
  ['src/engine'],
  ['src/plugins', 'src/codegen', 'src/kv'],
  ['src/query', 'src/catalog'],
  ['src/schema'],
  ['src/storage'],
  ['src/base'],
  ['protocol'],
]

interface Import {
  readonly from: string
  readonly to: string
  readonly isType: boolean
  /** `import()`: loaded when it is needed, if ever. */
  readonly isLazy: boolean
}

const sources = [...filesBelow('src'), ...filesBelow('protocol')].filter((file) => file.endsWith('.ts'))
const imports = sources.flatMap(importsOf)

test('imports run downward only', () => {
  const upward = imports.filter(({ from, to, isType }) => {
    // The client is typed by the registry and runs none of it.
    if (isType && from.startsWith('src/client/') && to.startsWith('src/methods/')) return false
    return rankOf(to) < rankOf(from)
  })
  expect(upward.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
})

test('two folders of one layer do not import each other', () => {
  const sideways = imports.filter(({ from, to, isLazy }) => {
    return !isLazy && rankOf(from) === rankOf(to) && placeOf(from) !== placeOf(to)
  })
  expect(sideways.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
})

test('no file imports itself by way of others', () => {
  const graph = new Map<string, string[]>()
  for (const { from, to, isType } of imports) if (!isType) graph.set(from, [...(graph.get(from) ?? []), to])
  expect(sources.flatMap((file) => cycleFrom(file, graph))).toEqual([])
})

test('nothing below the wire knows of it', () => {
  const knowing = sources
    .filter((file) => rankOf(file) > rankOf('src/rpc') && !file.startsWith('protocol/'))
    .filter((file) => /from '(vscode-jsonrpc|yargs)/.test(fs.readFileSync(path.join(root, file), 'utf8')))
  expect(knowing).toEqual([])
})

test('protocol imports zod and nothing else', () => {
  const strangers = sources
    .filter((file) => file.startsWith('protocol/'))
    .flatMap((file) => [...fs.readFileSync(path.join(root, file), 'utf8').matchAll(/from '([^'.][^']*)'/g)])
    .map((match) => match[1])
    .filter((name) => name !== 'zod')
  expect(strangers).toEqual([])
})

test('every source file belongs to a layer', () => {
  expect(sources.filter((file) => rankOf(file) < 0)).toEqual([])
})

function filesBelow(folder: string): string[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('clients'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}

function importsOf(file: string): Import[] {
  const text = fs.readFileSync(path.join(root, file), 'utf8')
  const statements = [...text.matchAll(/^(import|export)\s(type\s)?[^'"]*?from '(\.[^']+)'/gm)]
  const lazy = [...text.matchAll(/\bimport\('(\.[^']+)'\)/g)]
  const to = (target: string) => path.join(path.dirname(file), target)
  return [
    ...statements.map((match) => {
      return { from: file, to: to(match[3] as string), isType: match[2] !== undefined, isLazy: false }
    }),
    ...lazy.map((match) => ({ from: file, to: to(match[1] as string), isType: false, isLazy: true })),
  ]
}

function placeOf(file: string): string {
  return layers.flat().find((place) => file === place || file.startsWith(`${place}/`)) ?? ''
}

function rankOf(file: string): number {
  return layers.findIndex((places) => places.some((place) => file === place || file.startsWith(`${place}/`)))
}

function cycleFrom(start: string, graph: ReadonlyMap<string, readonly string[]>): string[] {
  const seen = new Set<string>()
  const open = [...(graph.get(start) ?? [])]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (file === start) return [start]
    if (seen.has(file)) continue
    seen.add(file)
    open.push(...(graph.get(file) ?? []))
  }
  return []
}
