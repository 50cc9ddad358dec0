import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import type { Branch } from '../../src/engine/branch.ts'
import { openKey } from '../../src/engine/encryption.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { rootChangeSet } from '../../src/engine/heads.ts'
import type { Tenant } from '../../src/engine/tenant.ts'
import { visibleTenants } from '../../src/engine/tenants.ts'
import { differences } from '../../src/schema/model.ts'
import { createStatements } from '../../src/schema/print.ts'
import { snapshot } from '../../src/schema/snapshot.ts'
import { quoteName } from '../../src/schema/sql.ts'
import { openReadOnly } from '../../src/storage/connection.ts'
import { branchFolder } from '../../src/storage/layout.ts'
import { readChangeSet } from '../../src/storage/tenant-file.ts'
import { keys } from './operations.ts'

/** Rows of a tenant, by table, each as JSON. */
export type Rows = { readonly [table: string]: readonly string[] }

export interface BranchState {
  readonly parent: string | null
  readonly isWritable: boolean
  readonly maintenance: string | null
  readonly description: string | null
  /** Statements that make its schema. */
  readonly schema: readonly string[]
  /** Its change sets, newest first, by numbers that are the same wherever the same change set is met. */
  readonly history: readonly string[]
  readonly tenants: { readonly [name: string]: Rows }
}

/** All that a client can see of a project, but for ids and times. Branches by `database/branch`. */
export interface State {
  readonly databases: { readonly [name: string]: string | null }
  readonly branches: { readonly [name: string]: BranchState }
}

/**
 * Read a whole project: every row of every tenant of every branch. Each file is looked at as its first read left it: it
 * has to be sound, and to have its branch's schema.
 */
export async function readState(engine: Engine): Promise<State> {
  const numbers = new Map<string, number>()
  const branches: { [name: string]: BranchState } = {}
  const seen = [...engine.parts.allBranches()].filter(({ isHidden }) => !isHidden)
  const all = seen.map((branch) => ({ branch, name: fullName(branch) }))
  for (const { branch, name } of all.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const tenants: { [name: string]: Rows } = {}
    for (const row of [...visibleTenants(engine.parts.catalog, branch)]) {
      const tenant = branch.tenant(row.name)
      const opened = row.cipher === null ? undefined : await openWithAny(engine, tenant)
      tenants[row.name] = { ...(await readRows(tenant)), ...(opened && { [keyName]: [opened.name] }) }
      checkFile(tenant)
      opened?.letGo()
    }
    branches[name] = {
      parent: branch.parent?.name ?? null,
      isWritable: branch.row.readOnly === 0,
      maintenance: reasonOf(branch.row.maintenance),
      description: branch.row.description,
      schema: createStatements(branch.head.schema),
      history: historyOf(engine, branch, numbers),
      tenants,
    }
  }
  const databases = Object.fromEntries(
    engine.databases.map((row) => [row.name, reasonOf(row.maintenance)] as const).sort(),
  )
  return { databases, branches }
}

/** Stands among the tables of an encrypted tenant, for the name of its key. */
export const keyName = '(key)'

/** Unlock an encrypted tenant: one of the keys has to be the right one. */
async function openWithAny({ parts }: Engine, tenant: Tenant): Promise<{ name: string; letGo: () => void }> {
  for (const [name, key] of Object.entries(keys)) {
    const held = await openKey(parts, tenant, key).catch(() => undefined)
    if (held) return { name, letGo: held.letGo }
  }
  throw new Error(`no key opens tenant ${tenant.name}`)
}

export function fullName(branch: Branch): string {
  return `${branch.database.row.name}/${branch.name}`
}

/** The catalog's files are those on disk, nothing lies in the scratch folder, and no folder is left of what is gone. */
export function checkDisk(engine: Engine): void {
  const { catalog, layout } = engine.parts
  expect(filesBelow(layout.root), 'files on disk').toEqual(catalog.files.paths().sort())
  expect(fs.existsSync(layout.scratch) ? fs.readdirSync(layout.scratch) : [], 'scratch folder').toEqual([])
  const known = [...engine.parts.allBranches()].map((branch) => branchFolder(branch.database.row.name, branch.name))
  const folders = fs.readdirSync(layout.root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of folders) {
    if (name !== 'scratch' && name !== 'backups') expect(known, 'folders of branches').toContain(name)
  }
  const backups = fs.existsSync(layout.backups) ? fs.readdirSync(layout.backups) : []
  expect(
    backups.filter((name) => name.startsWith('.')),
    'unfinished backups',
  ).toEqual([])
}

/** Tenants' files below a folder; a log without its file counts as one. */
function filesBelow(root: string): string[] {
  const files = fs.readdirSync(root, { recursive: true, encoding: 'utf8' })
  const ofTenants = files.filter(
    (file) => file.includes(path.sep) && !file.startsWith('backups') && /\.db(-wal|-shm|-journal)?$/.test(file),
  )
  return [...new Set(ofTenants.map((file) => file.replace(/-(wal|shm|journal)$/, '')))].sort()
}

async function readRows(tenant: Tenant): Promise<Rows> {
  const rows: { [table: string]: string[] } = {}
  for (const { name } of tenant.branch.head.schema.tables) {
    const found = await tenant.read(({ statements }) => {
      return statements.get(`select * from ${quoteName(name)} order by rowid`).statement.all()
    })
    rows[name] = found.map((row) => JSON.stringify(row))
  }
  // A branch without tables has files to bring forward, too.
  await tenant.read(() => undefined)
  return rows
}

/** The file of a tenant that was just read. */
function checkFile(tenant: Tenant): void {
  const file = tenant.path()
  if (file === null) return
  const { head } = tenant.branch
  const name = `${fullName(tenant.branch)} ${tenant.name}`
  const db = openReadOnly(file, tenant.key)
  try {
    expect(readChangeSet(db), `change set of ${name}`).toBe(head.id)
    expect(
      differences(
        head.schema,
        snapshot(db, () => 'new'),
      ),
      `schema of ${name}`,
    ).toEqual([])
    expect(db.pragma('integrity_check', { simple: true }), `integrity of ${name}`).toBe('ok')
    expect(db.pragma('foreign_key_check'), `foreign keys of ${name}`).toEqual([])
  } finally {
    db.close()
  }
}

function historyOf({ parts }: Engine, branch: Branch, numbers: Map<string, number>): string[] {
  const line = parts.catalog.changeSets.history(branch.head.id, Number.MAX_SAFE_INTEGER)
  return line.map(({ id, merged, message, changes }) => {
    const [number, other] = [id, merged ?? rootChangeSet].map((each) => {
      if (!numbers.has(each)) numbers.set(each, numbers.size)
      return numbers.get(each)
    })
    const kinds = (JSON.parse(changes) as { kind: string }[]).map(({ kind }) => kind)
    return `${number} ${other} ${message?.replace(/[0-9a-f-]{36}/, 'id') ?? ''} ${kinds.join()}`
  })
}

function reasonOf(maintenance: string | null): string | null {
  return maintenance === null ? null : ((JSON.parse(maintenance) as { reason?: string }).reason ?? 'none')
}
