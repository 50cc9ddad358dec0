import type { Logger } from 'pino'
import { Refusal, refuse } from '../base/refusal.ts'
import type { Scope } from './definition.ts'
import type { Manifest } from './manifest.ts'
import { type Exempt, ParamsFault, type Question, type Runner } from './question.ts'

/** What is done about a plugin that fails, or is late. */
export interface Policy {
  /** `fail`: the call at hand is refused; `skip`: it goes on as if the plugin had said nothing. */
  readonly onFailure: 'fail' | 'skip'
  /** How long one of its hooks may take. */
  readonly hookTimeoutMs: number
  /** How long one of its methods may take, or its loading. */
  readonly methodTimeoutMs: number
}

/** Who waits for what a plugin answers. */
export interface Asker {
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal
  /** Plugins whose hooks are left out. */
  readonly exempt: Exempt
}

/** One that may say no must be heard. */
export function defaultPolicy({ hooks }: Manifest): Policy['onFailure'] {
  return hooks.includes('beforeQuery') ? 'fail' : 'skip'
}

export interface PluginSummary {
  readonly calls: number
  /** Answers that were errors, nonsense, or too late. */
  readonly failures: number
  /** Those of them that nobody was refused for. */
  readonly skipped: number
  /** How often its thread was started again. */
  readonly restarts: number
}

/** How long a plugin may take to clean up. */
const cleanupMs = 5_000

/** A plugin at work: what it is asked passes here, within its time, and what becomes of its failures. */
export class Plugin {
  readonly manifest: Manifest
  readonly policy: Policy
  readonly runner: Runner
  /** Where it comes from. */
  readonly source: string
  readonly #log: Logger
  /** For statements that come of nothing but this plugin. */
  readonly #exempt: Exempt
  #calls = 0
  #failures = 0
  #skipped = 0
  #underWay = 0
  #allAnswered: (() => void) | undefined
  /** The last thing that went wrong. */
  lastFailure: { readonly at: string; readonly hook: string; readonly reason: string } | undefined

  constructor(manifest: Manifest, source: string, runner: Runner, policy: Policy, log: Logger) {
    this.manifest = manifest
    this.source = source
    this.runner = runner
    this.policy = policy
    this.#log = log
    this.#exempt = [manifest.name]
  }

  get name(): string {
    return this.manifest.name
  }

  get summary(): PluginSummary {
    return {
      calls: this.#calls,
      failures: this.#failures,
      skipped: this.#skipped,
      restarts: this.runner.restarts ?? 0,
    }
  }

  /** What a hook says, at once where it can; undefined where it failed and is skipped. `check` throws at nonsense. */
  askHook<T>(question: Question, asker: Asker, check: (answer: unknown) => T): T | undefined | Promise<T | undefined> {
    this.#calls++
    try {
      const answer = this.runner.ask(question, this.#exemptFrom(asker))
      if (!isThenable(answer)) return check(answer)
      return this.#hookLater(question, asker, answer, check)
    } catch (error) {
      return this.#hookFailed(question, error)
    }
  }

  async #hookLater<T>(question: Question, asker: Asker, answer: Promise<unknown>, check: (answer: unknown) => T) {
    try {
      return check(await this.#inTime(answer, asker.signal, this.policy.hookTimeoutMs))
    } catch (error) {
      asker.signal?.throwIfAborted()
      return this.#hookFailed(question, error)
    }
  }

  #hookFailed({ kind }: Question, error: unknown): undefined {
    this.#note(kind, error)
    if (this.policy.onFailure === 'fail') return this.#refuse(kind, error, kind === 'afterQuery')
    this.#skipped++
    return undefined
  }

  /** Call one of its methods. `read` makes of its answer what is wanted, and throws at nonsense. */
  async call<T>(method: string, params: object, scope: Scope, asker: Asker, read: (answer: unknown) => T): Promise<T> {
    this.#calls++
    try {
      const answer = this.runner.ask({ kind: 'call', method, params, scope }, this.#exemptFrom(asker))
      return read(isThenable(answer) ? await this.#inTime(answer, asker.signal, this.policy.methodTimeoutMs) : answer)
    } catch (error) {
      asker.signal?.throwIfAborted()
      if (error instanceof ParamsFault) return refuse('invalidParams', { issues: [...error.issues] })
      this.#note(method, error)
      return this.#refuse(method, error, false)
    }
  }

  /** Tell it something. Nobody waits for it, and its failures are noted. */
  tell(question: Question): void {
    this.#calls++
    try {
      const answer = this.runner.ask(question, this.#exempt)
      if (!isThenable(answer)) return
      const heard = this.#inTime(answer, undefined, this.policy.hookTimeoutMs)
      heard.catch((error) => this.#note(question.kind, error))
    } catch (error) {
      this.#note(question.kind, error)
    }
  }

  /** Have it clean up, once it has answered what it was asked, and end it. Nobody asks it anything any more. */
  async end(): Promise<void> {
    if (this.runner.runsIn !== 'client') {
      if (this.#underWay > 0) {
        await new Promise<void>((resolve) => {
          this.#allAnswered = resolve
        })
      }
      try {
        const answer = this.runner.ask({ kind: 'cleanup' }, this.#exempt)
        if (isThenable(answer)) await this.#inTime(answer, undefined, cleanupMs)
      } catch (error) {
        this.#note('cleanup', error)
      }
    }
    await this.runner.end()
  }

  #exemptFrom({ exempt }: Asker): Exempt {
    return exempt.length === 0 ? this.#exempt : [...exempt, this.name]
  }

  /** The answer, unless it is late or nobody waits for it any more. */
  #inTime(answer: Promise<unknown>, signal: AbortSignal | undefined, timeoutMs: number): Promise<unknown> {
    this.#underWay++
    return new Promise((resolve, reject) => {
      let isSettled = false
      /** The first who comes settles it. */
      const settle = (how: () => void) => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        if (--this.#underWay === 0) this.#allAnswered?.()
        how()
      }
      const giveUp = (reason: unknown, isLate: boolean) =>
        settle(() => {
          this.runner.forget?.(answer, isLate)
          reject(reason)
        })
      const abort = () => giveUp(signal?.reason, false)
      const timer = setTimeout(() => giveUp(new LateFault(timeoutMs), true), timeoutMs)
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted) abort()
      answer.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      )
    })
  }

  #note(hook: string, error: unknown): void {
    this.#failures++
    const reason = reasonOf(error)
    this.lastFailure = { at: new Date().toISOString(), hook, reason }
    this.#log.warn({ plugin: this.name, hook, onFailure: this.policy.onFailure, err: error }, 'a plugin failed')
  }

  #refuse(hook: string, error: unknown, done: boolean): never {
    const which = { plugin: this.name, hook, ...(done && { done }) }
    if (error instanceof LateFault) return refuse('pluginTimedOut', { ...which, timeoutMs: error.timeoutMs })
    return refuse('pluginFailed', { ...which, reason: reasonOf(error) })
  }
}

class LateFault extends Error {
  override name = 'LateFault'
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** What is told of an error: its own words, and what the daemon said where it was the daemon that refused. */
export function reasonOf(error: unknown): string {
  if (error instanceof Refusal) return error.message
  const text = error instanceof Error ? error.message : String(error)
  return text.slice(0, maxReasonChars)
}

const maxReasonChars = 2_000
