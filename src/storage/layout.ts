import { createHash } from 'node:crypto'
import path from 'node:path'
import { assert } from '../base/assert.ts'

/** Names of backups start with this while they are made. */
export const unfinishedPrefix = '.new-'

/** Where everything of a project lies. The one place that builds paths. */
export class Layout {
  /** The project's own folder. */
  readonly project: string
  /** `.cinchdb` in it. */
  readonly root: string

  constructor(project: string) {
    this.project = path.resolve(project)
    this.root = path.join(this.project, '.cinchdb')
  }

  get config(): string {
    return path.join(this.root, 'config.json')
  }

  get catalog(): string {
    return path.join(this.root, 'metadata.db')
  }

  get discovery(): string {
    return path.join(this.root, 'daemon.json')
  }

  get socket(): string {
    return path.join(this.root, 'daemon.sock')
  }

  get log(): string {
    return path.join(this.root, 'daemon.log')
  }

  /** Where files are made before they are moved to their place. Emptied at start. */
  get scratch(): string {
    return path.join(this.root, 'scratch')
  }

  /** Where backups lie that are given a name rather than a path. */
  get backups(): string {
    return path.join(this.root, 'backups')
  }

  scratchFile(name: string): string {
    return path.join(this.scratch, name)
  }

  /** The path of a tenant's file, relative to `root`: what the catalog keeps. */
  tenantFile(database: string, branch: string, tenant: string): string {
    return `${branchFolder(database, branch)}/${shardOf(tenant)}/${tenant}.db`
  }

  /** The absolute path of what the catalog keeps. */
  absolute(relative: string): string {
    const absolute = path.resolve(this.root, relative)
    assert(absolute.startsWith(this.root + path.sep), 'a path leads out of the project')
    return absolute
  }
}

/** The folder of a branch. Two pairs can share one (`a-b` + `c`, `a` + `b-c`): whoever creates a branch checks. */
export function branchFolder(database: string, branch: string): string {
  return `${database}-${branch}`
}

/** The shard of a tenant: the first two hex digits of SHA-256 of its name. */
export function shardOf(tenant: string): string {
  return createHash('sha256').update(tenant).digest('hex').slice(0, 2)
}
