import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import type { HostPort } from './host.ts'
import type { Manifest } from './manifest.ts'
import { reasonOf } from './plugin.ts'
import { type Exempt, ParamsFault, PluginFault, type Question, type Runner } from './question.ts'
import { type Answer, bundled, type FromThread, type ThreadData, type ToThread } from './thread-messages.ts'

export interface ThreadOptions extends ThreadData {
  /** The thread ends if its objects take more. */
  readonly memoryMb: number
  /** Whether it is started again when it has ended. */
  readonly restart: boolean
  readonly loadTimeoutMs: number
}

// By its name in package.json: a thread needs compiled code, also where this runs from its sources, as in tests.
const program = createRequire(import.meta.url).resolve('#plugin-thread')

/** A thread that was late, and then says nothing for so long, hangs. */
const hangMs = 500
/** One that ends sooner after its start than this is started again after a pause, which doubles. */
const steadyMs = 10_000
const maxPauseMs = 30_000
const firstPauseMs = 100

/**
 * A plugin in a thread of its own. One that ends (by itself, for want of memory, or because it hung and was ended) fails what it
 * was asked, and is started again.
 */
export class Thread implements Runner {
  readonly runsIn = 'worker'
  readonly #options: ThreadOptions
  readonly #port: HostPort
  #worker: Worker | undefined
  #post: (message: ToThread) => void = ignored
  /** Settles when the thread that is being started has loaded the plugin. */
  #loading: Promise<void> | undefined
  #manifest: Manifest | undefined
  readonly #asked = new Map<number, Asked>()
  readonly #ids = new WeakMap<Promise<unknown>, number>()
  #lastId = 0
  #heard = 0
  #suspicion: NodeJS.Timeout | undefined
  /** Why the thread ends. */
  #fault: unknown
  #startedAt = 0
  #pauseMs = 0
  #pause: NodeJS.Timeout | undefined
  #isEnded = false
  trouble: string | undefined
  restarts = 0

  private constructor(options: ThreadOptions, port: HostPort) {
    this.#options = options
    this.#port = port
  }

  /** Rejects, and leaves no thread, where the plugin cannot be loaded. */
  static async start(options: ThreadOptions, port: HostPort): Promise<Thread> {
    const thread = new Thread(options, port)
    try {
      await thread.#start()
      return thread
    } catch (error) {
      await thread.end()
      throw error
    }
  }

  get manifest(): Manifest {
    return this.#manifest as Manifest
  }

  ask(question: Question, exempt: Exempt): Promise<unknown> {
    if (this.trouble !== undefined) return Promise.reject(new PluginFault(this.trouble))
    const id = ++this.#lastId
    const answer = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }))
    this.#ids.set(answer, id)
    if (this.#loading === undefined) this.#post({ kind: 'ask', id, question, exempt })
    else
      void this.#loading.then(() => this.#asked.has(id) && this.#post({ kind: 'ask', id, question, exempt }), ignored)
    return answer
  }

  forget(answer: Promise<unknown>, isLate: boolean): void {
    this.#asked.delete(this.#ids.get(answer) as number)
    if (isLate && this.#loading === undefined) this.#suspect()
  }

  async end(): Promise<void> {
    this.#isEnded = true
    clearTimeout(this.#pause)
    clearTimeout(this.#suspicion)
    await this.#worker?.terminate()
  }

  /** It was late: end it, unless something is heard of it. */
  #suspect(): void {
    if (this.#suspicion !== undefined) return
    const heard = this.#heard
    this.#post({ kind: 'ping' })
    this.#suspicion = setTimeout(() => {
      this.#suspicion = undefined
      if (this.#heard === heard) this.#stop(new PluginFault('it hung'))
    }, hangMs)
  }

  /** End the thread, for this reason. */
  #stop(fault: PluginFault): void {
    this.#fault = fault
    void this.#worker?.terminate()
  }

  #start(): Promise<void> {
    const { memoryMb, loadTimeoutMs, url, settings } = this.#options
    const worker = new Worker(program, {
      workerData: { url, settings } satisfies ThreadData,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: Math.max(4, memoryMb >> 3) },
      // The daemon's own standard output may be its wire.
      stdout: true,
      stderr: true,
    })
    this.#worker = worker
    this.#post = bundled((messages) => worker.postMessage(messages))
    this.#startedAt = performance.now()
    this.#fault = undefined
    this.#log(worker.stdout)
    this.#log(worker.stderr)
    worker.on('error', (error) => {
      this.#fault ??= error
    })
    this.#loading = new Promise((resolve, reject) => {
      const late = () => this.#stop(new PluginFault(`it did not load within ${loadTimeoutMs} ms`))
      const timer = setTimeout(late, loadTimeoutMs)
      const hear = (message: FromThread) => {
        if (message.kind === 'notLoaded') return this.#stop(new PluginFault(message.reason))
        if (message.kind !== 'loaded') return this.#hear(message)
        clearTimeout(timer)
        if (this.#takeUp(message.manifest)) resolve()
        else this.#stop(new PluginFault('its code is another one now: unload it, and load it again'))
      }
      worker.on('message', (messages: readonly FromThread[]) => messages.forEach(hear))
      worker.on('exit', (code) => {
        clearTimeout(timer)
        const why = this.#fault === undefined ? `exit code ${code}` : reasonOf(this.#fault)
        reject(new PluginFault(why))
        this.#ended(new PluginFault(`its thread ended: ${why}`))
      })
    })
    this.#loading.then(() => {
      this.#loading = undefined
    }, ignored)
    return this.#loading
  }

  /** False where it is not what it was: others have been told what it hooks and which methods it has. */
  #takeUp(manifest: Manifest): boolean {
    const isAsBefore = this.#manifest === undefined || JSON.stringify(this.#manifest) === JSON.stringify(manifest)
    if (!isAsBefore) return false
    this.#manifest = manifest
    this.trouble = undefined
    return true
  }

  #ended(reason: PluginFault): void {
    this.#worker = undefined
    clearTimeout(this.#suspicion)
    this.#suspicion = undefined
    for (const { reject } of this.#asked.values()) reject(reason)
    this.#asked.clear()
    if (this.#isEnded || this.#manifest === undefined) return
    const isSteady = performance.now() - this.#startedAt > steadyMs
    this.#port.log.warn('the thread of a plugin ended', { reason: reason.message })
    if (!this.#options.restart) {
      this.trouble = reason.message
      return
    }
    if (isSteady) this.#pauseMs = 0
    if (this.#pauseMs > 0) this.trouble = reason.message
    const restart = () => {
      this.restarts++
      this.#start().catch(ignored)
    }
    if (this.#pauseMs === 0) restart()
    else this.#pause = setTimeout(restart, this.#pauseMs)
    this.#pauseMs = Math.min(maxPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2))
  }

  #hear(message: FromThread): void {
    this.#heard++
    switch (message.kind) {
      case 'answer': {
        const asked = this.#asked.get(message.id)
        this.#asked.delete(message.id)
        if (asked) settle(asked, message.answer)
        return
      }
      case 'database':
        void this.#askDatabase(message)
        return
      case 'log':
        this.#port.log[message.level](message.message, message.fields)
    }
  }

  async #askDatabase({ id, request, exempt }: Extract<FromThread, { kind: 'database' }>): Promise<void> {
    const post = this.#post
    const answer = await this.#port.database(request, exempt).then(
      (value): Answer => ({ kind: 'value', value }),
      (error): Answer => ({ kind: 'error', message: reasonOf(error) }),
    )
    post({ kind: 'databaseAnswer', id, answer })
  }

  #log(output: Readable): void {
    output.setEncoding('utf8').on('data', (text: string) => this.#port.log.info(text.trimEnd()))
  }
}

interface Asked {
  resolve(value: unknown): void
  reject(error: Error): void
}

function settle({ resolve, reject }: Asked, answer: Answer): void {
  if (answer.kind === 'value') resolve(answer.value)
  else if (answer.kind === 'paramsFault') reject(new ParamsFault(answer.issues))
  else reject(new PluginFault(answer.message))
}

/** Whoever asks meanwhile is told; see `trouble`. */
function ignored(): void {}
