import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import type { Socket } from 'node:net'
import os from 'node:os'
import type { Readable } from 'node:stream'
import { refuse } from '../base/refusal.ts'

/** A child process: it takes messages, and answers with messages, or at length on its standard output. */
export interface Process {
  readonly pid: number
  readonly output: Readable
  send(message: unknown): void
  /** Hear its messages; gives what ends that. */
  hear(listener: (message: unknown) => void): () => void
  /** Settles when it is gone. */
  readonly ended: Promise<void>
}

export interface ProcessLimits {
  /** Processes at work at a time. */
  readonly maxProcesses: number
  /** Those who wait for one; more are refused. */
  readonly maxWaiting: number
}

/** A process without work ends after this. */
const idleMs = 30_000
/** Where a process finds the pipe that ends with the daemon. */
export const lifelineDescriptor = 4

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
 * Child processes that run one thing at a time, at the lowest priority: what they do takes only what nobody else needs.
 * One that is not needed any more is kept for the next who asks; one that has to stop is killed, which SQLite survives.
 */
export class Processes {
  readonly #program: string
  readonly #limits: ProcessLimits
  readonly #idle: RunningProcess[] = []
  readonly #busy = new Set<RunningProcess>()
  readonly #waiting: { readonly take: (process: RunningProcess) => void; readonly signal: AbortSignal }[] = []
  #isClosed = false

  /** @param program the path of a compiled program */
  constructor(program: string, limits: ProcessLimits) {
    this.#program = program
    this.#limits = limits
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
    running.rest(() => this.#idle.splice(this.#idle.indexOf(running), 1))
    this.#idle.push(running)
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
    process?.wake()
    const next = process ?? new RunningProcess(this.#program)
    this.#busy.add(next)
    return next
  }
}

class RunningProcess implements Process {
  readonly pid: number
  readonly output: Readable
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #idleTimer: NodeJS.Timeout | undefined
  isAlive = true

  constructor(program: string) {
    const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, program], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc', 'pipe'],
      serialization: 'advanced',
    })
    this.#child = child
    this.pid = child.pid ?? 0
    this.output = child.stdout as Readable
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.isAlive = false
        resolve()
      }
      child.once('exit', end)
      child.once('error', end)
    })
    if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW)
    child.unref()
    child.channel?.unref()
    ;(child.stdio[lifelineDescriptor] as Socket).unref()
    ;(child.stdout as Socket).unref()
  }

  send(message: unknown): void {
    this.#child.send(message as object, () => {})
  }

  hear(listener: (message: unknown) => void): () => void {
    this.#child.on('message', listener)
    return () => this.#child.off('message', listener)
  }

  kill(): void {
    clearTimeout(this.#idleTimer)
    this.isAlive = false
    this.#child.kill('SIGKILL')
  }

  rest(onEnd: () => void): void {
    const end = () => {
      onEnd()
      this.kill()
    }
    this.#idleTimer = setTimeout(end, idleMs).unref()
  }

  wake(): void {
    clearTimeout(this.#idleTimer)
  }
}
