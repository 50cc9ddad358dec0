import { once } from 'node:events'
import { type Agreement, Connection } from './connection.ts'
import { findProject, NoProjectError, type OpenOptions, openConnection, startStdio } from './project.ts'

/** How long a daemon of one's own may take to end. */
const endPatienceMs = 10_000

/**
 * A connection that is made anew where it was lost, by the next call. Never while a transaction or a cursor is open on it:
 * what they were is gone, and whoever has them has to know.
 */
export class Link {
  /** Transactions and cursors that are open. */
  open = 0
  #current: Connection
  readonly #dial: (() => Promise<Connection>) | undefined
  readonly #ended: (() => Promise<unknown>) | undefined
  #dialling: Promise<Connection> | undefined
  #isClosed = false

  /**
   * @param dial makes another connection
   * @param ended settles when what was at the other end is gone, too
   */
  private constructor(
    current: Connection,
    { dial, ended }: { dial?: () => Promise<Connection>; ended?: () => Promise<unknown> },
  ) {
    this.#current = current
    this.#dial = dial
    this.#ended = ended
  }

  /** A link to a project's daemon, over its socket. `prepare` is done with each connection that is made. */
  static async overSocket(options: OpenOptions, prepare: Prepare): Promise<Link> {
    const dial = async () => prepared(await openConnection(Connection, options), prepare)
    return new Link(await dial(), { dial })
  }

  /** A link to a `cinchd --stdio` of its own. It ends with the link. */
  static async overStdio(options: OpenOptions, prepare: Prepare): Promise<Link> {
    const project = options.project ?? findProject()
    if (project === undefined) throw new NoProjectError()
    const child = startStdio(project, options.command)
    const exited = once(child, 'exit').catch(() => {})
    const connection = await prepared(new Connection(child.stdout, child.stdin), async (connection) => {
      await connection.initialize(options.name ?? 'cinch')
      await prepare(connection)
    })
    const ended = async () => {
      const impatience = setTimeout(() => child.kill('SIGKILL'), endPatienceMs)
      await exited
      clearTimeout(impatience)
    }
    return new Link(connection, { ended })
  }

  /** What client and daemon agreed on. */
  get agreement(): Agreement {
    return this.#current.agreement as Agreement
  }

  /** The connection that calls go over now. One that is lost for good refuses them itself. */
  async connection(): Promise<Connection> {
    if (!this.#dial || this.#isClosed || !this.#current.isLost || this.open > 0) return this.#current
    this.#dialling ??= this.#dial()
      .then(async (connection) => {
        this.#current = connection
        if (this.#isClosed) await connection.close()
        return connection
      })
      .finally(() => {
        this.#dialling = undefined
      })
    return this.#dialling
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#current.close()
    await this.#ended?.()
  }
}

type Prepare = (connection: Connection) => Promise<unknown>

async function prepared(connection: Connection, prepare: Prepare): Promise<Connection> {
  try {
    await prepare(connection)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}
