import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import * as z from 'zod'
import { nameFault } from '../../../protocol/names.ts'
import { refuse } from '../../base/refusal.ts'
import type { ChangeSet } from '../../catalog/change-sets.ts'
import { codeOf } from '../../storage/faults.ts'
import { shardOf } from '../../storage/layout.ts'

/**
 * A backup is a folder:
 *
 *     manifest.json     what it is of, and the SHA-256 of the two lists
 *     history.ndjson    the change sets that led to its schema, oldest first
 *     tenants.ndjson    its tenants in the order of their names, each with the SHA-256 of its file
 *     files/ab/name.db  their files, as they lie in a branch's folder
 *
 * It is made beside its place and moved there when it is whole and on disk. What a name in a list stands for is worked out from
 * the name: no path is read from a backup.
 */
export const format = 1

const listNames = ['history.ndjson', 'tenants.ndjson'] as const
export type ListName = (typeof listNames)[number]

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

export const Manifest = z.object({
  format: z.int().positive(),
  kind: z.enum(['branch', 'tenant']),
  /** Of the program that made it. */
  version: z.string(),
  createdAt: z.string(),
  database: z.string(),
  branch: z.string(),
  /** The change set at which the branch stood. */
  head: z.string(),
  description: z.string().nullable(),
  tenants: z.int().nonnegative(),
  files: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  lists: z.object({ 'history.ndjson': Sha256, 'tenants.ndjson': Sha256 }),
})
export type Manifest = z.infer<typeof Manifest>

const SavedBytes = z.object({ bytes: z.int().nonnegative(), sha256: Sha256 })

const SavedFile = SavedBytes.extend({
  /** Where the file stands. */
  changeSet: z.string(),
  cipher: z.string().nullable(),
  /** What is committed and not in the file: of encrypted ones, which are kept as they lie. */
  log: SavedBytes.optional(),
})
export type SavedFile = z.infer<typeof SavedFile>

export const SavedTenant = z.object({
  name: z.string().refine((name) => nameFault('tenant', name) === null, 'not a tenant’s name'),
  description: z.string().nullable(),
  createdAt: z.string(),
  /** How it is encrypted, also where it has no file yet. */
  cipher: z.string().nullable(),
  /** Null: it had no file yet. */
  file: SavedFile.nullable(),
})
export type SavedTenant = z.infer<typeof SavedTenant>

const SavedChangeSet = z.object({
  id: z.string(),
  parent: z.string().nullable(),
  merged: z.string().nullable(),
  depth: z.int().nonnegative(),
  seq: z.int(),
  message: z.string().nullable(),
  client: z.string().nullable(),
  createdAt: z.string(),
  changes: z.string(),
  steps: z.string(),
  model: z.string().nullable(),
  sameAs: z.string().nullable(),
})

/** Where a tenant's file lies in a backup, relative to its folder. */
export function savedPath(tenant: string): string {
  return path.join('files', shardOf(tenant), `${tenant}.db`)
}

/** A backup that lies in a folder. `name` is what a client calls it. */
export class Backup {
  readonly name: string
  readonly folder: string
  readonly manifest: Manifest

  private constructor(name: string, folder: string, manifest: Manifest) {
    this.name = name
    this.folder = folder
    this.manifest = manifest
  }

  /** Refuses `backupNotFound`, `backupBroken`, `backupTooNew`. */
  static open(name: string, folder: string): Backup {
    let found: unknown
    try {
      found = JSON.parse(fs.readFileSync(path.join(folder, 'manifest.json'), 'utf8'))
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') refuse('backupNotFound', { backup: name })
      if (!(error instanceof SyntaxError)) throw error
      return refuse('backupBroken', { backup: name, reason: 'manifest.json is no JSON' })
    }
    const version = z.object({ format: z.number() }).safeParse(found)
    if (version.success && version.data.format > format) {
      refuse('backupTooNew', { backup: name, found: version.data.format, supported: format })
    }
    const manifest = Manifest.safeParse(found)
    if (!manifest.success) return refuse('backupBroken', { backup: name, reason: 'manifest.json is not a backup’s' })
    return new Backup(name, folder, manifest.data)
  }

  history(): ChangeSet[] {
    return this.#list('history.ndjson', SavedChangeSet)
  }

  tenants(): SavedTenant[] {
    const tenants = this.#list('tenants.ndjson', SavedTenant)
    const isInOrder = tenants.every(({ name }, at) => at === 0 || (tenants[at - 1] as SavedTenant).name < name)
    return isInOrder ? tenants : this.broken('tenants.ndjson is not in order')
  }

  file(tenant: string): string {
    return path.join(this.folder, savedPath(tenant))
  }

  broken(reason: string): never {
    return refuse('backupBroken', { backup: this.name, reason })
  }

  #list<T>(list: ListName, schema: z.ZodType<T>): T[] {
    let text: Buffer
    try {
      text = fs.readFileSync(path.join(this.folder, list))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return this.broken(`${list} is missing`)
      throw error
    }
    if (createHash('sha256').update(text).digest('hex') !== this.manifest.lists[list])
      this.broken(`${list} was changed`)
    return text
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const parsed = schema.safeParse(parse(line))
        return parsed.success ? parsed.data : this.broken(`${list} has a line that is none of a backup’s`)
      })
  }
}

/** Undefined where it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
