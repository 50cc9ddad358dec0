import { Host, type HostPort } from './host.ts'
import type { Manifest } from './manifest.ts'
import type { Exempt, Question, Runner } from './question.ts'

/** Counts up, so that a module that is loaded again is read again. */
let loaded = 0

/** A plugin in the daemon's own thread: asked at no cost, and never stopped while it computes. */
export class InDaemon implements Runner {
  readonly runsIn = 'daemon'
  readonly #host: Host

  private constructor(host: Host) {
    this.#host = host
  }

  static async start(url: string, settings: unknown, port: HostPort): Promise<InDaemon> {
    return new InDaemon(await Host.load(`${url}?loaded=${++loaded}`, settings, port))
  }

  get manifest(): Manifest {
    return this.#host.manifest
  }

  ask(question: Question, exempt: Exempt): unknown {
    return this.#host.ask(question, exempt)
  }

  end(): void {}
}
