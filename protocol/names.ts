import * as z from 'zod'

/** What a name is of. Folders and files are named after databases, branches, tenants and backups; the others live inside SQLite. */
export type Noun = 'database' | 'branch' | 'tenant' | 'backup' | 'table' | 'column' | 'index' | 'view'

/** A name that is refused: which rule it breaks, and a clean name near to it where there is one. */
export interface NameFault {
  readonly rule: string
  readonly suggestion?: string
}

const maxLength = 63
const windowsDevices = /^(con|prn|aux|nul|com[1-9]|lpt[1-9])$/
const fileNouns: ReadonlySet<Noun> = new Set(['database', 'branch', 'tenant', 'backup'])
const systemColumns: ReadonlySet<string> = new Set(['id', 'created_at', 'updated_at'])

/** The first rule that `name` breaks as the name of a `noun` that is to be created, or null where it is fine. */
export function nameFault(noun: Noun, name: string): NameFault | null {
  const rule = brokenRule(noun, name)
  if (rule === null) return null
  const suggestion = cleanName(noun, name)
  return suggestion === null || suggestion === name ? { rule } : { rule, suggestion }
}

/** A valid name near to `name`, or null where nothing of it is left. */
export function cleanName(noun: Noun, name: string): string | null {
  const separator = fileNouns.has(noun) ? '-' : '_'
  const clean = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\s./\\]+/g, separator)
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/[-_]{2,}/g, separator)
    .replace(fileNouns.has(noun) ? /^[-_]+|[-_]+$/g : /^[^a-z]+|[-_]+$/g, '')
    .replace(fileNouns.has(noun) ? /$^/ : /-/g, '_')
    .slice(0, maxLength)
    .replace(/[-_]+$/, '')
  return clean !== '' && brokenRule(noun, clean) === null ? clean : null
}

function brokenRule(noun: Noun, name: string): string | null {
  if (name === '') return 'a name is not empty'
  if (name.length > maxLength) return `a name has at most ${maxLength} characters`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'a name has no control characters'
  if (name.includes('..') || /[/\\~]/.test(name)) return 'a name has no .., /, \\ or ~'
  if (name.startsWith('__') || name.startsWith('sqlite_')) return 'names that start with __ or sqlite_ are reserved'
  if (name !== name.toLowerCase()) return 'a name is lower case'
  if (fileNouns.has(noun)) {
    if (!/^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$/.test(name)) {
      return 'a name has letters a-z, digits, - and _, and starts and ends with a letter or digit'
    }
    if (windowsDevices.test(name)) return 'the names of devices (con, nul, com1, …) are reserved'
  } else if (!/^[a-z]([a-z0-9_]*[a-z0-9])?$/.test(name)) {
    return `a ${noun}’s name has letters a-z, digits and _, starts with a letter and ends with a letter or digit`
  }
  if (/--|__|-_|_-/.test(name)) return 'a name has no two of - and _ in a row'
  return null
}

/** Whether the daemon keeps a column of this name itself in tables with system columns. */
export function isSystemColumn(name: string): boolean {
  return systemColumns.has(name)
}

function named(noun: Noun) {
  return z
    .string()
    .max(1_000)
    .meta({ id: `${noun[0]?.toUpperCase()}${noun.slice(1)}Name` })
}

/**
 * Names as parameters. The rules are checked where something is created (`invalidName`, with a suggestion);
 * elsewhere any text may be asked for, and the answer is that nothing has that name: adopted tables keep theirs.
 */
export const DatabaseName = named('database')
export const BranchName = named('branch')
export const TenantName = named('tenant')
export const TableName = named('table')
export const ColumnName = named('column')
export const IndexName = named('index')
export const ViewName = named('view')
