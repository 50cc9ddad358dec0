import { Client } from './client.ts'
import { type OpenOptions, openConnection } from './project.ts'

export { findProject, isProject, NoProjectError, readDiscovery, runningSocket } from './project.ts'

/** Connect the command line to a project's daemon, starting one where none runs. */
export function connect(options: OpenOptions = {}): Promise<Client> {
  return openConnection(Client, options)
}
