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
  /** What client and daemon agreed on. */
  agreement: Agreement
  #current: Connection
  readonly #dial: (() => Promise<Connection>) | undefined
  readonly #ended: (() => Promise<unknown>) | undefined
  #dialling: Promise<Connection> | undefined
  #isClosed = false

  private constructor(
    current: Connection,
    agreement: Agreement,
    { dial, ended }: { dial?: () => Promise<Connection>; ended?: () => Promise<unknown> },
  ) {
    this.#current = current
    this.agreement = agreement
    this.#dial = dial
    this.#ended = ended
  }

  /** A link to a project's daemon, over its socket. `prepare` is done with each connection that is made. */
  static async overSocket(options: OpenOptions, prepare: (connection: Connection) => Promise<unknown>): Promise<Link> {
    let link: Link | undefined
    let agreement: Agreement | undefined
    const agreed = (found: Agreement) => {
      agreement = found
      if (link) link.agreement = found
    }
    const dial = async () => {
      const connection = await openConnection(Connection, { ...options, agreed })
      await prepared(connection, prepare)
      return connection
    }
    const first = await dial()
    link = new Link(first, agreement as unknown as Agreement, { dial })
    return link
  }

  /** A link to a `cinchd --stdio` of its own. It ends with the link. */
  static async overStdio(options: OpenOptions, prepare: (connection: Connection) => Promise<unknown>): Promise<Link> {
    const project = options.project ?? findProject()
    if (project === undefined) throw new NoProjectError()
    const child = startStdio(project, options.command)
    const exited = once(child, 'exit').catch(() => {})
    const connection = new Connection(child.stdout, child.stdin)
    const agreement = await prepared(connection, () => connection.initialize(options.name ?? 'cinch'))
    await prepared(connection, prepare)
    const ended = async () => {
      const impatience = setTimeout(() => child.kill('SIGKILL'), endPatienceMs)
      await exited
      clearTimeout(impatience)
    }
    return new Link(connection, agreement, { ended })
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

async function prepared<T>(connection: Connection, prepare: (connection: Connection) => Promise<T>): Promise<T> {
  try {
    return await prepare(connection)
  } catch (error) {
    await connection.close()
    throw error
  }
}
