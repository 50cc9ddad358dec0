import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { Refusal } from '../../src/base/refusal.ts'
import { editSchema, type Progress } from '../../src/engine/edit.ts'
import { Engine } from '../../src/engine/engine.ts'
import { createTenant, verifyTenant } from '../../src/engine/tenants.ts'
import { type ExportOptions, exportFile } from '../../src/engine/transfer/export.ts'
import { type ImportOptions, importFile } from '../../src/engine/transfer/import.ts'
import { adopt } from '../../src/schema/diff.ts'
import { schemaOf } from '../schema/support.ts'
import { defer } from '../support/cleanup.ts'
import { temporaryProject } from '../support/project.ts'

/** A project with branch `main`, and a folder for files beside it. */
export class World {
  readonly folder = temporaryProject().project
  engine: Engine

  constructor() {
    this.engine = this.#open()
    defer(() => this.engine.close())
  }

  #open(): Engine {
    return Engine.open(this.folder, { log: pino({ level: 'silent' }) })
  }

  /** Close the project, let `meanwhile` have it, and open it again. */
  async reopen(meanwhile: () => unknown = () => {}): Promise<void> {
    await this.engine.close()
    try {
      await meanwhile()
    } finally {
      this.engine = this.#open()
    }
  }

  get branch() {
    return this.engine.branch('main', 'main')
  }

  tenant(name = 'main') {
    return this.engine.tenant('main', 'main', name)
  }

  async addTenant(name: string): Promise<void> {
    await createTenant(this.engine.parts, this.branch, name, null)
  }

  /** Give the branch the schema that these statements make. */
  async schema(sql: string): Promise<void> {
    await editSchema(this.engine.parts, this.branch, { changes: adopt(schemaOf(sql)) }, quiet())
  }

  path(name: string): string {
    return path.join(this.folder, name)
  }

  write(name: string, content: string | Uint8Array): string {
    fs.writeFileSync(this.path(name), content)
    return this.path(name)
  }

  /** An SQLite file made by these statements. */
  sqlite(name: string, sql: string): string {
    const db = new Database(this.path(name))
    db.exec(sql)
    db.close()
    return this.path(name)
  }

  import(file: string, options: Partial<ImportOptions> & { tenant?: string } = {}, progress: Progress = quiet()) {
    const { tenant, ...rest } = options
    return importFile(this.engine.parts, this.tenant(tenant), { path: file, ...rest }, progress)
  }

  export(file: string, options: Partial<ExportOptions> & { tenant?: string } = {}, progress: Progress = quiet()) {
    const { tenant, ...rest } = options
    return exportFile(this.engine.parts, this.tenant(tenant), { path: file, ...rest }, progress)
  }

  /** What SQLite says against the main tenant's file. */
  verify(): Promise<string[]> {
    return verifyTenant(this.engine.parts, this.tenant(), quiet())
  }

  /** Rows of a tenant; integers as bigints. */
  async rows(sql: string, tenant?: string): Promise<unknown[][]> {
    return this.tenant(tenant).read((reader) => {
      const { statement } = reader.statements.get(sql)
      return statement.safeIntegers(true).all() as unknown[][]
    })
  }

  get scratchFiles(): string[] {
    const { scratch } = this.engine.parts.layout
    return fs.existsSync(scratch) ? fs.readdirSync(scratch) : []
  }

  /** What lies in the folder of files. */
  get files(): string[] {
    return fs.readdirSync(this.folder).filter((name) => name !== '.cinchdb')
  }
}

export function quiet(signal: AbortSignal = new AbortController().signal): Progress {
  return { signal, report: () => {} }
}

/** What a promise is refused with. */
export async function refusalOf(promise: Promise<unknown>): Promise<{ kind: string; [field: string]: unknown }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Refusal) return { kind: error.kind, ...error.data }
    throw error
  }
  throw new Error('not refused')
}

/** All that `sqlite3 .dump` tells, as values: the texts of the schema, and every table's rows with their row ids. */
export function dump(file: string): unknown {
  const db = new Database(file, { readonly: true })
  try {
    const schema = db.prepare('select type, name, tbl_name, sql from sqlite_schema order by rowid').raw().all()
    const tables = db
      .prepare("select name, wr from pragma_table_list where schema = 'main' and type in ('table', 'shadow')")
      .raw()
      .all() as [string, number][]
    const rows = tables.sort().map(([name, isWithoutRowid]) => {
      const isKeyless = isWithoutRowid || name === 'sqlite_schema'
      const columns = isKeyless ? '*' : 'rowid, *'
      const all = db.prepare(`select ${columns} from "${name}"`).raw().safeIntegers().all()
      return [name, name === 'sqlite_schema' ? [] : all]
    })
    const settings = ['encoding', 'page_size', 'user_version', 'application_id', 'auto_vacuum']
    return { schema, rows, settings: settings.map((name) => db.pragma(name, { simple: true })) }
  } finally {
    db.close()
  }
}
