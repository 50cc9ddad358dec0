import fs from 'node:fs'
import path from 'node:path'
import { productVersion } from '../../protocol/version.ts'
import type { Client, MethodName, ParamsOf, ResultOf } from '../client/client.ts'
import type { Globals } from './command.ts'
import { CliError, UsageError } from './errors.ts'
import { type Key, readKey, takeKeyFromEnvironment } from './key.ts'
import { Output } from './output.ts'

/** Where calls go. */
export interface Scope {
  readonly database: string
  readonly branch: string
  readonly tenant: string
}

/** What a command works with: its project and scope, the connection to the daemon, and the output. */
export class Context implements AsyncDisposable {
  readonly output: Output
  readonly #args: Globals
  readonly #environmentKey = takeKeyFromEnvironment()
  #client: Promise<Client> | undefined

  constructor(args: Globals) {
    this.#args = args
    this.output = new Output(args.json, args.quiet)
  }

  /** The project's folder. */
  async project(): Promise<string> {
    const { findProject, isProject, NoProjectError } = await import('../client/connect.ts')
    const given = this.#args.project
    if (given === undefined) return findProject() ?? fail(new NoProjectError())
    return isProject(given) ? path.resolve(given) : fail(new NoProjectError(path.resolve(given)))
  }

  /** Where calls go: as the options say, else as the project's settings. */
  async scope(): Promise<Scope> {
    const active = readActive(await this.project())
    const database = this.#args.database ?? active.database
    // The active branch is one of the active database.
    const branch = this.#args.branch ?? (database === active.database ? active.branch : 'main')
    return { database, branch, tenant: this.#args.tenant ?? 'main' }
  }

  /** The connection to the daemon; one is started where none runs. */
  client(): Promise<Client> {
    this.#client ??= this.#connect()
    return this.#client
  }

  call<M extends MethodName>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    return this.rawCall(method, params as object) as Promise<ResultOf<M>>
  }

  /** The same for a method whose name is only known at run time. */
  async rawCall(method: string, params: object): Promise<unknown> {
    const client = await this.client()
    return this.output.withProgress((options) => client.rawRequest(method, params, options))
  }

  /** The key of an encrypted tenant, as the options or the environment say. */
  async key(): Promise<Key | undefined> {
    const { tenantKey: text, keyFile: file, keyCommand: command, keyPrompt: prompt } = this.#args
    if (text !== undefined) {
      this.output.warn('other users of this machine can see a key on the command line; --key-file keeps it from them')
    }
    const key = await readKey({ text, file, command, prompt }, 'key', 'Key')
    return key ?? readKey({ text: this.#environmentKey }, 'CINCH_TENANT_KEY', '')
  }

  /** The same where there has to be one. */
  async requireKey(): Promise<Key> {
    const key = await this.key()
    if (key === undefined)
      throw new UsageError('a key is missing: --key-file, --key-command, --key-prompt or CINCH_TENANT_KEY')
    return key
  }

  /** If a key is given, unlock the tenant in scope for the calls of this command. */
  async unlock(): Promise<void> {
    const key = await this.key()
    if (key !== undefined) await this.call('tenant.unlock', { key })
  }

  /** Ask on a terminal; elsewhere, refuse. */
  async confirm(question: string): Promise<void> {
    const { ask, canAsk } = await import('./prompt.ts')
    if (!canAsk()) {
      throw new CliError('confirmationNeeded', 'Not done without confirmation', {
        data: { question },
        hint: '--yes does it without asking',
      })
    }
    if (!(await ask(question))) throw new CliError('notConfirmed', 'Not done')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A connection that could not be made has been told of by the call that wanted it.
    const client = await this.#client?.catch(() => undefined)
    await client?.close()
  }

  async #connect(): Promise<Client> {
    const { connect } = await import('../client/connect.ts')
    const [project, scope] = [await this.project(), await this.scope()]
    const client = await connect({
      project,
      scope,
      agreed: ({ server }) => {
        if (server.version === productVersion) return
        this.output.warn(
          `the daemon is version ${server.version}, this is ${productVersion}; \`cinch daemon restart\` starts this one`,
        )
      },
    })
    // Whoever calls again is given a new one.
    void client.closed.then(() => {
      this.#client = undefined
    })
    return client
  }
}

/** The active database and branch of a project. The daemon checks the file; here only two texts are looked for. */
function readActive(project: string): Omit<Scope, 'tenant'> {
  const file = path.join(project, '.cinchdb', 'config.json')
  let config: { activeDatabase?: unknown; activeBranch?: unknown } = {}
  try {
    config = JSON.parse(fs.readFileSync(file, 'utf8')) ?? {}
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new CliError('invalidConfig', 'config.json is refused', { data: { reason: (error as Error).message } })
    }
  }
  const { activeDatabase, activeBranch } = config
  return {
    database: typeof activeDatabase === 'string' ? activeDatabase : 'main',
    branch: typeof activeBranch === 'string' ? activeBranch : 'main',
  }
}

function fail(error: Error): never {
  throw error
}
