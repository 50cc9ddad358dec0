import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import type { Socket } from 'node:net'
import os from 'node:os'
import type { Duplex } from 'node:stream'
import { Refusal } from '../base/refusal.ts'
import { lifelineDescriptor } from './lifeline.ts'

/** A child process: it takes messages, and answers with messages, or at length through a pipe. */
export interface Process {
  readonly pid: number
  /** Bytes both ways. */
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
  /** Those of them that are at work for one owner; what it asks beyond that waits. */
  readonly maxProcessesPerOwner: number
  /** Those who wait for one; more are refused. */
  readonly maxWaiting: number
}

export interface ProcessOptions {
  /** They run at the daemon's own priority, rather than at the lowest. */
  readonly isUrgent?: boolean
  /** Once one was needed, so many more are kept ready: the next who asks does not wait for its start. */
  readonly spare?: number
}

/** Who asks for a process. */
export interface Asker {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
  /** For whom this is: what one owner asks waits behind nothing but its own. */
  readonly owner: object
}

/** A process without work ends after this. */
const idleMs = 30_000
/** Where a process finds its `pipe`. Node makes the standard output one that does not wait; it leaves this as it is. */
export const pipeDescriptor = 3

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
  readonly #busy = new Map<RunningProcess, object>()
  /** By their owners, of whom the one stands last that was served last. */
  readonly #waiting = new Map<object, Waiting[]>()
  #isClosed = false

  /** @param program the path of a compiled program */
  constructor(program: string, limits: ProcessLimits, options: ProcessOptions = {}) {
    this.#program = program
    this.#limits = limits
    this.#isUrgent = options.isUrgent ?? false
    this.#spare = options.spare ?? 0
  }

  /**
   * A process to use alone until `giveBack` or `kill`. Owners are served in turn, and what one owner asks in order. Where
   * more wait than may, one is refused of the owner that has most of them.
   */
  take({ signal, owner }: Asker): Promise<Process> {
    signal.throwIfAborted()
    if (this.#mayTake(owner)) return Promise.resolve(this.#next(owner))
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        take: (process) => {
          signal.removeEventListener('abort', leave)
          resolve(process)
        },
        refuse: (reason) => {
          signal.removeEventListener('abort', leave)
          reject(reason)
        },
      }
      const leave = () => {
        this.#leave(owner, waiting)
        reject(signal.reason)
      }
      const own = this.#waiting.get(owner)
      if (own) own.push(waiting)
      else this.#waiting.set(owner, [waiting])
      signal.addEventListener('abort', leave, { once: true })
      if (this.waiting > this.#limits.maxWaiting) this.#refuseOne(owner)
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
    let count = 0
    for (const { length } of this.#waiting.values()) count += length
    return count
  }

  /** Kill them all. */
  async close(): Promise<void> {
    this.#isClosed = true
    const all = [...this.#idle, ...this.#busy.keys()]
    for (const process of all) process.kill()
    await Promise.all(all.map(({ ended }) => ended))
  }

  #serve(): void {
    for (;;) {
      const owner = [...this.#waiting.keys()].find((each) => this.#mayTake(each))
      if (owner === undefined) return
      const own = this.#waiting.get(owner) as Waiting[]
      const first = own.shift() as Waiting
      // Behind everybody else.
      this.#waiting.delete(owner)
      if (own.length > 0) this.#waiting.set(owner, own)
      first.take(this.#next(owner))
    }
  }

  #mayTake(owner: object): boolean {
    const { maxProcesses, maxProcessesPerOwner } = this.#limits
    if (this.#busy.size >= maxProcesses) return false
    let own = 0
    for (const each of this.#busy.values()) if (each === owner) own++
    return own < maxProcessesPerOwner
  }

  #leave(owner: object, waiting: Waiting): void {
    const own = this.#waiting.get(owner) as Waiting[]
    own.splice(own.indexOf(waiting), 1)
    if (own.length === 0) this.#waiting.delete(owner)
  }

  /** Refuse the last of the owner that has most waiting: of `latest`, where others have no more than it. */
  #refuseOne(latest: object): void {
    let most = latest
    for (const [owner, { length }] of this.#waiting) {
      if (length > (this.#waiting.get(most)?.length ?? 0)) most = owner
    }
    const last = this.#waiting.get(most)?.at(-1) as Waiting
    this.#leave(most, last)
    last.refuse(new Refusal('limitExceeded', { limit: 'maxWaitingStatements', max: this.#limits.maxWaiting }))
  }

  #next(owner: object): RunningProcess {
    let process = this.#idle.pop()
    while (process && !process.isAlive) process = this.#idle.pop()
    const next = process ?? this.#start()
    next.wake()
    this.#busy.set(next, owner)
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

interface Waiting {
  readonly take: (process: RunningProcess) => void
  readonly refuse: (reason: Refusal) => void
}

class RunningProcess implements Process {
  readonly pid: number
  readonly pipe: Duplex
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #endListeners = new Set<() => void>()
  #idleTimer: NodeJS.Timeout | undefined
  isAlive = true

  constructor(program: string, isUrgent: boolean) {
    const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, program], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#child = child
    this.pid = child.pid ?? 0
    this.pipe = child.stdio[pipeDescriptor] as Duplex
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
