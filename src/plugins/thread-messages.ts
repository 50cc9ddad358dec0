import process from 'node:process'
import type { Manifest } from './manifest.ts'
import type { DatabaseRequest, Exempt, Question } from './question.ts'

/** What a plugin's thread starts with. */
export interface ThreadData {
  readonly url: string
  readonly settings: unknown
}

export type ToThread =
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question; readonly exempt: Exempt }
  | { readonly kind: 'databaseAnswer'; readonly id: number; readonly answer: Answer }
  /** Whether it hears anything at all. */
  | { readonly kind: 'ping' }

export type FromThread =
  | { readonly kind: 'loaded'; readonly manifest: Manifest }
  | { readonly kind: 'notLoaded'; readonly reason: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'database'; readonly id: number; readonly request: DatabaseRequest; readonly exempt: Exempt }
  | {
      readonly kind: 'log'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: object
    }
  | { readonly kind: 'pong' }

/** What is said within one tick goes as one message: each of them wakes the other thread. */
export function bundled<M>(send: (messages: readonly M[]) => void): (message: M) => void {
  let waiting: M[] = []
  const sendAll = () => {
    const messages = waiting
    waiting = []
    send(messages)
  }
  return (message) => {
    if (waiting.push(message) === 1) process.nextTick(sendAll)
  }
}

/** An outcome that can go from one thread to another. */
export type Answer =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'paramsFault'; readonly issues: readonly { readonly path: string; readonly message: string }[] }
