import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import type { Socket } from 'node:net'
import os from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import { refuse } from '../base/refusal.ts'
import { lifelineDescriptor } from './lifeline.ts'

/** A child process: it takes messages, and answers with messages, or at length on its standard output. */
export interface Process {
  readonly pid: number
  readonly output: Readable
  /** Bytes both ways, for one that waits for them rather than for messages. */
  readonly pipe: Duplex
  send(message: unknown): void
  /** Hear its messages; gives what ends that. */
  hear(listener: (message: unknown) => void): () => void
  /** Hear of its end; gives what ends that. */
  hearEnd(listener: () => void): () => void
  /** Settles when it is gone. */
  readonly ended: Promise<void>
}

export interface ProcessLimits {
  /** Processes at work at a time. */
  readonly maxProcesses: number
  /** Those who wait for one; more are refused. */
  readonly maxWaiting: number
}

export interface ProcessOptions {
  /** They run at the daemon's own priority, rather than at the lowest. */
  readonly isUrgent?: boolean
  /** Once one was needed, so many more are kept ready: the next who asks does not wait for its start. */
  readonly spare?: number
}

/** A process without work ends after this. */
const idleMs = 30_000
/** Where a process finds its `pipe`. */
export const pipeDescriptor = 5

const pageBytes = 4096

/** Memory that a process takes up; undefined where the system does not tell. */
export function residentBytes({ pid }: Process): number | undefined {
  try {
    return Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes
  } catch {
    return undefined
  }
}

/** Old space of a process's heap. SQLite's memory is not in it. */
const heapMiB = 256

/**
 * Child processes that run one thing at a time, at the lowest priority unless they are urgent: what they do takes only what
 * nobody else needs. One that is not needed any more is kept for the next who asks; one that has to stop is killed, which
 * SQLite survives.
 */
export class Processes {
  readonly #program: string
  readonly #limits: ProcessLimits
  readonly #isUrgent: boolean
  readonly #spare: number
  readonly #idle: RunningProcess[] = []
  readonly #busy = new Set<RunningProcess>()
  readonly #waiting: { readonly take: (process: RunningProcess) => void; readonly signal: AbortSignal }[] = []
  #isClosed = false

  /** @param program the path of a compiled program */
  constructor(program: string, limits: ProcessLimits, options: ProcessOptions = {}) {
    this.#program = program
    this.#limits = limits
    this.#isUrgent = options.isUrgent ?? false
    this.#spare = options.spare ?? 0
  }

  /** A process to use alone until `giveBack` or `kill`. Those who ask are served in order. */
  take(signal: AbortSignal): Promise<Process> {
    signal.throwIfAborted()
    if (this.#busy.size < this.#limits.maxProcesses) return Promise.resolve(this.#next())
    const { maxWaiting } = this.#limits
    if (this.#waiting.length >= maxWaiting) refuse('limitExceeded', { limit: 'maxWaitingStatements', max: maxWaiting })
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(signal.reason)
      }
      const take = (process: RunningProcess) => {
        signal.removeEventListener('abort', leave)
        resolve(process)
      }
      const waiting = { take, signal }
      this.#waiting.push(waiting)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** It has done what it was asked. */
  giveBack(process: Process): void {
    const running = process as RunningProcess
    this.#busy.delete(running)
    if (this.#isClosed || !running.isAlive) return running.kill()
    this.#keep(running)
    this.#serve()
  }

  /** It has to stop, whatever it does. */
  kill(process: Process): void {
    const running = process as RunningProcess
    running.kill()
    this.#busy.delete(running)
    this.#serve()
  }

  get busy(): number {
    return this.#busy.size
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Kill them all. */
  async close(): Promise<void> {
    this.#isClosed = true
    const all = [...this.#idle, ...this.#busy]
    for (const process of all) process.kill()
    await Promise.all(all.map(({ ended }) => ended))
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#busy.size < this.#limits.maxProcesses) {
      this.#waiting.shift()?.take(this.#next())
    }
  }

  #next(): RunningProcess {
    let process = this.#idle.pop()
    while (process && !process.isAlive) process = this.#idle.pop()
    const next = process ?? this.#start()
    next.wake()
    this.#busy.add(next)
    if (this.#idle.length < this.#spare) this.#keep(this.#start())
    return next
  }

  #start(): RunningProcess {
    return new RunningProcess(this.#program, this.#isUrgent)
  }

  /** For the next who asks; one that nobody needs for long ends, unless it is a spare one. */
  #keep(process: RunningProcess): void {
    this.#idle.push(process)
    process.rest(() => {
      if (this.#idle.length <= this.#spare) return
      this.#idle.splice(this.#idle.indexOf(process), 1)
      process.kill()
    })
  }
}

class RunningProcess implements Process {
  readonly pid: number
  readonly output: Readable
  readonly pipe: Duplex
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #endListeners = new Set<() => void>()
  #idleTimer: NodeJS.Timeout | undefined
  isAlive = true

  constructor(program: string, isUrgent: boolean) {
    const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, program], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc', 'pipe', 'pipe'],
      serialization: 'advanced',
    })
    this.#child = child
    this.pid = child.pid ?? 0
    this.output = child.stdout as Readable
    this.pipe = (child.stdio as readonly unknown[])[pipeDescriptor] as Duplex
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.isAlive = false
        for (const listener of this.#endListeners) listener()
        resolve()
      }
      child.once('exit', end)
      child.once('error', end)
    })
    if (child.pid !== undefined && !isUrgent) os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW)
    child.unref()
    child.channel?.unref()
    ;(child.stdio[lifelineDescriptor] as Socket).unref()
    ;(child.stdout as Socket).unref()
    ;(this.pipe as Socket).unref()
    // One that is killed reads no more; that it is gone is told by `ended`.
    this.pipe.on('error', () => {})
  }

  send(message: unknown): void {
    this.#child.send(message as object, () => {})
  }

  hear(listener: (message: unknown) => void): () => void {
    this.#child.on('message', listener)
    return () => this.#child.off('message', listener)
  }

  hearEnd(listener: () => void): () => void {
    this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  kill(): void {
    clearTimeout(this.#idleTimer)
    this.isAlive = false
    // Who waits for its end has to get there.
    this.#child.ref()
    this.#child.kill('SIGKILL')
  }

  rest(onEnd: () => void): void {
    this.#child.unref()
    this.#idleTimer = setTimeout(onEnd, idleMs).unref()
  }

  /** This process does not end before its work does. */
  wake(): void {
    this.#child.ref()
    clearTimeout(this.#idleTimer)
  }
}
