import fs from 'node:fs'
import path from 'node:path'
import type { RawClient } from '../support/client.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { temporaryProject } from '../support/project.ts'

export type RunIn = 'worker' | 'daemon'
export const places: readonly RunIn[] = ['worker', 'daemon']

/** The text of a module that exports a plugin: `body` is what stands in it beside name and version. */
export function pluginText(name: string, body: string): string {
  return `export const cinchPlugin = ({ z, defineMethod }) => ({ name: '${name}', version: '1.0.0', ${body} })\n`
}

export interface PluginDaemon extends TestDaemon {
  /** Write a module into the project's folder; gives its path as seen from there. */
  write(file: string, text: string): string
  /** Write a plugin and load it. */
  load(name: string, body: string, options?: object): Promise<void>
}

/** A daemon with a table `t (a)` in the tenant main, and a way to give it plugins. */
export async function startWithPlugins(config: object = {}): Promise<PluginDaemon> {
  const layout = temporaryProject({ config })
  const test = await startDaemon({ layout })
  const write = (file: string, text: string) => {
    const place = path.join(layout.project, file)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    fs.writeFileSync(place, text)
    return file
  }
  await makeTable(test.client)
  return {
    ...test,
    write,
    async load(name, body, options = {}) {
      await test.client.call('plugin.load', { path: write(`${name}.mjs`, pluginText(name, body)), ...options })
    },
  }
}

export async function makeTable(client: RawClient): Promise<void> {
  await client.call('table.create', { name: 't', columns: [{ name: 'a', type: 'INTEGER' }], systemColumns: false })
}

export async function rowsOf(client: RawClient, sql = 'select a from t order by a'): Promise<unknown[][]> {
  return (await client.call('query.run', { sql })).rows
}

/** A client that answers what the daemon asks, as `answers` say, and keeps what it was asked. */
export class PluginClient {
  readonly client: RawClient
  readonly asked: { readonly method: string; readonly params: Asked }[] = []

  constructor(client: RawClient, answers: { readonly [method: string]: (params: Asked) => unknown }) {
    this.client = client
    void this.#serve(answers)
  }

  async #serve(answers: { readonly [method: string]: (params: Asked) => unknown }): Promise<void> {
    try {
      for (;;) {
        const { id, method, params } = await this.client.next()
        this.asked.push({ method, params })
        const answer = await answers[method]?.(params)
        if (answer === silence) continue
        const outcome =
          answer instanceof Error ? { error: { code: 1, message: answer.message } } : { result: answer ?? null }
        this.client.send(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
      }
    } catch {
      // the connection ended
    }
  }
}

/** No answer at all. */
export const silence = Symbol('silence')

// biome-ignore lint/suspicious/noExplicitAny: what a test reads of it is what it tests
type Asked = any
