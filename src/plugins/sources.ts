import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { PluginFault } from './question.ts'

/** What config or a client names: one of the two. */
export interface SourceName {
  /** A file or a folder; absolute, or as seen from the project's folder. */
  readonly path?: string
  /** A package that is installed for the project. */
  readonly package?: string
}

/** The modules that this names, in the order in which they are loaded. Nothing of them is run. */
export function findModules(project: string, name: SourceName): string[] {
  const files =
    name.package === undefined ? filesAt(path.resolve(project, name.path ?? '')) : [inPackages(project, name.package)]
  return files.map((file) => pathToFileURL(file).href)
}

/** A file; of a folder, its index, or else every module that lies in it, tests left out. */
function filesAt(place: string): string[] {
  const found = fs.statSync(place, { throwIfNoEntry: false })
  if (found === undefined) throw new PluginFault('nothing lies there')
  if (found.isFile()) return [place]
  if (!found.isDirectory()) throw new PluginFault('it is neither a file nor a folder')
  if (fs.existsSync(path.join(place, 'package.json'))) return [entryOf(place)]
  const modules = fs
    .readdirSync(place, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?<!\.test)\.m?js$/.test(entry.name))
    .map(({ name }) => name)
    .sort()
  if (modules.length === 0) throw new PluginFault('the folder has no .mjs or .js file')
  const index = modules.find((name) => /^index\.m?js$/.test(name))
  return (index === undefined ? modules : [index]).map((name) => path.join(place, name))
}

/** A package in the nearest `node_modules`, from the project's folder upward. */
function inPackages(project: string, name: string): string {
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name)) {
    throw new PluginFault('this is not the name of a package')
  }
  for (let folder = project; ; folder = path.dirname(folder)) {
    const place = path.join(folder, 'node_modules', name)
    if (fs.existsSync(path.join(place, 'package.json'))) return entryOf(place)
    if (folder === path.dirname(folder)) throw new PluginFault('no such package is installed for the project')
  }
}

/** The module of a package that `import` would take. */
function entryOf(folder: string): string {
  const { exports, main } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
    readonly exports?: unknown
    readonly main?: string
  }
  const entry = importOf(exports) ?? main ?? 'index.js'
  const file = path.join(folder, entry)
  if (!fs.existsSync(file)) throw new PluginFault(`the package has no ${entry}`)
  return file
}

/** What `exports` of a package.json says for its own name (https://nodejs.org/api/packages.html#conditional-exports). */
function importOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  const conditions = exports as { readonly [condition: string]: unknown }
  if ('.' in conditions) return importOf(conditions['.'])
  const first = Object.keys(conditions).find((condition) => ['node', 'import', 'default'].includes(condition))
  return first === undefined ? undefined : importOf(conditions[first])
}
