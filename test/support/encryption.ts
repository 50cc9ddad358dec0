import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Layout } from '../../src/storage/layout.ts'
import type { RawClient } from './client.ts'

/** A text that is looked for in files. */
export const canary = 'kanarienvogel-7f3a'

export type Key = string | { readonly raw: string }

/** A key for which nothing has to be derived. */
export function rawKey() {
  return { raw: randomBytes(32).toString('hex') }
}

export async function makeTable(client: RawClient): Promise<void> {
  const columns = [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'TEXT' },
  ]
  await client.call('table.create', { name: 't', columns, primaryKey: ['a'], systemColumns: false })
}

/** A tenant with one row, encrypted if there is a key. */
export async function makeTenant(client: RawClient, key?: Key, name = 'x'): Promise<void> {
  await client.call('tenant.create', { name, key })
  await client.call('row.insert', { tenant: name, key, table: 't', rows: [{ a: 1, b: canary }] })
}

/** The parameters of a query for a tenant's texts. */
export function read(key?: Key, tenant = 'x') {
  return { tenant, key, sql: 'select b from t' }
}

/** The files below `.cinchdb` in which a text stands as it is. */
export function filesWith({ root }: Layout, text: string): string[] {
  return fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const file = path.join(root, name)
    return fs.statSync(file).isFile() && fs.readFileSync(file).includes(text)
  })
}

export function fileOf(layout: Layout, tenant = 'x', branch = 'main'): string {
  return layout.absolute(layout.tenantFile('main', branch, tenant))
}
