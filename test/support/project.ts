import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import Database from 'better-sqlite3'
import { createProject } from '../../src/engine/engine.ts'
import { Layout } from '../../src/storage/layout.ts'
import { defer } from './cleanup.ts'

/** A folder that is gone after the test. */
export function temporaryFolder(keep: (work: () => unknown) => void = defer): string {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'cinch-'))
  keep(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

export interface ProjectOptions {
  readonly config?: object
  readonly folder?: string
  readonly keep?: (work: () => unknown) => void
}

/** A new project; its layout tells where everything lies. */
export function temporaryProject({ config, folder, keep }: ProjectOptions = {}): Layout {
  const layout = new Layout(folder ?? temporaryFolder(keep))
  createProject(layout.project)
  if (config) fs.writeFileSync(layout.config, JSON.stringify(config))
  return layout
}

/** Where a tenant's file lies, by the rule of the layout. */
export function tenantPath(layout: Layout, tenant = 'main', database = 'main', branch = 'main'): string {
  return layout.absolute(layout.tenantFile(database, branch, tenant))
}

/** Ask a file directly, without a daemon. */
export function ask<T = unknown>(file: string, sql: string): T[] {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 2_000 })
  try {
    return db.prepare<[], T>(sql).pluck().all()
  } finally {
    db.close()
  }
}

/** What SQLite says of a file's soundness. */
export function integrityOf(file: string): unknown {
  return ask(file, 'pragma integrity_check')[0]
}
